import numpy as np
import torch
from torch import nn


def evaluate(model, loader, device):
    was_training = model.training
    model.eval()
    losses, accuracies, sizes = [], [], []
    with torch.no_grad():
        for padded, targets in loader:
            logits = model(padded.to(device))
            losses.append(nn.functional.cross_entropy(logits, targets.to(device)).item())
            accuracies.append(np.mean(logits.cpu().numpy().argmax(axis=1) == targets.numpy()))
            sizes.append(len(targets))
    model.train(was_training)
    return np.average(losses, weights=sizes), np.average(accuracies, weights=sizes)


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    if device is None:
        device = next(model.parameters()).device
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        model.train()
        losses = np.array([])
        for padded, targets in train_loader:
            padded, targets = padded.to(device), targets.to(device)
            optimizer.zero_grad()
            every = nn.functional.cross_entropy(model(padded), targets, reduction="none")
            every.mean().backward()
            optimizer.step()
            losses = np.append(losses, every.detach().cpu().numpy())
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        history.append(
            {"train_loss": np.mean(losses), "val_loss": val_loss, "val_accuracy": val_accuracy}
        )
    return history
