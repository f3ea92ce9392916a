"""Task sentence_lengths: what `sentence_lengths` promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grader.checks.words_to_tensors._sentences import named
from grader.contract.messages import Failure, shape, show
from grader.grading.submission import (
    Call,
    Called,
    Submission,
    evidence,
    value,
)
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    pass


# Two features, so that a student can read it. Each row has a step that a short cut takes for
# padding: numbers that sum to 0, a first feature of 0, a last one, negative ones.
PLAIN = [
    [[1, -1], [0, 0], [0, 0], [0, 0]],
    [[2, 1], [3, -3], [1, 4], [0, 5]],
    [[0, 2], [2, 2], [3, 0], [0, 0]],
    [[4, 1], [-2, -1], [0, 0], [0, 0]],
]
ZEROS_INSIDE = [
    [[1, 2], [0, 0], [3, 1], [0, 0]],
    [[0, 0], [0, 0], [2, 5], [4, 4]],
    [[0, 0], [1, 1], [0, 0], [0, 0]],
]
ENDS = [
    [[[0, 0], [0, 0], [0, 0]], [[1, 2], [3, 4], [5, 6]], [[1, 2], [0, 0], [0, 0]]],
    [[[7, 8]]],
]


def calling_lengths(padded: list[Any]) -> str:
    """Show how a batch was handed over."""
    return f"sentence_lengths(torch.Tensor({padded}))"


@evidence
def lengths_seen(submission: Submission) -> list[Called]:
    """Call the function on all batches."""
    import torch

    batches = [PLAIN, ZEROS_INSIDE, *ENDS]
    calls = [Call(calling_lengths(padded), [torch.Tensor(padded)]) for padded in batches]
    return submission.call("sentence_lengths", "sentence_lengths", calls)


def lengths_of(submission: Submission, which: int, padded: list[Any]) -> list[int]:
    """Return the lengths of a batch, if they are an int64 tensor (B,).

    Raises:
        Failure: they are not.
    """
    found, b = value(lengths_seen(submission)[which].result), (len(padded),)
    if isinstance(found, TensorData) and (found.dtype, found.shape) == ("int64", b):
        return found.tolist()  # type: ignore[no-any-return]
    why = None
    if type(found) in (list, tuple):
        why = "lengths-in-a-list"
    elif isinstance(found, TensorData) and found.shape == b:
        why = "lengths-not-int64"
    elif isinstance(found, TensorData) and found.shape[:2] == (len(padded), len(padded[0])):
        why = "lengths-every-step"
    elif isinstance(found, TensorData) and found.shape == (*b, 1):
        why = "lengths-a-column"
    expected = f"an int64 tensor of shape (B,) = {shape(b)}"
    raise Failure(calling_lengths(padded), f"It returned {show(found)}", expected, why)


def require_lengths(submission: Submission, which: int, padded: list[Any]) -> None:
    """See that the lengths of a batch are right.

    Raises:
        Failure: they are not.
    """
    import torch

    found = lengths_of(submission, which, padded)
    rows = [[step for step, vector in enumerate(row, 1) if any(vector)] for row in padded]
    expected = [max(steps, default=0) for steps in rows]
    if found == expected:
        return
    batch = torch.Tensor(padded)
    steps, filled = batch.shape[1], (batch != 0).any(2)
    mistakes = {
        "length-t": [steps] * len(padded),
        "zero-step-not-counted": filled.sum(1).tolist(),
        "ends-at-first-zero-step": filled.cumprod(1).sum(1).tolist(),
        "sum-for-any": (batch.sum(2) != 0).sum(1).tolist(),
        "one-feature-for-all": (batch[..., 0] != 0).sum(1).tolist(),
        "all-for-any": (batch != 0).all(2).sum(1).tolist(),
        "only-positive": (batch > 0).any(2).sum(1).tolist(),
        "padding-counted": (~filled).sum(1).tolist(),
        "numbers-counted": (batch != 0).sum((1, 2)).tolist(),
        "step-for-length": [length - 1 for length in expected],
        "no-step-found": [length % steps for length in filled.cumprod(1).sum(1).tolist()],
        "empty-row-counts": [length or steps for length in expected],
    }
    why = named(found, mistakes, list.__eq__)
    raise Failure(calling_lengths(padded), f"It is {found}", f"{expected}", why)


def check_shape(submission: Submission) -> None:
    """The lengths are an int64 tensor (B,)."""
    lengths_of(submission, 0, PLAIN)


def check_lengths(submission: Submission) -> None:
    """A step counts as soon as one of its numbers is not 0."""
    require_lengths(submission, 0, PLAIN)


def check_zeros_inside(submission: Submission) -> None:
    """A step of zeros before the last filled one belongs to the sentence."""
    require_lengths(submission, 1, ZEROS_INSIDE)


def check_ends(submission: Submission) -> None:
    """Rows without padding, rows of zeros, and a single step work."""
    for which, padded in enumerate(ENDS, 2):
        require_lengths(submission, which, padded)
