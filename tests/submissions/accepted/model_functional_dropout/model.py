import torch
import torch.nn.functional as F
from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.weight = nn.Parameter(torch.empty(n_targets, 2 * hidden_size))
        self.bias = nn.Parameter(torch.zeros(n_targets))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, padded):
        padded = F.layer_norm(padded, padded.shape[-1:])
        _, (h_n, _) = self.lstm(padded)
        last = torch.cat([h_n[-2], h_n[-1]], dim=1)
        last = F.dropout(F.relu(last), p=0.4, training=self.training)
        return F.linear(last, self.weight, self.bias)
