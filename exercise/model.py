"""Task model: a bidirectional LSTM that classifies sentences."""

import torch
from torch import Tensor, nn


class LSTMClassifier(nn.Module):
    """A bidirectional `nn.LSTM`, then ReLU, then a linear read-out of its last states.

    Attributes are free, but for one `nn.LSTM` of the size and depth asked for.
    """

    def __init__(
        self, n_targets: int, input_size: int = 96, hidden_size: int = 64, num_layers: int = 2
    ) -> None:
        """Build the layers.

        Args:
            n_targets: C, the number of classes.
            input_size: F, the length of one token vector.
            hidden_size: H, the size of one direction's state.
            num_layers: L, the number of stacked LSTM layers.
        """
        super().__init__()
        raise NotImplementedError("Task model: write LSTMClassifier.__init__ in exercise/model.py")

    def forward(self, padded: Tensor) -> Tensor:
        """Classify a batch.

        The read-out sees the last recurrent step of the last layer, in both directions: the
        forward state after the last token and the backward state after the first one. Then
        ReLU, then Linear.

        Args:
            padded: token vectors, shape (B, T, F), dtype `torch.float32`.

        Returns:
            Logits of shape (B, C), dtype `torch.float32`: plain scores, no softmax.
        """
        raise NotImplementedError("Task model: write LSTMClassifier.forward in exercise/model.py")
