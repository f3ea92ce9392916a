"""Observes what a training loop consists of: its optimizer, its schedulers, and its losses."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import lr_scheduler
from torch.optim.optimizer import register_optimizer_step_pre_hook

LOSSES = (
    *("cross_entropy", "nll_loss", "multi_margin_loss", "multilabel_soft_margin_loss", "kl_div"),
    *("binary_cross_entropy", "binary_cross_entropy_with_logits", "soft_margin_loss"),
    *("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "cosine_embedding_loss"),
)
# Arguments that keep a loss what it is.
PLAIN = {"weight": None, "label_smoothing": 0.0, "ignore_index": -100}


class Recipe:
    """The parts of a loop. They only help to explain weights that are wrong.

    Attributes:
        optimizer: the class of the optimizer that made a step.
        settings: its settings that differ from the defaults of the class.
        schedulers: the classes of the schedulers that were created.
        losses: the loss functions that were called with gradients, with `PLAIN` arguments that
            were changed, such as "cross_entropy with weight".
        measures: those that were called without gradients.
        changed: whether a gradient of `weight` was changed between `backward` and the step.
        autocast: whether a part of it ran in `torch.autocast`.
    """

    def __init__(self, weight: Tensor) -> None:
        """Observe a loop that trains `weight`."""
        self.weight = weight
        self.optimizer = ""
        self.settings: dict[str, str] = {}
        self.schedulers: list[str] = []
        self.losses: list[str] = []
        self.measures: list[str] = []
        self.changed = self.autocast = False
        self.gradient: Tensor | None = None
        weight.register_hook(self._received)

    def _received(self, gradient: Tensor) -> None:
        self.gradient = gradient.detach().clone()

    def _before_step(self, optimizer: Any, _args: Any, _kwargs: Any) -> None:
        if not self.optimizer:
            self.optimizer = type(optimizer).__name__
            with contextlib.suppress(Exception):  # an optimizer of one's own may have none
                self.settings = _settings(optimizer)
        if self.gradient is not None and self.weight.grad is not None:
            self.changed |= not torch.allclose(self.weight.grad, self.gradient)

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Observe what is called inside."""
        hook = register_optimizer_step_pre_hook(self._before_step)
        try:
            with contextlib.ExitStack() as stack:
                for name in LOSSES:
                    stack.enter_context(patch.object(functional, name, self._loss(name)))
                for kind in (lr_scheduler.LRScheduler, lr_scheduler.ReduceLROnPlateau):
                    stack.enter_context(patch.object(kind, "__init__", self._scheduler(kind)))
                stack.enter_context(patch.object(torch.autocast, "__enter__", self._entered()))
                yield
        finally:
            hook.remove()

    def _loss(self, name: str) -> Callable[..., Any]:
        function = getattr(functional, name)
        parameters = inspect.signature(function)

        @functools.wraps(function)  # torch passes the name on to modes, such as the shape trace
        def observed(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            given = parameters.bind(*args, **kwargs).arguments
            changed = [
                key for key, plain in PLAIN.items() if _differs(given.get(key, plain), plain)
            ]
            text = f"{name} with {' and '.join(changed)}" if changed else name
            called = self.losses if torch.is_grad_enabled() else self.measures
            called += [text] * (text not in called)
            return result

        return observed

    def _scheduler(self, kind: type) -> Callable[..., None]:
        initialise: Callable[..., None] = kind.__init__  # type: ignore[misc]

        def observed(scheduler: object, *args: Any, **kwargs: Any) -> None:
            name = type(scheduler).__name__
            self.schedulers += [name] * (name not in self.schedulers)
            initialise(scheduler, *args, **kwargs)

        return observed

    def _entered(self) -> Callable[..., Any]:
        enter: Callable[..., Any] = torch.autocast.__enter__

        def observed(context: torch.autocast) -> Any:
            self.autocast |= bool(context._enabled)
            return enter(context)

        return observed

    def seen(self) -> dict[str, Any]:
        """Return the observations as plain data."""
        return {
            "optimizer": self.optimizer,
            "settings": self.settings,
            "schedulers": self.schedulers,
            "losses": self.losses,
            "measures": self.measures,
            "changed": self.changed,
            "autocast": self.autocast,
        }


def _differs(value: object, plain: object) -> bool:
    return isinstance(value, Tensor) or value != plain


def _settings(optimizer: Any) -> dict[str, str]:
    """Return the settings that differ from the defaults of the optimizer's class."""
    defaults = inspect.signature(type(optimizer).__init__).parameters
    rates = {float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups}
    settings = {
        name: str(value)
        for name, value in optimizer.defaults.items()
        if name in defaults and name != "lr" and value != defaults[name].default
    }
    return {"lr": " and ".join(map(str, sorted(rates))), **settings}
