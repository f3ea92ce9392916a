from torch import Tensor, nn

from .encoder import Config, Encoder


class LSTMClassifier(nn.Module):
    def __init__(
        self, n_targets: int, input_size: int = 96, hidden_size: int = 64, num_layers: int = 2
    ) -> None:
        super().__init__()
        config = Config(input_size, hidden_size, num_layers)
        self.parts = nn.ModuleDict(
            {
                "encoder": Encoder(config),
                "activation": nn.ReLU(),
                "head": nn.Linear(2 * config.hidden_size, n_targets),
            }
        )

    def forward(self, padded: Tensor) -> Tensor:
        for part in self.parts.values():
            padded = part(padded)
        return padded
