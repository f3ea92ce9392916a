"""Operations that call any function or class of a submission and return the results."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from types import FunctionType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils._pytree import tree_leaves

from ..shape_trace import traced
from ..student import student
from ..wire import MAX_TEXT, Raised, TensorData, describe, snapshot

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
# Where packages have recurrent layers that are written in Python, without these operators.
IN_PYTHON = (
    "torch._decomp.decompositions",
    "torch.ao.nn.quantizable.modules.rnn",
    "thinc.backends.ops",
)
RECURRENT = re.compile("rnn|lstm|gru", re.IGNORECASE)


def function(
    module: str,
    name: str,
    calls: list[Call],
    without_built_in: bool = False,
    is_fresh: bool = False,
) -> list[dict[str, Any]]:
    """Call a function several times.

    Args:
        module: the student's module.
        name: the function in it.
        calls: for each call its arguments, and its text as shown to the student; with `weights`,
            the gradients of the result are computed, see `gradients`.
        without_built_in: let torch's recurrent layers and cells raise an exception.
        is_fresh: whether this process has not imported the module yet, and runs nothing else. Then
            the layers are refused from now on, so importing the module leads to none either.

    Returns:
        For each call `result`: plain data, or `Raised`; `trace`: the shapes on the way; and
        `gradients`, if they are asked for.
    """
    if without_built_in and is_fresh:
        refuse_layers()
        called = student.get_defined(module, name)
        return [_called(called, call) for call in calls]
    called = student.get(module, name)
    with refused_layers() if without_built_in else contextlib.nullcontext():
        return [_called(called, call) for call in calls]


def refuse_layers() -> None:
    """Let torch's recurrent layers and cells raise an exception as long as this process lives.

    See `refused_layers`. Nothing refers to the registration, so no code can find and end it.
    """
    library = torch._C._dispatch_library("IMPL", "aten", "", __file__, 0)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))
    _register(lambda name, function, key: library.impl(name, key, function))
    for kind in _in_python(type):
        kind.forward = _refused
    for function in _in_python(FunctionType):
        function.__code__ = _refused.__code__


@contextlib.contextmanager
def refused_layers() -> Iterator[None]:
    """Let torch's recurrent layers and cells raise an exception, in all threads.

    It is the operators in torch's dispatcher that raise, because every way to a layer goes through
    them: modules, `torch.ops`, compiled code, other dispatch keys. So do the functions and modules
    that are written in Python, see `IN_PYTHON`, where they are: whoever holds one has it, too.
    """
    functions = _in_python(FunctionType)
    own = [each.__code__ for each in functions]
    with contextlib.ExitStack() as stack:
        library = stack.enter_context(torch.library._scoped_library("aten", "IMPL"))
        _register(library.impl)
        for kind in _in_python(type):
            stack.enter_context(patch.object(kind, "forward", _refused))
        try:
            for each in functions:
                each.__code__ = _refused.__code__
            yield
        finally:
            for each, code in zip(functions, own, strict=True):
                each.__code__ = code


def _register(implement: Callable[[str, Any, str], None]) -> None:
    """Register operators that raise instead of torch's."""

    def refuse(name: str) -> Callable[..., Any]:
        def refused(*_args: Any, **_kwargs: Any) -> Any:
            raise RuntimeError(f"torch's own {name} was called")

        return refused

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about replaced operators
        for name in BUILT_IN:
            implement(name, refuse(name.partition(".")[0]), "CompositeImplicitAutograd")
        implement("mkldnn_rnn_layer", refuse("mkldnn_rnn_layer"), "CPU")


def _refused(*_args: Any, **_kwargs: Any) -> Any:
    raise RuntimeError("torch's own layer was called")


def _in_python(kind: type) -> list[Any]:
    """Return what is of a kind among the recurrent layers that are written in Python."""
    return [
        value
        for name in IN_PYTHON
        for key, value in vars(sys.modules.get(name, re)).items()
        if RECURRENT.search(key) and isinstance(value, kind)
    ]


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
            seen.append({"result": called, "trace": "", "gradients": None, "changed": []})
        else:
            seen.append(_called(called, call))
    return {"weights": weights, "called": seen}


