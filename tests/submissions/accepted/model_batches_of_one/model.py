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
        logits = []
        for sentence in padded.split(1):
            output, _ = self.lstm(sentence)
            forward, backward = output.chunk(2, dim=2)
            last = torch.cat([forward[:, -1], backward[:, 0]], dim=1)
            logits.append(self.linear(torch.relu(last)))
        return torch.cat(logits)
