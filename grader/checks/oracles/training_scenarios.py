"""Draws what the training loops of a submission run on, so that each known mistake shows."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from grader.checks._tools import close_numbers
from grader.checks.oracles.reports_of_a_pass import FEATURES, STEPS, Pass
from grader.checks.oracles.training_loop import (
    EVAL_SCALE,
    KNOWN_MISTAKES,
    RIGHT,
    TOLERANCE,
    Batch,
    LoopVariant,
    Named,
    Scenario,
    Simulation,
    Weights,
    columns,
    true_history,
    wrong_histories,
)

T = TypeVar("T")
# What scenarios are drawn from. The sizes are those of a DataLoader's batches: no batch has as many
# samples as time steps, and no three as many as there are numbers in a step. No learning rate is
# one that loops use instead. The longer run has more than the ten epochs after which
# ReduceLROnPlateau changes the learning rate by default.
TRAIN_SIZES, VAL_SIZES = ((4, 4, 2), (5, 5, 2)), ((5, 5, 2), (6, 6, 2))
MANY_SIZES = (11, 11, 11, 4)
RATES = (0.03, 0.04, 0.06, 0.07)
LONG_EPOCHS, LONG_RATES = (14, 15, 16), (0.015, 0.02, 0.025)
EXAMPLES = (  # of ADDITIONS: a scenario must show them
    LoopVariant(smoothing=0.1),
    LoopVariant(clip_norm=1),
    LoopVariant(decay=0.01),
)


@functools.lru_cache(maxsize=64)
def draw_scenario(seed: int, other_val: bool = False, single: bool = False) -> Scenario:
    """Generate a probe with 3 classes, batches (B, T, F) with a smaller last one, and rates.

    This is repeated until each known mistake leads to numbers of its own.

    Args:
        seed: of the random numbers.
        other_val: use other validation data, by which other epochs are the best.
        single: use validation data of one sample.
    """
    if single:
        return replace(draw_scenario(seed), val=_batches(np.random.default_rng([seed, 2]), 1))
    if other_val:
        scenario = draw_scenario(seed)
        draw = np.random.default_rng([seed, 1])
        sizes = [len(targets) for _, targets in scenario.val]
        others = (replace(scenario, val=_batches(draw, *sizes)) for _ in itertools.count())
        return next(each for each in others if _selects_differently(scenario, each))
    drawn = (each for attempt in itertools.count() for each in _draw(seed, attempt))
    return next(each for each in drawn if _shows_mistakes(each))


@functools.lru_cache(maxsize=64)
def draw_many(seed: int) -> Scenario:
    """Return the probe with many validation samples, of which it gets about three quarters right.

    A wrong way to count the hits has the right number of them by chance in fewer than 1 of 1,000.
    """
    scenario, draw = draw_scenario(seed), np.random.default_rng([seed, 3])
    val = []
    for padded, others in _batches(draw, *MANY_SIZES):
        best = scenario.start.scores(padded, EVAL_SCALE).argmax(1)
        val.append((padded, np.where(draw.random(len(best)) < 0.75, best, others)))
    return replace(scenario, val=tuple(val))


def _draw(seed: int, attempt: int) -> Iterator[Scenario]:
    """Yield scenarios that differ in what they train with, if `evaluate` can be judged by them."""
    draw = np.random.default_rng([seed, 0, attempt])
    weight, bias = draw.standard_normal((3, FEATURES)) / 2, draw.standard_normal(3)
    start = Weights(weight.astype(np.float32), bias.astype(np.float32))
    val = _batches(draw, *_one(draw, VAL_SIZES))
    if not _tells_means_apart(start.over(val)):
        return
    for _ in range(16):
        train = _batches(draw, *_one(draw, TRAIN_SIZES))
        lr, long_epochs, long_lr = (_one(draw, each) for each in (RATES, LONG_EPOCHS, LONG_RATES))
        yield Scenario(start, train, val, lr, int(long_epochs), long_lr)


def _one(draw: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(draw.integers(len(choices)))]


def _batches(draw: np.random.Generator, *sizes: int) -> tuple[Batch, ...]:
    spread = np.sqrt(2 / STEPS)  # of the numbers that are added up over the steps
    return tuple(
        (
            (spread * draw.standard_normal((b, STEPS, FEATURES))).astype(np.float32),
            draw.integers(0, 3, b),
        )
        for b in sizes
    )


def _selects_differently(scenario: Scenario, other: Scenario) -> bool:
    """Return whether each way to choose the best epoch chooses differently with other val data."""
    epochs = Simulation(scenario, LoopVariant()).epochs
    one, another = (true_history(each, epochs) for each in (scenario, other))
    return all(
        best(one[key]) != best(another[key])
        for key, best in (("val_loss", np.argmin), ("val_accuracy", np.argmax))
    )


def is_discriminating(scenario: Scenario) -> bool:
    """Return whether all known mistakes differ from each other and from the correct run ("")."""
    return _tells_means_apart(scenario.start.over(scenario.val)) and _shows_mistakes(scenario)


def _shows_mistakes(scenario: Scenario) -> bool:
    """Return whether all known mistakes in training lead to numbers of their own."""
    if any(len({*targets}) == 1 for _, targets in scenario.train):
        return False  # a loss that ignores this class would be the mean over no sample
    classes = [
        np.concatenate([targets for _, targets in part]) for part in (scenario.train, scenario.val)
    ]
    if any(len({*found}) < len(scenario.start.bias) for found in classes):
        return False  # a loss that ignores a class that never occurs would be right
    if not _overfits(scenario):
        return False
    epochs = Simulation(scenario, LoopVariant()).epochs
    wrong, right = wrong_histories(scenario, epochs), true_history(scenario, epochs)
    return (
        all(_apart([("", numbers), *wrong[key]]) for key, numbers in right.items())
        and _apart(_ends(scenario, [*(("", loop) for loop in RIGHT), *KNOWN_MISTAKES]))
        and _apart(_ends(scenario, [("", LoopVariant()), *(("added", each) for each in EXAMPLES)]))
    )


def _tells_means_apart(found: Pass) -> bool:
    """Return whether all known mistakes in the means of a pass lead to numbers of their own."""
    if not found.is_mixed:  # most passes end here
        return False
    unnamed = dict(found.unnamed_accuracies())
    if unnamed["rounded"] <= 1:
        return False  # that it is above 1 tells that a sample has several hits
    wrong = [*found.wrong_accuracies(), *found.wrong_hits(), *unnamed.items()]
    return _apart([("", [found.accuracy]), *columns([wrong])]) and _apart(
        [("", [found.loss]), *columns([found.wrong_losses()])]
    )


def _ends(scenario: Scenario, loops: list[tuple[str, LoopVariant]]) -> Named:
    """Return the final weights of each loop."""
    return [(name, Simulation(scenario, loop).weights.flat().tolist()) for name, loop in loops]


def _overfits(scenario: Scenario) -> bool:
    """Return whether the first epoch is the best on the validation data: patience runs out."""
    loop = scenario.long_run
    return all(  # two epochs show it of most that do not
        _begins_best(scenario, replace(loop, epochs=epochs)) for epochs in (2, loop.epochs)
    )


def _begins_best(scenario: Scenario, loop: LoopVariant) -> bool:
    epochs = Simulation(scenario, loop).epochs
    first, *later = [epoch.after.over(scenario.val).loss for epoch in epochs]
    return all(loss > first for loss in later)


def _apart(named: Named) -> bool:
    return not any(
        name != other and close_numbers(numbers, others, 2 * TOLERANCE)
        for (name, numbers), (other, others) in itertools.combinations(named, 2)
    )
