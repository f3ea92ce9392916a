"""Names the mistakes behind the two numbers that `evaluate` returns."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from grader.checks._tools import close_number, close_numbers, is_list, matching_mistake, repair
from grader.checks.news_classifier._train_mistakes import forwards, weights, why_other_loss
from grader.checks.news_classifier._train_runs import evaluated, evaluated_elsewhere, stage
from grader.checks.oracles.reports_of_a_pass import Pass
from grader.checks.oracles.training_loop import EVAL_SCALE, MIXED_SCALE, TOLERANCE, Scenario
from grader.checks.oracles.training_scenarios import draw_scenario
from grader.contract.mistakes import mistakes
from grader.grading.submission import Submission
from grader.worker.wire import Raised


def why_raised(raised: Raised, scenario: Scenario) -> str | None:
    """Return the known mistake behind two sizes that do not fit together."""
    sizes = r"tensor a \((\d+)\) must match the size of tensor b \((\d+)\)"
    if not (found := re.search(sizes, raised.message)) or not raised.frames:
        return None
    compared, source = {*map(int, found.groups())}, raised.frames[-1].source
    batches = [len(targets) for _, targets in scenario.val]
    if compared == {batches[0], len(scenario.start.bias)} and "==" in source:
        return "argmax-over-batch"  # C classes are compared with B targets
    return "batches-not-summed" if compared == {batches[0], batches[-1]} else None


def why_other_numbers(submission: Submission, loss: float, accuracy: float) -> tuple[str, ...]:
    """Return the known mistakes behind the result of `evaluate`: one, or two that go together."""
    seen, scenario = evaluated(submission), stage(submission)
    right = scenario.start.over(scenario.val)
    if close_numbers([loss, accuracy], [right.accuracy, right.loss], TOLERANCE):
        return ("swapped-loss-and-accuracy",)
    if any([loss, accuracy] == [round(right.loss, n), round(right.accuracy, n)] for n in (1, 2, 3)):
        return ("numbers-rounded",)
    if weights(seen).distance(scenario.start) > 0:
        return ("learns-in-evaluate",)
    names = _by_the_numbers(submission, loss, accuracy)
    if names[:2] == ["loss-mean-over-batches", "accuracy-mean-over-batches"]:
        names[:2] = ["means-over-batches"]
    if not names and any(event.training for event in forwards(seen)):
        return ("eval-mode-missing",)
    if not names and close_number(accuracy, right.accuracy, TOLERANCE):
        names = [*filter(None, [why_other_loss(seen.recipe.measures or seen.recipe.losses)])]
    return (*names[:2],) or _why_one_number(right, loss, accuracy)


def _by_the_numbers(submission: Submission, loss: float, accuracy: float) -> list[str]:
    """Return the known mistakes that lead to the two numbers, here and on other batches.

    An accuracy is a fraction of few samples, so one that agrees may agree by chance.
    """
    in_training = any(event.training for event in forwards(evaluated(submission)))
    here, there = (_wrong_numbers(scenario, in_training) for scenario in _both(submission))
    other = _floats(evaluated_elsewhere(submission).result)
    names: list[str] = []
    for place, found in enumerate((loss, accuracy)):
        again = there[place] if other else here[place]
        both = other[place] if other else found
        fit = [
            each
            for (each, number), (_, more) in zip(here[place], again, strict=True)
            if close_number(found, number, TOLERANCE) and close_number(both, more, TOLERANCE)
        ]
        alone = [each for each in fit if len(each) == 1]
        if alone or len({*fit}) == 1:
            names += (alone or fit)[0]
    return [*dict.fromkeys(names)]


def second_mistake(submission: Submission, found: Sequence[Any]) -> str | None:
    """Return the known mistake behind numbers that have the wrong type, too, if there is one."""
    scenario = stage(submission)
    right = scenario.start.over(scenario.val)
    values = _floats(found)
    if not values or close_numbers(values, [right.loss, right.accuracy], TOLERANCE):
        return None
    names = why_other_numbers(submission, *values)
    return names[0] if not mistakes()[names[0]].is_general else None


def _floats(result: object) -> list[float]:
    """Return the two numbers of a result, also if they are tensors; empty if there are not two."""
    pair = [repair(each, "float64", ()) for each in result] if is_list(result) else []
    found = [float(each) for each in pair if each is not None]
    return found if len(pair) == len(found) == 2 else []


def _both(submission: Submission) -> tuple[Scenario, Scenario]:
    return stage(submission), draw_scenario(submission.seed, other_val=True)


Numbers = list[tuple[tuple[str, ...], float]]


def _wrong_numbers(scenario: Scenario, in_training: bool) -> list[Numbers]:
    """Return the losses and the accuracies that known mistakes lead to, alone or in pairs."""
    scales = EVAL_SCALE, 1.0, MIXED_SCALE
    right, loud, mixed = (scenario.start.over(scenario.val, scale) for scale in scales)
    losses: Numbers = [((name,), n) for name, n in right.wrong_losses()]
    losses += right.paired_losses()
    if in_training:
        losses.append((("eval-mode-missing",), loud.loss))
        losses.append((("mode-of-layers-kept",), mixed.loss))
        losses += [(("eval-mode-missing", name), n) for name, n in loud.wrong_losses()]
    single = [*right.wrong_accuracies(), *right.wrong_hits(), *right.miscounted_accuracies()]
    accuracies: Numbers = [((name,), n) for name, n in single]
    return [losses, [*accuracies, *right.paired_accuracies()]]


def _why_one_number(right: Pass, loss: float, accuracy: float) -> tuple[str, ...]:
    """Return which of two numbers is wrong, if no known mistake leads to it."""
    accuracies = [("", right.accuracy), *right.wrong_accuracies()]
    losses = [("", right.loss), *right.wrong_losses()]
    agree = functools.partial(close_number, tolerance=TOLERANCE)
    swapped = [matching_mistake(*pair, agree) for pair in ((loss, accuracies), (accuracy, losses))]
    if None not in swapped:
        return ("swapped-loss-and-accuracy", *filter(None, swapped))[:2]
    if agree(loss, right.loss):
        return ("accuracy-above-one" if accuracy > 1 else "only-accuracy-differs",)
    return ("only-loss-differs" if agree(accuracy, right.accuracy) else "means-differ",)
