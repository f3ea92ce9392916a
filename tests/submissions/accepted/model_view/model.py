from torch import nn


class LSTMClassifier(nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.linear = nn.Linear(2 * hidden_size, n_targets)

    def forward(self, padded):
        _, (h_n, _) = self.lstm(padded)
        states = h_n.view(self.lstm.num_layers, 2, padded.size(0), self.lstm.hidden_size)
        last = states[-1].permute(1, 0, 2).reshape(padded.size(0), -1)
        return self.linear(last.relu())
