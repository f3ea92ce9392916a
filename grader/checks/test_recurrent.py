"""The tasks of recurrent.py: each answer is held against torch's own layer of the same weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations
from typing import TYPE_CHECKING, Any

from grader.contract.messages import Failure, shape, show, show_raised
from grader.grading.submission import Call, Called, Submission, evidence, made, value
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor

    Candidates = Iterable[tuple[str, Tensor]]  # known mistakes, and what they give

B, T, F, H = 3, 6, 5, 7  # all different, and none the 4 of an LSTM's parts
TOLERANCE = 1e-5
BUILT_IN = {  # what torch's recurrent layers and cells call
    *("rnn_tanh", "rnn_relu", "lstm", "gru"),
    *("rnn_tanh_cell", "rnn_relu_cell", "lstm_cell", "gru_cell"),
}
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
WEIGHTS_APART = 1_000_000  # weights are drawn from other seeds than inputs
NOT_TRANSPOSED = {"mat1 and mat2 shapes cannot be multiplied": "weights-not-transposed"}


def drawn(submission: Submission, *shapes: Sequence[int], more: int = 0) -> Iterator[Tensor]:
    """Draw normal tensors from the submission's seed; with another `more` others."""
    import torch

    generator = torch.Generator().manual_seed(submission.seed + more)
    return (torch.randn(*sizes, generator=generator) for sizes in shapes)


def weights(submission: Submission, gates: int) -> list[Tensor]:
    """Draw the four weights of a cell whose products have `gates` parts of H numbers."""
    rows = gates * H
    shapes = (rows, F), (rows, H), (rows,), (rows,)
    return [0.6 * each for each in drawn(submission, *shapes, more=WEIGHTS_APART)]


