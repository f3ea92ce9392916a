"""What the tasks of text.py share: sentences of random vectors, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from grader.contract.messages import Failure, shape, show
from grader.grading.submission import (
    Submission,
)
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    from torch import Tensor

F = 6  # of sentences that are drawn; B, T, F and H are all different
LENGTHS = (2, 5, 3, 1)  # sorting them, doing it twice, turning them round: different orders
B, T = len(LENGTHS), max(LENGTHS)
ALIVE = [sum(length > step for length in LENGTHS) for step in range(T)]  # with a token, by step
TOLERANCE = 1e-5
OF_SPACY = 1e-4  # its vectors are of size 1; batching changes them by some 1e-6


def drawn(submission: Submission, *dims: int) -> Tensor:
    """Draw a normal tensor from the submission's seed."""
    import torch

    return torch.randn(dims, generator=torch.Generator().manual_seed(submission.seed + sum(dims)))


def sentences_of(submission: Submission, lengths: Sequence[int]) -> list[Tensor]:
    """Draw sentences of these lengths, each (tokens, F)."""
    return [drawn(submission, length, F) for length in lengths]


def drawing(lengths: Sequence[int]) -> str:
    """Show sentences of these lengths, as an argument."""
    return f"[torch.randn(n, {F}) for n in {tuple(lengths)}]"


def close(one: Tensor, other: Tensor, tolerance: float = TOLERANCE) -> bool:
    """Tell whether two tensors agree up to rounding; NaN agrees with nothing."""
    return one.shape == other.shape and bool(((one - other).abs() <= tolerance).all())


def places_of(some: Sequence[Tensor], sentences: Sequence[Tensor]) -> list[int | None]:
    """Tell for each tensor which of the sentences it is, None if it is none of them."""
    places = [[place for place, each in enumerate(sentences) if close(each, one)] for one in some]
    return [found[0] if found else None for found in places]


def named(found: Any, mistakes: dict[str, Any], same: Callable[[Any, Any], bool]) -> str | None:
    """Return the mistake that would have given what was found."""
    return next((name for name, wrong in mistakes.items() if same(found, wrong)), None)


def is_float32(found: object, *dims: int) -> bool:
    """Tell whether something is a float32 tensor of this shape."""
    return isinstance(found, TensorData) and (found.dtype, found.shape) == ("float32", dims)


def require_list(found: Any, call: str, lengths: Sequence[int], f: int, why: Any) -> list[Tensor]:
    """Return the sentences that came back, if they are as many and as long as they should be.

    Args:
        found: what came back.
        call: what was called.
        lengths: of the sentences.
        f: the features of a token.
        why: names the mistake, given what was found.

    Raises:
        Failure: it is something else.
    """
    expected = f"a list of {len(lengths)} float32 tensors, each (tokens, F)"
    if type(found) not in (list, tuple) or len(found) != len(lengths):
        raise Failure(call, f"It returned {show(found)}", expected, why(found))
    for place, (part, length) in enumerate(zip(found, lengths, strict=True)):
        if not is_float32(part, length, f):
            expected = f"a float32 tensor of shape (tokens, F) = {shape((length, f))}"
            raise Failure(f"{call}[{place}]", f"It is {show(part)}", expected, why(found))
    return [part.torch() for part in found]


def by_hand(sentences: Sequence[Tensor]) -> Tensor:
    """Pad sentences."""
    padded = sentences[0].new_zeros(len(sentences), max(map(len, sentences)), F)
    for row, sentence in zip(padded, sentences, strict=True):
        row[: len(sentence)] = sentence
    return padded


FEATURES = 96


def beginning(vector: Tensor) -> str:
    """Show the first numbers of a vector."""
    return f"[{', '.join(f'{number:.4f}' for number in vector[:3].tolist())}, ...]"
