"""Operations on any function or class of a submission: call it as told, tell what came back."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from ..student import student
from ..wire import MAX_TEXT, Opaque, Raised, TensorData, describe

MAX_PARTS = 1000  # of a list, a tuple or a dict
MAX_DEPTH = 8
PACKED = ("data", "batch_sizes", "sorted_indices", "unsorted_indices")

Call = dict[str, Any]  # {"text": ..., "args": [...], "kwargs": {...}}


def function(module: str, name: str, calls: list[Call]) -> list[dict[str, Any]]:
    """Call a function several times.

    Args:
        module: the student's module.
        name: the function in it.
        calls: for each call its arguments, and its text in the words that the student will read.

    Returns:
        For each call `result` (plain data, or `Raised`), and `functions`: how often each torch
        function was called on the way, by name.
    """
    called = student.get(module, name)
    return [_watched(called, call) for call in calls]


def instance(
    module: str, name: str, make: Call, state: dict[str, TensorData] | None, calls: list[Call]
) -> dict[str, Any]:
    """Make an object of a class, and call it, or methods of it, several times.

    Args:
        module: the student's module.
        name: the class in it.
        make: the arguments of its constructor.
        state: weights that an `nn.Module` is to have, by name; None leaves those it has.
        calls: as for `function`; a call with `method` calls that method.

    Returns:
        `weights` (of an `nn.Module`, by name; otherwise empty), and `called`, as of `function`.
    """
    kind = student.get(module, name)
    with student.calling(make["text"]):
        made = kind(*_made(make["args"]), **_made(make["kwargs"]))
        if state is not None:
            made.load_state_dict(_made(state))
    weights = dict(made.state_dict()) if isinstance(made, nn.Module) else {}
    weights = {key: value.clone() for key, value in weights.items()}
    seen = []
    for call in calls:
        method = call.get("method")
        called = made if method is None else student.attempt(call["text"], getattr, made, method)
        if isinstance(called, Raised):
            seen.append({"result": called, "functions": {}})
        else:
            seen.append(_watched(called, call))
    return {"weights": weights, "called": seen}


class FunctionCounter(TorchFunctionMode):
    """Counts the calls of torch functions by name."""

    def __init__(self) -> None:
        """Start with none."""
        super().__init__()
        self.counts = Counter[str]()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count one call and do it."""
        self.counts[getattr(func, "__name__", "")] += 1
        return func(*args, **(kwargs or {}))


def _watched(called: Any, call: Call) -> dict[str, Any]:
    args, kwargs = _made(call["args"]), _made(call["kwargs"])
    names = FunctionCounter()
    with names:
        result = student.attempt(call["text"], called, *args, **kwargs)
    return {"result": plain(result), "functions": dict(sorted(names.counts.items()))}


def _made(value: Any) -> Any:
    """Make of plain data what is handed to student code.

    Arrays become tensors; `{"make": "torch.nn.LSTM", "args": ..., "kwargs": ..., "state": ...}`
    becomes what that call gives.
    """
    if isinstance(value, TensorData):
        return value.torch()
    if isinstance(value, (list, tuple)):
        return type(value)(map(_made, value))
    if isinstance(value, dict) and "make" in value:
        return _make(**value)
    if isinstance(value, dict):
        return {key: _made(part) for key, part in value.items()}
    return value


def _make(make: str, args: list[Any], kwargs: dict[str, Any], state: dict[str, Any] | None) -> Any:
    module, _, name = make.rpartition(".")
    made = getattr(importlib.import_module(module), name)(*_made(args), **_made(kwargs))
    if state is not None:
        made.load_state_dict(_made(state))
    return made


def plain(value: Any, depth: int = 0) -> Any:
    """Make a value ready for the wire, so that it loses nothing that matters to a student.

    Subclasses of `list`, `tuple`, `dict` and `str` become what they are derived from; a
    `PackedSequence` becomes a dict of its parts under the key "packed". A NumPy array is described
    here, because the wire would carry it as a tensor. Descriptions hold no addresses, so that they
    are the same in every run. What is very long is cut.
    """
    kind = type(value)
    if kind is PackedSequence:
        return {"packed": {name: getattr(value, name) for name in PACKED}}
    if value is None or issubclass(kind, torch.Tensor) or kind in (bool, int, float, Raised):
        return value
    if issubclass(kind, str):
        return str.__getitem__(value, slice(MAX_TEXT))
    if depth < MAX_DEPTH:
        for sequence in (list, tuple):
            if issubclass(kind, sequence):
                parts = islice(sequence.__iter__(value), MAX_PARTS)
                return sequence(plain(part, depth + 1) for part in parts)
        if issubclass(kind, dict):
            pairs = list(dict.items(value))[:MAX_PARTS]
            return {plain(key, MAX_DEPTH): plain(part, depth + 1) for key, part in pairs}
    described = describe(value)
    return Opaque(described.type, re.sub(r" at 0x[0-9a-fA-F]+", "", described.text))
