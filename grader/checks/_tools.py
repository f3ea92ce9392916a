"""Helpers for all checks: generate and compare tensors, require dtypes and shapes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from grader.checks._differences import about_form
from grader.contract.messages import Failure, shape, shorten, show
from grader.grading.answers import CallResult, reject_unless, unwrap
from grader.grading.leniency import lenient, local, still_wrong
from grader.worker.wire import Opaque, Raised, TensorData

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Known mistakes by the shape or type that they lead to, or a function that names one.
Known = Mapping[Any, str] | Callable[[Any], str | None]
ROUNDED = 1e-3  # gradients differ by less if a small number was added against log(0), for example
MOST_NUMBERS = 1 << 16  # of a tensor that are looked at one by one; more than any right one has


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

    Infinity agrees with itself only.

    Args:
        found: the observed tensor.
        expected: the expected tensor.
        tolerance: the largest allowed difference.
        relative: multiply the tolerance by the largest expected number if that is above 1.
    """
    if found.shape != expected.shape:
        return False
    if relative and math.prod(expected.shape):
        largest = float(abs(expected).max())
        tolerance *= max(1.0, largest) if math.isfinite(largest) else 1.0
    return bool(((found == expected) | (abs(found - expected) <= tolerance)).all())


def close_number(found: float, expected: float, tolerance: float = 1e-4) -> bool:
    """Return whether two numbers agree up to rounding (relative if above 1); NaN never does."""
    if found == expected:
        return True
    return math.isfinite(expected) and abs(found - expected) <= tolerance * max(1.0, abs(expected))


def close_numbers(found: Sequence[float], expected: Sequence[float], tolerance: float) -> bool:
    """Return whether the numbers of two lists agree, see `close_number`."""
    pairs = zip(found, expected, strict=True)
    return all(close_number(one, other, tolerance) for one, other in pairs)


def numbers(result: Any) -> Iterator[float]:
    """Yield the numbers of a result, whatever its form; of a tensor, at most `MOST_NUMBERS`."""
    if isinstance(result, (int, float)) and not isinstance(result, bool):
        yield float(result)
    elif isinstance(result, TensorData):
        yield from result.torch().flatten()[:MOST_NUMBERS].double().tolist()
    elif isinstance(result, Mapping):
        for part in result.values():
            yield from numbers(part)
    elif is_list(result):
        for part in result:
            yield from numbers(part)


def same_numbers(found: Any, other: Any, tolerance: float = 1e-4) -> bool:
    """Return whether two results hold the same numbers, see `close_number`; NaN equals NaN."""
    one, two = list(numbers(unwrap(found))), list(numbers(unwrap(other)))
    return len(one) == len(two) and all(
        close_number(a, b, tolerance) or (a != a and b != b) for a, b in zip(one, two, strict=True)
    )


def matching_mistake(
    found: Any, mistakes: Iterable[tuple[str, Any]], agree: Callable[[Any, Any], bool]
) -> str | None:
    """Return the first mistake that leads to the observed result."""
    return next((name for name, wrong in mistakes if agree(found, wrong)), None)


def two_mistakes(
    found: Any, pairs: Iterable[tuple[str, str, Any]], agree: Callable[[Any, Any], bool]
) -> list[str]:
    """Return the two mistakes that together lead to a result; nothing if several pairs do.

    Args:
        found: the result.
        pairs: names of two mistakes, and the result of both.
        agree: whether two results are equal.

    Returns:
        A single name if both mistakes have the same one.
    """
    fits = {frozenset(names): names for *names, wrong in pairs if agree(found, wrong)}
    return [*dict.fromkeys(*fits.values())] if len(fits) == 1 else []


