"""One function goes through a loader, with an optimizer or without."""

import torch
from torch import nn


def run_epoch(model, loader, device, optimizer=None):
    learning = optimizer is not None
    model.train(learning)
    total_loss, total_correct, total = 0.0, 0, 0
    with torch.set_grad_enabled(learning):
        for padded, targets in loader:
            padded, targets = padded.to(device), targets.to(device)
            logits = model(padded)
            loss = nn.functional.cross_entropy(logits, targets)
            if learning:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            total_loss += loss.detach().cpu().item() * targets.size(0)
            total_correct += (logits.detach().argmax(dim=1) == targets).sum().item()
            total += targets.size(0)
    return total_loss / total, total_correct / total


def evaluate(model, loader, device):
    was_training = model.training
    result = run_epoch(model, loader, device)
    model.train(was_training)
    return result


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    if device is None:
        device = next(model.parameters()).device
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        train_loss, train_accuracy = run_epoch(model, train_loader, device, optimizer)
        val_loss, val_accuracy = run_epoch(model, val_loader, device)
        history.append(
            {
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "val_loss": val_loss,
                "val_accuracy": val_accuracy,
            }
        )
    return history