def far(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors differ by more than rounding; NaN differs from everything."""
    return one.shape != other.shape or not bool(((one - other).abs() <= TOLERANCE).all())


def require_float32(
    found: Any, call: str, letters: str, dims: tuple[int, ...], known: dict[Any, str] | None = None
) -> Tensor:
    """Return what a call gave, if it is a float32 tensor of this shape.

    Args:
        found: what it gave.
        call: the call.
        letters: the shape in letters.
        dims: the shape.
        known: mistakes by the shape that they give, or by the type `list`.

    Raises:
        Failure: it is not.
    """
    found = value(found)
    expected = f"a float32 tensor of shape {letters} = {shape(dims)}"
    if not isinstance(found, TensorData):
        raise Failure(call, f"It returned {show(found)}", expected, (known or {}).get(type(found)))
    if found.shape != dims:
        squeezed = found.shape == tuple(size for size in dims if size > 1)
        why = "squeezed" if squeezed else (known or {}).get(found.shape)
        raise Failure(call, f"It returned {show(found)}", expected, why)
    if found.dtype != "float32":
        raise Failure(call, f"It returned {show(found)}", expected)
    return found.torch()


def explain_error(called: Called, call: str, expected: str, known: dict[str, str]) -> None:
    """Name the mistake behind an exception, if its words are among the known ones.

    Raises:
        Failure: they are.
    """
    if isinstance(raised := called.result, Raised):
        for words, mistake in known.items():
            if words in raised.message:
                raise Failure(call, show_raised(raised), expected, mistake)


def pair(called: Called, call: str, names: str) -> tuple[Any, Any]:
    """Return the two things that a call gave.

    Raises:
        Failure: it gave something else.
    """
    found = value(called.result)
    if type(found) not in (tuple, list) or len(found) != 2:
        raise Failure(call, f"It returned {show(found)}", f"{names}, a tuple of two")
    return found[0], found[1]


def compare(
    call: str, axes: str, found: Tensor, expected: Tensor, like: str, candidates: Candidates
) -> None:
    """See that numbers are right.

    Args:
        call: the call.
        axes: what the dimensions but the last one are, in words.
        found: what it gave.
        expected: what is right.
        like: what gives that.
        candidates: what known mistakes would give.

    Raises:
        Failure: they are not; it shows the first row of numbers that is wrong.
    """
    if not far(found, expected):
        return
    why = next((name for name, wrong in candidates if not far(found, wrong)), None)
    right = ((found - expected).abs() <= TOLERANCE).all(dim=-1)
    index = (~right).nonzero()[0].tolist()
    place = ", ".join(f"{axis} {at}" for axis, at in zip(axes.split(), index, strict=True))
    row, of_torch = (_rounded(tensor[tuple(index)]) for tensor in (found, expected))
    raise Failure(call, f"At {place} it gave {row}", f"{of_torch}, as {like} gives", why)


def _rounded(row: Tensor) -> list[float]:
    return [round(number, 4) for number in row.tolist()]


def require_by_hand(called: Called, call: str) -> None:
    """See that a result was not computed by torch's own recurrent layers.

    Raises:
        Failure: it was.
    """
    if built_in := BUILT_IN & set(called.functions):
        found = f"It called torch's own {' and '.join(sorted(built_in))}"
        raise Failure(call, found, "the formula, written out", "built-in-layer")


def frozen(layer: dict[str, Any]) -> dict[str, Any]:
    """Describe a layer whose weights need no gradient: gradients then come from states alone."""
    freeze = made("operator.methodcaller", "requires_grad_", False)
    return made("builtins.next", made("builtins.map", freeze, [layer]))


def parameter(tensor: Tensor) -> dict[str, Any]:
    """Describe a tensor that needs a gradient."""
    return made("torch.nn.Parameter", tensor)


def require_gradients(call: str, **found: Any) -> None:
    """See that gradients flow from results back to the states that were given.

    Raises:
        Failure: they do not.
    """
    for name, result in found.items():
        if not (isinstance(result, TensorData) and result.requires_grad):
            what = f"No gradient flows from `{name}` back to the states it started from"
            raise Failure(call, what, "that it does", "state-detached")


# --- rnn_cell --------------------------------------------------------------------------------

RNN_CELL = "rnn_cell(inputs, state, w_ih, w_hh, b_ih, b_hh)"
ROWS = (B, 1)


def step(submission: Submission, rows: int) -> list[Tensor]:
    """Draw the inputs of one step, a state and a cell state."""
    return [*drawn(submission, (rows, F), (rows, H), (rows, H))]


@evidence
def rnn_cells(submission: Submission) -> list[Called]:
    """Call the cell on B sentences, and on one."""
    given = weights(submission, 1)
    calls = [Call(RNN_CELL, [*step(submission, rows)[:2], *given]) for rows in ROWS]
    return submission.call("rnn_cell", "rnn_cell", calls)


def test_rnn_cell_shape(submission: Submission) -> None:
    """The new state has shape (B, H), also for one sentence."""
    for rows, called in zip(ROWS, rnn_cells(submission), strict=True):
        explain_error(called, RNN_CELL, "the new state (B, H)", NOT_TRANSPOSED)
        require_float32(called.result, RNN_CELL, "(B, H)", (rows, H))


def test_rnn_cell_values(submission: Submission) -> None:
    """The new state is the one of `nn.RNNCell`."""
    import torch

    found = require_float32(rnn_cells(submission)[0].result, RNN_CELL, "(B, H)", (B, H))
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
            ("sigmoid-for-tanh", torch.sigmoid(total)),
        ],
    )


def test_rnn_cell_formula(submission: Submission) -> None:
    """The state is computed from the formula."""
    require_by_hand(rnn_cells(submission)[0], RNN_CELL)


# --- unroll ----------------------------------------------------------------------------------

UNROLL = "unroll(cell, inputs, state)"
BATCHES = ((B, T), (1, T), (B, 1))


def cell(submission: Submission) -> dict[str, Any]:
    """Describe torch's own cell with drawn weights."""
    given = dict(zip(WEIGHTS, weights(submission, 1), strict=True))
    return made("torch.nn.RNNCell", F, H, state=given)


def sentences(submission: Submission, rows: int, steps: int) -> list[Tensor]:
    """Draw inputs, and a state to start from."""
    return [*drawn(submission, (rows, steps, F), (rows, H))]


@evidence
def unrolled(submission: Submission) -> list[Called]:
    """Unroll torch's own cell over several batches, and a frozen one from a state that learns."""
    given = [sentences(submission, rows, steps) for rows, steps in BATCHES]
    calls = [Call(UNROLL, [cell(submission), *each]) for each in given]
    inputs, state = given[0]
    calls.append(Call(UNROLL, [frozen(cell(submission)), inputs, parameter(state)]))
    return submission.call("unroll", "unroll", calls)


def unrolled_batch(submission: Submission, number: int) -> tuple[Tensor, Tensor]:
    """Return outputs and state of a batch, if they have their shapes.

    Raises:
        Failure: they have not.
    """
    rows, steps = BATCHES[number]
    outputs, state = pair(unrolled(submission)[number], UNROLL, "outputs and state")
    known = {
        (steps, rows, H): "stacked-time-first",
        (rows, steps * H): "joined-not-stacked",
        (rows * steps, H): "joined-not-stacked",
        (rows, H): "last-step-only",
        (rows, rows, H): "sentences-counted",
        (rows, steps + 1, H): "start-state-among-outputs",
        list: "list-not-joined",
    }
    return (
        require_float32(outputs, f"{UNROLL}[0]", "(B, T, H)", (rows, steps, H), known),
        require_float32(state, f"{UNROLL}[1]", "(B, H)", (rows, H)),
    )


def test_unroll_shape(submission: Submission) -> None:
    """Outputs have shape (B, T, H), the state (B, H), also for one sentence and one step."""
    known = {"doesn't match hidden0 batch size": "sentences-for-steps"}
    for number in range(len(BATCHES)):
        explain_error(unrolled(submission)[number], UNROLL, "outputs and state", known)
        unrolled_batch(submission, number)


def test_unroll_outputs(submission: Submission) -> None:
    """The outputs are those of `nn.RNN` with the weights of the cell."""
    import torch

    outputs, _ = unrolled_batch(submission, 0)
    inputs, state = sentences(submission, B, T)
    given = weights(submission, 1)
    rnn = torch.nn.RNN(F, H, batch_first=True)
    rnn.load_state_dict({f"{name}_l0": each for name, each in zip(WEIGHTS, given, strict=True)})

    def run(inputs: Tensor, state: Tensor) -> Tensor:
        with torch.no_grad():
            found: Tensor = rnn(inputs, state[None])[0]
        return found

    expected, backward = run(inputs, state), run(inputs.flip(1), state)
    alone = run(inputs.reshape(B * T, 1, F), state.repeat_interleave(T, 0)).reshape(B, T, H)
    compare(
        f"{UNROLL}[0]",
        "sentence step",
        outputs,
        expected,
        "nn.RNN",
        [
            ("state-not-carried", alone),
            ("start-state-ignored", run(inputs, torch.zeros_like(state))),
            ("time-reversed", backward),
            ("time-reversed", backward.flip(1)),
            ("time-reversed", expected.flip(1)),
            ("one-token-again", run(inputs[:, :1].expand(-1, T, -1), state)),
            ("one-token-again", run(inputs[:, -1:].expand(-1, T, -1), state)),
            ("output-before-the-step", torch.cat([state[:, None], expected[:, :-1]], dim=1)),
            ("one-tensor-for-all-steps", expected[:, -1:].expand(-1, T, -1)),
        ],
    )


def test_unroll_state(submission: Submission) -> None:
    """The state is the one after the last step."""
    outputs, found = unrolled_batch(submission, 0)
    _, start = sentences(submission, B, T)
    known = [("state-returned-too-early", each) for each in (start, outputs[:, 0], outputs[:, -2])]
    compare(f"{UNROLL}[1]", "sentence", found, outputs[:, -1], "outputs[:, -1]", known)


def test_unroll_gradients(submission: Submission) -> None:
    """Gradients flow through all steps, from the last output back to the state at the start."""
    _, state = pair(unrolled(submission)[-1], UNROLL, "outputs and state")
    require_gradients(UNROLL, state=state)


# --- last_state ------------------------------------------------------------------------------

DEPTHS = ((3, 2), (2, 2), (1, 2), (3, 1), (1, 1))  # L and D
SENTENCES = 5  # not as many as layers or directions


def last_state_call(number: int) -> str:
    """Show a call for one of the depths."""
    layers, directions = DEPTHS[number]
    return f"last_state(h_n, num_layers={layers}, num_directions={directions})"


def all_states(submission: Submission, number: int) -> Tensor:
    """Draw an h_n for one of the depths."""
    layers, directions = DEPTHS[number]
    (h_n,) = drawn(submission, (layers * directions, SENTENCES, H))
    return h_n


@evidence
def last_states(submission: Submission) -> list[Called]:
    """Ask for the last layer's states for all depths."""
    calls = [
        Call(last_state_call(number), [all_states(submission, number), *depth])
        for number, depth in enumerate(DEPTHS)
    ]
    return submission.call("last_state", "last_state", calls)


def last_state_of(submission: Submission, number: int, known: dict[Any, str]) -> Tensor:
    """Return the states for one of the depths, if they have their shape.

    Raises:
        Failure: they have not.
    """
    result, directions = last_states(submission)[number].result, DEPTHS[number][1]
    dims = (directions, SENTENCES, H)
    return require_float32(result, last_state_call(number), "(D, B, H)", dims, known)


def test_last_state_shape(submission: Submission) -> None:
    """The last layer's states have shape (D, B, H)."""
    layers, directions = DEPTHS[0]
    known = {
        (SENTENCES, H): "last-row-only",
        (1, SENTENCES, H): "last-row-only",
        (layers * directions, SENTENCES, H): "whole-h-n",
        (layers, SENTENCES, H): "one-direction-of-every-layer",
        (layers * directions, H): "last-sentence",
        (SENTENCES, directions, H): "batch-is-second",
        (SENTENCES, directions * H): "directions-joined",
        list: "list-not-joined",
        tuple: "list-not-joined",
    }
    last_state_of(submission, 0, known)


def test_last_state_layers(submission: Submission) -> None:
    """The states are those of the last layer, the forward direction first."""
    layers, directions = DEPTHS[0]
    h_n = all_states(submission, 0)
    expected = h_n[-directions:]
    swapped = h_n.view(directions, layers, SENTENCES, H)
    compare(
        last_state_call(0),
        "direction sentence",
        last_state_of(submission, 0, {}),
        expected,
        "nn.LSTM",
        [
            ("first-layer-of-h-n", h_n[:directions]),
            ("layers-and-directions-swapped", swapped[:, -1]),
            ("layers-and-directions-swapped", swapped[-1, :directions]),
            ("directions-flipped", expected.flip(0)),
            ("last-row-only", h_n[-1:].expand(directions, -1, -1)),
        ],
    )


def test_last_state_any_depth(submission: Submission) -> None:
    """It is right for any number of layers, and for one direction, too."""
    for number, (layers, directions) in enumerate(DEPTHS):
        why = "two-directions-fixed" if directions == 1 else "depth-fixed"
        call, expected = last_state_call(number), all_states(submission, number)[-directions:]
        result = last_states(submission)[number].result
        if isinstance(result, Raised) and result.kind == "exception":
            found = f"It raised {show(result)}"
            raise Failure(call, found, f"states of shape (D, B, H) = {shape(expected.shape)}", why)
        known = {
            (2, SENTENCES, H): "two-directions-fixed",
            (0, SENTENCES, H): why,
        }
        states = last_state_of(submission, number, known)
        like = f"nn.LSTM with L = {layers} and D = {directions}"
        compare(call, "direction sentence", states, expected, like, [(why, states)])


# --- directions ------------------------------------------------------------------------------

SUM, JOIN = "sum_directions(outputs)", "join_directions(outputs)"
FLOAT = {"slice indices must be integers": "half-not-an-int"}


def two_directions(submission: Submission, rows: int, steps: int) -> Tensor:
    """Draw outputs of a bidirectional layer."""
    (outputs,) = drawn(submission, (rows, steps, 2 * H))
    return outputs


@evidence
def sums(submission: Submission) -> list[Called]:
    """Add the directions of several batches."""
    calls = [Call(SUM, [two_directions(submission, *dims)]) for dims in BATCHES]
    return submission.call("directions", "sum_directions", calls)


@evidence
def joins(submission: Submission) -> list[Called]:
    """Join the directions of several batches."""
    calls = [Call(JOIN, [two_directions(submission, *dims)]) for dims in BATCHES]
    return submission.call("directions", "join_directions", calls)


def test_directions_sum_shape(submission: Submission) -> None:
    """The sum has shape (B, T, H), also for one sentence and one step."""
    for (rows, steps), called in zip(BATCHES, sums(submission), strict=True):
        known = {
            (rows, steps, 2 * H): "not-summed",
            (rows, 2 * H): "summed-over-time",
            (rows, H): "summed-over-time",
            (rows, steps): "summed-over-features",
        }
        explain_error(called, SUM, "a tensor of shape (B, T, H)", FLOAT)
        require_float32(called.result, SUM, "(B, T, H)", (rows, steps, H), known)


def test_directions_sum(submission: Submission) -> None:
    """At every step the backward state is added to the forward state."""
    found = require_float32(sums(submission)[0].result, SUM, "(B, T, H)", (B, T, H))
    outputs = two_directions(submission, B, T)
    forward, backward = outputs[..., :H], outputs[..., H:]
    compare(
        SUM,
        "sentence step",
        found,
        forward + backward,
        "outputs[:, :, :H] + outputs[:, :, H:]",
        [
            ("halves-interleaved", outputs[..., ::2] + outputs[..., 1::2]),
            ("mean-for-sum", (forward + backward) / 2),
            ("one-direction-only", forward),
            ("one-direction-only", backward),
            ("backward-turned-round", forward + backward.flip(1)),
        ],
    )


def test_directions_join_shape(submission: Submission) -> None:
    """The joined states have shape (B, 2 * H), also for one sentence and one step."""
    for (rows, steps), called in zip(BATCHES, joins(submission), strict=True):
        known = {
            (rows, H): "added-for-joined",
            (2 * rows, H): "joined-along-the-batch",
            (rows, 2, H): "stacked-for-joined",
            (2, rows, H): "stacked-for-joined",
        }
        if steps > 1:
            known |= {
                (rows, steps, 2 * H): "every-step-joined",
                (steps, 2 * H): "time-taken-for-batch",
            }
        explain_error(called, JOIN, "a tensor of shape (B, 2 * H)", FLOAT)
        require_float32(called.result, JOIN, "(B, 2 * H)", (rows, 2 * H), known)


def test_directions_join(submission: Submission) -> None:
    """Each half is the state after its direction's own last step, the forward one first."""
    import torch

    found = require_float32(joins(submission)[0].result, JOIN, "(B, 2 * H)", (B, 2 * H))
    outputs = two_directions(submission, B, T)
    forward, backward = outputs[..., :H], outputs[..., H:]

    def joined(one: Tensor, other: Tensor) -> Tensor:
        return torch.cat([one, other], dim=1)

    compare(
        JOIN,
        "sentence",
        found,
        joined(forward[:, -1], backward[:, 0]),
        "torch.cat([h_n[-2], h_n[-1]], dim=1)",
        [
            ("output-last-step", outputs[:, -1]),
            ("output-first-step", outputs[:, 0]),
            ("output-halves-swapped", joined(forward[:, 0], backward[:, -1])),
            ("backward-joined-first", joined(backward[:, 0], forward[:, -1])),
            ("halves-interleaved", joined(outputs[:, -1, ::2], outputs[:, 0, 1::2])),
            ("mean-over-time", outputs.mean(dim=1)),
        ],
    )


# --- lstm_cell -------------------------------------------------------------------------------

LSTM_CELL = "lstm_cell(inputs, (h, c), w_ih, w_hh, b_ih, b_hh)"


@evidence
def lstm_cells(submission: Submission) -> list[Called]:
    """Call the cell on B sentences, and on one."""
    given, calls = weights(submission, 4), []
    for rows in ROWS:
        inputs, h, c = step(submission, rows)
        calls.append(Call(LSTM_CELL, [inputs, (h, c), *given]))
    return submission.call("lstm_cell", "lstm_cell", calls)


def lstm_states(submission: Submission, number: int = 0) -> tuple[Tensor, Tensor]:
    """Return h and c of a call, if they have their shapes.

    Raises:
        Failure: they have not.
    """
    h, c = pair(lstm_cells(submission)[number], LSTM_CELL, "h and c")
    return (
        require_float32(h, f"{LSTM_CELL}[0]", "(B, H)", (ROWS[number], H)),
        require_float32(c, f"{LSTM_CELL}[1]", "(B, H)", (ROWS[number], H)),
    )


def test_lstm_cell_shape(submission: Submission) -> None:
    """The state h and the cell state c have shape (B, H), also for one sentence."""
    known = {**NOT_TRANSPOSED, "values to unpack (expected 4": "not-four-pieces"}
    for number, called in enumerate(lstm_cells(submission)):
        explain_error(called, LSTM_CELL, "h and c, (B, H) each", known)
        lstm_states(submission, number)


def lstm_parts(submission: Submission) -> tuple[list[Tensor], Tensor]:
    """Return the four parts of an LSTM's sum, before sigmoid and tanh, and the old cell state."""
    inputs, h, c = step(submission, B)
    w_ih, w_hh, b_ih, b_hh = weights(submission, 4)
    return [*(inputs @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, dim=1)], c


def test_lstm_cell_cell_state(submission: Submission) -> None:
    """The new cell state is the one of `nn.LSTMCell`."""
    import torch

    inputs, h, c = step(submission, B)
    expected_h, expected = torch.lstm_cell(inputs, [h, c], *weights(submission, 4))
    call = f"{LSTM_CELL}[1]"
    candidates = [("c-and-h-swapped", expected_h), *_wrong_cell_states(submission)]
    found = lstm_states(submission)[1]
    compare(call, "sentence", found, expected, "nn.LSTMCell", candidates)


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
    for order in permutations(total.chunk(4, dim=1)):
        yield "gate-order", cell_state(torch.cat(order, dim=1))
    for bias in (b_ih + b_hh, b_ih, b_hh):
        yield "bias-left-out", cell_state(total - bias)
    yield "state-left-out", cell_state(total - h @ w_hh.T)
    yield "state-left-out", cell_state(total - h @ w_hh.T - b_hh)
    i, f, g, _ = total.chunk(4, dim=1)
    yield "forget-gate-missing", c + sigmoid(i) * tanh(g)
    yield "forget-gate-missing", sigmoid(i) * tanh(g)
    yield "input-gate-missing", sigmoid(f) * c + tanh(g)
    yield "sigmoid-for-tanh", sigmoid(f) * c + sigmoid(i) * sigmoid(g)
    yield "tanh-missing", sigmoid(f) * c + sigmoid(i) * g
    yield "gates-not-sigmoid", f * c + i * tanh(g)
    yield "gates-not-sigmoid", tanh(f) * c + tanh(i) * tanh(g)
    yield "cell-state-squashed", tanh(cell_state(total))


def test_lstm_cell_state(submission: Submission) -> None:
    """The new state is the one of `nn.LSTMCell`."""
    import torch
    from torch import sigmoid, tanh

    found, new_c = lstm_states(submission)
    inputs, h, c = step(submission, B)
    expected, _ = torch.lstm_cell(inputs, [h, c], *weights(submission, 4))
    (_, _, _, o), _ = lstm_parts(submission)
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
        ],
    )


