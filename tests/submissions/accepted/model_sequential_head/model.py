import torch
from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.Linear(2 * hidden_size, 32),
            nn.GELU(),
            nn.Dropout(0.2),
            nn.Linear(32, 16),
            nn.Tanh(),
            nn.Linear(16, n_targets),
        )

    def forward(self, padded):
        _, (h_n, _) = self.lstm(padded)
        return self.head(torch.cat([h_n[-2], h_n[-1]], dim=1))
