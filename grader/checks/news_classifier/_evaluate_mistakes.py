"""Names the mistakes behind the two numbers that `evaluate` returns."""

from __future__ import annotations

import re

from grader.checks._tools import close_number, close_numbers, is_list, matching_mistake
from grader.checks.news_classifier._train_mistakes import forwards, weights
from grader.checks.news_classifier._train_runs import evaluated, evaluated_elsewhere, stage
from grader.checks.oracles.reports_of_a_pass import Pass
from grader.checks.oracles.training_loop import TOLERANCE, Scenario
from grader.checks.oracles.training_scenarios import draw_scenario
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


def why_other_numbers(submission: Submission, loss: float, accuracy: float) -> str | None:
    """Return the known mistake behind the result of `evaluate`."""
    seen, scenario = evaluated(submission), stage(submission)
    right = scenario.start.over(scenario.val)
    if close_numbers([loss, accuracy], [right.accuracy, right.loss], TOLERANCE):
        return "swapped-loss-and-accuracy"
    if any([loss, accuracy] == [round(right.loss, n), round(right.accuracy, n)] for n in (1, 2, 3)):
        return "numbers-rounded"
    if weights(seen).distance(scenario.start) > 0:
        return "learns-in-evaluate"
    names = _by_the_numbers(submission, loss, accuracy)
    if names == ["loss-mean-over-batches", "accuracy-mean-over-batches"]:
        return "means-over-batches"
    if not any(names) and any(event.training for event in forwards(seen)):
        return "eval-mode-missing"
    return names[0] or names[1] or _why_one_number(right, loss, accuracy)


def _by_the_numbers(submission: Submission, loss: float, accuracy: float) -> list[str | None]:
    """Return the known mistakes that lead to the two numbers, here and on other batches.

    An accuracy is a fraction of few samples, so one that agrees may agree by chance.
    """
    here, there = (_wrong_numbers(scenario) for scenario in _both(submission))
    other = evaluated_elsewhere(submission).result
    comparable = is_list(other) and [*map(type, other)] == [float, float]
    names: list[str | None] = []
    for place, found in enumerate((loss, accuracy)):
        name = matching_mistake(found, here[place], _agree)
        again = [number for each, number in there[place] if each == name]
        if comparable and not any(_agree(other[place], number) for number in again):
            name = None
        names.append(name)
    return names


def _both(submission: Submission) -> tuple[Scenario, Scenario]:
    return stage(submission), draw_scenario(submission.seed, other_val=True)


def _wrong_numbers(scenario: Scenario) -> list[list[tuple[str, float]]]:
    """Return the losses and the accuracies that known mistakes lead to."""
    right = scenario.start.over(scenario.val)
    return [right.wrong_losses(), [*right.wrong_accuracies(), *right.wrong_hits()]]


def _agree(found: float, expected: float) -> bool:
    return close_number(found, expected, TOLERANCE)


def _why_one_number(right: Pass, loss: float, accuracy: float) -> str | None:
    """Return which of two numbers is wrong, if no known mistake leads to it."""
    accuracies = [right.accuracy, *(number for _, number in right.wrong_accuracies())]
    losses = [right.loss, *(number for _, number in right.wrong_losses())]
    if any(_agree(loss, each) for each in accuracies) and any(_agree(accuracy, n) for n in losses):
        return "swapped-loss-and-accuracy"
    if _agree(loss, right.loss):
        return "accuracy-above-one" if accuracy > 1 else "only-accuracy-differs"
    return "only-loss-differs" if _agree(accuracy, right.accuracy) else "means-differ"
