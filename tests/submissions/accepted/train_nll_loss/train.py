import torch
import torch.nn.functional as F


@torch.inference_mode()
def evaluate(model, loader, device):
    was_training = model.training
    model.eval()
    try:
        total, right, count = 0.0, 0.0, 0
        for padded, targets in loader:
            padded = padded.to(device, non_blocking=True)
            targets = targets.to(device, non_blocking=True)
            log_probabilities = F.log_softmax(model(padded), dim=1)
            total += F.nll_loss(log_probabilities, targets, reduction="sum").item()
            right += log_probabilities.max(dim=1).indices.eq(targets).sum().item()
            count += targets.size(0)
    finally:
        model.train(was_training)
    return total / count, right / count


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    device = next(model.parameters()).device if device is None else torch.device(device)
    model.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=(0.9, 0.999), eps=1e-8)
    history = []
    while len(history) < epochs:
        model.train()
        total, count = 0.0, 0
        for padded, targets in train_loader:
            padded = padded.to(device, non_blocking=True)
            targets = targets.to(device, non_blocking=True)
            log_probabilities = torch.log_softmax(model(padded), dim=-1)
            rows = torch.arange(len(targets), device=device)
            loss = -log_probabilities[rows, targets].mean()
            model.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * targets.size(0)
            count += targets.size(0)
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        entry = {"val_loss": val_loss, "val_accuracy": val_accuracy}
        history.append({"train_loss": total / count, **entry})
    return history
