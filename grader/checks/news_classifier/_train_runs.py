"""Runs a student's loop, and finds out what its numbers depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from grader.checks._tools import is_list, same_numbers
from grader.checks.oracles.training_loop import (
    EPOCHS,
    EVAL_SCALE,
    MIXED_SCALE,
    TOLERANCE,
    Epoch,
    Scenario,
    Weights,
)
from grader.checks.oracles.training_scenarios import draw_many, draw_scenario
from grader.grading.answers import LoopSeen
from grader.grading.submission import Submission, evidence
from grader.sandbox.worker_client import FRESH
from grader.worker.wire import TensorData

KEYS = ("train_loss", "val_loss", "val_accuracy")
EVALUATE = "evaluate(model, loader, device)"
# Factors of the probe's logits: in training mode, in eval mode with gradients and without, and if
# its layer is in another mode than the probe itself.
FACTORS = {"train": 1.0, "grad": EVAL_SCALE, "eval": EVAL_SCALE, "mixed": MIXED_SCALE}
OTHER = -0.7  # changes the loss, and which logit is the largest


def stage(submission: Submission) -> Scenario:
    """Return the probe and the batches for this submission's seed."""
    return draw_scenario(submission.seed)


def call(lr: float, epochs: int = EPOCHS, more: str = "") -> str:
    """Format a call of `train`."""
    return f"train(model, train_loader, val_loader, epochs={epochs}, lr={lr}{more})"


def sent(scenario: Scenario, elsewhere: bool = False) -> dict[str, Any]:
    """Convert a scenario to plain data for the worker."""
    return {
        "weight": scenario.start.weight,
        "bias": scenario.start.bias,
        "batches": {"train": list(scenario.train), "val": list(scenario.val)},
        "elsewhere": elsewhere,
    }


@evidence
def evaluated(submission: Submission) -> LoopSeen:
    """Call `evaluate` with a probe in training mode."""
    return submission.evaluate(training=True, **sent(stage(submission)))


@evidence
def evaluated_in_eval(submission: Submission) -> LoopSeen:
    """Call `evaluate` with a probe in eval mode."""
    return submission.evaluate(training=False, **sent(stage(submission)))


@evidence
def evaluated_elsewhere(submission: Submission) -> LoopSeen:
    """Call `evaluate` with other batches."""
    return submission.evaluate(
        training=True, **sent(draw_scenario(submission.seed, other_val=True))
    )


@evidence
def evaluated_single(submission: Submission) -> LoopSeen:
    """Call `evaluate` with one batch of one sample."""
    scenario = draw_scenario(submission.seed, single=True)
    return submission.evaluate(training=True, **sent(scenario))


@evidence
def evaluated_many(submission: Submission) -> LoopSeen:
    """Call `evaluate` with many samples."""
    return submission.evaluate(training=True, **sent(draw_many(submission.seed)))


@evidence
def modes_used(submission: Submission) -> set[str]:
    """Return the modes of the probe that the result of `evaluate` depends on, see `FACTORS`."""
    scenario = sent(stage(submission))
    others = {
        mode: submission.evaluate(training=True, factors={**FACTORS, mode: OTHER}, **scenario)
        for mode in FACTORS
    }
    results = {mode: seen.result for mode, seen in others.items()}
    return uses_of_modes(evaluated(submission).result, results)


@evidence
def trained(submission: Submission) -> LoopSeen:
    """Call `train` with a probe."""
    return _train(submission, stage(submission))


@evidence
def trained_again(submission: Submission) -> LoopSeen:
    """Call `train` for one epoch, in the process that has called it before."""
    trained(submission)
    return submission.train(epochs=1, lr=stage(submission).lr, **sent(stage(submission)))


@evidence
def trained_with_other_val(submission: Submission) -> LoopSeen:
    """Call `train` with the same probe and different validation data."""
    return _train(submission, draw_scenario(submission.seed, other_val=True), FRESH)


@evidence
def trained_on_other_data(submission: Submission) -> LoopSeen:
    """Call `train` with the same probe and the two loaders swapped."""
    scenario = stage(submission)
    return _train(submission, replace(scenario, train=scenario.val, val=scenario.train))


def ran_elsewhere(submission: Submission) -> list[LoopSeen]:
    """Call `evaluate`, and `train` with and without `device`, with the model on another device.

    In processes that cannot remember the numbers of one device; nor does `train` without `device`
    those of the call with it.
    """
    scenario = sent(stage(submission), elsewhere=True)
    training = {"epochs": EPOCHS, "lr": stage(submission).lr, **scenario}
    return [
        submission.evaluate(training=True, apart=f"{FRESH} 2", **scenario),
        submission.train(tell_device=True, apart=f"{FRESH} 2", **training),
        submission.train(apart=f"{FRESH} 3", **training),
    ]


def _train(submission: Submission, scenario: Scenario, apart: str = "") -> LoopSeen:
    return submission.train(epochs=EPOCHS, lr=scenario.lr, apart=apart, **sent(scenario))


def is_own_result(
    submission: Submission, epochs: Sequence[Epoch], key: str, found: list[float]
) -> bool:
    """Return whether `evaluate` returned these numbers: if they are wrong, its check costs that."""
    if not key.startswith("val"):
        return False
    scenarios = (replace(stage(submission), start=epoch.after.as_floats()) for epoch in epochs)
    results = [submission.evaluate(training=True, **sent(each)).result for each in scenarios]
    pairs = [result for result in results if is_list(result) and len(result) == 2]
    return len(pairs) == len(found) and same_numbers(
        [pair[key == "val_accuracy"] for pair in pairs], found
    )


# --- what the numbers show ---------------------------------------------------------------------


def figures(result: Any) -> Any:
    """Return a history with the three keys only: others may hold times. Else the result itself."""
    if type(result) is not list or not all(type(row) is dict for row in result):
        return result
    return [{key: row.get(key) for key in KEYS} for row in result]


def uses_of_modes(right: Any, others: Mapping[str, Any]) -> set[str]:
    """Return the modes whose logits the result of an evaluation depends on.

    Args:
        right: the result with the factors `FACTORS`.
        others: for each mode the result with another factor for this mode.
    """
    return {mode for mode, result in others.items() if not same_numbers(result, right)}


def mode_left(left: TensorData, weights: Weights, scenario: Scenario) -> bool | None:
    """Return whether a probe was left in training mode, by its logits; None if they are neither."""
    padded, _ = scenario.val[0]
    logits = left.numpy()
    for training, scale in ((True, FACTORS["train"]), (False, FACTORS["eval"])):
        expected = weights.scores(padded, scale)
        if logits.shape == expected.shape and abs(logits - expected).max() <= TOLERANCE:
            return training
    return None
