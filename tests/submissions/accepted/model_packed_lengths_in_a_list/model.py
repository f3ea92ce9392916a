import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.linear = nn.Linear(2 * hidden_size, n_targets)

    def forward(self, padded):
        lengths = [max(1, int(row.any(dim=1).sum())) for row in padded]
        start = torch.zeros(2 * self.lstm.num_layers, len(padded), self.lstm.hidden_size)
        start = start.to(padded.device)
        packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
        output, _ = pad_packed_sequence(self.lstm(packed, (start, start))[0], batch_first=True)
        last_steps = torch.tensor(lengths, device=padded.device) - 1
        rows = torch.arange(len(padded), device=padded.device)
        forward = output[rows, last_steps, : self.lstm.hidden_size]
        backward = output[:, 0, self.lstm.hidden_size :]
        return self.linear(torch.relu(torch.cat([forward, backward], dim=1)))
