import torch
from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size,
            hidden_size,
            num_layers,
            batch_first=True,
            bidirectional=True,
            dropout=0.3 if num_layers > 1 else 0.0,
        )
        self.norm = nn.LayerNorm(2 * hidden_size)
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(2 * hidden_size, n_targets)

    def forward(self, padded):
        _, (h_n, _) = self.lstm(self.dropout(padded))
        last = self.norm(torch.cat([h_n[-2], h_n[-1]], dim=1))
        return self.linear(self.dropout(torch.relu(last)))
