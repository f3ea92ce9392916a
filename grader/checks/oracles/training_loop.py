"""Simulates in NumPy what a training loop does to the worker's probe model, step by step.

The probe: logits (B, C) = scale * (padded.sum(1) @ weight.T + bias), scale 1 in training mode,
`EVAL_SCALE` in eval mode, and `MIXED_SCALE` if its layer is in another mode than the probe itself.
A `LoopVariant` with default values is correct: Adam (Kingma and Ba 2015, with the constants of
`torch.optim.Adam`) on the mean cross-entropy of each batch. Other values describe known mistakes,
which a student's result is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from grader.checks._tools import changed_fields
from grader.checks.oracles.reports_of_a_pass import Array, Pass, softmax

EVAL_SCALE, MIXED_SCALE = 0.5, 0.75
EPOCHS = 3  # with more, a loop that stops early would look like one with a wrong number of epochs
HALF_PRECISION = 0.05  # tolerance of losses with 8 binary digits
TOLERANCE = 5e-4  # float32 against float64 differs by less than 1e-5 after 9 steps
Batch = tuple[Array, Array]  # padded (B, T, F), targets (B,)
Named = list[tuple[str, list[float]]]  # the numbers that known mistakes lead to, by name
Paired = list[tuple[tuple[str, str], list[float]]]  # the numbers that two of them lead to


@dataclass(frozen=True)
class Weights:
    """The probe's weight (C, F) and bias (C,) at some point in training."""

    weight: Array
    bias: Array

    def scores(self, padded: Array, scale: float) -> Array:
        """Compute the logits (B, C)."""
        scores: Array = scale * (padded.sum(axis=1) @ self.weight.T + self.bias)
        return scores

    def over(self, batches: tuple[Batch, ...], scale: float = EVAL_SCALE) -> Pass:
        """Pass over a loader without training."""
        return Pass(tuple((self.scores(padded, scale), targets) for padded, targets in batches))

    def flat(self) -> Array:
        """Return all weights as one vector."""
        return np.concatenate([self.weight.ravel(), self.bias.ravel()]).astype(float)

    def as_floats(self) -> Weights:
        """Return them in the dtype of the probe."""
        return Weights(self.weight.astype(np.float32), self.bias.astype(np.float32))

    def distance(self, other: Weights) -> float:
        """Return the largest absolute difference; infinite if a number is not finite."""
        differences = np.abs(self.flat() - other.flat())
        return float(differences.max()) if np.isfinite(differences).all() else np.inf


@dataclass(frozen=True)
class Scenario:
    """The initial weights of the probe, the batches, and the arguments of two runs of `train`."""

    start: Weights
    train: tuple[Batch, ...]
    val: tuple[Batch, ...]
    lr: float
    long_epochs: int
    long_lr: float

    @property
    def long_run(self) -> LoopVariant:
        """The correct loop of the longer run."""
        return LoopVariant(epochs=self.long_epochs, lr=self.long_lr)


@dataclass(frozen=True)
class Epoch:
    """The logits that training computed in an epoch, and the weights before and after it."""

    met: Pass
    before: Weights
    after: Weights


def true_history(scenario: Scenario, epochs: list[Epoch]) -> dict[str, list[float]]:
    """Yield the numbers of a correct history by key."""
    val = [epoch.after.over(scenario.val) for epoch in epochs]
    return {
        "train_loss": [epoch.met.loss for epoch in epochs],
        "val_loss": [each.loss for each in val],
        "val_accuracy": [each.accuracy for each in val],
    }


def wrong_histories(scenario: Scenario, epochs: list[Epoch]) -> dict[str, Named]:
    """Yield, by key, the numbers that known mistakes lead to."""
    right = true_history(scenario, epochs)
    val = [epoch.after.over(scenario.val) for epoch in epochs]
    again = [epoch.after.over(scenario.train) for epoch in epochs]
    early = [epoch.before.over(scenario.val) for epoch in epochs]
    after = [epoch.after.over(scenario.train, scale=1.0) for epoch in epochs]
    loud = [epoch.after.over(scenario.val, scale=1.0) for epoch in epochs]
    return {
        "train_loss": [
            ("one-dict-for-all-epochs", right["train_loss"][-1:] * len(epochs)),
            *columns([epoch.met.wrong_losses() for epoch in epochs]),
            *_running([epoch.met for epoch in epochs]),
            ("train-loss-after-epoch", [each.loss for each in after]),
            ("train-loss-after-epoch", [each.loss for each in again]),
            ("train-and-val-swapped", right["val_loss"]),
        ],
        "val_loss": [
            ("swapped-loss-and-accuracy", right["val_accuracy"]),
            ("train-and-val-swapped", right["train_loss"]),
            ("validates-on-training-data", [each.loss for each in again]),
            ("validates-before-epoch", [each.loss for each in early]),
            ("eval-mode-missing", [each.loss for each in loud]),
            *columns([each.wrong_losses() for each in val]),
        ],
        "val_accuracy": [
            ("validates-on-training-data", [each.accuracy for each in again]),
            ("validates-on-training-data", [epoch.met.accuracy for epoch in epochs]),
            *columns([each.wrong_accuracies() for each in val]),
        ],
    }


