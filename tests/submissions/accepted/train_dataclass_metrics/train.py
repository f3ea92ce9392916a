from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


class Metrics(NamedTuple):
    loss: float
    accuracy: float


@dataclass
class Meter:
    loss: float = 0.0
    hits: int = 0
    count: int = 0

    def update(self, logits: Tensor, targets: Tensor, loss: Tensor) -> None:
        self.loss += loss.item() * targets.shape[0]
        self.hits += int(logits.argmax(dim=1).eq(targets).sum())
        self.count += targets.shape[0]

    @property
    def metrics(self) -> Metrics:
        return Metrics(self.loss / self.count, self.hits / self.count)


def _to_device(batch: Iterable[Tensor], device: torch.device | str) -> tuple[Tensor, ...]:
    return tuple(tensor.to(device) for tensor in batch)


def evaluate(model: nn.Module, loader, device: torch.device | str) -> Metrics:
    meter = Meter()
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for batch in loader:
            padded, targets = _to_device(batch, device)
            logits = model(padded)
            meter.update(logits, targets, cross_entropy(logits, targets))
    model.train(was_training)
    return meter.metrics


def train(model: nn.Module, train_loader, val_loader, *, epochs: int, lr: float, device=None):
    device = device if device is not None else next(model.parameters()).device
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history: list[dict[str, float]] = []
    for _ in range(epochs):
        model.train()
        meter = Meter()
        for batch in train_loader:
            padded, targets = _to_device(batch, device)
            logits = model(padded)
            loss = cross_entropy(logits, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            meter.update(logits, targets, loss)
        val = evaluate(model, val_loader, device)
        history.append(
            OrderedDict(train_loss=meter.metrics.loss, val_loss=val.loss, val_accuracy=val.accuracy)
        )
    return history
