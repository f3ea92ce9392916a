"""Checks of the task sentence_lengths: `sentence_lengths`."""

from __future__ import annotations

import functools
import operator
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from grader.checks._tools import is_list, matching_mistake, require_tensor, require_unchanged
from grader.contract.messages import Failure
from grader.grading.answers import CallResult
from grader.grading.calls import Call
from grader.grading.leniency import local
from grader.grading.submission import Submission, evidence
from grader.grading.trials import end_trial
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    from torch import Tensor

# Rows of steps with two features: + and - are digits, 0 is 0, ~ is a small number, and in +- both
# digits are equal, so that they sum to 0. Each row of PLAIN has a step that a shortcut mistakes for
# padding. Each shortcut gives different lengths, whether it counts steps or looks for the last or
# first.
PLAIN = ("+- 00 00 00", "++ +- ++ 0+", "0+ ++ +0 00", "++ -- 00 00", "+0 0~ 00 00")
ZEROS_INSIDE = ("++ 00 ++ 00", "00 00 ++ ++", "00 ++ 00 00")
ENDS = (("00 00 00 00", "++ ++ ++ ++", "++ 00 00 00"), ("++",))
SIGNS = {"0": 0, "+": 1, "-": -1}
SMALL = 0.25
DIGITS = range(3, 10)  # above the thresholds that students take instead of 0
F = 2
Rows = list[list[list[float]]]


def batches_of(submission: Submission) -> list[Rows]:
    """Draw the digits and the order of the rows of all batches."""
    chance = random.Random(f"{submission.seed} rows")
    patterns = (PLAIN, ZEROS_INSIDE, *ENDS)
    return [[_draw_row(chance, row) for row in chance.sample(rows, len(rows))] for rows in patterns]


def _draw_row(chance: random.Random, pattern: str) -> list[list[float]]:
    """Draw the digits of a row."""
    steps: list[list[float]] = []
    for signs in pattern.split():
        digits = [chance.choice(DIGITS)] * F if signs == "+-" else chance.choices(DIGITS, k=F)
        pairs = zip(signs, digits, strict=True)
        steps.append([SMALL if sign == "~" else SIGNS[sign] * digit for sign, digit in pairs])
    return steps


def calling_lengths(padded: Rows) -> str:
    """Format the call with a batch."""
    return f"sentence_lengths(torch.Tensor({padded}))"


@evidence
def lengths_seen(submission: Submission) -> list[CallResult]:
    """Call the function on all batches."""
    import torch

    batches = batches_of(submission)
    calls = [Call(calling_lengths(padded), [torch.Tensor(padded)]) for padded in batches]
    return submission.call("sentence_lengths", "sentence_lengths", calls)


def lengths_of(submission: Submission, which: int) -> list[int]:
    """Return the lengths of a batch, which must be an int64 tensor (B,).

    Raises:
        Failure: the result has a different type or shape.
    """
    padded = batches_of(submission)[which]
    result, call = lengths_seen(submission)[which].result, calling_lengths(padded)
    known = functools.partial(_why_form, len(padded), len(padded[0]))
    lengths: list[int] = require_tensor(
        result, call, "int64", "(B,)", (len(padded),), known
    ).tolist()
    return lengths


def _why_form(b: int, t: int, found: Any) -> str | None:
    """Return the known mistake behind a wrong type or shape."""
    if is_list(found):
        of_max = len(found) == 2 and all(isinstance(part, TensorData) for part in found)
        return "max-returns-a-pair" if of_max else "lengths-in-a-list"
    if not isinstance(found, TensorData):
        return None
    if found.shape[:2] == (b, t):
        return "lengths-every-step"
    if found.shape in ((b, F), (t, F), (b * F,)):
        return "lengths-every-feature"
    if found.shape == (t,):
        return "lengths-of-steps"
    return {(b,): "lengths-not-int64", (b, 1): "lengths-a-column"}.get(found.shape)


def require_lengths(submission: Submission, which: int) -> None:
    """Require the correct lengths of a batch.

    Raises:
        Failure: a length differs.
    """
    import torch

    padded = batches_of(submission)[which]
    found = lengths_of(submission, which)
    rows = [[step for step, vector in enumerate(row, 1) if any(vector)] for row in padded]
    expected = [max(steps, default=0) for steps in rows]
    if found == expected:
        return
    end_trial()
    batch = torch.Tensor(padded)
    steps, filled = batch.shape[1], (batch != 0).any(2)
    # how a step that is not padding is recognised, and how the length is found with that
    filled_by = {
        "sum-for-any": [batch.sum(2) != 0, batch.sum(2) > 0],
        "one-feature-for-all": [batch[..., place] != 0 for place in (0, -1)]
        + [batch[..., place] > 0 for place in (0, -1)],
        "all-for-any": [(batch != 0).all(2)],
        "only-positive": [(batch > 0).any(2)],
    }
    if which == 0:  # the other batches have no small vectors
        sizes = (batch.norm(dim=2), batch.abs().sum(2), batch.abs().amax(2))
        masks = [each > least for each in sizes for least in (0.5, 1.0, 1.5, 2.0)]
        filled_by["threshold-for-zero"] = masks
    shortcuts = [
        (name, lengths)
        for name, masks in filled_by.items()
        for mask in masks
        for lengths in _lengths_by(mask)
    ]
    mistakes = {
        "length-t": [steps] * len(padded),
        "zero-step-not-counted": filled.sum(1).tolist(),
        "ends-at-first-zero-step": filled.cumprod(1).sum(1).tolist(),
        "padding-counted": (~filled).sum(1).tolist(),
        "numbers-counted": (batch != 0).sum((1, 2)).tolist(),
        "step-for-length": [length - 1 for length in expected],
        "no-step-found": [length % steps for length in filled.cumprod(1).sum(1).tolist()],
        "empty-row-counts": [length or steps for length in expected],
    }
    clamped = ("empty-row-counts", [max(1, length) for length in expected])
    first_zero = [length or steps for length in mistakes["ends-at-first-zero-step"]]
    known = [*mistakes.items(), *shortcuts, clamped, ("ends-at-first-zero-step", first_zero)]
    why = matching_mistake(found, known, operator.eq)
    raise Failure(calling_lengths(padded), f"It is {found}", f"{expected}", why)


def _lengths_by(mask: Tensor) -> Iterator[list[int]]:
    """Compute lengths from the steps that count: their number, the last one, the first others."""
    import torch

    steps = mask.long()
    yield steps.sum(1).tolist()
    last = (steps * torch.arange(1, steps.shape[1] + 1)).amax(1)
    yield last.tolist()
    yield torch.where(last == 0, steps.shape[1], last).tolist()  # argmax of nothing is 0
    yield steps.cumprod(1).sum(1).tolist()


def check_shape(submission: Submission) -> None:
    """The lengths are an int64 tensor (B,)."""
    lengths_of(submission, 0)


def check_lengths(submission: Submission) -> None:
    """A step counts if any of its numbers is not 0."""
    with local():
        require_lengths(submission, 0)
        call = calling_lengths(batches_of(submission)[0])
        require_unchanged(lengths_seen(submission)[0], call, "padded")


def check_zeros_inside(submission: Submission) -> None:
    """A step of zeros before the last filled one belongs to the sentence."""
    require_lengths(submission, 1)


def check_ends(submission: Submission) -> None:
    """Rows without padding, rows of zeros, and single steps work."""
    for which in (2, 3):
        require_lengths(submission, which)
