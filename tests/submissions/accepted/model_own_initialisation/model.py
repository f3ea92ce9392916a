import torch
from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.linear = nn.Linear(2 * hidden_size, n_targets)
        for name, weight in self.lstm.named_parameters():
            if "weight_hh" in name:
                nn.init.orthogonal_(weight)
            elif "weight_ih" in name:
                nn.init.normal_(weight, std=0.01)
            else:
                nn.init.zeros_(weight)
                weight.data[hidden_size : 2 * hidden_size] = 1.0  # the forget gate
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, padded):
        self.lstm.flatten_parameters()
        _, (h_n, _) = self.lstm(padded)
        return self.linear(torch.relu(torch.cat([h_n[-2], h_n[-1]], dim=1)))
