"""Checks of the task gru_cell: `gru_cell`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import permutations
from typing import TYPE_CHECKING, Any

from grader.checks._tools import explain_error, require_tensor, require_unchanged, showing
from grader.checks.recurrent_layers._layers import (
    NOT_TRANSPOSED,
    ROWS,
    B,
    H,
    compare,
    in_pairs,
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


ERRORS = {
    **NOT_TRANSPOSED,
    "values to unpack (expected 3": "not-three-pieces",
    f"The size of tensor a ({3 * H}) must match the size of tensor b ({H})": "not-three-pieces",
    f"The size of tensor a ({H}) must match the size of tensor b ({3 * H})": "not-three-pieces",
}
GRU_CELL = "gru_cell(inputs, state, w_ih, w_hh, b_ih, b_hh)"


@evidence
def gru_cells(submission: Submission) -> list[CallResult]:
    """Call the cell on B sentences and on one."""
    calls = [cell_call(submission, rows) for rows in ROWS]
    return submission.call("gru_cell", "gru_cell", calls)


def cell_call(submission: Submission, rows: int) -> Call:
    """Describe a call on some sentences."""
    return Call(GRU_CELL, [*step(submission, rows)[:2], *weights(submission, 3)])


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
    inputs, state, _ = step(submission, B)
    expected = torch.gru_cell(inputs, state, *weights(submission, 3))
    candidates = _wrong_gru_states(submission)
    other = other_formula(submission, "gru_cell", cell_call(submission, B))
    pairs = _pairs_of_mistakes(submission)
    compare(GRU_CELL, "sentence", found, expected, "nn.GRUCell", candidates, other, pairs)
    require_unchanged(gru_cells(submission)[0], GRU_CELL, "inputs, state, w_ih, w_hh, b_ih, b_hh")


def _wrong_gru_states(submission: Submission) -> Iterator[tuple[str, Tensor]]:
    import torch
    from torch import sigmoid, tanh

    inputs, h, _ = step(submission, B)
    w_ih, w_hh, b_ih, b_hh = weights(submission, 3)
    x, s = inputs @ w_ih.T + b_ih, h @ w_hh.T + b_hh
    (x_r, x_z, x_n), (s_r, s_z, s_n) = x.chunk(3, dim=1), s.chunk(3, dim=1)
    w_n, b_n = w_hh[2 * H :], b_hh[2 * H :]
    r, z = sigmoid(x_r + s_r), sigmoid(x_z + s_z)
    n = tanh(x_n + r * s_n)

    def gru(x: Tensor, s: Tensor) -> Tensor:
        (x_r, x_z, x_n), (s_r, s_z, s_n) = x.chunk(3, dim=1), s.chunk(3, dim=1)
        z = sigmoid(x_z + s_z)
        return (1 - z) * tanh(x_n + sigmoid(x_r + s_r) * s_n) + z * h

    def mixed(n: Tensor) -> Tensor:
        return _mix(z, n, h)

    yield "reset-before-the-product", mixed(tanh(x_n + (r * h) @ w_n.T + b_n))
    yield "reset-without-the-bias", mixed(tanh(x_n + r * (h @ w_n.T) + b_n))
    yield "reset-over-the-inputs", mixed(tanh(r * (x_n + s_n)))
    yield "reset-over-the-inputs", mixed(tanh(r * x_n + s_n))
    yield "reset-gate-missing", mixed(tanh(x_n + s_n))
    yield "update-gate-turned-round", z * n + (1 - z) * h
    yield "update-gate-missing", n
    yield "sigmoid-for-tanh", mixed(sigmoid(x_n + r * s_n))
    yield "tanh-missing", mixed(x_n + r * s_n)
    for order in permutations(range(3)):
        pieces = [torch.cat([each.chunk(3, dim=1)[k] for k in order], dim=1) for each in (x, s)]
        yield "gate-order", gru(*pieces)
    yield "bias-left-out", gru(x - b_ih, s - b_hh)
    yield "bias-left-out", gru(x - b_ih, s)
    yield "bias-left-out", gru(x, s - b_hh)
    for gate in range(3):
        only = torch.arange(3).eq(gate).repeat_interleave(H)
        yield "bias-left-out", gru(x - b_ih * only, s)
        yield "bias-left-out", gru(x, s - b_hh * only)
        yield "bias-left-out", gru(x - b_ih * only, s - b_hh * only)
    yield "candidate-not-weighted", n + z * h
    yield "gates-not-sigmoid", _mix(tanh(x_z + s_z), tanh(x_n + tanh(x_r + s_r) * s_n), h)
    yield "gates-not-sigmoid", _mix(x_z + s_z, tanh(x_n + (x_r + s_r) * s_n), h)
    yield "reset-for-update", _mix(r, n, h)
    yield "squashed-twice", tanh(mixed(n))
    yield "squashed-twice", mixed(tanh(n))
    yield "old-state-added", mixed(n) + h
    for one, two in ((x_r, x_z), (s_r, s_z), (x_r, x_z + s_z), (x_r + s_r, x_z)):
        yield "gate-from-one-part", _mix(sigmoid(two), tanh(x_n + sigmoid(one) * s_n), h)
    for other in (x_n, s_n, s_n * r, x_n + r * s_n):
        yield "other-parts-mixed", _mix(z, n, other)
        yield "other-parts-mixed", _mix(z, other, h)


def _pairs_of_mistakes(submission: Submission) -> Iterator[tuple[str, str, Tensor]]:
    import torch
    from torch import sigmoid, tanh

    inputs, h, _ = step(submission, B)
    w_ih, w_hh, b_ih, b_hh = weights(submission, 3)
    x, s = inputs @ w_ih.T + b_ih, h @ w_hh.T + b_hh
    w_n, b_n = w_hh[2 * H :], b_hh[2 * H :]
    pieces: list[tuple[str, Any]] = [("", (x, s))]
    pieces += [("bias-left-out", (x - b_ih, s)), ("bias-left-out", (x, s - b_hh))]
    pieces.append(("bias-left-out", (x - b_ih, s - b_hh)))
    for order in [*permutations(range(3))][1:]:
        both = [torch.cat([each.chunk(3, dim=1)[k] for k in order], dim=1) for each in (x, s)]
        pieces.append(("gate-order", both))
    candidates: list[tuple[str, Any]] = [
        ("", lambda x_n, r, s_n: tanh(x_n + r * s_n)),
        ("reset-before-the-product", lambda x_n, r, _s_n: tanh(x_n + (r * h) @ w_n.T + b_n)),
        ("reset-over-the-inputs", lambda x_n, r, s_n: tanh(r * (x_n + s_n))),
        ("reset-gate-missing", lambda x_n, _r, s_n: tanh(x_n + s_n)),
        ("sigmoid-for-tanh", lambda x_n, r, s_n: sigmoid(x_n + r * s_n)),
        ("tanh-missing", lambda x_n, r, s_n: x_n + r * s_n),
    ]
    mixes: list[tuple[str, Any]] = [
        ("", _mix),
        ("update-gate-turned-round", lambda z, n, h: z * n + (1 - z) * h),
        ("update-gate-missing", lambda _z, n, _h: n),
        ("candidate-not-weighted", lambda z, n, h: n + z * h),
    ]

    def compute(pieces: Any, candidate: Any, mix: Any) -> Tensor:
        (x_r, x_z, x_n), (s_r, s_z, s_n) = (each.chunk(3, dim=1) for each in pieces)
        n = candidate(x_n, sigmoid(x_r + s_r), s_n)
        return mix(sigmoid(x_z + s_z), n, h)  # type: ignore[no-any-return]

    yield from in_pairs([pieces, candidates, mixes], compute)


def _mix(z: Tensor, n: Tensor, h: Tensor) -> Tensor:
    return (1 - z) * n + z * h


def check_formula(submission: Submission) -> None:
    """The state is computed from the formulas, without torch's own recurrent layers."""
    import torch

    called, call = gru_cells(submission)[0], cell_call(submission, B)
    require_by_hand(submission, "gru_cell", called, call, torch.gru_cell)
