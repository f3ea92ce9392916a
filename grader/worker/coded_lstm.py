"""An LSTM whose answer shows how it was called."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence


class CodedLSTM(nn.LSTM):
    """An LSTM with `batch_first=True` that adds the number of the call and of the step to outputs.

    The n-th call (from 1) adds `n * per_call`, and `t * per_step` to the outputs of its step t. If
    it gets packed sentences, it adds `n * per_call` to everything that it returns. Hidden states
    lie between -1 and 1, so the code can be read from any of them.
    """

    def __init__(self, *args: Any, per_call: float, per_step: float = 0.0, **kwargs: Any) -> None:
        """Create the layer; the other arguments are those of `nn.LSTM`."""
        super().__init__(*args, **kwargs)
        self.per_call, self.per_step, self.calls = per_call, per_step, 0

    def forward(self, input: Any, hx: Any = None) -> Any:  # noqa: A002
        """Run the layer and add the code."""
        self.calls += 1
        code = self.calls * self.per_call
        output, (h_n, c_n) = super().forward(input, hx)
        if isinstance(output, PackedSequence):
            return output._replace(data=output.data + code), (h_n + code, c_n + code)
        steps = torch.arange(output.shape[-2])[:, None]
        return output + code + self.per_step * steps, (h_n, c_n)
