"""Task model: a bidirectional LSTM that classifies sentences."""

import torch
from torch import Tensor, nn


class LSTMClassifier(nn.Module):
    """A bidirectional `nn.LSTM`, then ReLU, then a linear output layer on its final hidden states.

    Name the attributes as you like; exactly one must be an `nn.LSTM`, of the given size and depth.
    """

    def __init__(
        self, n_targets: int, input_size: int = 96, hidden_size: int = 64, num_layers: int = 2
    ) -> None:
        """Create the layers.

        Args:
            n_targets: C, the number of classes.
            input_size: F, the length of one token vector.
            hidden_size: H, the size of the hidden state of one direction.
            num_layers: L, the number of stacked LSTM layers.
        """
        super().__init__()
        ### BEGIN SOLUTION
        self.lstm = nn.LSTM(
            input_size, hidden_size, num_layers, batch_first=True, bidirectional=True
        )
        self.linear = nn.Linear(2 * hidden_size, n_targets)
        ### END SOLUTION

    def forward(self, padded: Tensor) -> Tensor:
        """Classify a batch.

        The output layer uses the final hidden states of the last layer, in both directions: the
        forward state after the last token, and the backward state after the first one. Then
        ReLU, then Linear.

        Args:
            padded: token vectors, shape (B, T, F), dtype `torch.float32`.

        Returns:
            Raw logits of shape (B, C), dtype `torch.float32`, without softmax.
        """
        ### BEGIN SOLUTION
        _, (h_n, _) = self.lstm(padded)  # h_n: (L * D, B, H), the last layer's states at the end
        last = torch.cat([h_n[-2], h_n[-1]], dim=1)
        return self.linear(torch.relu(last))
        ### END SOLUTION
