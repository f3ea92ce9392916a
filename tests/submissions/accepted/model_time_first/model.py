import torch
from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, bidirectional=True)
        self.linear = nn.Linear(2 * hidden_size, n_targets)

    def forward(self, padded):
        output, _ = self.lstm(padded.transpose(0, 1))  # (T, B, D * H)
        steps, rows, _ = output.shape
        both = output.view(steps, rows, 2, -1)
        last = torch.stack([both[-1, :, 0], both[0, :, 1]], dim=1)
        return self.linear(torch.relu(last.flatten(start_dim=1)))