def changed_fields(variant: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from their defaults."""
    right = vars(type(variant)())
    return {name: value for name, value in vars(variant).items() if value != right[name]}


# --- require ---------------------------------------------------------------------------------


def is_list(found: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Return whether a value is a list or a tuple."""
    return type(found) in (list, tuple)


def is_generator(found: object) -> bool:
    """Return whether a value is an iterator, which can be read once only."""
    return isinstance(found, Opaque) and found.type in ("generator", "map", "zip", "filter")


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
        Blocked: it has, and it cannot be repaired for a check that is judged leniently.
    """
    found = unwrap(result)
    if is_tensor_of(found, dtype, dims):
        return found.torch()
    repaired = repair(found, dtype, dims)
    if lenient():
        if repaired is None:
            raise still_wrong()
        return repaired
    mistake = known(found) if callable(known) else _by_form(found, dims, known or {})
    mistake = mistake or _by_layout(found, dims)
    wanted, note = tensor_of(dtype, letters, dims), about_form(found, dtype, dims)
    with local(repaired is not None):
        raise Failure(call, f"It returned {show(found)}", wanted, mistake, note=note)


@contextlib.contextmanager
def showing(trace: str) -> Iterator[None]:
    """Show the shapes on the way in the message of what fails inside."""
    try:
        yield
    except Failure as failure:
        failure.add_trace(trace)
        raise


def repair(found: Any, dtype: str, dims: tuple[int, ...]) -> Tensor | None:
    """Return what a result would be with this dtype and shape; None if that is not clear.

    A tensor is cast, squeezed, unsqueezed, transposed, or split along dimensions that were joined;
    a list of numbers or of tensors becomes one tensor. Its numbers stay what they are.
    """
    import torch

    tensor = _as_tensor(found, dims)
    kind: torch.dtype = getattr(torch, dtype)
    if tensor is None or (tensor := _cast(tensor, kind)) is None:
        return None
    if tensor.shape == dims or _split(tuple(tensor.shape), dims):
        return tensor.reshape(dims)
    sizes, wanted = (tuple(n for n in each if n != 1) for each in (tensor.shape, dims))
    if sorted(sizes) != sorted(wanted) or len({*wanted}) < len(wanted):
        return None
    return tensor.reshape(sizes).permute([sizes.index(n) for n in wanted]).reshape(dims)


def _as_tensor(found: Any, dims: tuple[int, ...]) -> Tensor | None:
    """Return a tensor, or a list of numbers or tensors as one tensor."""
    import torch

    if isinstance(found, TensorData):
        return found.torch()
    numbers = found if is_list(found) else [found]
    if numbers and all(type(part) is type(numbers[0]) in (int, float) for part in numbers):
        if type(numbers[0]) is int and not all(abs(part) < 1 << 63 for part in numbers):
            return None
        return torch.tensor(found)
    if not is_list(found) or not found:
        return None
    if not all(isinstance(part, TensorData) and part.dtype == found[0].dtype for part in found):
        return None
    parts = [part.torch() for part in found]
    if all(part.shape == parts[0].shape for part in parts):
        stacked = torch.stack(parts)
        if sorted(stacked.shape) == sorted(dims):
            return stacked
    for dim in range(len(dims)):
        fits = [part.dim() == len(dims) for part in parts]
        others = {(*part.shape[:dim], *part.shape[dim + 1 :]) for part in parts}
        if all(fits) and others == {(*dims[:dim], *dims[dim + 1 :])}:
            return torch.cat(parts, dim)
    return None


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor | None:
    """Return a tensor with this dtype, or None if its numbers would change."""
    import torch

    if tensor.dtype in (torch.bool, torch.float16, torch.bfloat16) and tensor.dtype != dtype:
        return None
    if tensor.is_floating_point() and not dtype.is_floating_point:
        whole = tensor.isfinite() & (tensor == tensor.round())
        if not bool(whole.all()):
            return None
    return tensor.to(dtype)


def _split(found: tuple[int, ...], dims: tuple[int, ...]) -> bool:
    """Return whether a shape is `dims` with neighbouring dimensions joined, and sizes of 1."""
    rest = [n for n in dims if n != 1]
    for size in (n for n in found if n != 1):
        joined = 1
        while rest and joined < size:
            joined *= rest.pop(0)
        if joined != size:
            return False
    return not rest


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
        if lenient():
            raise still_wrong()
        why = "one-result-of-two" if isinstance(found, TensorData) else None
        raise Failure(call, f"It returned {show(found)}", f"{names}, a tuple of two", why)
    return found[0], found[1]


def why_no_pair(found: Any) -> str | None:
    """Return the known mistake behind a result that is not a pair."""
    if isinstance(found, Opaque) and found.type == "generator":
        return "yield-for-return"
    if type(found) is dict or (isinstance(found, Opaque) and found.type.endswith("dict")):
        return "pair-named"
    return "one-result-of-two" if isinstance(found, (TensorData, float)) else None


def gradients_of(
    results: Sequence[Tensor], weights: Sequence[Tensor], given: Sequence[Tensor]
) -> Sequence[Tensor]:
    """Compute the gradients of the weighted sum of results, as `operations.call.gradients` does."""
    import torch

    sums = [(each * weight).sum() for each, weight in zip(results, weights, strict=True)]
    return torch.autograd.grad(torch.stack(sums).sum(), given)


def require_gradients(
    call: str, called: CallResult, back: str, right: Sequence[Tensor], is_right: bool, why: str
) -> None:
    """Require that gradients flow through a call, to each argument that needs one.

    Args:
        call: the call, for the message.
        called: what it gave; the call has `weights`.
        back: from what they flow to what, for the message.
        right: the correct gradients.
        is_right: whether the result is right; otherwise any gradients but zeros do.
        why: the mistake.

    Raises:
        Failure: a gradient is missing, or differs.
    """
    found = unwrap(called.gradients)
    reject_unless(type(found) is list and len(found) == len(right))
    for each, expected in zip(found, right, strict=True):
        reject_unless(each is None or is_tensor_of(each, "float32", tuple(expected.shape)))
        tensor = None if each is None else each.torch()
        if tensor is None or not bool(tensor.any()):
            raise Failure(call, f"No gradient flows {back}", "a gradient", why)
        if is_right and not close(tensor, expected, ROUNDED, relative=True):
            at, number, wanted = first_difference(tensor.flatten(), expected.flatten(), ROUNDED)
            text = f"Not the whole gradient flows {back}: number {at} of it is {number}"
            raise Failure(call, text, f"{wanted} there", why)


def require_unchanged(called: CallResult, call: str, parameters: str) -> None:
    """Require that a call left its arguments as they were.

    Args:
        called: what it gave.
        call: the call, for the message.
        parameters: the names of the parameters, in order.

    Raises:
        Failure: an argument is different after the call.
    """
    names = parameters.split(", ")
    for at in called.changed[:1]:
        reject_unless(0 <= at < len(names))
        with local():
            raise argument_changed(call, names[at])


def argument_changed(call: str, name: str) -> Failure:
    """Return the failure of a call that has changed an argument."""
    found = f"The argument `{name}` is different after the call"
    return Failure(call, found, "the argument as it was", "argument-changed")


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
                raise Failure(call, raised, expected, mistake)


def require_number(result: Any, call: str) -> float:
    """Return a float; a tensor of shape () is accepted, too.

    Raises:
        Failure: the result is neither.
    """
    found = unwrap(result)
    if isinstance(found, TensorData) and found.shape == () and found.dtype.startswith("float"):
        return float(found.torch().item())
    if type(found) is not float:
        if lenient():
            raise still_wrong()
        raise Failure(call, f"It returned {show(found)}", "a float")
    return found


# --- show ------------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """Quote a text, or the beginning of a long one."""
    return repr(shorten(text, 40))


def figure(number: float) -> str:
    """Format a number with four decimals, or a very large one with a power of ten."""
    return f"{number:.4f}" if abs(number) < 1e6 else f"{number:.4g}"


def first_difference(found: Any, expected: Any, tolerance: float = 1e-5) -> tuple[int, str, str]:
    """Return where two vectors first differ, and both numbers there, in digits that differ."""
    at = (~(abs(found - expected) <= tolerance)).tolist().index(True)
    numbers = float(found[at]), float(expected[at])
    one, other = map(figure, numbers)
    return (at, one, other) if one != other else (at, *map(repr, numbers))
