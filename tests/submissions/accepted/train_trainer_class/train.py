import math
from dataclasses import asdict, dataclass, field

import torch
from torch import nn, optim


@dataclass
class Config:
    epochs: int
    lr: float
    clip: float = math.inf  # no clipping


@dataclass
class Entry:
    train_loss: float
    val_loss: float
    val_accuracy: float


@dataclass
class Trainer:
    model: nn.Module
    device: torch.device
    config: Config
    history: list = field(default_factory=list)

    def __post_init__(self):
        self.optimizer = optim.Adam(self.model.parameters(), lr=self.config.lr)
        self.scheduler = optim.lr_scheduler.LambdaLR(self.optimizer, lambda _epoch: 1.0)
        self.criterion = nn.CrossEntropyLoss()

    def step(self, padded, targets):
        self.optimizer.zero_grad()
        loss = self.criterion(self.model(padded), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        return loss.item()

    def epoch(self, loader):
        self.model.train()
        total = count = 0
        for batch in loader:
            padded, targets = batch[0].to(self.device), batch[1].to(self.device).long()
            total += self.step(padded.float(), targets) * targets.size()[0]
            count += targets.size(dim=0)
        self.scheduler.step()
        return total / count

    def fit(self, train_loader, val_loader):
        for _ in range(self.config.epochs):
            train_loss = self.epoch(train_loader)
            self.history.append(Entry(train_loss, *evaluate(self.model, val_loader, self.device)))
        return [asdict(entry) for entry in self.history]


def evaluate(model, loader, device):
    was_training = model.training
    model.eval()
    with torch.set_grad_enabled(False):
        total = correct = count = 0
        for padded, targets in loader:
            padded, targets = padded.to(device), targets.to(device)
            logits = model(padded)
            total += nn.CrossEntropyLoss()(logits, targets).item() * padded.size(0)
            correct += torch.count_nonzero(torch.argmax(logits, 1) == targets).item()
            count += padded.size(0)
    model.train(was_training)
    return total / count, correct / count


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    device = torch.device(device) if device is not None else next(model.parameters()).device
    return Trainer(model.to(device), device, Config(epochs, lr)).fit(train_loader, val_loader)
