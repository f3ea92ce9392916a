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
        shape = (2 * self.lstm.num_layers, padded.size(0), self.lstm.hidden_size)
        h_0 = torch.zeros(shape, device=padded.device, dtype=padded.dtype)
        c_0 = padded.new_zeros(shape)
        _, (h_n, _) = self.lstm(padded, (h_0, c_0))
        return self.linear(torch.relu(torch.cat([h_n[-2], h_n[-1]], dim=1)))
