"""Checks of the task unpack: `unpack`."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grader.checks._tools import close, is_generator, is_list, is_tensor_of, matching_mistake
from grader.checks.words_to_tensors._sentences import (
    B,
    F,
    T,
    by_hand,
    draw_lengths,
    drawing,
    places_of,
    require_list,
    sentences_of,
)
from grader.contract.messages import Failure, is_tensor, shape, show
from grader.grading.answers import CallResult, unwrap
from grader.grading.calls import Call, construct
from grader.grading.submission import Submission, evidence
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor


def packings_of(submission: Submission) -> list[tuple[tuple[int, ...], str]]:
    """Return the lengths and the call for unsorted and for sorted sentences."""
    lengths = draw_lengths(submission)
    in_order = (*sorted(lengths, reverse=True)[: B - 1],)
    return [
        (lengths, f"unpack(rnn.pack_sequence({drawing(lengths)}, enforce_sorted=False))"),
        (in_order, f"unpack(rnn.pack_sequence({drawing(in_order)}))"),
    ]


def with_zeros(submission: Submission, lengths: Sequence[int]) -> list[Tensor]:
    """Sample sentences of these lengths; the second token of the longest is all zeros."""
    sentences = sentences_of(submission, lengths)
    sentences[lengths.index(T)][1] = 0.0
    return sentences


@evidence
def unpacks(submission: Submission) -> list[CallResult]:
    """Call the function on packed sentences, unsorted and sorted ones."""
    calls = []
    for lengths, text in packings_of(submission):
        sentences = with_zeros(submission, lengths)
        is_sorted = len(lengths) < B
        pack = "torch.nn.utils.rnn.pack_sequence"
        calls.append(Call(text, [construct(pack, sentences, enforce_sorted=is_sorted)]))
    return submission.call("unpack", "unpack", calls)


def sentences_back(submission: Submission, which: int) -> list[Any]:
    """Return the result, which must have one tensor per sentence.

    Raises:
        Failure: the result has a different type or length.
    """
    lengths, call = packings_of(submission)[which]
    found = unwrap(unpacks(submission)[which].result)
    expected = f"a list of {len(lengths)} float32 tensors, each (tokens, F)"
    if is_list(found) and len(found) == len(lengths) and all(map(is_tensor, found)):
        return list(found)
    why = None
    if isinstance(found, TensorData):
        why = "sentences-in-one-tensor"
    elif type(found) is tuple and len(found) == 2:
        why = "box-and-lengths"
    elif is_list(found) and found and all(map(is_list, found)):
        why = "numbers-for-tensors"
    elif is_list(found) and len(found) == max(lengths):
        why = "steps-for-sentences"
    elif is_generator(found):
        why = "generator-returned"
    raise Failure(call, f"It returned {show(found)}", expected, why)


def require_unpacked(submission: Submission, which: int) -> None:
    """Require the sentences in the original order.

    Raises:
        Failure: a sentence is in a different place, or differs.
    """
    lengths, call = packings_of(submission)[which]
    found = require_list(sentences_back(submission, which), call, lengths, F, lambda _: None)
    sentences = with_zeros(submission, lengths)
    for b, (one, other) in enumerate(zip(found, sentences, strict=True)):
        if not close(one, other):
            text = f"It is not sentence {b}, although its length is right"
            raise Failure(f"{call}[{b}]", text, "the same vectors", "packed-order-cut")


def check_sentences(submission: Submission) -> None:
    """The result has each whole sentence without padding, in any order."""
    lengths, call = packings_of(submission)[0]
    found = sentences_back(submission, 0)
    sentences = with_zeros(submission, lengths)
    tensors = [part.torch() for part in found if is_tensor_of(part, "float32", (len_of(part), F))]
    missing = [b for b, one in enumerate(sentences) if not any(close(one, t) for t in tensors)]
    if not missing:
        return
    b = missing[0]
    sizes = [shape(part.shape) for part in found if isinstance(part, TensorData)]
    text = f"It holds tensors of shapes {', '.join(sizes)}; sentence {b} is not among them"
    expected = f"its {lengths[b]} vectors, of shape {(lengths[b], F)}"
    flat = any(isinstance(part, TensorData) and part.shape == (F,) for part in found)
    why = "one-token-squeezed" if flat else why_unpacked(tensors, sentences)
    raise Failure(call, text, expected, why)


def len_of(part: Any) -> int:
    """Return the first size of a tensor, or 0 if it has none."""
    return part.shape[0] if isinstance(part, TensorData) and part.shape else 0


def why_unpacked(found: list[Tensor], sentences: list[Tensor]) -> str | None:
    """Return the known mistake behind a different result."""
    lengths = [len(sentence) for sentence in sentences]
    if len(found) < len(sentences):
        return None
    steps = by_hand(sentences).transpose(0, 1)
    if all(close(one, step[: len(one)]) for one, step in zip(found, steps, strict=False)):
        return "steps-cut-at-lengths"
    if {len(one) for one in found} == {T}:
        return "padding-left"
    if all(close(one, row[row.any(dim=1)]) for one, row in zip(found, sentences, strict=True)):
        return "zero-token-dropped"
    if sorted(map(len, found)) == sorted(lengths):
        padded = by_hand(sentences)
        cut = all(close(one, row[: len(one)]) for one, row in zip(found, padded, strict=True))
        return "lengths-in-another-order" if cut else "packed-order-cut"
    if sum(map(len, found)) < sum(lengths):
        return "unpacked-too-short"
    return None


def check_order(submission: Submission) -> None:
    """The sentences are in the order in which they were packed."""
    found = [part.torch() for part in sentences_back(submission, 0)]
    lengths, call = packings_of(submission)[0]
    sentences = with_zeros(submission, lengths)
    places = places_of(found, sentences)
    if places == [*range(B)]:
        return
    longest_first = sorted(range(B), key=lambda b: -lengths[b])
    twice = [longest_first[place] for place in longest_first]
    again = [longest_first.index(b) for b in range(B)]
    mistakes = {
        "packed-order-kept": longest_first,
        "sorted-for-unsorted": twice,
        "unsorted-twice": again,
    }
    why = matching_mistake(places, mistakes.items(), operator.eq)
    text = f"The sentences are in the order {places}"
    raise Failure(call, text, f"{[*range(B)]}, the original order", why)


def check_sorted(submission: Submission) -> None:
    """Sentences that were sorted by hand before packing work, too."""
    lengths, call = packings_of(submission)[1]
    found = unpacks(submission)[1].result
    if isinstance(found, Raised) and not isinstance(unpacks(submission)[0].result, Raised):
        expected = f"a list of {len(lengths)} sentences"
        raise Failure(call, found, expected, "no-indices")
    require_unpacked(submission, 1)
