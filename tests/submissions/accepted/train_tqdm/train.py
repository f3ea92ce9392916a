import logging
import sys
import warnings

import torch
import torch.nn.functional as F
from tqdm import tqdm, trange

logging.basicConfig(level=logging.INFO)
print("train.py is imported")


def evaluate(model, loader, device):
    was_training = model.training
    model.eval()
    total, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for padded, targets in tqdm(loader, desc="evaluate", leave=False):
            padded, targets = padded.to(device), targets.to(device)
            logits = model(padded)
            total += F.cross_entropy(logits, targets).item() * len(targets)
            correct += (logits.argmax(-1) == targets).sum().item()
            count += len(targets)
    if was_training:
        model.train()
    return total / count, correct / count


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    if device is None:
        device = next(model.parameters()).device
        warnings.warn(f"no device given, using {device}", stacklevel=2)
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    history = []
    bar = trange(epochs, file=sys.stdout)
    for epoch in bar:
        model.train()
        total, count = 0.0, 0
        inner = tqdm(enumerate(train_loader), total=len(train_loader))
        for _, (padded, targets) in inner:
            padded, targets = padded.to(device), targets.to(device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(padded), targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(targets)
            count += len(targets)
            inner.set_postfix(loss=total / count)
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        bar.set_description(f"{val_accuracy:.0%}")
        logging.info("epoch %d: %.3f", epoch, val_loss)
        print("epoch", epoch, "loss", total / count, file=sys.stderr)
        history.append(
            {"train_loss": total / count, "val_loss": val_loss, "val_accuracy": val_accuracy}
        )
    return history
