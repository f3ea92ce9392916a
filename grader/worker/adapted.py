"""Constructs a model whose constructor has other parameters, or ignores the sizes that it gets.

The check of the constructor has failed then. The other checks of the model still need one of the
sizes that they ask for.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from torch import nn

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
    if len(lstms) != 1 or all(getattr(lstms[0], name) == sizes[name] for name in _own(sizes)):
        return model
    with _resizing(lstms[0].hidden_size, sizes):
        return make(**arguments)


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
    """Give every LSTM these sizes, and a Linear the inputs that it then gets.

    Args:
        hidden_size: of the LSTM without this.
        sizes: those of the LSTM from now on.
    """
    lstm, linear = nn.LSTM.__init__, nn.Linear.__init__

    def new_lstm(layer: nn.LSTM, *args: Any, **kwargs: Any) -> None:
        given = dict(zip(LSTM_PARAMETERS, args, strict=False)) | kwargs
        lstm(layer, **given | {name: sizes[name] for name in _own(sizes)})

    def new_linear(layer: nn.Linear, in_features: int, *args: Any, **kwargs: Any) -> None:
        times, rest = divmod(in_features, hidden_size)
        linear(layer, in_features if rest else times * sizes["hidden_size"], *args, **kwargs)

    with (
        patch.object(nn.LSTM, "__init__", new_lstm),
        patch.object(nn.Linear, "__init__", new_linear),
    ):
        yield