def test_lstm_cell_formula(submission: Submission) -> None:
    """The states are computed from the formulas."""
    require_by_hand(lstm_cells(submission)[0], LSTM_CELL)


# --- gru_cell --------------------------------------------------------------------------------

GRU_CELL = "gru_cell(inputs, state, w_ih, w_hh, b_ih, b_hh)"


@evidence
def gru_cells(submission: Submission) -> list[Called]:
    """Call the cell on B sentences, and on one."""
    given = weights(submission, 3)
    calls = [Call(GRU_CELL, [*step(submission, rows)[:2], *given]) for rows in ROWS]
    return submission.call("gru_cell", "gru_cell", calls)


def test_gru_cell_shape(submission: Submission) -> None:
    """The new state has shape (B, H), also for one sentence."""
    for rows, called in zip(ROWS, gru_cells(submission), strict=True):
        explain_error(called, GRU_CELL, "the new state (B, H)", NOT_TRANSPOSED)
        require_float32(called.result, GRU_CELL, "(B, H)", (rows, H))


def test_gru_cell_values(submission: Submission) -> None:
    """The new state is the one of `nn.GRUCell`."""
    import torch

    found = require_float32(gru_cells(submission)[0].result, GRU_CELL, "(B, H)", (B, H))
    inputs, state, _ = step(submission, B)
    expected = torch.gru_cell(inputs, state, *weights(submission, 3))
    candidates = _wrong_gru_states(submission)
    compare(GRU_CELL, "sentence", found, expected, "nn.GRUCell", candidates)


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
        return (1 - z) * n + z * h

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


