import torch
from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.linear = nn.Linear(2 * hidden_size, n_targets)
        self.start = nn.Parameter(torch.zeros(2 * num_layers, 1, hidden_size))

    def forward(self, padded):
        start = self.start.expand(-1, len(padded), -1).contiguous()
        _, (h_n, _) = self.lstm(padded, (start, torch.zeros_like(start)))
        return self.linear(torch.relu(torch.cat([h_n[-2], h_n[-1]], dim=1)))
