"""Checks of the task lstm_cell: `lstm_cell`."""

from __future__ import annotations

from collections.abc import Callable
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
from grader.checks.recurrent_layers._cells import (
    cut_options,
    product_options,
    weight_options,
)
from grader.checks.recurrent_layers._layers import (
    FROM_ZEROS,
    NOT_TRANSPOSED,
    ROWS,
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
from grader.contract.messages import Failure, show
from grader.grading.answers import CallResult
from grader.grading.calls import Call
from grader.grading.leniency import lenient, local
from grader.grading.submission import Submission, evidence
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    from torch import Tensor


LSTM_CELL = "lstm_cell(inputs, (h, c), w_ih, w_hh, b_ih, b_hh)"


@evidence
def lstm_cells(submission: Submission) -> list[CallResult]:
    """Call the cell on B sentences, on one, and with states of zeros."""
    calls = [cell_call(submission, number) for number in range(len(ROWS))]
    return submission.call("lstm_cell", "lstm_cell", calls)


def cell_call(submission: Submission, number: int = 0) -> Call:
    """Describe a call."""
    inputs, h, c = step(submission, number)
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
    inputs, h, c = step(submission)
    w_ih, w_hh, b_ih, b_hh = weights(submission, 4)
    return [*(inputs @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, dim=1)], c


def check_cell_state(submission: Submission) -> None:
    """The new cell state equals that of `nn.LSTMCell`."""
    import torch

    inputs, h, c = step(submission)
    expected_h, expected = torch.lstm_cell(inputs, [h, c], *weights(submission, 4))
    call = f"{LSTM_CELL}[1]"
    options, compute = _cell_state_parts(submission)
    candidates = [("c-and-h-swapped", expected_h), *alone(options, compute)]
    found = lstm_states(submission)[1]
    try:
        other = other_formula(submission, "lstm_cell", cell_call(submission))
        pairs = in_pairs(options, compute)
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


def _cell_state_parts(
    submission: Submission,
) -> tuple[list[list[Option]], Callable[..., Tensor]]:
    """Return the parts of the new c with their known mistakes, and what computes it from them."""
    from torch import sigmoid, tanh

    inputs, h, c = step(submission)
    states: list[Option] = [("", (h, c)), ("c-and-h-swapped", (c, h))]
    gates: list[Option] = [
        ("", lambda total, _: sigmoid(total)),
        ("gates-not-sigmoid", lambda total, _: total),
        ("gates-not-sigmoid", lambda total, _: tanh(total)),
        ("squashed-twice", lambda total, _: sigmoid(sigmoid(total))),
        ("gates-read-the-cell-state", lambda total, c: sigmoid(total + c)),
    ]
    forgets: list[Option] = [
        ("", lambda gate, f: gate(f)),
        ("forget-gate-missing", lambda _gate, _f: 1.0),
        ("forget-gate-missing", lambda _gate, _f: 0.0),
        ("forget-bias-added", lambda gate, f: gate(f + 1)),
    ]
    inserts: list[Option] = [
        ("", lambda gate, i, _f: gate(i)),
        ("input-gate-missing", lambda _gate, _i, _f: 1.0),
        ("forget-gate-coupled", lambda gate, _i, f: 1 - gate(f)),
    ]
    squashes: list[Option] = [
        ("", tanh),
        ("sigmoid-for-tanh", sigmoid),
        ("tanh-missing", lambda g: g),
        ("squashed-twice", lambda g: tanh(sigmoid(g))),
        ("squashed-twice", lambda g: tanh(tanh(g))),
    ]
    carried: list[Option] = [("", lambda _h, c: c), ("forget-gate-on-h", lambda h, _c: h)]
    ends: list[Option] = [("", lambda new: new), ("cell-state-squashed", tanh)]

    def compute(given: Any, products: Any, cut: Any, state: Any, *parts: Any) -> Tensor:
        gate, forget, insert, squash, carry, last = parts
        x, s = products(inputs, state[0], given)
        i, f, g, _ = cut(x + s)
        new = forget(lambda total: gate(total, state[1]), f) * carry(*state)
        return last(  # type: ignore[no-any-return]
            new + insert(lambda total: gate(total, state[1]), i, f) * squash(g)
        )

    whole = weight_options(weights(submission, 4), 4)
    parts = [states, gates, forgets, inserts, squashes, carried, ends]
    return [whole, product_options(4), cut_options(4), *parts], compute


def check_state(submission: Submission) -> None:
    """The new hidden state equals that of `nn.LSTMCell`."""
    import torch
    from torch import sigmoid, tanh

    found, new_c = lstm_states(submission)
    inputs, h, c = step(submission)
    expected, _ = torch.lstm_cell(inputs, [h, c], *weights(submission, 4))
    (_, _, _, o), _ = lstm_parts(submission)
    if lenient() and close(new_c, expected):
        found, new_c = new_c, found  # returned in the other order
    elif lenient():
        expected = sigmoid(o) * tanh(new_c)
    options, compute = _state_parts(submission, new_c)
    compare(
        f"{LSTM_CELL}[0]",
        "sentence",
        found,
        expected,
        "nn.LSTMCell",
        [("old-state-returned", h), *alone(options, compute)],
        "formula-differs",
        in_pairs(options, compute),
    )
    inputs, h, c = step(submission, FROM_ZEROS)
    right = torch.lstm_cell(inputs, [h, c], *weights(submission, 4))
    pair = require_pair(lstm_cells(submission)[FROM_ZEROS].result, LSTM_CELL, "h and c")
    if not lenient():
        for part in (0, 1):
            require_from_zeros(f"{LSTM_CELL}[{part}]", pair[part], right[part], "nn.LSTMCell")
    require_unchanged(lstm_cells(submission)[0], LSTM_CELL, "inputs, state, w_ih, w_hh, b_ih, b_hh")


def _state_parts(
    submission: Submission, new_c: Tensor
) -> tuple[list[list[Option]], Callable[..., Tensor]]:
    """Return the parts of the new h with their known mistakes, and what computes it from them."""
    from torch import sigmoid, tanh

    (_, _, _, o), c = lstm_parts(submission)
    _, h, _ = step(submission)
    _, _, b_ih, b_hh = (each[3 * H :] for each in weights(submission, 4))
    totals: list[Option] = [("", o)]
    totals += [("bias-left-out", o - bias) for bias in (b_ih + b_hh, b_ih, b_hh)]
    gates: list[Option] = [
        ("", sigmoid),
        ("output-gate-missing", lambda _: 1.0),
        ("gates-not-sigmoid", tanh),
        ("gates-not-sigmoid", lambda total: total),
        ("squashed-twice", lambda total: sigmoid(sigmoid(total))),
    ]
    shown: list[Option] = [("", new_c), ("state-from-old-cell-state", c)]
    products: list[Option] = [
        ("", lambda gate, c: gate * tanh(c)),
        ("tanh-of-cell-state-missing", lambda gate, c: gate * c),
        ("squashed-twice", lambda gate, c: gate * tanh(tanh(c))),
        ("tanh-of-the-product", lambda gate, c: tanh(gate * c)),
    ]
    ends: list[Option] = [("", lambda new: new), ("old-state-added", lambda new: new + h)]

    def compute(total: Any, gate: Any, c: Any, product: Any, last: Any) -> Tensor:
        return last(product(gate(total), c))  # type: ignore[no-any-return]

    return [totals, gates, shown, products, ends], compute


def check_formula(submission: Submission) -> None:
    """The states are computed from the formulas, without torch's own recurrent layers."""
    import torch

    called, call = lstm_cells(submission)[0], cell_call(submission)
    require_by_hand(submission, "lstm_cell", called, call, torch.lstm_cell)
