"""Scores come back to the CPU, where the targets stayed."""

import torch
import torch.nn.functional as F


def evaluate(model, loader, device):
    was_training = model.training
    model.eval()
    all_scores, all_targets = [], []
    correct = 0
    with torch.no_grad():
        for padded, targets in loader:
            pred = model(padded.to(device)).cpu()
            classes = pred.argmax(dim=1)
            correct += sum(int(classes[i]) == int(targets[i]) for i in range(len(targets)))
            all_scores.append(pred)
            all_targets.append(targets)
    model.train(was_training)
    scores, targets = torch.cat(all_scores), torch.cat(all_targets)
    assert correct == (scores.argmax(dim=1) == targets).sum().item()
    return F.cross_entropy(scores, targets).item(), correct / len(targets)


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    if device is None:
        device = next(model.parameters()).device
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    for _ in range(epochs):
        model.train()
        total, count = 0.0, 0
        for padded, targets in train_loader:
            logits = model(padded.to(device)).to("cpu")
            loss = F.cross_entropy(logits, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * targets.numel()
            count += targets.numel()
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        history.append(
            {"train_loss": total / count, "val_loss": val_loss, "val_accuracy": val_accuracy}
        )
    return history
