"""Checks of the task lstm_cell: `lstm_cell`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import permutations
from typing import TYPE_CHECKING, Any

from grader.checks._tools import (
    close,
    explain_error,
    is_list,
    require_pair,
    require_tensor,
    require_unchanged,
    showing,
)
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
from grader.contract.messages import Failure, show
from grader.grading.answers import Call, CallResult
from grader.grading.leniency import lenient, local
from grader.grading.submission import Submission, evidence
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    from torch import Tensor

    Candidates = Iterable[tuple[str, Tensor]]  # known mistakes and their results


LSTM_CELL = "lstm_cell(inputs, (h, c), w_ih, w_hh, b_ih, b_hh)"


@evidence
def lstm_cells(submission: Submission) -> list[CallResult]:
    """Call the cell on B sentences and on one."""
    calls = [cell_call(submission, rows) for rows in ROWS]
    return submission.call("lstm_cell", "lstm_cell", calls)


def cell_call(submission: Submission, rows: int) -> Call:
    """Describe a call on some sentences."""
    inputs, h, c = step(submission, rows)
    return Call(LSTM_CELL, [inputs, (h, c), *weights(submission, 4)])


def lstm_states(submission: Submission, number: int = 0) -> tuple[Tensor, Tensor]:
    """Return h and c of a call, which must have the correct shapes.

    Raises:
        Failure: the result has a different type or shape.
    """
    result = lstm_cells(submission)[number].result
    if (why := why_no_pair(result)) is not None:
        raise Failure(LSTM_CELL, f"It returned {show(result)}", "h and c, a tuple of two", why)
    h, c = require_pair(result, LSTM_CELL, "h and c")
    return (
        require_tensor(h, f"{LSTM_CELL}[0]", "float32", "(B, H)", (ROWS[number], H)),
        require_tensor(c, f"{LSTM_CELL}[1]", "float32", "(B, H)", (ROWS[number], H)),
    )


def why_no_pair(found: object) -> str | None:
    """Return the known mistake behind a result that is not the pair (h, c)."""
    if isinstance(found, TensorData):
        return "cell-state-not-returned"
    nested = is_list(found) and any(map(is_list, found))
    return "layer-outputs-returned" if nested else None


def check_shape(submission: Submission) -> None:
    """The hidden state h and the cell state c have shape (B, H), even for one sentence."""
    whole = f"The size of tensor a ({4 * H}) must match the size of tensor b ({H})"
    known = {
        **NOT_TRANSPOSED,
        "values to unpack (expected 4": "not-four-pieces",
        "can't multiply sequence by non-int": "pair-not-unpacked",
        "unsupported operand type(s) for @": "pair-not-unpacked",
        "must be Tensor, not tuple": "pair-not-unpacked",
        "'tuple' object has no attribute": "pair-not-unpacked",
        whole: "not-four-pieces",
    }
    for number, called in enumerate(lstm_cells(submission)):
        with local(number > 0), showing(called.trace):
            explain_error(called, LSTM_CELL, "h and c, (B, H) each", known)
            lstm_states(submission, number)


def lstm_parts(submission: Submission) -> tuple[list[Tensor], Tensor]:
    """Compute the four gate pre-activations of an LSTM, and return them with the old cell state."""
    inputs, h, c = step(submission, B)
    w_ih, w_hh, b_ih, b_hh = weights(submission, 4)
    return [*(inputs @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, dim=1)], c


def check_cell_state(submission: Submission) -> None:
    """The new cell state equals that of `nn.LSTMCell`."""
    import torch

    inputs, h, c = step(submission, B)
    expected_h, expected = torch.lstm_cell(inputs, [h, c], *weights(submission, 4))
    call = f"{LSTM_CELL}[1]"
    candidates = [("c-and-h-swapped", expected_h), *_wrong_cell_states(submission)]
    found = lstm_states(submission)[1]
    try:
        other = other_formula(submission, "lstm_cell", cell_call(submission, B))
        pairs = _pairs_of_mistakes(submission)
        compare(call, "sentence", found, expected, "nn.LSTMCell", candidates, other, pairs)
    except Failure as failure:
        failure.local = failure.mistake in OUTPUT_GATE_RIGHT or close(found, expected_h)
        raise


# With these mistakes the state h can still be judged by the cell state that was computed.
OUTPUT_GATE_RIGHT = {
    *("forget-gate-missing", "input-gate-missing", "sigmoid-for-tanh", "tanh-missing"),
    *("cell-state-squashed", "forget-bias-added", "forget-gate-coupled"),
    *("input-and-forget-swapped", "squashed-twice", "forget-gate-on-h"),
}


def _wrong_cell_states(submission: Submission) -> Iterator[tuple[str, Tensor]]:
    import torch
    from torch import sigmoid, tanh

    inputs, h, c = step(submission, B)
    w_ih, w_hh, b_ih, b_hh = given = weights(submission, 4)

    def cell_state(total: Tensor) -> Tensor:
        i, f, g, _ = total.chunk(4, dim=1)
        return sigmoid(f) * c + sigmoid(i) * tanh(g)

    yield "c-and-h-swapped", torch.lstm_cell(inputs, [c, h], *given)[1]
    total = inputs @ w_ih.T + b_ih + h @ w_hh.T + b_hh
    i, f, g, _ = total.chunk(4, dim=1)
    yield "input-and-forget-swapped", sigmoid(i) * c + sigmoid(f) * tanh(g)
    for order in permutations(total.chunk(4, dim=1)):
        yield "gate-order", cell_state(torch.cat(order, dim=1))
    for bias in (b_ih + b_hh, b_ih, b_hh):
        yield "bias-left-out", cell_state(total - bias)
    for gate in range(3):
        only = torch.arange(4).eq(gate).repeat_interleave(H)
        for bias in (b_ih + b_hh, b_ih, b_hh):
            yield "bias-left-out", cell_state(total - bias * only)
    yield "state-left-out", cell_state(total - h @ w_hh.T)
    yield "state-left-out", cell_state(total - h @ w_hh.T - b_hh)
    yield "forget-gate-missing", c + sigmoid(i) * tanh(g)
    yield "forget-gate-missing", sigmoid(i) * tanh(g)
    yield "input-gate-missing", sigmoid(f) * c + tanh(g)
    yield "sigmoid-for-tanh", sigmoid(f) * c + sigmoid(i) * sigmoid(g)
    yield "tanh-missing", sigmoid(f) * c + sigmoid(i) * g
    yield "gates-not-sigmoid", f * c + i * tanh(g)
    yield "gates-not-sigmoid", tanh(f) * c + tanh(i) * tanh(g)
    yield "cell-state-squashed", tanh(cell_state(total))
    yield "forget-bias-added", sigmoid(f + 1) * c + sigmoid(i) * tanh(g)
    yield "forget-gate-coupled", sigmoid(f) * c + (1 - sigmoid(f)) * tanh(g)
    yield "squashed-twice", sigmoid(f) * c + sigmoid(i) * tanh(sigmoid(g))
    yield "squashed-twice", sigmoid(f) * c + sigmoid(i) * tanh(tanh(g))
    yield "squashed-twice", sigmoid(sigmoid(f)) * c + sigmoid(sigmoid(i)) * tanh(g)
    yield "forget-gate-on-h", sigmoid(f) * h + sigmoid(i) * tanh(g)
    yield "gates-read-the-cell-state", sigmoid(f + c) * c + sigmoid(i + c) * tanh(g)


def _pairs_of_mistakes(submission: Submission) -> Iterator[tuple[str, str, Tensor]]:
    import torch
    from torch import sigmoid, tanh

    inputs, h, c = step(submission, B)
    w_ih, w_hh, b_ih, b_hh = weights(submission, 4)
    total = inputs @ w_ih.T + b_ih + h @ w_hh.T + b_hh
    totals = [("", total), ("state-left-out", total - h @ w_hh.T)]
    totals += [("bias-left-out", total - bias) for bias in (b_ih + b_hh, b_ih, b_hh)]
    orders = [*permutations(total.chunk(4, dim=1))][1:]
    totals += [("gate-order", torch.cat(order, dim=1)) for order in orders]
    one = torch.ones_like
    parts: list[list[tuple[str, Any]]] = [
        [
            ("", sigmoid),
            ("forget-gate-missing", one),
            ("forget-bias-added", lambda f: sigmoid(f + 1)),
        ],
        [("", sigmoid), ("input-gate-missing", one)],
        [("", tanh), ("sigmoid-for-tanh", sigmoid), ("tanh-missing", torch.clone)],
        [("", c), ("forget-gate-on-h", h)],
        [("", torch.clone), ("cell-state-squashed", tanh)],
    ]

    def compute(
        total: Tensor, forget: Any, insert: Any, squash: Any, carried: Tensor, last: Any
    ) -> Tensor:
        i, f, g, _ = total.chunk(4, dim=1)
        return last(forget(f) * carried + insert(i) * squash(g))  # type: ignore[no-any-return]

    yield from in_pairs([totals, *parts], compute)


def check_state(submission: Submission) -> None:
    """The new hidden state equals that of `nn.LSTMCell`."""
    import torch
    from torch import sigmoid, tanh

    found, new_c = lstm_states(submission)
    inputs, h, c = step(submission, B)
    expected, _ = torch.lstm_cell(inputs, [h, c], *weights(submission, 4))
    (_, _, _, o), _ = lstm_parts(submission)
    if lenient() and close(new_c, expected):
        found, new_c = new_c, found  # returned in the other order
    elif lenient():
        expected = sigmoid(o) * tanh(new_c)
    compare(
        f"{LSTM_CELL}[0]",
        "sentence",
        found,
        expected,
        "nn.LSTMCell",
        [
            ("tanh-of-cell-state-missing", sigmoid(o) * new_c),
            ("state-from-old-cell-state", sigmoid(o) * tanh(c)),
            ("output-gate-missing", tanh(new_c)),
            ("gates-not-sigmoid", tanh(o) * tanh(new_c)),
            ("gates-not-sigmoid", o * tanh(new_c)),
            ("old-state-returned", h),
            ("squashed-twice", sigmoid(sigmoid(o)) * tanh(new_c)),
            ("squashed-twice", sigmoid(o) * tanh(tanh(new_c))),
            ("old-state-added", sigmoid(o) * tanh(new_c) + h),
            ("tanh-of-the-product", tanh(sigmoid(o) * new_c)),
        ],
        "formula-differs",
    )
    require_unchanged(lstm_cells(submission)[0], LSTM_CELL, "inputs, state, w_ih, w_hh, b_ih, b_hh")


def check_formula(submission: Submission) -> None:
    """The states are computed from the formulas, without torch's own recurrent layers."""
    import torch

    called, call = lstm_cells(submission)[0], cell_call(submission, B)
    require_by_hand(submission, "lstm_cell", called, call, torch.lstm_cell)
