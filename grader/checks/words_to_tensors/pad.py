"""Task pad: what `pad` promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grader.checks.words_to_tensors._sentences import (
    LENGTHS,
    F,
    by_hand,
    close,
    drawing,
    is_float32,
    sentences_of,
)
from grader.contract.messages import Failure, is_tensor, shape, show, show_raised
from grader.grading.submission import (
    Call,
    Called,
    Submission,
    evidence,
    value,
)
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor


PADDED_LENGTHS = (LENGTHS, (3,), (0, 2))


@evidence
def pads(submission: Submission) -> list[Called]:
    """Pad sentences, one sentence alone, and a sentence beside one without a token."""
    calls = [
        Call(f"pad({drawing(lengths)})", [sentences_of(submission, lengths)])
        for lengths in PADDED_LENGTHS
    ]
    return submission.call("pad", "pad", calls)


def require_padded(submission: Submission, which: int) -> None:
    """See that a batch was padded as it should be.

    Raises:
        Failure: it was not.
    """
    lengths = PADDED_LENGTHS[which]
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
        raise Failure(f"{call}[{b}]", text, f"those {length} vectors, then zeros", why)
    text = f"Behind the {length} tokens of sentence {b} stand numbers that are not 0"
    raise Failure(f"{call}[{b}]", text, "zeros only", why)


def padded_of(submission: Submission, which: int) -> Tensor:
    """Return a padded batch, if it is a float32 tensor (B, T, F).

    Raises:
        Failure: it is not.
    """
    lengths = PADDED_LENGTHS[which]
    b, t = len(lengths), max(lengths)
    call, result = f"pad({drawing(lengths)})", pads(submission)[which].result
    if which and isinstance(result, Raised):
        expected = f"a float32 tensor of shape (B, T, F) = {shape((b, t, F))}"
        raise Failure(call, show_raised(result), expected)
    found = value(result)
    if is_float32(found, b, t, F):
        return found.torch()  # type: ignore[no-any-return]
    shapes = {
        (t, b, F): "time-first",
        (b, min(lengths), F): "cut-to-shortest",
        (t, F): "one-sentence-squeezed",
        (sum(lengths), F): "sentences-end-to-end" if b > 1 else "one-sentence-squeezed",
    }
    why = None
    if isinstance(found, TensorData):
        why = shapes.get(found.shape)
        if len(found.shape) == 3 and found.shape[0] == b and found.shape[1] > t:
            why = "padded-too-long"
        if len(found.shape) == 3 and found.shape[0] == b - lengths.count(0) < b:
            why = "sentence-without-row"
    elif type(found) in (list, tuple) and all(map(is_tensor, found)):
        why = "list-for-box"
    expected = f"a float32 tensor of shape (B, T, F) = {shape((b, t, F))}"
    raise Failure(call, f"It returned {show(found)}", expected, why)


def why_padded(found: Tensor, sentences: Sequence[Tensor]) -> str | None:
    """Name what fills a box in another way."""
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
    """The box has shape (B, T, F), T the longest sentence."""
    padded_of(submission, 0)


def check_values(submission: Submission) -> None:
    """Each row holds its sentence, then zeros."""
    require_padded(submission, 0)


def check_small(submission: Submission) -> None:
    """One sentence alone works, and one without a token."""
    require_padded(submission, 1)
    require_padded(submission, 2)
