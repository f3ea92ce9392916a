"""Recurrent layers from their formulas, equal to those of `torch.nn`."""

from collections.abc import Callable

import torch
from torch import Tensor


def rnn_cell(
    inputs: Tensor, state: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> Tensor:
    """Compute one step of a recurrent cell, as `nn.RNNCell` does.

    new state = tanh(inputs W_ih^T + b_ih + state W_hh^T + b_hh)

    Args:
        inputs: one token vector of each sentence, shape (B, F).
        state: the state that each sentence has reached, shape (B, H).
        w_ih: the weights for the inputs, shape (H, F).
        w_hh: the weights for the state, shape (H, H).
        b_ih: the bias that goes with `w_ih`, shape (H,).
        b_hh: the bias that goes with `w_hh`, shape (H,).

    Returns:
        The new state, shape (B, H).
    """
    raise NotImplementedError("Task rnn_cell: write rnn_cell in exercise/recurrent.py")


def unroll(
    cell: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Run a cell over all steps of a batch of sentences, as `nn.RNN(batch_first=True)` does.

    Args:
        cell: maps the vectors of one step (B, F) and a state (B, H) to the new state (B, H).
        inputs: token vectors, shape (B, T, F).
        state: the state to start from, shape (B, H).

    Returns:
        outputs: the states after each step, shape (B, T, H).
        state: the state after the last step, shape (B, H).
    """
    raise NotImplementedError("Task unroll: write unroll in exercise/recurrent.py")
