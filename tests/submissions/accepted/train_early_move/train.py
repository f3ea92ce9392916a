"""All batches are moved once, before the first epoch."""

import torch
from torch import nn


def moved(loader, device):
    return [(padded.to(device), targets.to(device)) for padded, targets in loader]


def evaluate(model, loader, device):
    batches = moved(loader, device)
    was_training = model.training
    with torch.no_grad():
        logits = [model.eval()(padded) for padded, _ in batches]
    model.train(was_training)
    targets = [part for _, part in batches]
    pairs = list(zip(logits, targets, strict=True))
    losses = [nn.functional.cross_entropy(*pair, reduction="sum").item() for pair in pairs]
    hits = [(scores.argmax(1) == classes).sum().item() for scores, classes in pairs]
    count = sum(map(len, targets))
    return sum(losses) / count, sum(hits) / count


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    device = next(model.parameters()).device if device is None else device
    train_batches, val_batches = moved(train_loader, device), moved(val_loader, device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        model.train()
        total = 0.0
        for padded, targets in train_batches:
            loss = nn.functional.cross_entropy(model(padded), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(targets)
        val_loss, val_accuracy = evaluate(model, val_batches, device)
        count = sum(len(targets) for _, targets in train_batches)
        history.append(
            {"train_loss": total / count, "val_loss": val_loss, "val_accuracy": val_accuracy}
        )
    return history
