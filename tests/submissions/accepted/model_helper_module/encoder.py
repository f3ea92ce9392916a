"""A module of the student's own, beside the four."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn


@dataclass
class Config:
    input_size: int = 96
    hidden_size: int = 64
    num_layers: int = 2
    batch_first: bool = True
    bidirectional: bool = True


class Encoder(nn.Module):
    """Sentences (B, T, F) to their last states (B, D * H)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.rnn = nn.LSTM(**asdict(config))

    def forward(self, padded: Tensor) -> Tensor:
        def last(states: Tensor) -> Tensor:
            return torch.cat(states[-2:].unbind(), dim=1)

        _, (h_n, _) = self.rnn(padded)
        return last(h_n)
