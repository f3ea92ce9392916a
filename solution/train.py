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
    ### BEGIN SOLUTION
    was_training = model.training
    model.eval()
    total_loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for padded, targets in loader:
            padded, targets = padded.to(device), targets.to(device)
            logits = model(padded)
            total_loss += nn.functional.cross_entropy(logits, targets, reduction="sum").item()
            correct += (logits.argmax(dim=1) == targets).sum().item()
            count += len(targets)
    model.train(was_training)
    return total_loss / count, correct / count
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    if device is None:
        device = next(model.parameters()).device
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        model.train()
        total_loss, count = 0.0, 0
        for padded, targets in train_loader:
            padded, targets = padded.to(device), targets.to(device)
            loss = nn.functional.cross_entropy(model(padded), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total_loss += loss.item() * len(targets)
            count += len(targets)
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        history.append(
            {"train_loss": total_loss / count, "val_loss": val_loss, "val_accuracy": val_accuracy}
        )
    return history
    ### END SOLUTION