def paired_histories(scenario: Scenario, epochs: list[Epoch]) -> dict[str, Paired]:
    """Yield, by key, the numbers that two known mistakes together lead to."""
    met, val = [epoch.met for epoch in epochs], [epoch.after.over(scenario.val) for epoch in epochs]
    return {
        "train_loss": [
            *columns([each.paired_losses() for each in met]),
            *((("totals-not-reset", name), each) for name, each in _running_otherwise(met)),
        ],
        "val_loss": columns([each.paired_losses() for each in val]),
        "val_accuracy": columns([each.paired_accuracies() for each in val]),
    }


Name = TypeVar("Name", str, tuple[str, str])


def columns(rows: list[list[tuple[Name, float]]]) -> list[tuple[Name, list[float]]]:
    """Return the numbers by name, from one list of pairs per epoch."""
    return [(column[0][0], [number for _, number in column]) for column in zip(*rows, strict=True)]


def _running(passes: list[Pass]) -> Named:
    """Return means of totals (or of totals and counts) that are not reset between epochs."""
    sums = np.cumsum([np.concatenate(each.losses).sum() for each in passes])
    count = len(np.concatenate(passes[0].losses))
    means = sums / (count * np.arange(1, len(passes) + 1))
    return [("totals-not-reset", list(map(float, form))) for form in (means, sums / count)]


def _running_otherwise(passes: list[Pass]) -> Named:
    """Return other means of totals that are not reset between epochs."""
    totals = np.cumsum([sum(part.mean() for part in each.losses) for each in passes])
    sums = np.cumsum([np.concatenate(each.losses).sum() for each in passes])
    batches, count = len(passes[0].losses), len(np.concatenate(passes[0].losses))
    known = {
        "loss-mean-over-batches": (
            totals / batches,
            totals / batches / np.arange(1, len(passes) + 1),
        ),
        "loss-not-weighted": (totals / count,),
        "divided-by-batches": (sums / batches,),
        "not-divided": (totals, sums),
    }
    return [(name, list(map(float, form))) for name, forms in known.items() for form in forms]


# --- what is learned -------------------------------------------------------------------------


@dataclass(frozen=True)
class LoopVariant:
    """How a loop trains; the defaults are correct."""

    optimizer: str = "adam"  # adam, adamw, sgd, momentum: SGD with momentum 0.9
    lr: float | None = None  # None: the scenario's
    epochs: int = EPOCHS
    loss: str = "mean"  # of cross-entropies: mean, sum; or softmax before it, nll of bare logits,
    # (likelihood: of softmax), bce or mse against one-hot targets, mse_softmax, mse_sigmoid, focal
    smoothing: float = 0.0  # of the targets
    ignored: int = -1  # the class whose samples are left out of the loss
    penalty: str = "l2"  # l2: half the square of the weights, norm: of each parameter, l1
    decay: float = 0.0  # the factor of the penalty, or AdamW's weight decay
    clip_norm: float = np.inf  # the largest norm of all gradients
    clip_value: float = np.inf  # the largest gradient of a weight
    zero_grad: str = "batch"  # how often: batch, epoch, never
    step: str = "batch"  # after each batch's backward, before it ("first"), or once per epoch
    renew_optimizer: str = "never"  # never, epoch, batch
    eval_mode_from: int = 999  # the epoch from which the loop trains in eval mode
    first_scale: float = 1.0  # of the logits in the first epoch


RATE_TOLERANCE = 2e-5  # of a weight after one step


def _columns_of(weights: Weights) -> Array:
    return np.column_stack([weights.weight, weights.bias]).ravel().astype(float)


def _slope(loss: str, scores: Array, one_hot: Array, smoothing: float) -> Array:
    """Compute the gradient (B, C) of each row's loss with respect to the logits."""
    shares = softmax(scores)
    if loss in ("softmax", "mse_softmax"):
        outer = (softmax(shares) if loss == "softmax" else shares) - one_hot
        chained: Array = shares * (outer - (outer * shares).sum(axis=1, keepdims=True))
        return chained
    sigmoid = 1 / (1 + np.exp(-scores))
    known = {
        "nll": -one_hot,
        "likelihood": (shares * one_hot).sum(axis=1, keepdims=True) * (shares - one_hot),
        "bce": sigmoid - one_hot,
        "mse": scores - one_hot,
        "mse_sigmoid": (sigmoid - one_hot) * sigmoid * (1 - sigmoid),
        "focal": _focal((shares * one_hot).sum(axis=1, keepdims=True)) * (shares - one_hot),
    }
    soft = one_hot * (1 - smoothing) + smoothing / scores.shape[1]
    slope: Array = known.get(loss, shares - soft)
    return slope


