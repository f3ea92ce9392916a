"""Tells a lot on the way."""

import logging
import sys
import warnings

import torch
import torch.nn as nn

print("importing the model")
warnings.warn("a warning at import", stacklevel=1)


class LSTMClassifier(nn.Module):
    n_models = 0

    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2, *, verbose=True):
        super(LSTMClassifier, self).__init__()  # noqa: UP008
        LSTMClassifier.n_models += 1
        self.verbose = verbose
        self.lstm = nn.LSTM(
            input_size=input_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            batch_first=True,
            dropout=0.2,  # warns when there is one layer
            bidirectional=True,
        )
        self.fc = nn.Linear(in_features=hidden_size * 2, out_features=n_targets)

    def forward(self, padded):
        assert padded.dim() == 3, f"three dimensions, not {padded.dim()}"
        if self.verbose:
            print("padded", padded.shape, padded.dtype, padded.device)
            print("model", LSTMClassifier.n_models, file=sys.stderr)
        output, (h_n, c_n) = self.lstm(padded)
        logging.getLogger(__name__).warning("states %s %s", h_n.shape, c_n.shape)
        warnings.warn(f"output {output.shape}", stacklevel=1)
        x = torch.cat((h_n[-2, :, :], h_n[-1, :, :]), dim=1)
        x = nn.ReLU()(x)
        return self.fc(x)
