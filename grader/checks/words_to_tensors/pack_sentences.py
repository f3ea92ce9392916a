"""Checks of the task pack_sentences: `pack_sentences`."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grader.checks._tools import close, is_list, is_tensor_of, matching_mistake, require_unchanged
from grader.checks.words_to_tensors._sentences import (
    B,
    F,
    T,
    alive_at,
    draw_lengths,
    drawing,
    places_of,
    sentences_of,
)
from grader.contract.messages import Failure, shape, show
from grader.grading.answers import CallResult, unwrap
from grader.grading.calls import Call
from grader.grading.submission import Submission, evidence
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor


PARTS = {"data", "batch_sizes", "sorted_indices", "unsorted_indices"}


def calling_pack(submission: Submission) -> str:
    """Format the call with unsorted sentences."""
    return f"pack_sentences({drawing(draw_lengths(submission))})"


@evidence
def packs(submission: Submission) -> CallResult:
    """Call the function on unsorted sentences."""
    sentences = sentences_of(submission, draw_lengths(submission))
    calls = [Call(calling_pack(submission), [sentences])]
    (called,) = submission.call("pack_sentences", "pack_sentences", calls)
    return called


def pack_and_alive(submission: Submission) -> tuple[Any, Any]:
    """Return both parts of the result.

    Raises:
        Failure: the result has a different type.
    """
    found, expected = packs(submission).result, "a pair (packed, alive)"
    call = calling_pack(submission)
    if isinstance(found, Raised) and "enforce_sorted" in found.message:
        raise Failure(call, found, expected, "order-enforced")
    pair = unwrap(found)
    if type(pair) is not tuple or len(pair) != 2:
        why = "batch-sizes-missing" if is_packed(pair) else None
        raise Failure(call, f"It returned {shown_packed(pair)}", expected, why)
    return pair


def is_packed(found: Any) -> bool:
    """Return whether a result was a PackedSequence."""
    return type(found) is dict and found.keys() == {"packed"} and found["packed"].keys() == PARTS


def shown_packed(found: Any) -> str:
    """Format a value; a PackedSequence by its name."""
    return "a PackedSequence" if is_packed(found) else show(found)


def check_packed(submission: Submission) -> None:
    """The first part is a PackedSequence of all tokens."""
    packed, _ = pack_and_alive(submission)
    call, lengths = calling_pack(submission), draw_lengths(submission)
    if not is_packed(packed):
        is_box = isinstance(packed, TensorData) and len(packed.shape) == 3
        why = "padded-for-packed" if is_box else None
        raise Failure(f"{call}[0]", f"It is {show(packed)}", "a PackedSequence", why)
    data, sizes = packed["packed"]["data"], packed["packed"]["batch_sizes"]
    if not is_tensor_of(data, "float32", (sum(lengths), F)):
        expected = f"a float32 tensor of shape {(sum(lengths), F)}: {sum(lengths)} tokens"
        why = None
        if isinstance(data, TensorData) and data.shape == (B * T, F):
            why = "padding-packed"
        elif isinstance(data, TensorData) and len(data.shape) == 2 and data.shape[1] == F:
            why = "packed-time-first"
        raise Failure(f"{call}[0].data", f"It is {show(data)}", expected, why)
    if plain_list(sizes) != alive_at(lengths) or sizes.dtype != "int64":
        expected = f"{alive_at(lengths)}: how many sentences have a token at each step"
        why = "lengths-for-alive" if sorted(plain_list(sizes) or []) == sorted(lengths) else None
        raise Failure(f"{call}[0].batch_sizes", f"It is {show(sizes)}", expected, why)


def plain_list(found: Any) -> list[Any] | None:
    """Return the numbers of a one-dimensional tensor, or None."""
    fits = isinstance(found, TensorData) and len(found.shape) == 1
    return found.tolist() if fits else None


def unpacked(parts: dict[str, Any]) -> list[Tensor]:
    """Return the sentences of a PackedSequence in the order given by its indices."""
    import torch

    rows: list[list[Tensor]] = [[] for _ in range(B)]
    vectors = iter(parts["data"].torch())
    for alive in parts["batch_sizes"].tolist():
        for row in rows[:alive]:
            row.append(next(vectors))
    sentences = [torch.stack(row) for row in rows]
    order = plain_list(parts["unsorted_indices"])
    return sentences if order is None else [sentences[int(place)] for place in order]


def check_sentences(submission: Submission) -> None:
    """Unpacking restores the original order of the sentences."""
    packed, _ = pack_and_alive(submission)
    parts, call = packed["packed"], calling_pack(submission)
    order = plain_list(parts["unsorted_indices"])
    if order is not None and sorted(order) != [*range(B)]:
        found = f"Its unsorted_indices are {show(parts['unsorted_indices'])}"
        raise Failure(f"{call}[0]", found, f"the numbers 0 to {B - 1}, each once")
    sentences, back = sentences_of(submission, draw_lengths(submission)), unpacked(parts)
    if all(map(close, back, sentences)):
        require_unchanged(packs(submission), call, "sentences")
        return
    places = places_of(back, sentences)
    expected = f"{[*range(B)]}, the given order"
    if None not in places:
        text = f"Unpacking returns the sentences in the order {places}"
        raise Failure(f"{call}[0]", text, expected, "order-lost" if order is None else None)
    text = "Unpacking does not return the sentences that were packed"
    raise Failure(f"{call}[0]", text, "the same vectors, sentence by sentence")


def check_alive(submission: Submission) -> None:
    """The second part is the number of sentences that have a token at each step."""
    _, alive = pack_and_alive(submission)
    lengths, dims = draw_lengths(submission), (T,)
    right = alive_at(lengths)
    if is_tensor_of(alive, "int64", dims) and alive.tolist() == right:
        return
    expected = f"an int64 tensor {right} of shape (T,) = {shape(dims)}"
    call, why = calling_pack(submission), why_alive(submission, alive)
    raise Failure(f"{call}[1]", f"It is {shown_packed(alive)}", expected, why)


def why_alive(submission: Submission, alive: Any) -> str | None:
    """Return the known mistake behind the second part of the result."""
    lengths = draw_lengths(submission)
    right = alive_at(lengths)
    single = alive.tolist() if isinstance(alive, TensorData) and not alive.shape else alive
    if type(single) in (int, float):
        return "one-number-for-alive"
    found = list(alive) if is_list(alive) else plain_list(alive)
    if isinstance(alive, TensorData) and len(alive.shape) == 2:
        rows = [[int(length > step) for step in range(T)] for length in lengths]
        columns = [list(column) for column in zip(*rows, strict=True)]
        padding = [[1 - each for each in row] for row in rows]
        if alive.tolist() in (rows, columns, padding):
            return "mask-for-alive"
        return "dimension-too-many" if alive.tolist() in ([right], [[n] for n in right]) else None
    if found is not None and sorted(map(str, found)) == sorted(map(str, lengths)):
        return "lengths-for-alive"
    longest_first = sorted(range(B), key=lambda b: -lengths[b])
    if found in (longest_first, [longest_first.index(b) for b in range(B)]):
        return "indices-for-alive"
    if found and len(found) == T and all(isinstance(each, float) for each in found):
        shares = [count / B for count in right]
        if all(abs(one - other) < 1e-4 for one, other in zip(found, shares, strict=False)):
            return "shares-for-alive"
    return matching_mistake(found, wrong_counts(lengths), operator.eq)


def wrong_counts(lengths: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Return the numbers that known mistakes lead to; those of different mistakes differ."""
    right = alive_at(lengths)
    later = [*right[1:], 0]
    ended, counted = ([B - count for count in each] for each in (right, later))
    bins = [lengths.count(step) for step in range(T + 1)]
    return [
        ("alive-not-int64", right),
        ("alive-off-by-one", [B, *right[:-1]]),
        ("alive-one-step-early", later),
        ("alive-step-too-many", [B, *right]),
        ("alive-step-too-many", [*right, 0]),
        ("alive-step-missing", right[1:]),
        ("alive-step-missing", right[:-1]),
        ("alive-reversed", right[::-1]),
        ("ended-for-alive", ended),
        ("ended-for-alive", counted),
        ("ended-for-alive", [*ended, B]),
        ("lengths-for-alive", [length - 1 for length in lengths]),
        ("lengths-for-alive", sorted((length - 1 for length in lengths), reverse=True)),
        ("lengths-for-alive", [T] * B),
        ("padding-counted-as-alive", [B] * T),
        ("lengths-counted", bins),
        ("lengths-counted", bins[1:]),
        ("lengths-counted", bins[::-1]),
        ("lengths-counted", bins[:0:-1]),
        ("alive-added-up", [*itertools.accumulate(right)]),
        ("alive-added-up", [0, *itertools.accumulate(right)]),
        ("lengths-added-up", [*itertools.accumulate(lengths)]),
        ("lengths-added-up", [0, *itertools.accumulate(lengths)]),
    ]
