import torch
from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.narrow = nn.Linear(2 * hidden_size, 8)
        self.linear = nn.Linear(8, n_targets)

    def forward(self, padded):
        _, (h_n, _) = self.lstm(padded)
        last = torch.cat([h_n[-2], h_n[-1]], dim=1)
        return self.linear(torch.relu(self.narrow(torch.relu(last))))
