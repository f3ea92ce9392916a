"""Requires that `evaluate` is right on other numbers of samples, too: many, and one."""

from __future__ import annotations

from collections.abc import Sequence

from grader.checks._tools import close_numbers, figure, is_list
from grader.checks.news_classifier._train_mistakes import why_other_loss
from grader.checks.news_classifier._train_runs import EVALUATE, evaluated_many, evaluated_single
from grader.checks.oracles.training_loop import TOLERANCE, Scenario
from grader.checks.oracles.training_scenarios import draw_many, draw_scenario
from grader.contract.messages import Failure, show
from grader.grading.answers import unwrap
from grader.grading.submission import Submission
from grader.worker.wire import Raised


def means_shown(scenario: Scenario, found: Sequence[float]) -> tuple[str, str]:
    """Return what `evaluate` returned, and what it should return, for a message."""
    right = scenario.start.over(scenario.val)
    *others, last = (str(len(targets)) for _, targets in scenario.val)
    shown = f"With batches of {', '.join(others)} and {last} samples it returned "
    shown += f"({figure(found[0])}, {figure(found[1])})"
    return shown, f"({figure(right.loss)}, {figure(right.accuracy)}), the means over all samples"


def expect_many(submission: Submission) -> None:
    """Require the right numbers where they cannot be right by chance."""
    scenario, seen = draw_many(submission.seed), evaluated_many(submission)
    found = unwrap(seen.result)
    right = scenario.start.over(scenario.val)
    if close_numbers(found, [right.loss, right.accuracy], TOLERANCE):
        return
    if not is_list(found) or [*map(type, found)] != [float, float]:
        raise Failure(EVALUATE, f"It returned {show(found)}", "two floats")
    is_loss_right = close_numbers(found[:1], [right.loss], TOLERANCE)
    other_loss = why_other_loss(seen.recipe.measures or seen.recipe.losses) or None
    mistake = "only-accuracy-differs" if is_loss_right else other_loss
    raise Failure(EVALUATE, *means_shown(scenario, found), mistake)


def expect_single(submission: Submission) -> None:
    """Require that `evaluate` works on a batch of one sample."""
    scenario = draw_scenario(submission.seed, single=True)
    found, right = evaluated_single(submission).result, scenario.start.over(scenario.val)
    numbers = [right.loss, right.accuracy]
    if is_list(found) and close_numbers(found, numbers, TOLERANCE):
        return
    shown = found if isinstance(found, Raised) else f"It returned {show(found)}"
    pair = f"({figure(numbers[0])}, {figure(numbers[1])})"
    call = "evaluate(model, loader, device)` with one batch of one sample in `loader"
    is_loss_right = is_list(found) and close_numbers(found[:1], numbers[:1], TOLERANCE)
    mistake = "only-accuracy-differs" if is_loss_right else "batch-of-one-fails"
    raise Failure(call, shown, pair, mistake)
