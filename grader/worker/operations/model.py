"""Operations on `exercise.model`.

The worker is seeded before each operation, so models with the same sizes get the same weights.
With `is_adapted` the sizes are those that were asked for, see `grader.worker.adapted`.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.overrides import TorchFunctionMode

from .. import adapted
from ..shape_trace import ShapeTrace
from ..student import student
from ..wire import TensorData

Sizes = dict[str, int]  # the arguments of LSTMClassifier
States = tuple[Tensor, Tensor, Tensor]  # output (B, T, D * H), h_n, c_n (L * D, B, H)

FORWARD: dict[type[nn.RNNBase], Callable[..., Any]] = {
    kind: kind.forward for kind in (nn.LSTM, nn.GRU, nn.RNN)
}


def _call(sizes: Sizes) -> str:
    arguments = ", ".join(f"{name}={value}" for name, value in sizes.items())
    return f"LSTMClassifier({arguments})"


def _build(sizes: Sizes, device: str, is_adapted: bool) -> nn.Module:
    make = student.get("model", "LSTMClassifier")
    with student.calling(_call(sizes)):
        model = adapted.construct(make, sizes) if is_adapted else make(**sizes)
        if not isinstance(model, nn.Module):
            raise TypeError(f"LSTMClassifier is not an nn.Module: {type(model).__name__}")
        model.to(device).eval()
    _perturb(model)
    return model


def _perturb(model: nn.Module) -> None:
    """Change the weights as training would: an output layer of zeros hides its inputs."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if not is_lazy(weight):
                noise = torch.randn(weight.shape, generator=generator)
                weight.add_(noise.to(weight) / (weight.shape[-1] if weight.dim() else 1) ** 0.5)


def _lstms(model: nn.Module, is_adapted: bool = False) -> list[nn.RNNBase]:
    """Return the LSTMs of a model; with `is_adapted` its other recurrent layers, if it has none."""
    found = [part for part in model.modules() if isinstance(part, nn.RNNBase)]
    own: list[nn.RNNBase] = [part for part in found if isinstance(part, nn.LSTM)]
    return own or (found if is_adapted else [])


def build(sizes: Sizes, device: str, is_adapted: bool) -> dict[str, Any]:
    """Create a model; return its LSTMs, the types of all its modules and its default arguments."""
    model = _build(sizes, device, is_adapted)
    names = (
        "input_size",
        "hidden_size",
        "num_layers",
        "bidirectional",
        "proj_size",
        "batch_first",
    )
    return {
        "lstms": [
            {name: getattr(lstm, name) for name in names} for lstm in _lstms(model, is_adapted)
        ],
        "modules": [type(part).__name__ for part in model.modules()],
        "defaults": {
            name: parameter.default
            for name, parameter in inspect.signature(type(model)).parameters.items()
            if parameter.default is not parameter.empty
        },
    }


def lstm_weights(sizes: Sizes, is_adapted: bool) -> dict[str, Tensor]:
    """Return the weights of the model's first LSTM by parameter name."""
    lstm = _lstms(_build(sizes, "cpu", is_adapted), is_adapted)[0]
    return {name: getattr(lstm, name) for name in lstm._flat_weights_names}


def lstm_learns(sizes: Sizes, padded: TensorData, is_adapted: bool) -> dict[str, bool]:
    """Return, for each parameter of the first LSTM, whether the logits' gradient reaches it."""
    model = _build(sizes, "cpu", is_adapted)
    with student.calling(f"{_call(sizes)}(padded).sum().backward()"):
        model(padded.torch()).square().sum().backward()
    return {
        name: weight.grad is not None and bool(weight.grad.any())
        for name, weight in _lstms(model, is_adapted)[0].named_parameters()
    }


