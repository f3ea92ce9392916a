import torch
from torch import nn


def evaluate(model, loader, device):
    was_training = model.training
    model.eval()
    loss_sum = 0.0
    correct = 0.0
    with torch.no_grad():
        for x, y in loader:
            x, y = x.to(device), y.to(device)
            pred = model(x)
            loss_sum += nn.CrossEntropyLoss()(pred, y).item() * x.shape[0]
            correct += (pred.argmax(1) == y).type(torch.float).sum().item()
    model.train(was_training)
    return loss_sum / len(loader.dataset), correct / len(loader.dataset)


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    if device is None:
        device = next(model.parameters()).device
    optimizer = torch.optim.Adam(params=model.parameters(), lr=lr, weight_decay=0, amsgrad=False)
    history = [None] * epochs
    for t in range(epochs):
        model.train(True)
        loss_sum = 0.0
        for batch, (x, y) in enumerate(train_loader):
            x, y = x.to(device), y.to(device)
            pred = model(x)
            loss = nn.CrossEntropyLoss()(pred, y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            loss_sum += loss.item() * len(x)
            if batch % 100 == 0:
                current, size = (batch + 1) * len(x), len(train_loader.dataset)
                print(f"loss: {loss.item():>7f}  [{current:>5d}/{size:>5d}]")
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        history[t] = {
            "train_loss": loss_sum / len(train_loader.dataset),
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
        }
    return history
