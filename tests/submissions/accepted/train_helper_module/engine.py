"""What both functions of train.py share."""

import contextlib

import torch
from torch import nn


@contextlib.contextmanager
def eval_mode(model):
    was_training = model.training
    model.eval()
    with torch.no_grad():
        yield
    model.train(was_training)


def steps(model, loader, device):
    """Give the loss of each batch, with its logits and targets."""
    for padded, targets in loader:
        padded, targets = padded.to(device), targets.to(device)
        logits = model(padded)
        yield nn.functional.cross_entropy(logits, targets), logits, targets
