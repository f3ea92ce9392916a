"""What a training loop does to the worker's probe model, computed in NumPy, step by step.

The probe: logits (B, C) = scale * (padded.sum(1) @ weight.T + bias), scale 1 in training mode
and `EVAL_SCALE` in eval mode. A `Loop` with all its defaults is the right one: Adam
(Kingma and Ba 2015, with the constants that `torch.optim.Adam` has) on the mean cross-entropy of
each batch. The other values describe known mistakes, to compare a student's result with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

EVAL_SCALE = 0.5
Array = np.ndarray[Any, Any]
Batch = tuple[Array, Array]  # padded (B, T, F), targets (B,)


@dataclass(frozen=True)
class Scene:
    """Where the probe starts, and the batches."""

    weight: Array
    bias: Array
    train: tuple[Batch, ...]
    val: tuple[Batch, ...]


@dataclass(frozen=True)
class Loop:
    """How a loop goes about it; the defaults are right."""

    optimizer: str = "adam"  # adam, adamw, sgd
    lr: float = 0.05
    epochs: int = 3
    zero_grad: bool = True
    step_first: bool = False
    renew_optimizer: str = "never"  # never, epoch, batch
    softmax: bool = False
    eval_mode_from: int = 999  # the epoch from which the loop trains in eval mode
    learns_from_val: bool = False


def softmax(scores: Array) -> Array:
    """Return the softmax of each row."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def losses(scores: Array, targets: Array) -> Array:
    """Return each row's cross-entropy."""
    return -np.log(softmax(scores)[np.arange(len(targets)), targets])


class Run:
    """A loop running on a scene."""

    def __init__(self, scene: Scene, loop: Loop) -> None:
        """Start with the scene's weights."""
        self.scene, self.loop = scene, loop
        self.weight, self.bias = scene.weight.astype(float), scene.bias.astype(float)
        self.gradient = np.zeros((len(self.bias), self.weight.shape[1] + 1))
        self.train_losses: list[float] = []
        self.val_losses: list[float] = []
        self.val_accuracies: list[float] = []
        self._renew()
        for epoch in range(loop.epochs):
            self._epoch(epoch)

    def _renew(self) -> None:
        self.first, self.second = np.zeros_like(self.gradient), np.zeros_like(self.gradient)
        self.steps = 0

    def scores(self, padded: Array, scale: float) -> Array:
        """Return the probe's logits."""
        return scale * (padded.sum(axis=1) @ self.weight.T + self.bias)

    def _epoch(self, epoch: int) -> None:
        if self.loop.renew_optimizer == "epoch":
            self._renew()
        scale = EVAL_SCALE if epoch >= self.loop.eval_mode_from else 1.0
        met = [self._learn(batch, scale) for batch in self.scene.train]
        self.train_losses.append(float(np.concatenate(met).mean()))
        if self.loop.learns_from_val:
            for batch in self.scene.val:
                self._learn(batch, EVAL_SCALE)
        loss, accuracy = self.evaluate()
        self.val_losses.append(loss)
        self.val_accuracies.append(accuracy)

    def evaluate(self, scale: float = EVAL_SCALE) -> tuple[float, float]:
        """Return mean loss and accuracy over the validation samples."""
        every = [(self.scores(padded, scale), targets) for padded, targets in self.scene.val]
        loss = np.concatenate([losses(scores, targets) for scores, targets in every]).mean()
        hits = np.concatenate([scores.argmax(axis=1) == targets for scores, targets in every])
        return float(loss), float(hits.mean())

    def _learn(self, batch: Batch, scale: float) -> Array:
        if self.loop.renew_optimizer == "batch":
            self._renew()
        padded, targets = batch
        scores = self.scores(padded, scale)
        met = losses(softmax(scores) if self.loop.softmax else scores, targets)
        gradient = self._gradient(padded, targets, scores, scale)
        if self.loop.step_first:
            self._step()
        self.gradient = gradient if self.loop.zero_grad else self.gradient + gradient
        if not self.loop.step_first:
            self._step()
        return met

    def _gradient(self, padded: Array, targets: Array, scores: Array, scale: float) -> Array:
        """Return the gradient (C, F + 1) of the batch's mean loss, for weight and bias."""
        one_hot = np.eye(scores.shape[1])[targets]
        shares = softmax(scores)
        if self.loop.softmax:
            outer = softmax(shares) - one_hot
            slope = shares * (outer - (outer * shares).sum(axis=1, keepdims=True))
        else:
            slope = shares - one_hot
        inputs = np.concatenate([padded.sum(axis=1), np.ones((len(targets), 1))], axis=1)
        gradient: Array = scale * slope.T @ inputs / len(targets)
        return gradient

    def _step(self) -> None:
        if not self.gradient.any():
            return  # a parameter without a gradient is left alone
        lr = self.loop.lr
        if self.loop.optimizer == "sgd":
            self._move(lr * self.gradient)
            return
        if self.loop.optimizer == "adamw":
            self.weight *= 1 - lr * 0.01
            self.bias *= 1 - lr * 0.01
        self.steps += 1
        self.first = 0.9 * self.first + 0.1 * self.gradient
        self.second = 0.999 * self.second + 0.001 * self.gradient**2
        mean = self.first / (1 - 0.9**self.steps)
        spread = np.sqrt(self.second / (1 - 0.999**self.steps))
        self._move(lr * mean / (spread + 1e-8))

    def _move(self, distance: Array) -> None:
        self.weight -= distance[:, :-1]
        self.bias -= distance[:, -1]


KNOWN = {
    "zero-grad-missing": {"zero_grad": False},
    "optimizer-sgd": {"optimizer": "sgd"},
    "optimizer-adamw": {"optimizer": "adamw"},
    "lr-ignored": {"lr": 0.001},
    "softmax-before-loss": {"softmax": True},
    "train-mode-missing": {"eval_mode_from": 1},
    "always-eval-mode": {"eval_mode_from": 0},
    "step-before-backward": {"step_first": True},
    "optimizer-each-batch": {"renew_optimizer": "batch"},
    "optimizer-each-epoch": {"renew_optimizer": "epoch"},
    "learns-from-validation": {"learns_from_val": True},
}


def variants() -> Iterator[tuple[str, Loop]]:
    """Give the known mistakes by name."""
    for name, change in KNOWN.items():
        yield name, Loop(**change)  # type: ignore[arg-type]
