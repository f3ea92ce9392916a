import copy
import time

import torch
from torch import nn


def evaluate(model, loader, device):
    was_training = model.training
    model.eval()
    scores, labels = [], []
    with torch.no_grad():
        for padded, targets in loader:
            scores.append(model(padded.to(device)))
            labels.append(targets.to(device))
    model.train(was_training)
    scores, labels = torch.cat(scores), torch.cat(labels)
    accuracy = (scores.argmax(dim=1) == labels).double().mean().item()
    return nn.functional.cross_entropy(scores, labels).item(), accuracy


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    if device is None:
        device = next(model.parameters()).device
    evaluate(model, train_loader, device)  # a trial run before the first step
    evaluate(model, val_loader, device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history, best = [], None
    for epoch in range(epochs):
        start = time.perf_counter()
        model.train()
        total, count = 0.0, 0
        for padded, targets in train_loader:
            padded, targets = padded.to(device), targets.to(device)
            loss = nn.functional.cross_entropy(model(padded), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(targets)
            count += len(targets)
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        final_loss, train_accuracy = evaluate(model, train_loader, device)
        if best is None or val_accuracy > best[0]:
            best = val_accuracy, copy.deepcopy(model.state_dict()), copy.deepcopy(model)
        history.append(
            {
                "epoch": epoch,
                "train_loss": total / count,
                "train_accuracy": train_accuracy,
                "train_loss_after": final_loss,
                "val_loss": val_loss,
                "val_accuracy": val_accuracy,
                "seconds": time.perf_counter() - start,
                "lr": optimizer.param_groups[0]["lr"],
                "best": best[1],
            }
        )
    return history
