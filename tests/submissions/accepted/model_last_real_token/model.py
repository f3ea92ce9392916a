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
        mask = padded.abs().sum(dim=-1) > 0
        last_steps = mask.sum(dim=1).clamp(min=1) - 1
        output, _ = self.lstm(padded)
        steps = last_steps[:, None, None].expand(-1, 1, output.size(-1))
        forward = output.gather(1, steps).squeeze(1)[:, : self.lstm.hidden_size]
        backward = output[:, 0, self.lstm.hidden_size :]
        return self.linear(torch.relu(torch.cat([forward, backward], dim=1)))
