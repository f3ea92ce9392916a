import torch
import torch.nn as nn

CRITERION = nn.CrossEntropyLoss(reduction="sum")


def evaluate(model, loader, device):
    mode = model.training
    model.train(False)
    with torch.inference_mode():
        loss, hits, n = 0.0, 0, 0
        for x, y in loader:
            x = x.to(device=device)
            y = y.to(device=device)
            scores = model(x)
            loss += float(CRITERION(scores, y))
            hits += int(torch.sum(torch.argmax(scores, dim=-1) == y))
            n += y.numel()
    model.train(mode)
    return loss / n, hits / n


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    if device is None:
        device = next(model.parameters()).device
    optimizer = torch.optim.Adam(model.parameters(), lr)
    history = []
    for _ in range(epochs):
        model.train()
        loss_sum, n = 0.0, 0
        for x, y in train_loader:
            x = x.to(device=device)
            y = y.to(device=device)
            optimizer.zero_grad(set_to_none=False)
            loss = CRITERION(model(x), y)
            loss.backward()
            optimizer.step()
            loss_sum += float(loss)
            n += y.shape[0]
        val_loss, val_acc = evaluate(model, val_loader, device)
        history.append({"train_loss": loss_sum / n, "val_loss": val_loss, "val_accuracy": val_acc})
    return history
