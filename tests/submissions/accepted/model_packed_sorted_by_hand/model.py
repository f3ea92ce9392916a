import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.linear = nn.Linear(2 * hidden_size, n_targets)

    def forward(self, padded):
        lengths = padded.abs().sum(dim=2).ne(0).sum(dim=1).clamp(min=1)
        lengths, order = lengths.sort(descending=True)
        packed = pack_padded_sequence(padded[order], lengths.to("cpu"), batch_first=True)
        _, (h_n, _) = self.lstm(packed)
        last = torch.cat([h_n[-2], h_n[-1]], dim=1)[order.argsort()]
        return self.linear(torch.relu(last))
