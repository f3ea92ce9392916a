import torch
from torch import Tensor, nn


class LastStates(nn.LSTM):
    """An LSTM that returns the last layer's last states, shape (B, D * H), and nothing else."""

    def forward(self, padded: Tensor) -> Tensor:
        _, (h_n, _) = super().forward(padded)
        return torch.cat([h_n[-2], h_n[-1]], dim=1)


class LSTMClassifier(nn.Sequential):
    """No forward of its own."""

    def __init__(
        self, n_targets: int, input_size: int = 96, hidden_size: int = 64, num_layers: int = 2
    ) -> None:
        super().__init__(
            LastStates(input_size, hidden_size, num_layers, batch_first=True, bidirectional=True),
            nn.ReLU(),
            nn.Linear(2 * hidden_size, n_targets),
        )
