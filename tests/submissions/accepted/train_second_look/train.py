"""After each step the batch is looked at again, for the accuracy."""

import torch
from torch import nn


def evaluate(model, loader, device):
    was_training = model.training
    model.eval()
    with torch.no_grad():
        correct = count = 0
        for padded, targets in loader:
            correct += (model(padded.to(device)).argmax(1) == targets.to(device)).sum().item()
            count += len(targets)
        loss = 0.0
        for padded, targets in loader:
            logits = model(padded.to(device))
            loss += nn.functional.cross_entropy(logits, targets.to(device)).item() * len(targets)
    model.train(was_training)
    return loss / count, correct / count


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    if device is None:
        device = next(model.parameters()).device
    print(model, model(next(iter(train_loader))[0].to(device)).shape)
    print("before the first epoch", evaluate(model, val_loader, device))
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        model.train()
        total, correct, count = 0.0, 0, 0
        for padded, targets in train_loader:
            padded, targets = padded.to(device), targets.to(device)
            loss = nn.functional.cross_entropy(model(padded), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(targets)
            correct += (model(padded).argmax(dim=1) == targets).sum().item()
            count += len(targets)
        print("accuracy on the way", correct / count)
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        history.append(
            {"train_loss": total / count, "val_loss": val_loss, "val_accuracy": val_accuracy}
        )
    return history
