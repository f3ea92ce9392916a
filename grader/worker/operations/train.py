"""Operations on `exercise.train`: the student's loop on a small model of the grader's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..student import student
from ..wire import TensorData

Batch = tuple[Tensor, Tensor]
EVAL_SCALE = 0.5  # what Probe multiplies its logits by in eval mode


class Elsewhere(Tensor):
    """A batch's tensor that acts as if it lay on another device than the model.

    `to` (with a device) brings it to where the model is. Handing it to the model or to a loss
    before that is noted in `unmoved`.
    """

    unmoved: list[str]

    @classmethod
    def wrap(cls, tensor: Tensor, unmoved: list[str]) -> Elsewhere:
        """Wrap a tensor."""
        wrapped = tensor.as_subclass(cls)
        wrapped.unmoved = unmoved
        return wrapped

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Let everything through; note a loss on what was not moved."""
        kwargs = kwargs or {}
        if func in (nn.functional.cross_entropy, nn.functional.nll_loss):
            for value in (*args, *kwargs.values()):
                if isinstance(value, Elsewhere):
                    value.unmoved.append("targets")
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **kwargs)
            places = (str, torch.device, Tensor)
            moved = func is Tensor.to and any(
                isinstance(value, places) for value in (*args[1:], *kwargs.values())
            )
            if moved or func in (Tensor.cpu, Tensor.cuda):
                return result.as_subclass(Tensor)
            return result


class Probe(nn.Module):
    """Logits (B, C) from padded (B, T, F): the sum over T, times `weight.T`, plus `bias`.

    In eval mode they are scaled by `EVAL_SCALE`, so that a wrong mode shows in every number.
    Each call is noted in `events`.
    """

    def __init__(self, weight: Tensor, bias: Tensor, firsts: dict[float, str]) -> None:
        """Start from `weight` (C, F) and `bias` (C,); `firsts` tells a batch by its first value."""
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.firsts = firsts
        self.events: list[dict[str, Any]] = []

    def forward(self, padded: Tensor) -> Tensor:
        """Compute the logits and note the call."""
        self.events.append(
            {
                "batch": self.firsts.get(padded.detach().flatten()[0].item(), "?"),
                "training": self.training,
                "grad": torch.is_grad_enabled(),
                "moved": not isinstance(padded, Elsewhere),
            }
        )
        summed = padded.as_subclass(Tensor).sum(dim=1).to(self.weight.device)
        logits = nn.functional.linear(summed, self.weight, self.bias)
        return logits if self.training else EVAL_SCALE * logits


class Scene:
    """A probe and its loaders, as the grader describes them."""

    def __init__(
        self,
        weight: TensorData,
        bias: TensorData,
        batches: dict[str, list[tuple[TensorData, TensorData]]],
        device: str,
        elsewhere: bool,
    ) -> None:
        """Take batches `{"train": [(padded, targets), ...], "val": ...}` as they are to come."""
        self.unmoved: list[str] = []
        firsts: dict[float, str] = {}
        self.loaders = {}
        for name, parts in batches.items():
            tensors = [(padded.torch(), targets.torch()) for padded, targets in parts]
            for number, (padded, _) in enumerate(tensors):
                firsts[padded.flatten()[0].item()] = f"{name} {number}"
            if elsewhere:
                tensors = [tuple(Elsewhere.wrap(t, self.unmoved) for t in b) for b in tensors]  # type: ignore[misc]
            # A list is a data set of whole batches; a DataLoader is what students know.
            self.loaders[name] = DataLoader(tensors, batch_size=None)  # type: ignore[arg-type]
        self.probe = Probe(weight.torch(), bias.torch(), firsts).to(device)

    def seen(self) -> dict[str, Any]:
        """Return what is left after the student's code ran."""
        return {
            "weight": self.probe.weight,
            "bias": self.probe.bias,
            "events": self.probe.events,
            "unmoved": sorted(set(self.unmoved)),
            "training": self.probe.training,
        }


def evaluate(training: bool, device: str, **scene: Any) -> dict[str, Any]:
    """Call `evaluate(model, val_loader, device)` on a probe in the given mode."""
    function = student.get("train", "evaluate")
    stage = Scene(device=device, **scene)
    stage.probe.train(training)
    result = student.attempt(
        f"evaluate(model, loader, {device!r})",
        function,
        stage.probe,
        stage.loaders["val"],
        torch.device(device),
    )
    return {"result": result, **stage.seen()}


def train(epochs: int, lr: float, device: str, tell_device: bool, **scene: Any) -> dict[str, Any]:
    """Call `train(model, train_loader, val_loader, epochs=, lr=, device=)` on a probe."""
    function = student.get("train", "train")
    stage = Scene(device=device, **scene)
    told = torch.device(device) if tell_device else None
    result = student.attempt(
        f"train(model, train_loader, val_loader, epochs={epochs}, lr={lr}"
        + (f", device={device!r})" if tell_device else ")"),
        function,
        stage.probe,
        stage.loaders["train"],
        stage.loaders["val"],
        epochs=epochs,
        lr=lr,
        **({"device": told} if tell_device else {}),
    )
    return {"result": result, **stage.seen()}
