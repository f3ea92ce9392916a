import torch
from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.linear = nn.Linear(2 * hidden_size, n_targets)

    def forward(self, padded):
        forward, backward = self.lstm(padded)[1][0][-2:].chunk(2)
        return self.linear(torch.hstack([forward.squeeze(0), backward.squeeze(0)]).relu_())
