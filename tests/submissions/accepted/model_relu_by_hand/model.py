import torch
from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, bias=False, batch_first=True, bidirectional=True
        )
        self.linear = nn.Linear(2 * hidden_size, n_targets)

    def forward(self, padded):
        output, (h_n, c_n) = self.lstm.forward(input=padded)
        del output, c_n
        last = torch.cat([h_n[-2], h_n[-1]], dim=1)
        last = last * (last > 0)
        return last @ self.linear.weight.T + self.linear.bias
