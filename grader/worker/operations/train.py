"""Operations on `exercise.train`: run the student's loop on a small model of the grader's."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.data import DataLoader

from .. import shape_trace
from ..recipe import Recipe
from ..student import student
from ..wire import TensorData

Batch = tuple[Tensor, Tensor]
# Factors of Probe's logits: in training mode, in eval mode with gradients and without, and if its
# layer is in another mode than the probe itself.
FACTORS = {"train": 1.0, "grad": 0.5, "eval": 0.5, "mixed": 0.75}


class TwoDevices(TorchFunctionMode):
    """A mode in which tensors act as if they were on two devices, the loader's and the model's.

    `place` puts a tensor on one of the two; results computed from it are on the same device. A
    moved tensor is compatible with both, because both are actually the same device.

    Numbers show what was not moved. A tensor of the loader holds false values and, in its attribute
    `real`, the real ones, which it gets where it is moved. A call with tensors from both devices,
    which would be an error on real devices, computes with the false values. It is also recorded in
    `unmoved`.
    """

    DEVICE_OF = (
        Tensor.device.__get__,
        Tensor.get_device,
        Tensor.is_cuda.__get__,  # type: ignore[attr-defined]
    )
    MOVES = (Tensor.cpu, Tensor.cuda, Tensor.type_as)
    ALLOWED = (  # real devices allow these for tensors on different devices
        Tensor.__getitem__,
        Tensor.__setitem__,
        Tensor.copy_,
        Tensor.expand_as,
        Tensor.reshape_as,
        Tensor.view_as,
    )

    def __init__(self) -> None:
        """Start with no tensor on either device."""
        super().__init__()
        self.unmoved: set[str] = set()
        self.named: set[str] = set()  # the devices that calls name
        self.looked_up = False  # whether student code read the device of a tensor

    @staticmethod
    def place(tensor: Tensor, place: str, real: Tensor | None = None) -> Tensor:
        """Put a tensor on the device of the "loader", with its real values, or of the "model"."""
        tensor.place = place  # type: ignore[attr-defined]
        if real is not None:
            tensor.real_values = real  # type: ignore[attr-defined]
        return tensor

    @staticmethod
    def on(tensor: object, place: str) -> bool:
        """Return whether a tensor is on a device; a moved tensor is on neither."""
        return getattr(tensor, "place", None) == place

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Execute a call and place the result."""
        given = args, kwargs or {}
        self.looked_up |= func in self.DEVICE_OF and _is_read_by_student()
        devices = (x for x in (*args, *given[1].values()) if isinstance(x, (str, torch.device)))
        self.named.update(map(str, devices))
        inputs = [leaf for leaf in tree_leaves(given) if isinstance(leaf, Tensor)]
        # A tensor without dimensions is a number, and numbers are compatible with every device.
        places = {p for tensor in inputs if tensor.dim() and (p := getattr(tensor, "place", None))}
        if self._moves(func, *given):
            result = _call(func, _real(given))
            # If no move is necessary, torch returns the tensor itself.
            same = any(result is tensor for tensor in tree_leaves(_real(given)))
            return result.view_as(result) if same else result
        if len(places) == 2 and func in self.ALLOWED:
            return _call(func, _real(given))
        if len(places) == 2:
            self.unmoved.add("targets")
            return _call(func, given)
        if not any(_has_real(tensor) for tensor in inputs):
            return self._placed(_call(func, given), places)
        return self._of_loader(func, given)

    def _placed(self, result: Any, places: set[str]) -> Any:
        if len(places) == 1:
            (place,) = places
            tree_map(lambda x: self.place(x, place) if isinstance(x, Tensor) else x, result)
        return result

    def _of_loader(self, func: Any, given: Any) -> Any:
        """Execute a call on the loader's device, for the real values and for the false ones."""
        real = _call(func, _real(given))
        first = given[0][0] if given[0] else None
        leaves = [leaf for leaf in tree_leaves(real) if isinstance(leaf, Tensor)]
        if not any(leaf.dim() for leaf in leaves) or _changes(func, first):
            return real
        result = _call(func, given)
        others = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        for leaf, other in zip(leaves, others, strict=True):
            self.place(other, "loader", leaf)
        return result

    def _moves(self, func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
        if func is Tensor.to:
            return any(
                isinstance(x, (str, torch.device, Tensor)) for x in (*args[1:], *kwargs.values())
            )
        return func in self.MOVES or kwargs.get("device") is not None


def _is_read_by_student() -> bool:
    """Return whether student code, and not torch, called the function that is dispatched."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename == shape_trace.__file__:
        frame = frame.f_back  # another mode, which passes all calls on
    return frame is not None and frame.f_code.co_filename in student.names.values()


def _call(func: Any, given: Any) -> Any:
    return func(*given[0], **given[1])


def _has_real(value: object) -> bool:
    return isinstance(value, Tensor) and hasattr(value, "real_values")


def _real(value: Any) -> Any:
    """Replace the loader's tensors in a structure by their real values."""
    return tree_map(lambda x: x.real_values if _has_real(x) else x, value)


def _changes(func: Any, first: object) -> bool:
    """Return whether a call changes its first argument in place, and that is not the loader's."""
    name = getattr(func, "__name__", "")
    in_place = name.endswith("_") and not name.endswith("__")
    is_operator = name.startswith("__i") and name not in ("__invert__", "__index__", "__int__")
    return (in_place or is_operator) and not _has_real(first)


def _false_values(tensor: Tensor) -> Tensor:
    """Return other values: of rows the negative ones, of targets the next smaller class."""
    if tensor.is_floating_point():
        return -tensor
    return torch.where(tensor > 0, tensor - 1, tensor + 1)


class Probe(nn.Module):
    """Logits (B, C) from padded (B, T, F): the sum over T, times `weight.T`, plus `bias`.

    They are scaled by a factor of the mode, so that a wrong mode shows in every number. `events`
    records each call, and each gradient that reaches the probe.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        firsts: dict[float, str],
        log_softmax: bool,
        factors: dict[str, float],
    ) -> None:
        """Start from `weight` (C, F) and `bias` (C,).

        `firsts` maps first values to batches; `log_softmax` makes the logits log-probabilities,
        which have the same cross-entropy; `factors` are those of the modes, see `FACTORS`.
        """
        super().__init__()
        self.log_softmax, self.factors = log_softmax, factors
        self.linear = nn.Linear(weight.shape[1], weight.shape[0])
        self.linear.weight, self.linear.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.firsts = firsts
        self.events: list[dict[str, Any]] = []
        self.weight.register_hook(lambda _gradient: self.events.append({"backward": True}))

    @property
    def weight(self) -> Tensor:
        """The weight (C, F) of its only layer."""
        return self.linear.weight

    @property
    def bias(self) -> Tensor:
        """The bias (C,) of its only layer."""
        return self.linear.bias

    def forward(self, padded: Tensor) -> Tensor:
        """Compute the logits and record the call."""
        self.events.append(
            {
                "batch": self.firsts.get(padded.detach().flatten()[0].item(), "?"),
                "training": self.training or self.linear.training,
                "grad": torch.is_grad_enabled(),
                "moved": not TwoDevices.on(padded, "loader"),
                "weight": self.weight.detach().clone(),
                "bias": self.bias.detach().clone(),
            }
        )
        logits = self.scores(padded)
        if student.trace is not None:
            student.trace.start(padded=padded, logits=logits)
        return TwoDevices.place(logits.log_softmax(1) if self.log_softmax else logits, "model")

    def scores(self, padded: Tensor) -> Tensor:
        """Compute the logits."""
        mode = "train" if self.training else "grad" if torch.is_grad_enabled() else "eval"
        mode = mode if self.linear.training == self.training else "mixed"
        with torch._C.DisableTorchFunction():  # what was not moved keeps its false values
            summed = padded.sum(dim=1).to(self.weight.device)
            return self.factors[mode] * nn.functional.linear(summed, self.weight, self.bias)


class ProbeSetup:
    """A probe and its loaders, as described by the grader."""

    def __init__(
        self,
        weight: TensorData,
        bias: TensorData,
        batches: dict[str, list[tuple[TensorData, TensorData]]],
        device: str,
        elsewhere: bool,
        log_softmax: bool = False,
        factors: dict[str, float] = FACTORS,
    ) -> None:
        """Load the batches `{"train": [(padded, targets), ...], "val": ...}` in this order.

        If `elsewhere`, act as if model and batches were on different devices.
        """
        self.devices = TwoDevices()
        self.backwards = 0
        self.grad_left = True
        # Another name of the same device shows whether a call uses it.
        named = f"{device}:0" if elsewhere and ":" not in device else device
        self.device = torch.device(named)
        self.elsewhere, self.told = elsewhere, True
        firsts: dict[float, str] = {}
        self.loaders: dict[str, DataLoader[Batch]] = {}
        for name, parts in batches.items():
            tensors = [(padded.torch(), targets.torch()) for padded, targets in parts]
            for number, (padded, _) in enumerate(tensors):
                firsts[padded.flatten()[0].item()] = f"{name} {number}"
            samples = [sample for batch in tensors for sample in zip(*batch, strict=True)]
            size = len(tensors[0][1])
            self.loaders[name] = DataLoader(samples, batch_size=size, collate_fn=self._collate)  # type: ignore[arg-type]
        self.probe = Probe(weight.torch(), bias.torch(), firsts, log_softmax, factors).to(device)
        self.recipe = Recipe(self.probe.weight)
        self.first = batches["val"][0][0].torch()

    def _collate(self, samples: list[Batch]) -> Batch:
        with torch._C.DisableTorchFunction():  # it is no step of the student's
            rows, targets = (torch.stack(column) for column in zip(*samples, strict=True))
        if not self.elsewhere:
            return rows, targets
        false_rows, false_targets = map(_false_values, (rows, targets))
        place = self.devices.place
        return place(false_rows, "loader", rows), place(false_targets, "loader", targets)

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Count calls of `backward`, observe the recipe, act as two devices if `elsewhere`."""
        backward = torch.autograd.backward

        def counting(*args: Any, **kwargs: Any) -> None:
            self.backwards += 1
            backward(*args, **kwargs)

        devices = self.devices if self.elsewhere else contextlib.nullcontext()
        with (
            torch.enable_grad(),  # also restores it
            patch.object(torch.autograd, "backward", counting),
            self.recipe.watch(),
            devices,
        ):
            yield
            self.grad_left = torch.is_grad_enabled()

    def seen(self) -> dict[str, Any]:
        """Return the observations after the student's code has run.

        `left` are the logits of the first validation batch: they show the mode.
        """
        with torch.no_grad():
            left = self.probe.scores(self.first)
        return {
            "weight": self.probe.weight,
            "bias": self.probe.bias,
            "events": self.probe.events,
            "unmoved": sorted(self.devices.unmoved),
            "left": left,
            "backwards": self.backwards,
            "grad_left": self.grad_left,
            "uses_device": self._uses_device(),
            "recipe": self.recipe.seen(),
        }

    def _uses_device(self) -> bool:
        """Return whether the loop used the device that it was given, or looked it up."""
        named = self.devices.named
        if self.told:
            return str(self.device) in named
        others = {name for name in named if name.partition(":")[0] in ("cpu", "cuda", "mps")}
        return self.devices.looked_up or not others


def evaluate(training: bool, device: str, **scenario: Any) -> dict[str, Any]:
    """Call `evaluate(model, val_loader, device)` on a probe in the given mode."""
    function = student.get("train", "evaluate")
    setup = ProbeSetup(device=device, **scenario)
    setup.probe.train(training)
    with setup.watch():
        result = student.attempt(
            f"evaluate(model, loader, {device!r})",
            shape_trace.traced,
            function,
            setup.probe,
            setup.loaders["val"],
            setup.device,
        )
    if isinstance(result, tuple):  # includes named tuples
        result = tuple(result)
    return {"result": result, **setup.seen()}


def train(
    epochs: int, lr: float, device: str, tell_device: bool, **scenario: Any
) -> dict[str, Any]:
    """Call `train(model, train_loader, val_loader, epochs=, lr=, device=)` on a probe."""
    function = student.get("train", "train")
    setup = ProbeSetup(device=device, **scenario)
    setup.told = tell_device
    setup.probe.eval()  # so that a missing model.train() shows
    with setup.watch():
        result = student.attempt(
            f"train(model, train_loader, val_loader, epochs={epochs}, lr={lr}"
            + (f", device={device!r})" if tell_device else ")"),
            shape_trace.traced,
            function,
            setup.probe,
            setup.loaders["train"],
            setup.loaders["val"],
            epochs=epochs,
            lr=lr,
            **({"device": setup.device} if tell_device else {}),
        )
    if isinstance(result, list):  # includes OrderedDict
        result = [dict(row) if isinstance(row, dict) else row for row in result]
    return {"result": result, **setup.seen()}
