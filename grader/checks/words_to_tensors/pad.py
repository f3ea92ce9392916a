"""Checks of the task pad: `pad`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grader.checks._differences import about_tensor
from grader.checks._tools import (
    close,
    is_list,
    repair,
    require_tensor,
    require_unchanged,
    tensor_of,
)
from grader.checks.words_to_tensors._sentences import (
    B,
    F,
    T,
    by_hand,
    draw_lengths,
    drawing,
    sentences_of,
)
from grader.contract.messages import Failure, is_tensor
from grader.grading.answers import CallResult
from grader.grading.calls import Call
from grader.grading.leniency import lenient, local
from grader.grading.submission import Submission, evidence
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor


def batches_of(submission: Submission) -> list[tuple[int, ...]]:
    """Return the lengths in several sentences, a single one, and one beside an empty one."""
    return [draw_lengths(submission), (3,), (0, 2)]


@evidence
def pads(submission: Submission) -> list[CallResult]:
    """Pad several sentences, a single sentence, and a sentence beside one without a token."""
    calls = [
        Call(f"pad({drawing(lengths)})", [sentences_of(submission, lengths)])
        for lengths in batches_of(submission)
    ]
    return submission.call("pad", "pad", calls)


def require_padded(submission: Submission, which: int) -> None:
    """Require that a batch was padded correctly.

    Raises:
        Failure: a number differs.
    """
    lengths = batches_of(submission)[which]
    found = padded_of(submission, which)
    sentences = sentences_of(submission, lengths)
    expected = by_hand(sentences)
    if close(found, expected):
        return
    call = f"pad({drawing(lengths)})"
    b = next(b for b in range(len(lengths)) if not close(found[b], expected[b]))
    length = lengths[b]
    why = why_padded(found, sentences)
    if not close(found[b, :length], expected[b, :length]):
        text = f"Its first {length} steps are not the vectors of sentence {b}"
        wanted, note = f"those {length} vectors, then zeros", about_tensor(found, expected)
        raise Failure(f"{call}[{b}]", text, wanted, why, note=note)
    text = f"After the {length} tokens of sentence {b} there are numbers that are not 0"
    raise Failure(f"{call}[{b}]", text, "zeros only", why)


def padded_of(submission: Submission, which: int) -> Tensor:
    """Return a padded batch, which must be a float32 tensor (B, T, F).

    Raises:
        Failure: the result has a different type or shape.
    """
    lengths = batches_of(submission)[which]
    b, t = len(lengths), max(lengths)
    call, result = f"pad({drawing(lengths)})", pads(submission)[which].result
    if isinstance(result, Raised) and "stack expects each tensor" in result.message:
        why = _why_not_stacked(lengths, result.message)
        expected = tensor_of("float32", "(B, T, F)", (b, t, F))
        raise Failure(call, result, expected, why)
    if which and isinstance(result, Raised):
        raise Failure(call, result, tensor_of("float32", "(B, T, F)", (b, t, F)))
    if lenient() and b == t and _is_time_first(submission):
        return require_tensor(result, call, "float32", "(B, T, F)", (b, t, F)).transpose(0, 1)
    known = functools.partial(_why_form, lengths)
    cut = _without_longer_padding(result, (b, t, F))
    if lenient() and cut is not None:
        return cut
    with local(cut is not None):
        return require_tensor(result, call, "float32", "(B, T, F)", (b, t, F), known)


def _is_time_first(submission: Submission) -> bool:
    """Return whether batches come as (T, B, F), which B = T hides."""
    first = pads(submission)[0].result
    return isinstance(first, TensorData) and first.shape == (T, B, F)


def _without_longer_padding(found: Any, dims: tuple[int, int, int]) -> Tensor | None:
    """Return a batch that was padded too far, without its last steps of zeros."""
    b, t, f = dims
    if not isinstance(found, TensorData) or len(found.shape) != 3 or found.shape[1] <= t:
        return None
    batch = repair(found, "float32", (b, found.shape[1], f))
    return None if batch is None or bool(batch[:, t:].any()) else batch[:, :t]


def _why_not_stacked(lengths: Sequence[int], message: str) -> str | None:
    """Return the known mistake behind sentences that torch.stack cannot stack."""
    t, first = max(lengths), lengths[0]
    if f"[{first}, {F}] at entry 0" in message:
        return "not-padded-before-stack"
    shapes = (first, F + t - first), (first, t), (first, F + t)
    wide = any(f"{list(dims)} at entry 0" in message for dims in shapes)
    return "features-padded" if wide else None


def _why_form(lengths: Sequence[int], found: Any) -> str | None:
    """Return the known mistake behind a wrong type or shape."""
    b, t = len(lengths), max(lengths)
    shapes = {
        (t, b, F): "time-first",
        (b, min(lengths), F): "cut-to-shortest",
        (t, F): "one-sentence-squeezed",
        (sum(lengths), F): "sentences-end-to-end" if b > 1 else "one-sentence-squeezed",
    }
    if is_list(found) and all(map(is_tensor, found)):
        return "list-for-box"
    if not isinstance(found, TensorData):
        return None
    if len(found.shape) == 3 and found.shape[0] == b - lengths.count(0) < b:
        return "sentence-without-row"
    if len(found.shape) == 3 and found.shape[0] == b and found.shape[1] > t:
        return "padded-too-long"
    return shapes.get(found.shape)


def why_padded(found: Tensor, sentences: Sequence[Tensor]) -> str | None:
    """Return the known mistake behind wrong contents of a padded tensor."""
    ends = [(row, len(row) - len(sentence)) for row, sentence in zip(found, sentences, strict=True)]
    pairs = [*zip(ends, sentences, strict=True)]
    if all(close(row[start:], each) and not row[:start].any() for (row, start), each in pairs):
        return "padded-in-front"
    if all(close(row[: len(each)], each) for (row, _), each in pairs):
        return "padded-with-other-value"
    if all(any(close(row, other) for other in by_hand(sentences)) for row in found):
        return "sentences-reordered"
    return None


def check_shape(submission: Submission) -> None:
    """The padded tensor has shape (B, T, F), where T is the longest sentence."""
    padded_of(submission, 0)


def check_values(submission: Submission) -> None:
    """Each row holds its sentence, followed by zeros."""
    require_padded(submission, 0)
    call = f"pad({drawing(batches_of(submission)[0])})"
    require_unchanged(pads(submission)[0], call, "sentences")


def check_small(submission: Submission) -> None:
    """A single sentence works, and so does one without a token."""
    require_padded(submission, 1)
    require_padded(submission, 2)
