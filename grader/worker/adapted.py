"""Constructs a model whose constructor has other parameters, or ignores the sizes that it gets.

The check of the constructor, or of the shape, has failed then. The other checks of the model still
need one of the sizes that they ask for, with a Linear for as many features as it gets.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

# Parts of the names that parameters have in other people's code, and what they mean.
ROLES = {
    "num_layers": ("layer",),
    "hidden_size": ("hid", "lstm", "rnn"),
    "n_targets": ("class", "target", "label", "out", "tag", "categor"),
    "input_size": ("in", "emb", "feat", "vec"),
}
OTHERS = {"drop": 0.0, "bidir": True, "batch_first": True}  # required, and not in the exercise
LSTM_PARAMETERS = (
    *("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout"),
    *("bidirectional", "proj_size"),
)


def construct(make: Callable[..., nn.Module], sizes: dict[str, int]) -> nn.Module:
    """Construct a model with these sizes, whatever the parameters are called."""
    arguments = _arguments(make, sizes)
    model = make(**arguments)
    lstms = [part for part in model.modules() if isinstance(part, nn.LSTM)]
    wanted = {name: sizes[name] for name in _own(sizes)} | {"bidirectional": True}
    if len(lstms) == 1 and any(getattr(lstms[0], name) != wanted[name] for name in wanted):
        with _resizing(lstms[0].hidden_size, sizes):
            model = make(**arguments)
        _renumber(model, _numbers(lstms[0], sizes))
    for part in model.modules():
        if isinstance(part, nn.Linear):
            part.register_forward_pre_hook(_fit_weights)
        if isinstance(part, nn.LSTM):
            part.register_forward_pre_hook(_fit_states)
    model.register_forward_hook(functools.partial(_take_logits, sizes["n_targets"]))
    return model


def _take_logits(n_targets: int, _model: nn.Module, _given: Any, result: Any) -> Any:
    """Take the logits from a tuple or dict of several results."""
    parts = result.values() if isinstance(result, dict) else result
    if isinstance(parts, Tensor) or not isinstance(parts, Iterable):
        return result
    found = [part for part in parts if isinstance(part, Tensor) and part.dim() == 2]
    return next((part for part in found if part.shape[1] == n_targets), result)


def _numbers(lstm: nn.LSTM, sizes: dict[str, int]) -> dict[int, int]:
    """Return the numbers that the code of a model may have for its sizes, and those to use instead.

    Smaller ones may be dimensions and indices.
    """
    pairs = [(getattr(lstm, name), sizes[name]) for name in _own(sizes)]
    doubled = [(2 * old, 2 * new) for old, new in pairs]
    return {old: new for old, new in [*doubled, *pairs] if old > 2}


def _renumber(model: nn.Module, numbers: dict[int, int]) -> None:
    """Replace numbers in the attributes of a model and in its `forward`."""
    for name, value in vars(model).items():
        if type(value) is int:
            setattr(model, name, numbers.get(value, value))
    function = type(model).forward
    if function.__code__.co_freevars:
        return
    with contextlib.suppress(OSError, SyntaxError):
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and type(node.value) is int:
                node.value = numbers.get(node.value, node.value)
        names: dict[str, Any] = {}
        exec(compile(tree, function.__code__.co_filename, "exec"), function.__globals__, names)
        model.forward = names["forward"].__get__(model)


def _fit_states(lstm: nn.LSTM, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Start from zeros instead of states for other layers, directions or sentences."""
    if len(given) != 2 or not isinstance(given[0], Tensor) or given[0].dim() != 3:
        return None
    states = given[1] if isinstance(given[1], (tuple, list)) else [given[1]]
    directions = 2 if lstm.bidirectional else 1
    batch = given[0].shape[0 if lstm.batch_first else 1]
    expected = (lstm.num_layers * directions, batch, lstm.hidden_size)
    shapes = [tuple(state.shape) for state in states if isinstance(state, Tensor)]
    return None if shapes == [expected, expected] else given[:1]


def _fit_weights(linear: nn.Linear, given: tuple[Any, ...]) -> None:
    """Give a Linear weights for the features that it gets."""
    if len(given) != 1 or not isinstance(given[0], Tensor) or is_lazy(linear.weight):
        return
    features = given[0].shape[-1] if given[0].dim() else 0
    if features not in (0, linear.in_features):
        generator = torch.Generator().manual_seed(features)
        weight = torch.randn(linear.out_features, features, generator=generator) / features**0.5
        linear.weight, linear.in_features = nn.Parameter(weight.to(linear.weight)), features


def _own(sizes: dict[str, int]) -> list[str]:
    return [name for name in sizes if name in LSTM_PARAMETERS]


def _arguments(make: Callable[..., nn.Module], sizes: dict[str, int]) -> dict[str, Any]:
    """Return an argument for each parameter whose name tells what it means."""
    arguments: dict[str, Any] = {}
    left = dict(sizes)
    for name, parameter in inspect.signature(make).parameters.items():
        role = name if name in sizes else _role(name, ROLES)
        other = _role(name, OTHERS)
        if role in left:
            arguments[name] = left.pop(role)
        elif other is not None and parameter.default is parameter.empty:
            arguments[name] = OTHERS[other]
    return arguments


def _role(name: str, known: dict[str, Any]) -> str | None:
    for role, parts in known.items():
        if any(part in name.lower() for part in (parts if isinstance(parts, tuple) else (role,))):
            return role
    return None


@contextlib.contextmanager
def _resizing(hidden_size: int, sizes: dict[str, int]) -> Iterator[None]:
    """Give every LSTM these sizes and both directions, and a Linear the inputs that it then gets.

    Args:
        hidden_size: of the LSTM without this.
        sizes: those of the LSTM from now on.
    """
    lstm, linear = nn.LSTM.__init__, nn.Linear.__init__

    def new_lstm(layer: nn.LSTM, *args: Any, **kwargs: Any) -> None:
        given = dict(zip(LSTM_PARAMETERS, args, strict=False)) | kwargs
        own = {name: sizes[name] for name in _own(sizes)}
        lstm(layer, **given | own | {"bidirectional": True})

    def new_linear(layer: nn.Linear, in_features: int, *args: Any, **kwargs: Any) -> None:
        times, rest = divmod(in_features, hidden_size)
        linear(layer, in_features if rest else times * sizes["hidden_size"], *args, **kwargs)

    with (
        patch.object(nn.LSTM, "__init__", new_lstm),
        patch.object(nn.Linear, "__init__", new_linear),
    ):
        yield
