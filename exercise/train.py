"""Task train: training loop and evaluation."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

Batches = Iterable[tuple[Tensor, Tensor]]  # a DataLoader of (padded (B, T, F), targets (B,))


def evaluate(model: nn.Module, loader: Batches, device: torch.device | str) -> tuple[float, float]:
    """Measure a model without changing it.

    Runs in eval mode and without gradients, and restores the mode that the model was in.

    Args:
        model: maps padded (B, T, F) to logits (B, C).
        loader: the batches; the last one may be smaller than the others.
        device: where the model is; the batches are moved there.

    Returns:
        loss: cross-entropy, the mean over all samples (not over batches).
        accuracy: the fraction of samples whose largest logit is at the target, from 0 to 1.
    """
    raise NotImplementedError("Task train: write evaluate in exercise/train.py")


def train(
    model: nn.Module,
    train_loader: Batches,
    val_loader: Batches,
    *,
    epochs: int,
    lr: float,
    device: torch.device | str | None = None,
) -> list[dict[str, float]]:
    """Train a model with Adam and cross-entropy; the model is changed in place.

    Args:
        model: maps padded (B, T, F) to logits (B, C).
        train_loader: the training batches.
        val_loader: the batches to evaluate on after each epoch; never train on them.
        epochs: how many times to loop over `train_loader`.
        lr: Adam's learning rate.
        device: where to compute; None means the device that the model is on.

    Returns:
        One dict per epoch, all values `float`:
            `train_loss`: the running training loss, the mean over the samples of the epoch,
            `val_loss`, `val_accuracy`: what `evaluate` returns after the epoch.
    """
    raise NotImplementedError("Task train: write train in exercise/train.py")