def _focal(p: Array, gamma: float = 2.0) -> Array:
    """Compute the factor by which the focal loss (Lin et al. 2017) changes a row's gradient."""
    factor: Array = (1 - p) ** gamma - gamma * p * (1 - p) ** (gamma - 1) * np.log(p)
    return factor


class Simulation:
    """Runs a loop on a scenario; the results are in `epochs` and `weights`."""

    def __init__(self, scenario: Scenario, loop: LoopVariant) -> None:
        """Run the simulation."""
        self.scenario, self.loop = scenario, loop
        self.lr = scenario.lr if loop.lr is None else loop.lr
        self.weights = scenario.start
        self.gradient = np.zeros((len(scenario.start.bias), scenario.start.weight.shape[1] + 1))
        self._renew()
        self.epochs = [self._epoch(number) for number in range(loop.epochs)]

    def _renew(self) -> None:
        self.first, self.second = np.zeros_like(self.gradient), np.zeros_like(self.gradient)
        self.steps = 0

    def _epoch(self, number: int) -> Epoch:
        if self.loop.renew_optimizer == "epoch":
            self._renew()
        if self.loop.zero_grad == "epoch":
            self.gradient = np.zeros_like(self.gradient)
        scale = self.loop.first_scale if number == 0 else 1.0
        scale = EVAL_SCALE if number >= self.loop.eval_mode_from else scale
        before = self.weights
        met = Pass(tuple(self._learn(batch, scale) for batch in self.scenario.train))
        if self.loop.step == "epoch":
            self._step()
        return Epoch(met, before, self.weights)

    def _learn(self, batch: Batch, scale: float) -> tuple[Array, Array]:
        if self.loop.renew_optimizer == "batch":
            self._renew()
        padded, targets = batch
        scores = self.weights.scores(padded, scale)
        gradient = self._gradient(padded, targets, scores, scale)
        if self.loop.step == "first":
            self._step()
        self.gradient = gradient + (0 if self.loop.zero_grad == "batch" else self.gradient)
        if self.loop.step == "batch":
            self._step()
        return scores, targets

    def _gradient(self, padded: Array, targets: Array, scores: Array, scale: float) -> Array:
        """Compute the gradient (C, F + 1) of a batch's loss, for weight and bias."""
        one_hot = np.eye(scores.shape[1])[targets]
        slope = _slope(self.loop.loss, scores, one_hot, self.loop.smoothing)
        kept = targets != self.loop.ignored
        slope = slope * kept[:, None]
        inputs = np.concatenate([padded.sum(axis=1), np.ones((len(targets), 1))], axis=1)
        divisor = 1 if self.loop.loss == "sum" else max(1, int(kept.sum()))
        gradient: Array = scale * slope.T @ inputs / divisor
        if self.loop.optimizer != "adamw" and self.loop.decay:
            gradient = gradient + self.loop.decay * self._penalty()
        return self._clipped(gradient)

    def _penalty(self) -> Array:
        """Compute the gradient of the penalty on the weights."""
        weight, bias = self.weights.weight, self.weights.bias
        if self.loop.penalty == "norm":
            weight, bias = weight / np.linalg.norm(weight), bias / np.linalg.norm(bias)
        elif self.loop.penalty == "l1":
            weight, bias = np.sign(weight), np.sign(bias)
        return np.column_stack([weight, bias])

    def _clipped(self, gradient: Array) -> Array:
        norm = float(np.linalg.norm(gradient))
        if norm > self.loop.clip_norm:
            gradient = gradient * (self.loop.clip_norm / norm)
        return np.clip(gradient, -self.loop.clip_value, self.loop.clip_value)

    def _step(self) -> None:
        if not self.gradient.any():
            return  # a parameter without a gradient is left alone
        lr = self.lr
        if self.loop.optimizer in ("sgd", "momentum"):
            kept = 0.9 if self.loop.optimizer == "momentum" else 0.0
            self.first = self.gradient + kept * self.first
            self._move(lr * self.first)
            return
        if self.loop.optimizer == "adamw":
            decay = self.loop.decay or 0.01
            self._move(lr * decay * np.column_stack([self.weights.weight, self.weights.bias]))
        self._move(lr * self._direction())

    def _direction(self) -> Array:
        """Update Adam's averages; return its step for a learning rate of 1."""
        self.steps += 1
        self.first = 0.9 * self.first + 0.1 * self.gradient
        self.second = 0.999 * self.second + 0.001 * self.gradient**2
        mean = self.first / (1 - 0.9**self.steps)
        spread = np.sqrt(self.second / (1 - 0.999**self.steps))
        direction: Array = mean / (spread + 1e-8)
        return direction

    def rates(self, moments: list[tuple[int, Weights]], end: Weights) -> list[float] | None:
        """Return the learning rate of each step, if the steps differ from Adam's in that only.

        Args:
            moments: for each step the number of its batch, and the weights before it.
            end: the weights after the last step.
        """
        if not moments:
            return None
        self._renew()
        after = [weights for _, weights in moments[1:]] + [end]
        rates = []
        for (number, before), then in zip(moments, after, strict=True):
            padded, targets = self.scenario.train[number]
            self.weights = before
            scores = before.scores(padded, 1.0)
            self.gradient = self._gradient(padded, targets, scores, 1.0)
            wanted, moved = self._direction().ravel(), _columns_of(before) - _columns_of(then)
            rate = float(wanted @ moved / (wanted @ wanted))
            if not np.isfinite(moved).all() or abs(moved - rate * wanted).max() > RATE_TOLERANCE:
                return None
            rates.append(rate)
        return rates

    def _move(self, distance: Array) -> None:
        weight, bias = self.weights.weight, self.weights.bias
        self.weights = Weights(weight - distance[:, :-1], bias - distance[:, -1])


