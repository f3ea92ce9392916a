"""Operations on `exercise.model`.

The worker is seeded before each operation, so a model of the same sizes has the same weights in
all of them.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.overrides import TorchFunctionMode

from ..student import student
from ..wire import TensorData

Sizes = dict[str, int]  # the arguments of LSTMClassifier


def _call(sizes: Sizes) -> str:
    arguments = ", ".join(f"{name}={value}" for name, value in sizes.items())
    return f"LSTMClassifier({arguments})"


def _build(sizes: Sizes, device: str) -> nn.Module:
    make = student.get("model", "LSTMClassifier")
    with student.calling(_call(sizes)):
        model = make(**sizes)
        if not isinstance(model, nn.Module):
            raise TypeError(f"LSTMClassifier is no nn.Module: {type(model).__name__}")
        return model.to(device).eval()


def _lstms(model: nn.Module) -> list[nn.LSTM]:
    return [part for part in model.modules() if isinstance(part, nn.LSTM)]


def build(sizes: Sizes, device: str) -> dict[str, Any]:
    """Build a model and list its LSTMs, the types of all its modules and its signature."""
    model = _build(sizes, device)
    names = ("input_size", "hidden_size", "num_layers", "bidirectional", "batch_first")
    return {
        "lstms": [{name: getattr(lstm, name) for name in names} for lstm in _lstms(model)],
        "modules": [type(part).__name__ for part in model.modules()],
        "defaults": {
            name: parameter.default
            for name, parameter in inspect.signature(type(model)).parameters.items()
            if parameter.default is not parameter.empty
        },
    }


def lstm_weights(sizes: Sizes) -> dict[str, Tensor]:
    """Return the parameters of the model's first LSTM by their names."""
    return dict(_lstms(_build(sizes, "cpu"))[0].named_parameters())


class Hook:
    """Sees a model's LSTM calls, and replaces what they return where it is told to."""

    def __init__(self, states: tuple[Tensor, Tensor, Tensor] | None) -> None:
        """Replace by `states`: output (B, T, D * H), h_n and c_n (L * D, B, H)."""
        self.states = states
        self.calls: list[dict[str, Any]] = []

    def __call__(
        self, lstm: nn.LSTM, args: tuple[Any, ...], kwargs: dict[str, Any], returned: Any
    ) -> Any:
        """Note one call of the LSTM."""
        given = args[0] if args else kwargs["input"]
        output, (h_n, c_n) = returned
        lengths = None
        if isinstance(output, PackedSequence):
            given, lengths = pad_packed_sequence(given, batch_first=True)
        elif not lstm.batch_first and given.dim() == 3:
            given = given.transpose(0, 1)
        self.calls.append(
            {
                "input": given,
                "lengths": lengths,
                "h_n_shape": tuple(h_n.shape),
                "own_start": len(args) > 1 or kwargs.get("hx") is not None,
            }
        )
        if self.states is None or self.states[1].shape != h_n.shape:
            return None
        new_output, *new_states = (state.to(h_n.device) for state in self.states)
        if isinstance(output, PackedSequence):
            packed = pack_padded_sequence(
                new_output,
                lengths,  # type: ignore[arg-type]
                batch_first=True,
                enforce_sorted=output.unsorted_indices is None,
            )
            return packed, tuple(new_states)
        if not lstm.batch_first:
            new_output = new_output.transpose(0, 1)
        return new_output.contiguous(), tuple(new_states)


class FunctionNames(TorchFunctionMode):
    """Notes the names of the torch functions that are called."""

    def __init__(self) -> None:
        """Start with none."""
        super().__init__()
        self.seen: set[str] = set()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Note one call and do it."""
        self.seen.add(getattr(func, "__name__", ""))
        return func(*args, **(kwargs or {}))


def run(
    sizes: Sizes,
    device: str,
    inputs: list[TensorData],
    states: list[tuple[TensorData, TensorData, TensorData] | None],
) -> list[Any]:
    """Call one model on each input in turn, in eval mode.

    Where `states` has an entry, what the LSTM returns is replaced by it. Gives a list of
    `{"logits", "lstm_calls", "functions"}`, the logits or what was raised, and the names of the
    torch functions that were called.
    """
    model = _build(sizes, device)
    results = []
    for padded, replacement in zip(inputs, states, strict=True):
        tensors = None if replacement is None else tuple(part.torch() for part in replacement)
        hook = Hook(tensors)  # type: ignore[arg-type]
        handles = [lstm.register_forward_hook(hook, with_kwargs=True) for lstm in _lstms(model)]
        shape = ", ".join(map(str, padded.shape))
        given = padded.torch().to(device)
        with torch.no_grad(), FunctionNames() as names:
            logits = student.attempt(f"{_call(sizes)}(torch.randn({shape}))", model, given)
        for handle in handles:
            handle.remove()
        functions = sorted(names.seen)
        results.append({"logits": logits, "lstm_calls": hook.calls, "functions": functions})
    return results


class FloatsElsewhere(TorchFunctionMode):
    """Puts float tensors that are made without a device on `meta`, as if that were the CPU."""

    FACTORIES = frozenset(
        {torch.zeros, torch.ones, torch.empty, torch.full, torch.rand, torch.randn, torch.tensor}
    )

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Make the tensor, elsewhere if nobody said where."""
        made = func(*args, **(kwargs or {}))
        if func in self.FACTORIES and not (kwargs or {}).get("device"):
            return made.to("meta") if made.is_floating_point() else made
        return made


def run_elsewhere(sizes: Sizes, shape: tuple[int, ...]) -> str:
    """Call a model on a device that is not the CPU, without having one.

    The model runs on torch's `meta` device. Where it needs to read values (the lengths of
    sentences, say), `meta` has none; then it runs on the CPU, and tensors that it makes without
    saying where are put on `meta` instead. Returns the type of the logits' device.
    """
    call = f"{_call(sizes)}.to(device)(padded)"
    model = _build(sizes, "cpu")
    with torch.no_grad():
        try:
            return str(model.to("meta")(torch.zeros(shape, device="meta")).device)
        except (NotImplementedError, RuntimeError) as error:
            if "meta tensor" not in str(error):
                with student.calling(call):
                    raise
        model = _build(sizes, "cpu")
        with student.calling(call), FloatsElsewhere():
            return str(model(torch.ones(shape, device="cpu")).device)
