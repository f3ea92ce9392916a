"""Follows the shapes of tensors through a call: `padded (3, 8, 7) -> lstm output (3, 8, 12)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from .student import student

MOST = 12  # steps that are shown: the first, and the last ones
LONGEST = 400  # characters
KEPT = 100  # steps of a long call
RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}
CELLS = {"lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"}
FOLLOWED = {
    *("linear", "matmul", "bmm", "addmm", "embedding", "batch_norm", "einsum", "conv1d"),
    *("cat", "stack", "hstack", "vstack", "chunk", "split"),
    *("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "expand", "repeat"),
    *("transpose", "permute", "swapaxes", "flip", "mean", "sum", "max", "min", "amax", "select"),
    *("__getitem__", "cross_entropy", "nll_loss", "pad_sequence", *RECURRENT, *CELLS),
}
RENAMED = {"cross_entropy_loss": "cross_entropy", "concat": "cat", "concatenate": "cat"}


class ShapeTrace:
    """The shapes along one call, as far as torch functions make them.

    Attributes:
        steps: the function and the shape of its result, in order.
    """

    def __init__(self, **given: Tensor) -> None:
        """Begin with the arguments of the call, by name."""
        self.start(**given)

    def start(self, **given: Tensor) -> None:
        """Begin again."""
        self.steps = [f"{name} {_shape(tensor)}" for name, tensor in given.items()]

    def call(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Call a torch function and note what it does to the shapes."""
        name = getattr(func, "__name__", "")
        name = RENAMED.get(name, name)
        if name not in FOLLOWED:
            return func(*args, **kwargs)
        try:
            result = func(*args, **kwargs)
        except Exception:
            self.steps.append(_expects(name, args))
            raise
        self.add(name, args, result)
        return result

    def add(self, name: str, args: Sequence[Any], result: Any) -> None:
        """Note the result of a function."""
        if name in RECURRENT:
            states = result[1] if len(result) == 2 else result[1:]
            h_n = states[0] if isinstance(states, (tuple, list)) else states
            self.steps.append(f"{name} output {_shape(result[0])}, h_n {_shape(h_n)}")
            return
        if name == "__getitem__" and isinstance(result, Tensor) and not result.dim():
            return  # a number, such as torch's own reading of batch sizes
        shown, shape = _index(args) if name == "__getitem__" else name, _shape(result)
        last = self.steps[-1] if self.steps else ""
        if name == "__getitem__" and last.startswith("[") and last.endswith(f"] {shape}"):
            shown = f"{last[: -len(shape) - 1]} and {shown}"  # such as two states of h_n
            self.steps.pop()
        if last != f"{shown} {shape}":
            self.steps.append(f"{shown} {shape}")
        del self.steps[1 : 1 - KEPT]

    @property
    def text(self) -> str:
        """The steps, as one line."""
        steps = self.steps
        if len(steps) > MOST:
            steps = [steps[0], "...", *steps[2 - MOST :]]
        text = " -> ".join(steps)
        return text if len(text) <= LONGEST else f"... {text[4 - LONGEST :]}"


class Tracing(TorchFunctionMode):
    """Passes all calls of torch functions to a trace."""

    def __init__(self, trace: ShapeTrace) -> None:
        """Extend `trace`."""
        super().__init__()
        self.trace = trace

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Execute a call and note its shapes."""
        return self.trace.call(func, args, kwargs or {})


def traced(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call student code, and keep the shapes on the way for its exceptions."""
    if student.is_edited:  # nobody reads them
        return function(*args, **kwargs)
    student.trace = ShapeTrace()
    with Tracing(student.trace):
        return function(*args, **kwargs)


def _shape(value: Any) -> str:
    if isinstance(value, PackedSequence):
        return f"packed {tuple(value.data.shape)}"
    if isinstance(value, (tuple, list)):
        parts = [_shape(part) for part in value[:3]]
        return f"{', '.join(dict.fromkeys(parts))}{', ...' if len(value) > 3 else ''}"
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__


def _index(args: Sequence[Any]) -> str:
    """Write the index of `tensor[index]`."""
    index = args[1] if len(args) > 1 else ...
    parts = index if isinstance(index, tuple) else (index,)
    return f"[{', '.join(map(_part, parts))}]"


def _part(part: Any) -> str:
    if isinstance(part, slice):
        start, stop = ("" if end is None else str(end) for end in (part.start, part.stop))
        return f"{start}:{stop}" + (f":{part.step}" if part.step is not None else "")
    if part is ...:
        return "..."
    return str(part) if part is None or isinstance(part, int) else _shape(part)


def _expects(name: str, args: Sequence[Any]) -> str:
    """Write what a function that raised was given, or what a layer expects."""
    tensors = [part for part in args if isinstance(part, Tensor)]
    if name == "linear" and len(tensors) > 1:
        return f"linear expects {tensors[1].shape[-1]}"
    if name == "__getitem__":
        return f"{_index(args)} fails"
    lists = [part for part in args[:1] if isinstance(part, (tuple, list))]
    given = [_shape(part) for part in (lists[0] if lists else tensors[:2])]
    return f"{name} of {' and '.join(given[:4])} fails" if given else f"{name} fails"
