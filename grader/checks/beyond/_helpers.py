"""The tasks of beyond.py: held against formulas, and against what was fed at each step."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from grader.contract.messages import Failure, shape, show
from grader.grading.submission import (
    Called,
    Submission,
    value,
)
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    from torch import Tensor

Pairs = Counter[tuple[int, int]]
Corpus = tuple[list[list[str]], list[list[str]]]


def generator(submission: Submission, more: int = 0) -> Any:
    """Return a generator of torch, from the submission's seed."""
    import torch

    return torch.Generator().manual_seed(1000 * submission.seed + more)


def near(one: float, other: float, tolerance: float = 1e-4) -> bool:
    """Tell whether two numbers agree up to rounding; NaN agrees with nothing."""
    return abs(one - other) <= tolerance * max(1.0, abs(other))


def same(one: Tensor, other: Tensor, tolerance: float = 1e-4) -> bool:
    """Tell whether two tensors agree up to rounding; NaN agrees with nothing."""
    return one.shape == other.shape and bool(((one - other).abs() <= tolerance).all())


def named(found: float, mistakes: dict[str, float]) -> str | None:
    """Return the mistake that leads to a number."""
    return next((name for name, wrong in mistakes.items() if near(found, wrong)), None)


def require_tensor(seen: Any, call: str, dtype: str, letters: str, dims: tuple[int, ...]) -> Tensor:
    """Return a tensor of this shape.

    Raises:
        Failure: it is none.
    """
    found = value(seen)
    if isinstance(found, TensorData) and (found.dtype, found.shape) == (dtype, dims):
        return found.torch()
    equal = f" = {shape(dims)}" if letters != shape(dims) else ""
    article = "an" if dtype[0] == "i" else "a"
    raise Failure(
        call, f"It returned {show(found)}", f"{article} {dtype} tensor of shape {letters}{equal}"
    )


def require_number(called: Called, call: str) -> float:
    """Return a float; a tensor of shape () passes for one.

    Raises:
        Failure: it is neither.
    """
    found = value(called.result)
    if isinstance(found, TensorData) and found.shape == () and found.dtype.startswith("float"):
        return float(found.torch().item())
    if type(found) is not float:
        raise Failure(call, f"It returned {show(found)}", "a float")
    return found
