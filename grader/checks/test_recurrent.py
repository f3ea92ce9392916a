"""The tasks of recurrent.py: each answer is held against torch's own layer of the same weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.messages import Failure, shape, show
from grader.submission import Call, Called, Submission, evidence, made, value
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    from torch import Tensor

B, T, F, H = 3, 6, 5, 4  # all different, so that no size can stand for another
TOLERANCE = 1e-5
BUILT_IN = {  # what torch's recurrent layers and cells call
    *("rnn_tanh", "rnn_relu", "lstm", "gru"),
    *("rnn_tanh_cell", "rnn_relu_cell", "lstm_cell", "gru_cell"),
}


def drawn(submission: Submission, *dims: int) -> Tensor:
    """Draw a normal tensor from the submission's seed."""
    import torch

    return torch.randn(dims, generator=torch.Generator().manual_seed(submission.seed + sum(dims)))


def far(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors differ by more than rounding; NaN differs from everything."""
    return one.shape != other.shape or not bool(((one - other).abs() <= TOLERANCE).all())


def require_float32(called: Called, call: str, letters: str, dims: tuple[int, ...]) -> Tensor:
    """Return what a call gave, if it is a float32 tensor of this shape.

    Raises:
        Failure: it is not.
    """
    found = value(called.result)
    if isinstance(found, TensorData) and (found.dtype, found.shape) == ("float32", dims):
        return found.torch()
    expected = f"a float32 tensor of shape {letters} = {shape(dims)}"
    raise Failure(call, f"It returned {show(found)}", expected)


def require_by_hand(called: Called, call: str) -> None:
    """See that a result was not computed by torch's own recurrent layers.

    Raises:
        Failure: it was.
    """
    if built_in := BUILT_IN & set(called.functions):
        found = f"It called torch's own {' and '.join(sorted(built_in))}"
        raise Failure(call, found, "the formula, written out", "built-in-layer")


# --- rnn_cell --------------------------------------------------------------------------------

RNN_CELL = "rnn_cell(inputs, state, w_ih, w_hh, b_ih, b_hh)"
ROWS = (B, 1)


def rnn_arguments(submission: Submission, rows: int) -> list[Tensor]:
    """Draw inputs, state, weights and biases."""
    dims = [(rows, F), (rows, H), (H, F), (H, H), (H,), (2, H)]
    *first, pair = (drawn(submission, *each) for each in dims)
    return [*first, pair[1]]


@evidence
def rnn_cells(submission: Submission) -> list[Called]:
    """Call the cell on B sentences, and on one."""
    calls = [Call(RNN_CELL, rnn_arguments(submission, rows)) for rows in ROWS]
    return submission.call("rnn_cell", "rnn_cell", calls)


def test_rnn_cell_shape(submission: Submission) -> None:
    """The new state has shape (B, H), also for one sentence."""
    for rows, called in zip(ROWS, rnn_cells(submission), strict=True):
        require_float32(called, RNN_CELL, "(B, H)", (rows, H))


def test_rnn_cell_values(submission: Submission) -> None:
    """The new state is the one of `nn.RNNCell`."""
    import torch

    called = rnn_cells(submission)[0]
    found = require_float32(called, RNN_CELL, "(B, H)", (B, H))
    inputs, state, w_ih, w_hh, b_ih, b_hh = rnn_arguments(submission, B)
    cell = torch.nn.RNNCell(F, H)
    cell.load_state_dict({"weight_ih": w_ih, "weight_hh": w_hh, "bias_ih": b_ih, "bias_hh": b_hh})
    with torch.no_grad():
        expected = cell(inputs, state)
    if not far(found, expected):
        return
    total = inputs @ w_ih.T + b_ih + state @ w_hh.T + b_hh
    mistakes = {
        "tanh-missing": total,
        "bias-left-out": torch.tanh(inputs @ w_ih.T + state @ w_hh.T),
        "state-weights-transposed": torch.tanh(total + state @ w_hh - state @ w_hh.T),
    }
    why = next((name for name, wrong in mistakes.items() if not far(found, wrong)), None)
    first = [round(number, 4) for number in found[0].tolist()]
    of_torch = [round(number, 4) for number in expected[0].tolist()]
    raise Failure(RNN_CELL, f"Its first row is {first}", f"{of_torch}, as of nn.RNNCell", why)


def test_rnn_cell_formula(submission: Submission) -> None:
    """The state is computed from the formula."""
    require_by_hand(rnn_cells(submission)[0], RNN_CELL)


# --- unroll ----------------------------------------------------------------------------------

UNROLL = "unroll(cell, inputs, state)"


@evidence
def unrolled(submission: Submission) -> Called:
    """Unroll torch's own cell."""
    inputs, state, *weights = unroll_arguments(submission)
    cell = made("torch.nn.RNNCell", F, H, state=dict(zip(CELL_WEIGHTS, weights, strict=True)))
    (called,) = submission.call("unroll", "unroll", [Call(UNROLL, [cell, inputs, state])])
    return called


CELL_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def unroll_arguments(submission: Submission) -> list[Tensor]:
    """Draw inputs of T steps, a state, and the weights of a cell."""
    return [drawn(submission, B, T, F), *rnn_arguments(submission, B)[1:]]


def both(submission: Submission) -> tuple[Tensor, Tensor]:
    """Return outputs and state, if they have their shapes.

    Raises:
        Failure: they have not.
    """
    called = unrolled(submission)
    pair = value(called.result)
    if type(pair) is not tuple or len(pair) != 2:
        raise Failure(UNROLL, f"It returned {show(pair)}", "outputs and state, a tuple of two")
    outputs, state = (Called(part, called.functions) for part in pair)
    return (
        require_float32(outputs, f"{UNROLL}[0]", "(B, T, H)", (B, T, H)),
        require_float32(state, f"{UNROLL}[1]", "(B, H)", (B, H)),
    )


def test_unroll_shape(submission: Submission) -> None:
    """The outputs have shape (B, T, H), the state (B, H)."""
    both(submission)


def test_unroll_values(submission: Submission) -> None:
    """Outputs and state are those of `nn.RNN` with the weights of the cell."""
    import torch

    outputs, last = both(submission)
    inputs, state, *weights = unroll_arguments(submission)
    rnn = torch.nn.RNN(F, H, batch_first=True)
    rnn.load_state_dict(
        {f"{name}_l0": weight for name, weight in zip(CELL_WEIGHTS, weights, strict=True)}
    )
    with torch.no_grad():
        expected, h_n = rnn(inputs, state[None])
        alone, _ = rnn(inputs.reshape(B * T, 1, F), state.repeat_interleave(T, 0)[None])
    if far(outputs, expected):
        why = None if far(outputs, alone.reshape(B, T, H)) else "state-not-carried"
        found = "The outputs are others than those of nn.RNN with the weights of the cell"
        raise Failure(UNROLL, found, "the same numbers", why)
    if far(last, h_n[0]):
        found = "The outputs are right, but the state is not the one after the last step"
        raise Failure(UNROLL, found, "outputs[:, -1]")
