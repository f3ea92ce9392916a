import torch
from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.linear = nn.Linear(2 * hidden_size, n_targets)
        self.relu = nn.ReLU(inplace=True)
        self.hidden_size = hidden_size

    def forward(self, padded):
        output, _ = self.lstm(padded)
        forward = output[:, -1, : self.hidden_size]
        backward = output[:, 0, self.hidden_size :]
        return self.linear(self.relu(torch.cat([forward, backward], dim=1)))
