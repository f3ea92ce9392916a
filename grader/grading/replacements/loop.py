"""Replaces the student's loop when the student's model is trained on news."""

from typing import Any

import torch
from torch import nn


def train(
    model: nn.Module, train_loader: Any, _val_loader: Any, *, epochs: int, lr: float, device: Any
) -> list[Any]:
    """Train with `torch.autograd.grad` and hand-written moment updates, without evaluation."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    means = [torch.zeros_like(weight) for weight in weights]
    squares = [torch.zeros_like(weight) for weight in weights]
    batches = (batch for _ in range(epochs) for batch in train_loader)
    for step, (padded, targets) in enumerate(batches, start=1):
        loss = nn.functional.cross_entropy(model(padded.to(device)), targets.to(device))
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient, mean, square in zip(
                weights, gradients, means, squares, strict=True
            ):
                mean.lerp_(gradient, 0.1)
                square.lerp_(gradient.square(), 0.001)
                size = (square / (1 - 0.999**step)).sqrt_().add_(1e-8)
                weight.sub_(lr / (1 - 0.9**step) * mean / size)
    return []
