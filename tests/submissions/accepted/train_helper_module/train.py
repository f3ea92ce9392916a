import torch

from .engine import eval_mode, steps


def evaluate(model, loader, device):
    with eval_mode(model):
        rows = [
            (loss.item() * len(targets), (logits.argmax(1) == targets).sum().item(), len(targets))
            for loss, logits, targets in steps(model, loader, device)
        ]
    loss, hits, count = map(sum, zip(*rows, strict=True))
    return loss / count, hits / count


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    if device is None:
        device = next(model.parameters()).device
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    def learn():
        model.train()
        total, count = 0.0, 0
        for loss, _, targets in steps(model, train_loader, device):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, count = total + loss.item() * len(targets), count + len(targets)
        return total / count

    def entry():
        train_loss = learn()
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        return {"train_loss": train_loss, "val_loss": val_loss, "val_accuracy": val_accuracy}

    return [entry() for _ in range(epochs)]
