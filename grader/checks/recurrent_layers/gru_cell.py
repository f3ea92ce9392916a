"""Checks of the task gru_cell: `gru_cell`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from grader.checks._tools import explain_error, require_tensor, require_unchanged, showing
from grader.checks.recurrent_layers._cells import (
    cut_options,
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


ERRORS = {
    **NOT_TRANSPOSED,
    "values to unpack (expected 3": "not-three-pieces",
    f"The size of tensor a ({3 * H}) must match the size of tensor b ({H})": "not-three-pieces",
    f"The size of tensor a ({H}) must match the size of tensor b ({3 * H})": "not-three-pieces",
}
GRU_CELL = "gru_cell(inputs, state, w_ih, w_hh, b_ih, b_hh)"


@evidence
def gru_cells(submission: Submission) -> list[CallResult]:
    """Call the cell on B sentences, on one, and with a state of zeros."""
    calls = [cell_call(submission, number) for number in range(len(ROWS))]
    return submission.call("gru_cell", "gru_cell", calls)


def cell_call(submission: Submission, number: int = 0) -> Call:
    """Describe a call."""
    return Call(GRU_CELL, [*step(submission, number)[:2], *weights(submission, 3)])


def check_shape(submission: Submission) -> None:
    """The new state has shape (B, H), even for one sentence."""
    for rows, called in zip(ROWS, gru_cells(submission), strict=True):
        known = {tuple: "pair-returned", list: "pair-returned"}
        with local(rows != B), showing(called.trace):
            explain_error(called, GRU_CELL, "the new state (B, H)", ERRORS)
            require_tensor(called.result, GRU_CELL, "float32", "(B, H)", (rows, H), known)


def check_values(submission: Submission) -> None:
    """The new state equals that of `nn.GRUCell`."""
    import torch

    found = require_tensor(gru_cells(submission)[0].result, GRU_CELL, "float32", "(B, H)", (B, H))
    inputs, state, _ = step(submission)
    expected = torch.gru_cell(inputs, state, *weights(submission, 3))
    options, compute = _parts(submission)
    compare(
        GRU_CELL,
        "sentence",
        found,
        expected,
        "nn.GRUCell",
        alone(options, compute),
        other_formula(submission, "gru_cell", cell_call(submission)),
        in_pairs(options, compute),
    )
    inputs, state, _ = step(submission, FROM_ZEROS)
    expected = torch.gru_cell(inputs, state, *weights(submission, 3))
    found = gru_cells(submission)[FROM_ZEROS].result
    require_from_zeros(GRU_CELL, found, expected, "nn.GRUCell")
    require_unchanged(gru_cells(submission)[0], GRU_CELL, "inputs, state, w_ih, w_hh, b_ih, b_hh")


def _parts(submission: Submission) -> tuple[list[list[Option]], Callable[..., Tensor]]:
    """Return the parts of the formulas with their known mistakes, and what computes them."""
    inputs, state, _ = step(submission)

    def compute(given: Any, products: Any, cut: Any, gate: Any, read: Any, *parts: Any) -> Tensor:
        candidate, mix, last = parts
        x, s = products(inputs, state, given)
        (x_r, x_z, x_n), (s_r, s_z, s_n) = cut(x), cut(s)
        r, z = gate(read[0] * x_r + read[1] * s_r), gate(read[2] * x_z + read[3] * s_z)
        n = candidate(x_n, r, s_n, state, given[1][2 * H :], given[3][2 * H :])
        return last(mix(z, n, state, r, x_n, s_n), state)  # type: ignore[no-any-return]

    whole = weight_options(weights(submission, 3), 3)
    parts = [_gates(), _reads(), _candidates(), _mixes(), _ends()]
    return [whole, product_options(3), cut_options(3), *parts], compute


def _gates() -> list[Option]:
    """Return functions that compute r and z from their sums."""
    from torch import sigmoid, tanh

    return [
        ("", sigmoid),
        ("gates-not-sigmoid", tanh),
        ("gates-not-sigmoid", lambda total: total),
        ("squashed-twice", lambda total: sigmoid(sigmoid(total))),
    ]


def _reads() -> list[Option]:
    """Return which of x_r, s_r, x_z, s_z the gates use."""
    parts = (1, 0, 1, 0), (0, 1, 0, 1), (1, 0, 1, 1), (1, 1, 1, 0), (0, 1, 1, 1), (1, 1, 0, 1)
    return [("", (1, 1, 1, 1)), *(("gate-from-one-part", read) for read in parts)]


def _candidates() -> list[Option]:
    """Return functions of x_n, r, s_n, the state, its weights and their bias, that compute n."""
    from torch import sigmoid, tanh

    return [
        ("", lambda x, r, s, *_: tanh(x + r * s)),
        ("reset-before-the-product", lambda x, r, _s, h, w, b: tanh(x + (r * h) @ w.T + b)),
        ("reset-without-the-bias", lambda x, r, s, _h, _w, b: tanh(x + r * (s - b) + b)),
        ("reset-over-the-inputs", lambda x, r, s, *_: tanh(r * (x + s))),
        ("reset-over-the-inputs", lambda x, r, s, *_: tanh(r * x + s)),
        ("reset-gate-missing", lambda x, _r, s, *_: tanh(x + s)),
        ("sigmoid-for-tanh", lambda x, r, s, *_: sigmoid(x + r * s)),
        ("tanh-missing", lambda x, r, s, *_: x + r * s),
        ("squashed-twice", lambda x, r, s, *_: tanh(tanh(x + r * s))),
    ]


def _mixes() -> list[Option]:
    """Return functions of z, n, the old state, r, x_n, s_n that compute the new state."""
    mixes: list[Option] = [
        ("", lambda z, n, h, *_: _mix(z, n, h)),
        ("update-gate-turned-round", lambda z, n, h, *_: _mix(z, h, n)),
        ("update-gate-missing", lambda _z, n, *_: n),
        ("candidate-not-weighted", lambda z, n, h, *_: n + z * h),
        ("reset-for-update", lambda _z, n, h, r, *_: _mix(r, n, h)),
    ]
    others: list[Callable[..., Tensor]] = [
        lambda _r, x, _s: x,
        lambda _r, _x, s: s,
        lambda r, _x, s: s * r,
    ]
    for other in others:
        mixes += [
            ("other-parts-mixed", lambda z, n, _h, *rest, other=other: _mix(z, n, other(*rest))),
            ("other-parts-mixed", lambda z, _n, h, *rest, other=other: _mix(z, other(*rest), h)),
        ]
    mixes.append(("other-parts-mixed", lambda z, n, _h, r, x, s: _mix(z, n, x + r * s)))
    return mixes


def _ends() -> list[Option]:
    """Return functions of the new and the old state that compute what is returned."""
    from torch import tanh

    return [
        ("", lambda new, _: new),
        ("squashed-twice", lambda new, _: tanh(new)),
        ("old-state-added", lambda new, old: new + old),
    ]


def _mix(z: Tensor, n: Tensor, h: Tensor) -> Tensor:
    return (1 - z) * n + z * h


def check_formula(submission: Submission) -> None:
    """The state is computed from the formulas, without torch's own recurrent layers."""
    import torch

    called, call = gru_cells(submission)[0], cell_call(submission)
    require_by_hand(submission, "gru_cell", called, call, torch.gru_cell)