RIGHT = (
    LoopVariant(),
    LoopVariant(loss="sum"),
)  # the contract leaves open how a batch's losses are reduced
KNOWN_MISTAKES: tuple[tuple[str, LoopVariant], ...] = (
    ("zero-grad-missing", LoopVariant(zero_grad="never")),
    ("zero-grad-missing", LoopVariant(zero_grad="epoch")),
    ("step-each-epoch", LoopVariant(step="epoch")),
    ("step-each-epoch", LoopVariant(step="epoch", zero_grad="epoch")),
    ("step-before-backward", LoopVariant(step="first")),
    ("optimizer-sgd", LoopVariant(optimizer="sgd")),
    ("optimizer-sgd", LoopVariant(optimizer="momentum")),
    ("optimizer-adamw", LoopVariant(optimizer="adamw")),
    *(
        ("lr-ignored", LoopVariant(lr=lr))
        for lr in (1e-4, 3e-4, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 0.01, 0.05, 0.1)
    ),
    ("softmax-before-loss", LoopVariant(loss="softmax")),
    ("log-softmax-missing", LoopVariant(loss="nll")),
    ("train-mode-missing", LoopVariant(eval_mode_from=1)),
    ("always-eval-mode", LoopVariant(eval_mode_from=0)),
    ("mode-of-layers-kept", LoopVariant(first_scale=MIXED_SCALE)),
    ("optimizer-each-batch", LoopVariant(renew_optimizer="batch")),
    ("optimizer-each-epoch", LoopVariant(renew_optimizer="epoch")),
)
OTHER_LOSSES = ("likelihood", "bce", "mse", "mse_softmax", "mse_sigmoid")
DECAYS = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2)
# What is often added to the recipe. Small values of these change little, so they may look alike.
ADDITIONS: tuple[tuple[str, LoopVariant], ...] = (
    *(("label-smoothing", LoopVariant(smoothing=each)) for each in (0.05, 0.1, 0.15, 0.2, 0.3)),
    *(("gradients-clipped", LoopVariant(clip_norm=c)) for c in (0.01, 0.1, 0.25, 0.5, 1, 2, 3, 5)),
    *(("gradients-clipped", LoopVariant(clip_value=c)) for c in (0.01, 0.05, 0.1, 0.25, 0.5, 1)),
    *(
        ("weight-decay", LoopVariant(decay=decay, penalty=penalty))
        for penalty in ("l2", "norm", "l1")
        for decay in DECAYS
    ),
    *(("optimizer-adamw", LoopVariant(optimizer="adamw", decay=decay)) for decay in DECAYS),
    *(("another-loss", LoopVariant(loss=f)) for f in OTHER_LOSSES),
    ("focal-loss", LoopVariant(loss="focal")),
    *(("class-ignored", LoopVariant(ignored=number)) for number in range(3)),
)


def paired_loops() -> Iterator[tuple[tuple[str, str], LoopVariant]]:
    """Yield the loops with two known mistakes, or with one and an addition."""
    single = [(name, changed_fields(loop)) for name, loop in (*KNOWN_MISTAKES, *ADDITIONS)]
    for at, (name, loop) in enumerate(KNOWN_MISTAKES):
        for other, added in single[at + 1 :]:
            if name != other and not single[at][1].keys() & added.keys():
                yield (name, other), replace(loop, **added)
