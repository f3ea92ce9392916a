"""Checks of the task rnn_cell: `rnn_cell`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from grader.checks._tools import explain_error, require_tensor, require_unchanged, showing
from grader.checks.recurrent_layers._cells import (
    product_options,
    weight_options,
)
from grader.checks.recurrent_layers._layers import (
    FROM_ZEROS,
    NOT_TRANSPOSED,
    ROWS,
    B,
    H,
    Option,
    alone,
    compare,
    in_pairs,
    other_formula,
    require_by_hand,
    require_from_zeros,
    step,
    weights,
)
from grader.grading.answers import CallResult
from grader.grading.calls import Call
from grader.grading.leniency import local
from grader.grading.submission import Submission, evidence

if TYPE_CHECKING:
    from torch import Tensor


RNN_CELL = "rnn_cell(inputs, state, w_ih, w_hh, b_ih, b_hh)"


@evidence
def rnn_cells(submission: Submission) -> list[CallResult]:
    """Call the cell on B sentences, on one, and with a state of zeros."""
    calls = [cell_call(submission, number) for number in range(len(ROWS))]
    return submission.call("rnn_cell", "rnn_cell", calls)


def cell_call(submission: Submission, number: int = 0) -> Call:
    """Describe a call."""
    return Call(RNN_CELL, [*step(submission, number)[:2], *weights(submission, 1)])


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
    inputs, state, _ = step(submission)
    expected = torch.rnn_tanh_cell(inputs, state, *weights(submission, 1))
    options, compute = _parts(submission)
    compare(
        RNN_CELL,
        "sentence",
        found,
        expected,
        "nn.RNNCell",
        alone(options, compute),
        other_formula(submission, "rnn_cell", cell_call(submission)),
        in_pairs(options, compute),
    )
    inputs, state, _ = step(submission, FROM_ZEROS)
    expected = torch.rnn_tanh_cell(inputs, state, *weights(submission, 1))
    found = rnn_cells(submission)[FROM_ZEROS].result
    require_from_zeros(RNN_CELL, found, expected, "nn.RNNCell")
    require_unchanged(rnn_cells(submission)[0], RNN_CELL, "inputs, state, w_ih, w_hh, b_ih, b_hh")


def _parts(submission: Submission) -> tuple[list[list[Option]], Callable[..., Tensor]]:
    """Return the parts of the formula with their known mistakes, and what computes it from them."""
    from torch import relu, sigmoid, tanh

    inputs, state, _ = step(submission)
    ends: list[Option] = [  # x and s with their biases b and c
        ("", lambda x, s, *_: tanh(x + s)),
        ("tanh-missing", lambda x, s, *_: x + s),
        ("tanh-of-each-part", lambda x, s, *_: tanh(x) + tanh(s)),
        ("tanh-of-one-part", lambda x, s, *_: tanh(x) + s),
        ("tanh-of-one-part", lambda x, s, *_: x + tanh(s)),
        ("tanh-of-one-part", lambda x, s, b, c: tanh(x - b + s - c) + b + c),
        ("relu-for-tanh", lambda x, s, *_: relu(x + s)),
        ("sigmoid-for-tanh", lambda x, s, *_: sigmoid(x + s)),
        ("squashed-twice", lambda x, s, *_: tanh(tanh(x + s))),
    ]
    after: list[Option] = [("", lambda new: new), ("old-state-added", lambda new: new + state)]

    def compute(given: Any, products: Any, end: Any, last: Any) -> Tensor:
        x, s = products(inputs, state, given)
        return last(end(x, s, *given[2:]))  # type: ignore[no-any-return]

    return [weight_options(weights(submission, 1), 1), product_options(1), ends, after], compute


def check_formula(submission: Submission) -> None:
    """The state is computed from the formula, without torch's own recurrent layers."""
    import torch

    called, call = rnn_cells(submission)[0], cell_call(submission)
    require_by_hand(submission, "rnn_cell", called, call, torch.rnn_tanh_cell)
