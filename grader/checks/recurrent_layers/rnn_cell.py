"""Checks of the task rnn_cell: `rnn_cell`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from grader.checks._tools import explain_error, require_tensor, require_unchanged, showing
from grader.checks.recurrent_layers._layers import (
    NOT_TRANSPOSED,
    ROWS,
    B,
    H,
    compare,
    other_formula,
    require_by_hand,
    step,
    weights,
)
from grader.grading.answers import Call, CallResult
from grader.grading.leniency import local
from grader.grading.submission import Submission, evidence

if TYPE_CHECKING:
    from torch import Tensor

    Candidates = Iterable[tuple[str, Tensor]]  # known mistakes and their results


RNN_CELL = "rnn_cell(inputs, state, w_ih, w_hh, b_ih, b_hh)"


@evidence
def rnn_cells(submission: Submission) -> list[CallResult]:
    """Call the cell on B sentences and on one."""
    calls = [cell_call(submission, rows) for rows in ROWS]
    return submission.call("rnn_cell", "rnn_cell", calls)


def cell_call(submission: Submission, rows: int) -> Call:
    """Describe a call on some sentences."""
    return Call(RNN_CELL, [*step(submission, rows)[:2], *weights(submission, 1)])


def check_shape(submission: Submission) -> None:
    """The new state has shape (B, H), even for one sentence."""
    for rows, called in zip(ROWS, rnn_cells(submission), strict=True):
        known = {tuple: "pair-returned", list: "pair-returned"}
        with local(rows != B), showing(called.trace):
            explain_error(called, RNN_CELL, "the new state (B, H)", NOT_TRANSPOSED)
            require_tensor(called.result, RNN_CELL, "float32", "(B, H)", (rows, H), known)


def check_values(submission: Submission) -> None:
    """The new state equals that of `nn.RNNCell`."""
    import torch

    found = require_tensor(rnn_cells(submission)[0].result, RNN_CELL, "float32", "(B, H)", (B, H))
    inputs, state, _ = step(submission, B)
    w_ih, w_hh, b_ih, b_hh = given = weights(submission, 1)
    expected = torch.rnn_tanh_cell(inputs, state, *given)
    own, other = inputs @ w_ih.T, state @ w_hh.T
    total = own + b_ih + other + b_hh
    compare(
        RNN_CELL,
        "sentence",
        found,
        expected,
        "nn.RNNCell",
        [
            ("tanh-missing", total),
            *(("bias-left-out", torch.tanh(total - b)) for b in (b_ih + b_hh, b_ih, b_hh)),
            ("state-weights-transposed", torch.tanh(total - other + state @ w_hh)),
            ("state-left-out", torch.tanh(own + b_ih)),
            ("state-left-out", torch.tanh(own + b_ih + b_hh)),
            ("tanh-of-each-part", torch.tanh(own + b_ih) + torch.tanh(other + b_hh)),
            ("tanh-of-one-part", torch.tanh(own + b_ih) + other + b_hh),
            ("tanh-of-one-part", own + b_ih + torch.tanh(other + b_hh)),
            ("tanh-of-one-part", torch.tanh(own + other) + b_ih + b_hh),
            ("relu-for-tanh", torch.relu(total)),
            ("sigmoid-for-tanh", torch.sigmoid(total)),
            ("one-bias-twice", torch.tanh(total - b_hh + b_ih)),
            ("one-bias-twice", torch.tanh(total - b_ih + b_hh)),
            ("joined-in-another-order", torch.tanh(_joined_wrongly(given, inputs, state))),
        ],
        other_formula(submission, "rnn_cell", cell_call(submission, B)),
    )
    require_unchanged(rnn_cells(submission)[0], RNN_CELL, "inputs, state, w_ih, w_hh, b_ih, b_hh")


def _joined_wrongly(given: list[Tensor], inputs: Tensor, state: Tensor) -> Tensor:
    """Multiply [state, inputs] by the weights of [inputs, state]."""
    import torch

    w_ih, w_hh, b_ih, b_hh = given
    joined, weight = torch.cat([state, inputs], dim=1), torch.cat([w_ih, w_hh], dim=1)
    return joined @ weight.T + b_ih + b_hh


def check_formula(submission: Submission) -> None:
    """The state is computed from the formula, without torch's own recurrent layers."""
    import torch

    called, call = rnn_cells(submission)[0], cell_call(submission, B)
    require_by_hand(submission, "rnn_cell", called, call, torch.rnn_tanh_cell)
