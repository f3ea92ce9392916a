"""Calls of student code that a worker is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """A call of student code.

    Attributes:
        text: the call as shown to the student.
        args: positional arguments: plain data, tensors, and what `construct` describes.
        kwargs: keyword arguments.
        method: the method of the object to call; None calls the object itself.
        weights: of the numbers of the result, tensor by tensor, in the sum whose gradients are
            wanted; None for no gradients.
        arrays: whether NumPy arrays in the result come as `{"array": their data}`.
    """

    text: str
    args: Sequence[Any] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    method: str | None = None
    weights: Sequence[Any] | None = None
    arrays: bool | None = None

    def plain(self) -> dict[str, Any]:
        """Return the call as plain data for a worker."""
        plain = {"text": self.text, "args": list(self.args), "kwargs": self.kwargs}
        weights = None if self.weights is None else [*self.weights]
        more = {"method": self.method, "weights": weights, "arrays": self.arrays}
        return plain | {name: value for name, value in more.items() if value is not None}


def construct(make: str, *args: Any, state: Any = None, **kwargs: Any) -> dict[str, Any]:
    """Describe an argument that a worker makes: `construct("torch.nn.LSTM", 3, 4, state=w)`."""
    return {"make": make, "args": list(args), "kwargs": kwargs, "state": state}
