import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, num_layers, bidirectional=True)
        self.linear = nn.Linear(2 * hidden_size, n_targets)

    def forward(self, padded):
        lengths = torch.tensor([len(row[row.any(dim=1)]) or 1 for row in padded])
        packed = pack_padded_sequence(
            padded.transpose(0, 1), lengths, batch_first=False, enforce_sorted=False
        )
        output, (h_n, _) = self.lstm(packed)
        output, lengths = pad_packed_sequence(output)
        steps = (lengths - 1).to(output.device).view(1, -1, 1).expand(1, -1, output.size(2))
        forward = output.gather(0, steps)[0, :, : self.lstm.hidden_size]
        return self.linear(torch.relu(torch.cat([h_n[-1], forward], dim=1)))
