"""Helpers for all checks: generate and compare tensors, require dtypes and shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from grader.contract.messages import Failure, shape, shorten, show, show_raised
from grader.grading.answers import CallResult, unwrap
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Known mistakes by the shape or type that they lead to, or a function that names one.
Known = Mapping[Any, str] | Callable[[Any], str | None]


# --- draw ------------------------------------------------------------------------------------


def generator(seed: int) -> torch.Generator:
    """Return a seeded random number generator."""
    import torch

    return torch.Generator().manual_seed(seed)


def draw(seed: int, *dims: int) -> Tensor:
    """Sample a normal tensor; tensors whose sizes have different sums get different numbers."""
    import torch

    return torch.randn(dims, generator=generator(seed + sum(dims)))


def draw_each(seed: int, *shapes: Sequence[int]) -> list[Tensor]:
    """Sample a normal tensor of each shape, all from one generator."""
    import torch

    numbers = generator(seed)
    return [torch.randn(tuple(dims), generator=numbers) for dims in shapes]


# --- compare ---------------------------------------------------------------------------------


def close(found: Any, expected: Any, tolerance: float = 1e-5, *, relative: bool = False) -> bool:
    """Return whether two tensors or arrays agree up to rounding; NaN agrees with nothing.

    Args:
        found: the observed tensor.
        expected: the expected tensor.
        tolerance: the largest allowed difference.
        relative: multiply the tolerance by the largest expected number if that is above 1.
    """
    if found.shape != expected.shape:
        return False
    if relative and math.prod(expected.shape):
        tolerance *= max(1.0, float(abs(expected).max()))
    return bool((abs(found - expected) <= tolerance).all())


def close_number(found: float, expected: float, tolerance: float = 1e-4) -> bool:
    """Return whether two numbers agree up to rounding (relative if above 1); NaN never does."""
    return abs(found - expected) <= tolerance * max(1.0, abs(expected))


def close_numbers(found: Sequence[float], expected: Sequence[float], tolerance: float) -> bool:
    """Return whether the numbers of two lists agree, see `close_number`."""
    pairs = zip(found, expected, strict=True)
    return all(close_number(one, other, tolerance) for one, other in pairs)


def matching_mistake(
    found: Any, mistakes: Iterable[tuple[str, Any]], agree: Callable[[Any, Any], bool]
) -> str | None:
    """Return the first mistake that leads to the observed result."""
    return next((name for name, wrong in mistakes if agree(found, wrong)), None)


# --- require ---------------------------------------------------------------------------------


def is_list(found: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Return whether a value is a list or a tuple."""
    return type(found) in (list, tuple)


def is_tensor_of(found: object, dtype: str, dims: tuple[int, ...]) -> TypeGuard[TensorData]:
    """Return whether a value is a tensor with this dtype and shape."""
    return isinstance(found, TensorData) and (found.dtype, found.shape) == (dtype, dims)


def tensor_of(dtype: str, letters: str, dims: tuple[int, ...]) -> str:
    """Describe an expected tensor: "a float32 tensor of shape (B, F) = (2, 3)"."""
    article = "an" if dtype[0] == "i" else "a"
    equal = f" = {shape(dims)}" if letters != shape(dims) else ""
    return f"{article} {dtype} tensor of shape {letters}{equal}"


def require_tensor(
    result: Any,
    call: str,
    dtype: str,
    letters: str,
    dims: tuple[int, ...],
    known: Known | None = None,
) -> Tensor:
    """Return the result of a call, which must be a tensor with this dtype and shape.

    Args:
        result: the result.
        call: the call, for the message.
        dtype: the required dtype.
        letters: the required shape in letters.
        dims: the required shape.
        known: known mistakes that lead to something else.

    Raises:
        Failure: the result has a different type, dtype or shape.
    """
    found = unwrap(result)
    if is_tensor_of(found, dtype, dims):
        return found.torch()
    mistake = known(found) if callable(known) else _by_form(found, dims, known or {})
    mistake = mistake or _by_layout(found, dims)
    raise Failure(call, f"It returned {show(found)}", tensor_of(dtype, letters, dims), mistake)


def _by_form(found: Any, dims: tuple[int, ...], known: Mapping[Any, str]) -> str | None:
    """Return the known mistake behind a wrong type or shape."""
    if not isinstance(found, TensorData):
        return known.get(type(found))
    if found.shape == dims:
        return None
    squeezed = found.shape == tuple(size for size in dims if size > 1)
    return "squeezed" if squeezed else known.get(found.shape)


def _by_layout(found: Any, dims: tuple[int, ...]) -> str | None:
    """Return the known mistake behind an extra dimension of size 1, or swapped rows and columns."""
    if not isinstance(found, TensorData):
        return None
    if len(found.shape) == len(dims) + 1 and any(
        found.shape == (*dims[:place], 1, *dims[place:]) for place in range(len(dims) + 1)
    ):
        return "dimension-too-many"
    if len(dims) == 2 and found.shape == dims[::-1] != dims:
        return "rows-and-columns-swapped"
    return None


def require_pair(result: Any, call: str, names: str) -> tuple[Any, Any]:
    """Return the two parts of a call's result.

    Raises:
        Failure: the result is not a tuple or list of two.
    """
    found = unwrap(result)
    if not is_list(found) or len(found) != 2:
        why = "one-result-of-two" if isinstance(found, TensorData) else None
        raise Failure(call, f"It returned {show(found)}", f"{names}, a tuple of two", why)
    return found[0], found[1]


def explain_error(called: CallResult, call: str, expected: str, known: Mapping[str, str]) -> None:
    """Name the known mistake behind an exception, if there is one.

    Args:
        called: the result of the call.
        call: the call, for the message.
        expected: the expected result, for the message.
        known: known mistakes by a text in the exception's message.

    Raises:
        Failure: the message of the exception belongs to a known mistake.
    """
    if isinstance(raised := called.result, Raised):
        for words, mistake in known.items():
            if words in raised.message:
                raise Failure(call, show_raised(raised), expected, mistake)


def require_number(result: Any, call: str) -> float:
    """Return a float; a tensor of shape () is accepted, too.

    Raises:
        Failure: the result is neither.
    """
    found = unwrap(result)
    if isinstance(found, TensorData) and found.shape == () and found.dtype.startswith("float"):
        return float(found.torch().item())
    if type(found) is not float:
        raise Failure(call, f"It returned {show(found)}", "a float")
    return found


# --- show ------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """Quote a text, or the beginning of a long one."""
    return repr(shorten(text, 40))


def beginning(vector: Any) -> str:
    """Format the first numbers of a vector."""
    return f"[{', '.join(f'{number:.4f}' for number in vector[:3].tolist())}, ...]"