def test_gru_cell_formula(submission: Submission) -> None:
    """The state is computed from the formulas."""
    require_by_hand(gru_cells(submission)[0], GRU_CELL)


# --- carry_state -----------------------------------------------------------------------------

LAYERS = 2
LENGTHS = ((11, 4), (8, 4), (5, 9))  # T and size: with a rest, without, shorter than a chunk


def carry_call(number: int) -> str:
    """Show a call for one of the lengths."""
    steps, size = LENGTHS[number]
    return f"carry_state(lstm, torch.randn({B}, {steps}, {F}), (h_0, c_0), size={size})"


def lstm_weights(submission: Submission, directions: int = 1) -> dict[str, Tensor]:
    """Draw weights of an LSTM by name."""
    import torch

    names = torch.nn.LSTM(F, H, LAYERS, bidirectional=directions == 2).state_dict()
    shapes = [each.shape for each in names.values()]
    tensors = drawn(submission, *shapes, more=WEIGHTS_APART)
    return dict(zip(names, (0.6 * each for each in tensors), strict=True))


def sequences(submission: Submission, number: int, directions: int = 1) -> list[Tensor]:
    """Draw inputs of one of the lengths, h_0 and c_0."""
    states = (LAYERS * directions, B, H)
    return [*drawn(submission, (B, LENGTHS[number][0], F), states, states)]


