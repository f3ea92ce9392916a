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
        raise NotImplementedError("Task model: write LSTMClassifier.__init__ in exercise/model.py")

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
        raise NotImplementedError("Task model: write LSTMClassifier.forward in exercise/model.py")
