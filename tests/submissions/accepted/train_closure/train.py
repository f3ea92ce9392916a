"""The optimizer calls a closure; batches are taken by hand with next."""

import torch
from torch import nn


def evaluate(model, loader, device):
    modes = {name: module.training for name, module in model.named_modules()}
    model.eval()
    loss, hits, count = 0.0, 0, 0
    previous = torch.is_grad_enabled()
    torch.set_grad_enabled(False)
    for padded, targets in iter(loader):
        targets = targets.to(device)
        logits = model(padded.to(device))
        for row, target in zip(logits, targets, strict=True):
            loss += nn.functional.cross_entropy(row[None], target[None]).item()
            hits += bool(row.argmax() == target)
            count += 1
    torch.set_grad_enabled(previous)
    for name, module in model.named_modules():
        module.training = modes[name]
    return loss / count, hits / count


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    if device is None:
        device = next(model.parameters()).device
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        model.train()
        total, count = 0.0, 0
        batches = iter(train_loader)
        for _ in range(len(train_loader)):
            padded, targets = next(batches)
            padded, targets = padded.to(device), targets.to(device)

            def closure(padded=padded, targets=targets):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(padded), targets)
                loss.backward()
                return loss

            total += optimizer.step(closure).item() * len(targets)
            count += len(targets)
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        history.append(
            {"train_loss": total / count, "val_loss": val_loss, "val_accuracy": val_accuracy}
        )
    return history