@evidence
def carried(submission: Submission) -> list[Called]:
    """Run chunks for all lengths; then frozen with states that learn; then in two directions."""
    plain = {"batch_first": True}
    lstm = made("torch.nn.LSTM", F, H, LAYERS, state=lstm_weights(submission), **plain)
    calls = []
    for number, (_, size) in enumerate(LENGTHS):
        inputs, h, c = sequences(submission, number)
        calls.append(Call(carry_call(number), [lstm, inputs, (h, c), size]))
    inputs, h, c = sequences(submission, 0)
    learning = (parameter(h), parameter(c))
    calls.append(Call(carry_call(0), [frozen(lstm), inputs, learning, LENGTHS[0][1]]))
    both = {**plain, "bidirectional": True}
    other = made("torch.nn.LSTM", F, H, LAYERS, state=lstm_weights(submission, 2), **both)
    inputs, h, c = sequences(submission, 0, directions=2)
    calls.append(Call(TWO_DIRECTIONS, [other, inputs, (h, c), LENGTHS[0][1]]))
    return submission.call("carry_state", "carry_state", calls)


TWO_DIRECTIONS = "carry_state(lstm, inputs, (h_0, c_0), size=4)` with a bidirectional `lstm"


def carried_through(submission: Submission, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return outputs, h_n and c_n for one of the lengths, if they have their shapes.

    Raises:
        Failure: they have not.
    """
    (steps, size), call = LENGTHS[number], carry_call(number)
    outputs, states = pair(carried(submission)[number], call, "outputs and (h_n, c_n)")
    known = {
        (B, steps % size, H): "last-chunk-only",
        (B, steps - steps % size, H): "last-chunk-dropped",
        list: "list-not-joined",
    }
    outputs = require_float32(outputs, f"{call}[0]", "(B, T, H)", (B, steps, H), known)
    if type(states) not in (tuple, list) or len(states) != 2:
        raise Failure(f"{call}[1]", f"It returned {show(states)}", "(h_n, c_n), a tuple of two")
    h_n, c_n = (
        require_float32(each, f"{call}[1][{at}]", "(L, B, H)", (LAYERS, B, H))
        for at, each in enumerate(states)
    )
    return outputs, h_n, c_n


def test_carry_state_shape(submission: Submission) -> None:
    """Outputs have shape (B, T, H), the states (L, B, H), whether or not the chunks fit in T."""
    known = {
        "Sizes of tensors must match except in dimension 0": "joined-along-the-batch",
        "stack expects each tensor to be equal size": "stacked-for-joined",
        "Expected sequence length to be larger than 0": "empty-chunk",
    }
    for number, called in enumerate(carried(submission)[: len(LENGTHS)]):
        explain_error(called, carry_call(number), "outputs and (h_n, c_n)", known)
        carried_through(submission, number)


def whole_run(submission: Submission) -> Any:
    """Return a function that runs torch's layer."""
    import torch

    lstm = torch.nn.LSTM(F, H, LAYERS, batch_first=True)
    lstm.load_state_dict(lstm_weights(submission))

    def run(inputs: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with torch.no_grad():
            outputs, (h_n, c_n) = lstm(inputs, (h, c))
        return outputs, h_n, c_n

    return run


def test_carry_state_outputs(submission: Submission) -> None:
    """The outputs are those of one run over the whole sequence."""
    import torch

    run, (inputs, h_0, c_0) = whole_run(submission), sequences(submission, 0)
    zeros = torch.zeros_like(h_0)

    def chunks(carry: Any, h: Tensor = h_0, c: Tensor = c_0) -> Tensor:
        outputs = []
        for chunk in inputs.split(LENGTHS[0][1], dim=1):
            output, *states = run(chunk, h, c)
            h, c = carry(*states)
            outputs.append(output)
        return torch.cat(outputs, dim=1)

    compare(
        f"{carry_call(0)}[0]",
        "sentence step",
        carried_through(submission, 0)[0],
        run(inputs, h_0, c_0)[0],
        "one run over all steps",
        [
            ("chunks-start-anew", chunks(lambda _h, _c: (zeros, zeros), zeros, zeros)),
            ("chunks-start-anew", chunks(lambda _h, _c: (zeros, zeros))),
            ("chunks-start-anew", chunks(lambda _h, _c: (h_0, c_0))),
            ("start-state-ignored", run(inputs, zeros, zeros)[0]),
            ("cell-state-not-carried", chunks(lambda h, _c: (h, zeros))),
            ("cell-state-not-carried", chunks(lambda h, _c: (h, c_0))),
            ("cell-state-not-carried", chunks(lambda h, _c: (h, h))),
            ("only-cell-state-carried", chunks(lambda _h, c: (zeros, c))),
            ("only-cell-state-carried", chunks(lambda _h, c: (h_0, c))),
            ("c-and-h-swapped", chunks(lambda h, c: (c, h))),
            ("c-and-h-swapped", run(inputs, c_0, h_0)[0]),
        ],
    )


def test_carry_state_state(submission: Submission) -> None:
    """The states are those of one run over the whole sequence."""
    run, given = whole_run(submission), sequences(submission, 0)
    _, *found = carried_through(submission, 0)
    _, *expected = run(*given)
    early = [given[1:], run(given[0][:, :4], *given[1:])[1:], run(given[0][:, :8], *given[1:])[1:]]
    for at in range(2):
        candidates = [
            ("c-and-h-swapped", expected[1 - at]),
            *(("state-returned-too-early", states[at]) for states in early),
        ]
        call = f"{carry_call(0)}[1][{at}]"
        like = "one run over all steps"
        compare(call, "layer sentence", found[at], expected[at], like, candidates)


def test_carry_state_in_chunks(submission: Submission) -> None:
    """The layer is called once a chunk."""
    steps, size = LENGTHS[0]
    count = carried(submission)[0].functions.get("lstm", 0)
    if count != (expected := -(-steps // size)):
        why = "not-in-chunks" if count == 1 else "step-by-step" if count == steps else None
        times = "once" if count == 1 else f"{count} times"
        raise Failure(carry_call(0), f"It ran the layer {times}", f"{expected} runs", why)


def test_carry_state_gradients(submission: Submission) -> None:
    """Gradients flow through all chunks, from the last states back to those at the start."""
    call = carry_call(0)
    _, states = pair(carried(submission)[len(LENGTHS)], call, "outputs and (h_n, c_n)")
    h_n, c_n = states if type(states) in (tuple, list) and len(states) == 2 else (None, None)
    require_gradients(call, h_n=h_n, c_n=c_n)


def test_carry_state_one_direction(submission: Submission) -> None:
    """A bidirectional layer is refused with a ValueError."""
    result = carried(submission)[-1].result
    if not (isinstance(result, Raised) and result.type == "ValueError"):
        found = f"It returned {show(value(result))}"
        raise Failure(TWO_DIRECTIONS, found, "a ValueError", "bidirectional-in-chunks")
