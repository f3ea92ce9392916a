"""Operations that call any function or class of a submission and return the results."""

from __future__ import annotations

import contextlib
import importlib
import re
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from ..shape_trace import traced
from ..student import student
from ..wire import MAX_TEXT, Opaque, Raised, TensorData, describe

MAX_PARTS = 1000  # of a list, a tuple or a dict
MAX_DEPTH = 8
PACKED = ("data", "batch_sizes", "sorted_indices", "unsorted_indices")

Call = dict[str, Any]  # {"text": ..., "args": [...], "kwargs": {...}}
# The operators that all recurrent layers and cells of torch call.
BUILT_IN = (
    *("rnn_tanh_cell", "rnn_relu_cell", "lstm_cell", "gru_cell"),
    *(
        f"{name}.{form}"
        for name in ("rnn_tanh", "rnn_relu", "lstm", "gru")
        for form in ("input", "data")
    ),
)


def function(
    module: str, name: str, calls: list[Call], without_built_in: bool = False
) -> list[dict[str, Any]]:
    """Call a function several times.

    Args:
        module: the student's module.
        name: the function in it.
        calls: for each call its arguments, and its text as shown to the student.
        without_built_in: let torch's recurrent layers and cells raise an exception.

    Returns:
        For each call `result`: plain data, or `Raised`; and `trace`: the shapes on the way.
    """
    called = student.get(module, name)
    with refused_layers() if without_built_in else contextlib.nullcontext():
        return [_called(called, call) for call in calls]


@contextlib.contextmanager
def refused_layers() -> Iterator[None]:
    """Let torch's recurrent layers and cells raise an exception, in all threads.

    It is the operators in torch's dispatcher that raise, because every way to a layer goes through
    them: modules, `torch.ops`, compiled code, other dispatch keys.
    """

    def refuse(name: str) -> Callable[..., Any]:
        def refused(*_args: Any, **_kwargs: Any) -> Any:
            raise RuntimeError(f"torch's own {name} was called")

        return refused

    with torch.library._scoped_library("aten", "IMPL") as library:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about replaced operators
            for name in BUILT_IN:
                library.impl(name, refuse(name.partition(".")[0]), "CompositeImplicitAutograd")
            library.impl("mkldnn_rnn_layer", refuse("mkldnn_rnn_layer"), "CPU")
        yield


def instance(
    module: str, name: str, make: Call, state: dict[str, TensorData] | None, calls: list[Call]
) -> dict[str, Any]:
    """Instantiate a class, and call the object or its methods several times.

    Args:
        module: the student's module.
        name: the class in it.
        make: the arguments of the constructor.
        state: weights for an `nn.Module`, by name; None keeps its own.
        calls: as for `function`; a call with `method` calls that method.

    Returns:
        `weights` by name (empty unless it is an `nn.Module`), and `called`, as for `function`.
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
            seen.append({"result": called, "trace": ""})
        else:
            seen.append(_called(called, call))
    return {"weights": weights, "called": seen}


def _called(called: Any, call: Call) -> dict[str, Any]:
    args, kwargs = _made(call["args"]), _made(call["kwargs"])
    result = plain(student.attempt(call["text"], traced, called, *args, **kwargs))
    return {"result": result, "trace": "" if student.trace is None else student.trace.text}


def _made(value: Any) -> Any:
    """Convert plain data to the arguments of student code.

    Arrays become tensors; `{"make": "torch.nn.LSTM", "args": ..., "kwargs": ..., "state": ...}`
    becomes the result of that call. A name that begins with a dot is one of this package.
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
    made = getattr(importlib.import_module(module, __package__), name)(
        *_made(args), **_made(kwargs)
    )
    if state is not None:
        made.load_state_dict(_made(state))
    return made


def plain(value: Any, depth: int = 0) -> Any:
    """Prepare a value for the wire without losing anything that matters to a student.

    Subclasses of `list`, `tuple`, `dict` and `str` become their base class. A `PackedSequence`
    becomes a dict of its parts under the key "packed". A NumPy array is described here, because the
    wire would send it as a tensor. Descriptions contain no addresses, so they are the same in every
    run. Long values are truncated.
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
