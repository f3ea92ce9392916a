import torch
from torch import nn


def evaluate(model, loader, device):
    criterion = nn.CrossEntropyLoss(reduction="none")
    was_training = model.training
    model.eval()
    losses, hits = [], []
    with torch.no_grad():
        for batch in loader:
            inputs, labels = batch
            inputs, labels = inputs.to(device), labels.to(device)
            outputs = model(inputs)
            losses.append(criterion(outputs, labels))
            _, predicted = torch.max(outputs, 1)
            hits.append(predicted.eq(labels.view_as(predicted)).float())
    model.train(mode=was_training)
    return torch.cat(losses).mean().item(), torch.cat(hits).mean().item()


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    device = device or next(model.parameters()).device
    model = model.to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    optimizer.zero_grad()
    history = []
    for epoch in range(1, epochs + 1):
        model.train()
        running, seen = 0.0, 0
        for index, (inputs, labels) in enumerate(train_loader):
            loss = criterion(model(inputs.to(device)), labels.to(device))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            running += inputs.size(0) * loss.item()
            seen += inputs.size(0)
            print(f"epoch {epoch}, batch {index}: {running / seen:.3f}")
        val_loss, val_accuracy = evaluate(model, val_loader, device)
        history += [
            {"train_loss": running / seen, "val_loss": val_loss, "val_accuracy": val_accuracy}
        ]
    return history
