import torch
from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.hidden = nn.ModuleList(nn.Linear(2 * hidden_size, 2 * hidden_size) for _ in range(3))
        self.linear = nn.Linear(2 * hidden_size, n_targets)

    def forward(self, padded):
        _, (h_n, _) = self.lstm(padded)
        hidden = torch.relu(torch.cat(tuple(h_n[-2:]), dim=1))
        for layer in self.hidden:
            hidden = hidden + torch.relu(layer(hidden))
        return self.linear(hidden)