def _called(called: Any, call: Call) -> dict[str, Any]:
    args, kwargs = _made(call["args"]), _made(call["kwargs"])
    before = [held(each) for each in args]
    result = student.attempt(call["text"], traced, called, *args, **kwargs)
    trace = "" if student.trace is None else student.trace.text
    found = None
    if (weights := call.get("weights")) is not None:
        found = student.attempt(call["text"], gradients, result, args, weights)
    changed = [at for at, each in enumerate(args) if not holds(each, before[at])]
    sent = plain(result, arrays=call.get("arrays", False))
    return {"result": sent, "trace": trace, "gradients": found, "changed": changed}


def held(value: Any) -> Any:
    """Return a copy of a list, a tuple or a tensor, whose content can change."""
    if isinstance(value, (list, tuple)):
        return [(part, held(part)) for part in value]
    return value.detach().clone() if isinstance(value, Tensor) else None


def holds(value: Any, before: Any) -> bool:
    """Return whether a value still has the content that `held` returned before."""
    if isinstance(value, Tensor):
        return torch.equal(value.detach(), before)
    if not isinstance(value, (list, tuple)):
        return True
    return len(value) == len(before) and all(
        now is part and holds(now, own) for now, (part, own) in zip(value, before, strict=True)
    )


def gradients(result: Any, given: Any, weights: list[TensorData | None]) -> list[Tensor | None]:
    """Compute the gradients of a weighted sum of a result's numbers.

    Args:
        result: of a call.
        given: its arguments.
        weights: for each tensor in the result the weights of its numbers, or None to leave it out.
            If a shape differs, all numbers are added up.

    Returns:
        For each tensor among the arguments that needs a gradient the gradient, or None.
    """
    tensors = [each for each in tree_leaves(result) if isinstance(each, Tensor)]
    leaves = [each for each in tree_leaves(given) if isinstance(each, Tensor)]
    leaves = [each for each in leaves if each.requires_grad]
    pairs = [*zip(tensors, weights, strict=False)]
    fits = len(tensors) == len(weights)
    if not fits or any(weight and weight.shape != each.shape for each, weight in pairs):
        sums = [each.sum() for each in tensors if each.requires_grad]
    else:
        sums = [
            (each * weight.torch()).sum() for each, weight in pairs if weight and each.requires_grad
        ]
    if not sums:
        return [None for _ in leaves]
    return [*torch.autograd.grad(sum(sums), leaves, allow_unused=True)]  # type: ignore[arg-type]


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


def plain(value: Any, depth: int = 0, *, arrays: bool = False) -> Any:
    """Prepare a value for the wire without losing anything that matters to a student.

    Tensors are copied, so that no later code can change them. Subclasses of `list`, `tuple`, `dict`
    and `str` become their base class. A `PackedSequence` becomes a dict of its parts under the key
    "packed". A NumPy array is described here, because the wire would send it as a tensor; with
    `arrays` it becomes a dict with the key "array", and NumPy's numbers become Python's.
    Descriptions contain no addresses, so they are the same in every run. Long values are truncated.
    """
    kind = type(value)
    if kind is PackedSequence:
        return {"packed": {name: plain(getattr(value, name)) for name in PACKED}}
    if value is None or kind in (bool, int, float, Raised):
        return value
    if issubclass(kind, torch.Tensor):
        return snapshot(value)
    if arrays and issubclass(kind, np.ndarray):
        return {"array": snapshot(value)}
    if arrays and issubclass(kind, np.generic):
        return plain(value.item())
    if issubclass(kind, str):
        return str.__getitem__(value, slice(MAX_TEXT))
    if depth < MAX_DEPTH:
        for sequence in (list, tuple):
            if issubclass(kind, sequence):
                parts = islice(sequence.__iter__(value), MAX_PARTS)
                return sequence(plain(part, depth + 1, arrays=arrays) for part in parts)
        if issubclass(kind, dict):
            pairs = list(dict.items(value))[:MAX_PARTS]
            return {
                plain(key, MAX_DEPTH): plain(part, depth + 1, arrays=arrays) for key, part in pairs
            }
    return describe(value)
