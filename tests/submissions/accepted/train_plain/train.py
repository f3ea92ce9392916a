import torch


def get_device(model, device):
    if device is None:
        for p in model.parameters():
            return p.device
    return device


def evaluate(model, loader, device):
    before = model.training
    model.eval()
    s = 0
    c = 0
    n = 0
    for batch in loader:
        with torch.no_grad():
            x = batch[0].to(device)
            t = batch[1].to(device)
            y = model(x)
            p = torch.softmax(y, 1)
            for i in range(len(t)):
                s = s - torch.log(p[i, t[i]]).item()
                if torch.argmax(y[i]).item() == t[i].item():
                    c = c + 1
            n = n + x.shape[0]
    if before:
        model.train()
    else:
        model.eval()
    return (s / n, c / n)


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    device = get_device(model, device)
    lossf = torch.nn.CrossEntropyLoss()
    opt = torch.optim.Adam(model.parameters(), lr=lr)
    result = []
    for _ in range(epochs):
        model.train()
        s = 0
        n = 0
        for batch in train_loader:
            x = batch[0].to(device)
            t = batch[1].to(device)
            opt.zero_grad()
            y = model.forward(x)
            loss = lossf(y, t)
            loss.backward()
            opt.step()
            s += loss.data.item() * len(batch[1])
            n += len(batch[1])
        v, a = evaluate(model, val_loader, device)
        d = {}
        d["train_loss"] = s / n
        d["val_loss"] = v
        d["val_accuracy"] = a
        result.append(d)
    return result
