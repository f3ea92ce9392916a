"""Recurrent layers from their formulas, with the same results as those of `torch.nn`.

The functions leave their arguments as they are.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def rnn_cell(
    inputs: Tensor, state: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> Tensor:
    """Compute one step of a recurrent cell, as `nn.RNNCell` does.

    new state = tanh(inputs W_ih^T + b_ih + state W_hh^T + b_hh)

    Args:
        inputs: one token vector per sentence, shape (B, F).
        state: the hidden state of each sentence, shape (B, H).
        w_ih: the weights for the inputs, shape (H, F).
        w_hh: the weights for the state, shape (H, H).
        b_ih: the bias of `w_ih`, shape (H,).
        b_hh: the bias of `w_hh`, shape (H,).

    Returns:
        The new hidden state, shape (B, H).
    """
    raise NotImplementedError("Task rnn_cell: write rnn_cell in exercise/recurrent.py")


def unroll(
    cell: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Run a cell over all steps of a batch of sentences, as `nn.RNN(batch_first=True)` does.

    Args:
        cell: maps the vectors of one step (B, F) and a state (B, H) to the new state (B, H).
        inputs: token vectors, shape (B, T, F).
        state: the initial state, shape (B, H).

    Returns:
        outputs: the states after each step, shape (B, T, H).
        state: the state after the last step, shape (B, H).
    """
    raise NotImplementedError("Task unroll: write unroll in exercise/recurrent.py")


def last_state(h_n: Tensor, num_layers: int, num_directions: int) -> Tensor:
    """Select the states of the last layer from `h_n`.

    Args:
        h_n: the final states of all layers, shape (L * D, B, H), as `nn.RNN`, `nn.LSTM` and
            `nn.GRU` return them: ordered by layer, in each layer the forward direction first.
        num_layers: L, 1 or more.
        num_directions: D, 1 or 2.

    Returns:
        The last layer's states, shape (D, B, H), with the forward direction first.
    """
    raise NotImplementedError("Task last_state: write last_state in exercise/recurrent.py")


def sum_directions(outputs: Tensor) -> Tensor:
    """Add the two directions at every step.

    Args:
        outputs: of a bidirectional layer with `batch_first=True`, shape (B, T, 2 * H): at each
            step the H numbers of the forward state, then the H numbers of the backward state.

    Returns:
        The sum of both states at each step, shape (B, T, H).
    """
    raise NotImplementedError("Task directions: write sum_directions in exercise/recurrent.py")


def join_directions(outputs: Tensor) -> Tensor:
    """Concatenate the two states that have read the whole sentence.

    Args:
        outputs: the same as for `sum_directions`, shape (B, T, 2 * H).

    Returns:
        For each sentence the forward state after its own last step, then the backward state after
        its own last step, shape (B, 2 * H).
    """
    raise NotImplementedError("Task directions: write join_directions in exercise/recurrent.py")


def lstm_cell(
    inputs: Tensor,
    state: tuple[Tensor, Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor,
    b_hh: Tensor,
) -> tuple[Tensor, Tensor]:
    """Compute one step of an LSTM, as `nn.LSTMCell` does.

    inputs W_ih^T + b_ih + state W_hh^T + b_hh has 4 * H numbers: H for each of i, f, g, o.

    i, f, o = sigmoid(their part)   the input gate, the forget gate, the output gate
    g = tanh(its part)              the cell candidate
    new c = f * c + i * g
    new h = o * tanh(new c)

    Args:
        inputs: one token vector per sentence, shape (B, F).
        state: (h, c), the hidden state and the cell state of each sentence, (B, H) each.
        w_ih: the weights for the inputs, shape (4 * H, F): H rows for i, then f, then g, then o.
        w_hh: the weights for h, shape (4 * H, H), in the same order.
        b_ih: the bias of `w_ih`, shape (4 * H,), in the same order.
        b_hh: the bias of `w_hh`, shape (4 * H,), in the same order.

    Returns:
        h: the new hidden state, shape (B, H).
        c: the new cell state, shape (B, H).
    """
    raise NotImplementedError("Task lstm_cell: write lstm_cell in exercise/recurrent.py")


def gru_cell(
    inputs: Tensor, state: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
) -> Tensor:
    """Compute one step of a GRU, as `nn.GRUCell` does.

    x = inputs W_ih^T + b_ih and s = state W_hh^T + b_hh have 3 * H numbers each: H for each of
    r, z, n, called x_r, x_z, x_n and s_r, s_z, s_n.

    r = sigmoid(x_r + s_r)        the reset gate
    z = sigmoid(x_z + s_z)        the update gate
    n = tanh(x_n + r * s_n)       the candidate
    new state = (1 - z) * n + z * state

    Args:
        inputs: one token vector per sentence, shape (B, F).
        state: the hidden state of each sentence, shape (B, H).
        w_ih: the weights for the inputs, shape (3 * H, F): H rows for r, then z, then n.
        w_hh: the weights for the state, shape (3 * H, H), in the same order.
        b_ih: the bias of `w_ih`, shape (3 * H,), in the same order.
        b_hh: the bias of `w_hh`, shape (3 * H,), in the same order.

    Returns:
        The new hidden state, shape (B, H).
    """
    raise NotImplementedError("Task gru_cell: write gru_cell in exercise/recurrent.py")


def carry_state(
    lstm: nn.LSTM, inputs: Tensor, state: tuple[Tensor, Tensor], size: int
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Run an LSTM over long sequences in chunks, with the same result as in one run.

    Each chunk starts from the states that the previous chunk returned. Gradients flow back through
    them: nothing is detached.

    Args:
        lstm: a layer with `batch_first=True`, of any depth.
        inputs: shape (B, T, F).
        state: (h_0, c_0), the initial states, shape (L, B, H) each.
        size: the number of steps per chunk, 1 or more; the last chunk may have fewer.

    Returns:
        outputs: the outputs at all steps, shape (B, T, H).
        state: (h_n, c_n), the states after the last step, shape (L, B, H) each.

    Raises:
        ValueError: the layer is bidirectional. Its backward direction would have to start at the
            end of the whole sequence, which only the last chunk contains.
    """
    raise NotImplementedError("Task carry_state: write carry_state in exercise/recurrent.py")
