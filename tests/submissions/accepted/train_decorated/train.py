"""The decorator @torch.no_grad(), batches moved by comprehensions, model.zero_grad()."""

import functools

import torch
from torch import nn


def keeps_mode(function):
    @functools.wraps(function)
    def wrapped(model, *args, **kwargs):
        was_training = model.training
        try:
            return function(model, *args, **kwargs)
        finally:
            model.train(was_training)

    return wrapped


@keeps_mode
@torch.no_grad()
def evaluate(model, loader, device):
    model.eval()
    loss_of = nn.CrossEntropyLoss()
    total = correct = count = 0
    for batch in loader:
        padded, targets = [tensor.to(device) for tensor in batch]
        logits = model(padded)
        size = len(padded)
        total += loss_of(logits, targets).item() * size
        correct += (logits.softmax(dim=1).argmax(dim=1) == targets).float().mean().item() * size
        count += size
    return total / count, correct / count


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    if device is None:
        device = next(iter(model.parameters())).device
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam([{"params": parameters, "lr": lr}])
    history = []
    for _ in range(epochs):
        model.train()
        losses, sizes = [], []
        for batch in train_loader:
            padded, targets = (tensor.to(device) for tensor in batch)
            model.zero_grad(set_to_none=False)
            loss = nn.functional.cross_entropy(input=model(padded), target=targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            sizes.append(len(targets))
        train_loss = torch.stack(losses).mul(torch.tensor(sizes, device=device)).sum().item()
        train_loss /= sum(sizes)
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        history.append(
            {"train_loss": train_loss, "val_loss": val_loss, "val_accuracy": val_accuracy}
        )
    return history
