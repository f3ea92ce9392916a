"""Says what a wrong result has in common with the correct one, if no known mistake fits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from grader.worker.wire import Opaque, TensorData

if TYPE_CHECKING:
    from torch import Tensor

Sizes = tuple[int, ...]
CLOSE = 1e-4  # relative to the larger number


def about_form(found: Any, dtype: str, dims: Sizes) -> str:
    """Return how a result differs in type, dtype or shape from the expected tensor, or nothing."""
    if isinstance(found, TensorData):
        about = _about_dtype(found.dtype, dtype) if found.dtype != dtype else ""
        shape = "" if found.shape == dims else _about_shape((*found.shape,), dims)
        return " ".join(filter(None, (about, shape)))
    if type(found) is dict:
        return "A dict has names for its parts. Return the parts alone, in the docstring's order."
    if isinstance(found, Opaque) and found.type == "ndarray":
        return "torch.from_numpy makes a tensor of a NumPy array."
    if type(found) in (list, tuple) and found:
        right = [place for place, part in enumerate(found) if _fits(part, dtype, dims)]
        if len(right) == 1 and len(found) > 1:
            kind = type(found).__name__
            return f"Part {right[0]} of this {kind} is what is asked for: return it alone."
        kinds = {type(part) for part in found}
        if kinds <= {int, float}:
            return "torch.tensor makes one tensor of a list of numbers."
        if kinds == {TensorData}:
            return "torch.stack and torch.cat make one tensor of several."
    return ""


def _fits(part: Any, dtype: str, dims: Sizes) -> bool:
    return isinstance(part, TensorData) and (part.dtype, (*part.shape,)) == (dtype, dims)


def _about_dtype(found: str, expected: str) -> str:
    if found == "bool":
        return (
            "True and False are a mask, the result of a comparison: what can be computed from it?"
        )
    if expected.startswith("float") and found.startswith(("int", "uint")):
        return (
            "These are whole numbers. argmax, and the second part of what max, sort and topk "
            "return, are places, not values; .long() and .int() cut off the digits."
        )
    if expected.startswith("int") and found.startswith("float"):
        return (
            "Counts and indices are int64. torch.Tensor, torch.zeros and torch.ones make float32 "
            "unless they are given a dtype; .long() converts."
        )
    if expected == "float32":
        return f"{found} is not the dtype of the weights of layers, float32: .float() converts."
    return f".long() converts {found} to int64." if expected == "int64" else ""


def _about_shape(found: Sizes, expected: Sizes) -> str:
    if found == () and expected:
        return (
            "This is a single number. A sum, mean or maximum without `dim` reduces all dimensions: "
            "name the one to reduce."
        )
    if len(found) == len(expected):
        return _about_sizes(found, expected)
    if len(found) > len(expected):
        left = _without(found, expected)
        if left is None:
            return ""
        sizes = ", ".join(f"dim={at} of size {found[at]}" for at in left)
        return f"A dimension is left, {sizes}: reduce over it, or select one place."
    if (joined := _joined(found, expected)) is not None:
        at, product = joined
        return (
            f"Dimensions that should be apart are joined: {found[at]} = {product}. view with -1, "
            "flatten and cat do that."
        )
    if (missing := _without(expected, found)) is not None:
        sizes = ", ".join(str(expected[at]) for at in missing)
        return (
            f"A dimension is missing, that of size {sizes}: a sum, a maximum, an index or squeeze "
            "removed it."
        )
    return ""


def _about_sizes(found: Sizes, expected: Sizes) -> str:
    differ = [
        at for at, (one, other) in enumerate(zip(found, expected, strict=True)) if one != other
    ]
    if sorted(found) == sorted(expected):
        return (
            "The dimensions are in a different order. transpose and permute move them; view and "
            "reshape do not."
        )
    if len(differ) != 1:
        return ""
    at = differ[0]
    size, wanted = found[at], expected[at]
    if wanted > 1 and size > wanted and size % wanted == 0:
        times = size // wanted
        return (
            f"dim={at} is {times} times as large: cat joined too much, or a part of it is wanted."
        )
    if size > 1 and wanted % size == 0:
        return (
            f"dim={at} has only 1/{wanted // size} of its size: something was left out or added up."
        )
    return f"The size of dim={at} is {size} instead of {wanted}."


def _without(long: Sizes, short: Sizes) -> Sizes | None:
    """Return which dimensions to leave out of a shape to get a shorter one."""
    places = range(len(long))
    kept = itertools.combinations(places, len(short))
    each = next((keep for keep in kept if tuple(long[at] for at in keep) == short), None)
    return None if each is None else tuple(at for at in places if at not in each)


def _joined(found: Sizes, expected: Sizes) -> tuple[int, str] | None:
    """Return where neighbouring dimensions were joined, and their sizes as a product."""
    for start in range(len(expected) - 1):
        for end in range(start + 2, len(expected) + 1):
            part = expected[start:end]
            if found == (*expected[:start], math.prod(part), *expected[end:]):
                return start, " * ".join(map(str, part))
    return None


def about_number(found: float, right: float, sizes: Mapping[str, int]) -> str:
    """Return what a number has to do with the correct one, or nothing.

    Args:
        found: the number.
        right: the correct number.
        sizes: sizes of the input by their letters.
    """
    if not math.isfinite(found) or not right:
        return ""
    return next((text for text, other in _relations(right, sizes) if _equal(found, other)), "")


def _relations(right: float, sizes: Mapping[str, int]) -> Iterator[tuple[str, float]]:
    yield "This is the expected number with the other sign.", -right
    if abs(right) < 100:
        yield "This is the exponential of the expected number.", math.exp(right)
    if right > 0:
        yield "This is the logarithm of the expected number.", math.log(right)
    yield "This is 1 divided by the expected number.", 1 / right
    yield "This is the square of the expected number.", right * right
    for (one, n), (other, m) in itertools.combinations_with_replacement(sizes.items(), 2):
        letters, size = (one, n) if one == other else (f"{one} * {other}", n * m)
        if size > 1:
            yield f"This is {size} times the expected number, and {letters} = {size}.", right * size
            yield (
                f"This is the expected number divided by {size}, and {letters} = {size}.",
                right / size,
            )
            if right > 0:
                power = f"to the power of 1 / {size}, and {letters} = {size}"
                yield f"This is the expected number {power}.", right ** (1 / size)


def _equal(one: float, other: float) -> bool:
    return abs(one - other) <= CLOSE * max(abs(one), abs(other))


def about_tensor(found: Tensor, expected: Tensor) -> str:
    """Return what the numbers of a tensor have to do with the correct ones, or nothing."""
    if found.shape != expected.shape or found.numel() < 2 or not bool(found.isfinite().all()):
        return ""
    if _alike(found.flatten().sort().values, expected.flatten().sort().values):
        if _alike(found.reshape(len(found), -1).sum(1).sort().values, _row_sums(expected)):
            return (
                "The right numbers are there, in other rows, or in another order within the rows."
            )
        return (
            "The right numbers are there, but rows and columns are mixed. view and reshape do not "
            "swap dimensions: transpose and permute do."
        )
    if _alike(found.abs(), expected.abs()):
        return "Only the signs of some numbers differ."
    ratio = found / expected
    if _alike(ratio, ratio.flatten()[0].expand_as(ratio)):
        return f"Each number is {ratio.flatten()[0].item():.4g} times the expected one."
    for name in ("tanh", "sigmoid", "relu", "exp"):
        if _alike(found, getattr(expected, name)()):
            return f"Each number is the {name} of the expected one."
        if _alike(getattr(found, name)(), expected):
            return f"The {name} of each number is the expected one."
    return ""


def _row_sums(expected: Tensor) -> Tensor:
    return expected.reshape(len(expected), -1).sum(1).sort().values


def _alike(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().le(1e-5 + CLOSE * other.abs()).all())


def which_step(found: Sequence[int], tables: Mapping[str, Tensor]) -> str:
    """Return which column of a table (B, T) a list of B ids is, or nothing."""
    for name, table in tables.items():
        for step, column in enumerate(table.T.tolist()):
            if column == [*found]:
                return f"That is {name.format(step)}."
    return ""