class LstmSpy(TorchFunctionMode):
    """Observes a forward pass: the calls of the model's LSTM and what is computed from them.

    It replaces `nn.LSTM.forward`, so it does not matter how the model calls the LSTM; with
    `is_adapted` also those of nn.GRU and nn.RNN, whose only state counts as h_n.

    Attributes:
        calls: the arguments of each call of the LSTM, and the shape of the returned h_n.
        functions: names of the torch functions called since the LSTM returned.
    """

    def __init__(self, states: States | None, is_adapted: bool) -> None:
        """Replace the LSTM's output with `states`, row by row if it is called that way."""
        super().__init__()
        self.states = states
        self.kinds = [*FORWARD] if is_adapted else [nn.LSTM]
        self.calls: list[dict[str, Any]] = []
        self.functions: set[str] = set()
        self.rows = 0
        self.trace = ShapeTrace()

    def run(self, model: nn.Module, padded: Tensor) -> Any:
        """Call the model under observation."""
        student.trace = self.trace = ShapeTrace(padded=padded)
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with contextlib.ExitStack() as stack:
            for kind in self.kinds:
                stack.enter_context(patch.object(kind, "forward", self._observed(kind)))
            with torch.no_grad(), exact, self:
                return model(padded)

    def _observed(self, kind: type[nn.RNNBase]) -> Callable[..., Any]:
        """Return the `forward` of a kind of layer, under observation."""

        def forward(layer: nn.RNNBase, input: Any, hx: Any = None) -> Any:  # noqa: A002
            if kind is nn.LSTM:
                return self._forward(layer, FORWARD[kind](layer, input, hx), input, hx)
            output, h_n = FORWARD[kind](layer, input, hx)
            start = None if hx is None else (hx, torch.zeros_like(hx))
            output, (h_n, _) = self._forward(
                layer, (output, (h_n, torch.zeros_like(h_n))), input, start
            )
            return output, h_n

        forward.__qualname__ = f"{kind.__name__}.forward"  # for the message of a TypeError
        return forward

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Record a call and execute it."""
        self.functions.add(getattr(func, "__name__", ""))
        return self.trace.call(func, args, kwargs or {})

    def _forward(self, lstm: nn.RNNBase, returned: Any, given: Any, start: Any) -> Any:
        output, (h_n, c_n) = returned
        lengths = None
        if isinstance(output, PackedSequence):
            given, lengths = pad_packed_sequence(given, batch_first=True)
        elif not lstm.batch_first and given.dim() == 3:
            given = given.transpose(0, 1)
        self.calls.append(
            {"input": given, "lengths": lengths, "h_n_shape": tuple(h_n.shape), "start": start}
        )
        if self.states is not None:
            output, h_n, c_n = self._replaced(lstm, (output, h_n, c_n), lengths)
        self.functions.clear()
        return output, (h_n, c_n)

    def _replaced(self, lstm: nn.RNNBase, returned: Any, lengths: Tensor | None) -> Any:
        """Convert the states of the next rows to the form of the LSTM's output."""
        output, h_n, _ = returned
        count = h_n.shape[1] if h_n.dim() == 3 else 1
        rows = slice(self.rows, self.rows + count)
        self.rows += count
        new, new_h, new_c = (state.to(h_n) for state in self.states or ())
        new, new_h, new_c = new[rows], new_h[:, rows].contiguous(), new_c[:, rows].contiguous()
        if h_n.dim() == 2:  # one sentence without a batch dimension
            new, new_h, new_c = new.squeeze(0), new_h.squeeze(1), new_c.squeeze(1)
        if new_h.shape != h_n.shape:
            return returned
        if isinstance(output, PackedSequence):
            sorted_ = output.unsorted_indices is None
            return pack_padded_sequence(new, lengths, True, sorted_), new_h, new_c  # type: ignore[arg-type]
        if h_n.dim() == 3 and not lstm.batch_first:
            new = new.transpose(0, 1).contiguous()
        return new, new_h, new_c


def run(
    sizes: Sizes,
    device: str,
    inputs: list[TensorData],
    states: list[tuple[TensorData, TensorData, TensorData] | None],
    training: bool,
    is_adapted: bool,
) -> list[Any]:
    """Call a model on each input in turn, in eval mode or in training mode.

    An entry of `states` replaces the LSTM's output, and the random generators are seeded again, so
    that only the states make a difference. Returns a list of
    `{"logits", "lstm_calls", "functions", "trace"}`: the logits or the exception, the calls of the
    LSTM, the names of the torch functions that were called after it, and the shapes on the way.
    """
    model = _build(sizes, device, is_adapted).train(training)
    chance = torch.get_rng_state()
    results = []
    for padded, replacement in zip(inputs, states, strict=True):
        tensors = None if replacement is None else tuple(part.torch() for part in replacement)
        if tensors is not None:
            torch.set_rng_state(chance)
        watch = LstmSpy(tensors, is_adapted)  # type: ignore[arg-type]
        shape = ", ".join(map(str, padded.shape))
        call = f"{_call(sizes)}(torch.randn({shape}))"
        logits = student.attempt(call, watch.run, model, padded.torch().to(device))
        functions = sorted(watch.functions)
        results.append(
            {
                "logits": logits,
                "lstm_calls": watch.calls,
                "functions": functions,
                "trace": watch.trace.text,
            }
        )
    return results


class MetaReplay(TorchFunctionMode):
    """Records the results of torch functions on the CPU, and replays them in a run without values.

    Attributes:
        noted: the recorded functions and results, in order.
    """

    NEEDS_VALUES = ("cannot be called on meta tensors", "can't convert meta device type tensor")

    def __init__(self, lent: list[tuple[Any, Any]] | None = None) -> None:
        """Record results, or replay those of an earlier run."""
        super().__init__()
        self.noted: list[tuple[Any, Any]] = []
        self.lent = None if lent is None else iter(lent)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Execute a call; if it needs the values of a `meta` tensor, replay the recorded ones."""
        if self.lent is None:
            self.noted.append((func, func(*args, **(kwargs or {}))))
            return self.noted[-1][1]
        same, result = next(self.lent, (None, None))
        try:
            return func(*args, **(kwargs or {}))
        except (NotImplementedError, RuntimeError, TypeError) as error:
            needs_values = any(text in str(error) for text in self.NEEDS_VALUES)
            if same is not func or not (needs_values or isinstance(error, NotImplementedError)):
                raise
            return result if func in (Tensor.to, Tensor.cpu) else _floats_to_meta(result)


def _floats_to_meta(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(map(_floats_to_meta, value))
    return value.to("meta") if isinstance(value, Tensor) and value.is_floating_point() else value


def run_elsewhere(sizes: Sizes, shape: tuple[int, ...], is_adapted: bool) -> str:
    """Call a model on a device other than the CPU that exists everywhere: torch's `meta`.

    A tensor on `meta` has a shape but no values. If the model needs values (such as the lengths of
    sentences), it gets those of a run on the CPU. Returns the device type of the logits.
    """
    here, there = (_build(sizes, "cpu", is_adapted) for _ in range(2))
    padded, values = torch.ones(shape), MetaReplay()
    padded_there = padded.to("meta")
    with torch.no_grad(), student.calling(f"{_call(sizes)}.to(device)(padded)"):
        with values:
            here(padded)
        if any(map(is_lazy, there.parameters())):  # lazy parameters get their shape in a first run
            there(padded)
        there.to("meta")
        with MetaReplay(values.noted):
            return str(there(padded_there).device)
