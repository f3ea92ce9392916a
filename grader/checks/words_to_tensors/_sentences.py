"""Helpers for the tasks of `text.py`: sentences of random vectors, and their formatting."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grader.checks._tools import close, draw, is_list, is_tensor_of, repair, tensor_of
from grader.contract.messages import Failure, show
from grader.grading.leniency import lenient, local, still_wrong
from grader.grading.submission import Submission

if TYPE_CHECKING:
    from torch import Tensor

# Sizes of the generated sentences, and a hidden size for layers of one or two directions. All
# differ, also from the lengths, from 2 * H, and from L * D of layers that are up to 3 deep.
B, T, F, H = 5, 8, 7, 9
OTHER_LENGTHS = (2, 3, 4, 6)  # of sentences that are neither the shortest nor the longest


def draw_lengths(submission: Submission) -> tuple[int, ...]:
    """Draw the lengths of B sentences, see `_draw_lengths`."""
    return _draw_lengths(submission.seed)


@functools.lru_cache(maxsize=64)
def _draw_lengths(seed: int) -> tuple[int, ...]:
    """Draw B different lengths from 1 to T, with the longest neither first nor last.

    Sorting the sentences, sorting them twice, reversing them and undoing each of these give
    different orders.
    """
    chance = random.Random(f"{seed} lengths")
    while True:
        lengths = chance.sample([1, T, *chance.sample(OTHER_LENGTHS, B - 2)], B)
        if T not in (lengths[0], lengths[-1]) and _is_discriminating(lengths):
            return tuple(lengths)


def _is_discriminating(lengths: Sequence[int]) -> bool:
    places = [*range(len(lengths))]
    up = sorted(places, key=lengths.__getitem__)
    orders = [places, places[::-1]]
    for each in (up, up[::-1]):
        orders += [each, [each[place] for place in each], [each.index(place) for place in places]]
    return len({*map(tuple, orders)}) == len(orders)


def alive_at(lengths: Sequence[int]) -> list[int]:
    """Return how many sentences have a token at each step."""
    return [sum(length > step for length in lengths) for step in range(max(lengths))]


def sentences_of(submission: Submission, lengths: Sequence[int]) -> list[Tensor]:
    """Sample sentences of these lengths, each (tokens, F)."""
    return [draw(submission.seed, length, F) for length in lengths]


def drawing(lengths: Sequence[int]) -> str:
    """Format sentences of these lengths as an argument."""
    return f"[torch.randn(n, {F}) for n in {tuple(lengths)}]"


def places_of(some: Sequence[Tensor], sentences: Sequence[Tensor]) -> list[int | None]:
    """Return, for each tensor, the index of the equal sentence, or None."""
    places = [[place for place, each in enumerate(sentences) if close(each, one)] for one in some]
    return [found[0] if found else None for found in places]


def require_list(found: Any, call: str, lengths: Sequence[int], f: int, why: Any) -> list[Tensor]:
    """Return the sentences in a result, which must have the correct number and lengths.

    Args:
        found: the result.
        call: the call, for the message.
        lengths: the lengths of the sentences.
        f: the features of a token.
        why: returns the known mistake behind a result.

    Raises:
        Failure: the result has a different type, number or lengths.
    """
    if lenient():
        return _repaired(found, lengths, f)
    with local(_as_float(found, lengths, f) is not None):
        return _strict_list(found, call, lengths, f, why)


def _repaired(found: Any, lengths: Sequence[int], f: int) -> list[Tensor]:
    if (tensors := _as_float(found, lengths, f)) is None:
        raise still_wrong()
    return tensors


def _as_float(found: Any, lengths: Sequence[int], f: int) -> list[Tensor] | None:
    """Return sentences of another dtype or with an extra dimension; None for anything else."""
    if not is_list(found) or len(found) != len(lengths):
        return None
    pairs = zip(found, lengths, strict=True)
    tensors = [repair(part, "float32", (length, f)) for part, length in pairs]
    sure = [tensor for tensor in tensors if tensor is not None]
    return sure if len(sure) == len(found) else None


def _strict_list(found: Any, call: str, lengths: Sequence[int], f: int, why: Any) -> list[Tensor]:
    expected = f"a list of {len(lengths)} float32 tensors, each (tokens, F)"
    if not is_list(found) or len(found) != len(lengths):
        raise Failure(call, f"It returned {show(found)}", expected, why(found))
    for place, (part, length) in enumerate(zip(found, lengths, strict=True)):
        if not is_tensor_of(part, "float32", (length, f)):
            expected = tensor_of("float32", "(tokens, F)", (length, f))
            raise Failure(f"{call}[{place}]", f"It is {show(part)}", expected, why(found))
    return [part.torch() for part in found]


def by_hand(sentences: Sequence[Tensor]) -> Tensor:
    """Pad sentences with zeros."""
    padded = sentences[0].new_zeros(len(sentences), max(map(len, sentences)), F)
    for row, sentence in zip(padded, sentences, strict=True):
        row[: len(sentence)] = sentence
    return padded
