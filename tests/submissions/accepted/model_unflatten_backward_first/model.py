import torch
import torch.nn.functional as F
from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.linear = nn.Linear(2 * hidden_size, n_targets)

    def forward(self, padded):
        _, (h_n, _) = self.lstm(padded)
        forward, backward = h_n.unflatten(0, (self.lstm.num_layers, 2))[-1]
        return self.linear(F.relu(torch.cat((backward, forward), dim=-1)))
