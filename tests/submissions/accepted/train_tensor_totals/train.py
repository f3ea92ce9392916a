import torch
import torch.nn.functional as F


def evaluate(model, loader, device):
    was_training = model.training
    model.eval()
    total = torch.zeros((), device=device)
    correct = torch.tensor(0, device=device)
    count = 0
    with torch.no_grad():
        for padded, targets in loader:
            padded, targets = padded.to(device), targets.to(device)
            logits = model(padded)
            total += F.cross_entropy(logits, targets, reduction="sum")
            correct += (logits.argmax(dim=1) == targets).sum()
            count += targets.shape[0]
    model.train(was_training)
    return (total / count).item(), (correct / count).item()


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    if device is None:
        device = next(model.parameters()).device
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, foreach=False)
    history = []
    for _ in range(epochs):
        model.train()
        sums, counts = [], []
        for padded, targets in train_loader:
            padded, targets = padded.to(device), targets.to(device)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(padded), targets)
            loss.backward()
            optimizer.step()
            sums.append(loss.detach() * len(targets))
            counts.append(len(targets))
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        history.append(
            {
                "train_loss": torch.stack(sums).sum().item() / sum(counts),
                "val_loss": val_loss,
                "val_accuracy": val_accuracy,
            }
        )
    return history
