"""Checks of the task unroll: `unroll`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from grader.checks._tools import (
    close,
    draw_each,
    explain_error,
    gradients_of,
    require_gradients,
    require_pair,
    require_tensor,
    require_unchanged,
    showing,
)
from grader.checks.recurrent_layers._layers import (
    BATCHES,
    WEIGHTS,
    B,
    F,
    H,
    T,
    compare,
    frozen,
    parameter,
    weights,
)
from grader.contract.messages import waits_for
from grader.grading.answers import CallResult
from grader.grading.calls import Call, construct
from grader.grading.leniency import lenient, local
from grader.grading.submission import Submission, evidence

if TYPE_CHECKING:
    from torch import Tensor, nn

    Candidates = Iterable[tuple[str, Tensor]]  # known mistakes and their results


ZEROS = 3  # a step in the middle
UNROLL = "unroll(cell, inputs, state)"


def cell(submission: Submission) -> dict[str, Any]:
    """Describe torch's own cell with random weights."""
    given = dict(zip(WEIGHTS, weights(submission, 1), strict=True))
    return construct("torch.nn.RNNCell", F, H, state=given)


def sentences(submission: Submission, rows: int, steps: int) -> list[Tensor]:
    """Sample inputs and an initial state; the inputs at `ZEROS` are zeros, as any step may be."""
    inputs, state = draw_each(submission.seed, (rows, steps, F), (rows, H))
    inputs[:, ZEROS : ZEROS + 1] = 0.0
    return [inputs, state]


@evidence
def unrolled(submission: Submission) -> list[CallResult]:
    """Unroll torch's own cell over several batches, and a frozen cell from a learnable state."""
    given = [sentences(submission, rows, steps) for rows, steps in BATCHES]
    calls = [Call(UNROLL, [cell(submission), *each]) for each in given]
    inputs, state = given[0]
    learning = [frozen(cell(submission)), inputs, parameter(state)]
    calls.append(Call(UNROLL, learning, weights=sum_weights(submission)))
    return submission.call("unroll", "unroll", calls)


def sum_weights(submission: Submission) -> list[Tensor]:
    """Sample the weights of all numbers of a result in the sum whose gradient is wanted."""
    return draw_each(submission.seed + 1, (B, T, H), (B, H))


def unrolled_batch(submission: Submission, number: int) -> tuple[Tensor, Tensor]:
    """Return outputs and state of a batch, which must have the correct shapes.

    Raises:
        Failure: the result has a different type or shape.
    """
    rows, steps = BATCHES[number]
    outputs, state = require_pair(unrolled(submission)[number].result, UNROLL, "outputs and state")
    known = {
        (steps, rows, H): "stacked-time-first",
        (rows, steps * H): "joined-not-stacked",
        (rows * steps, H): "joined-not-stacked",
        (rows, H): "last-step-only",
        (rows, rows, H): "sentences-counted",
        (rows, steps + 1, H): "start-state-among-outputs",
        (rows, steps - 1, H): "step-missing",
        list: "list-not-joined",
    }
    of_state = {
        (steps, H): "time-taken-for-batch",
        (rows, steps, H): "all-steps-as-state",
        list: "all-steps-as-state",
    }
    return (
        require_tensor(outputs, f"{UNROLL}[0]", "float32", "(B, T, H)", (rows, steps, H), known),
        require_tensor(state, f"{UNROLL}[1]", "float32", "(B, H)", (rows, H), of_state),
    )


def check_shape(submission: Submission) -> None:
    """Outputs have shape (B, T, H) and the state (B, H), even for one sentence and one step."""
    known = {
        "doesn't match hidden0 batch size": "sentences-for-steps",
        "values to unpack (expected 2": "cell-returns-one-state",
        f"inconsistent input_size: got {H} expected {F}": "cell-arguments-swapped",
    }
    for number, called in enumerate(unrolled(submission)[: len(BATCHES)]):
        with local(number > 0), showing(called.trace):
            explain_error(called, UNROLL, "outputs and state", known)
            unrolled_batch(submission, number)


def layer(submission: Submission) -> nn.RNN:
    """Return the layer of torch that does the same with the weights of the cell."""
    import torch

    rnn = torch.nn.RNN(F, H, batch_first=True)
    given = zip(WEIGHTS, weights(submission, 1), strict=True)
    rnn.load_state_dict({f"{name}_l0": each for name, each in given})
    return rnn


def check_outputs(submission: Submission) -> None:
    """The outputs equal those of `nn.RNN` with the weights of the cell."""
    import torch

    outputs, _ = unrolled_batch(submission, 0)
    inputs, state = sentences(submission, B, T)
    rnn = layer(submission)

    def run(inputs: Tensor, state: Tensor) -> Tensor:
        with torch.no_grad():
            found: Tensor = rnn(inputs, state[None])[0]
        return found

    expected, backward = run(inputs, state), run(inputs.flip(1), state)
    alone = run(inputs.reshape(B * T, 1, F), state.repeat_interleave(T, 0)).reshape(B, T, H)
    with local():  # the state is compared with the outputs themselves
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
                *(("zero-inputs-skipped", each) for each in _without_zeros(run, inputs, state)),
                ("one-tensor-for-all-steps", expected[:, -1:].expand(-1, T, -1)),
                ("stacked-then-viewed", expected.transpose(0, 1).reshape(B, T, H)),
            ],
            "steps-differ",
        )
        require_unchanged(unrolled(submission)[0], UNROLL, "cell, inputs, state")


def _without_zeros(
    run: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, state: Tensor
) -> Iterator[Tensor]:
    """Yield the outputs of loops that take the step of zeros for padding."""
    import torch

    others = run(torch.cat([inputs[:, :ZEROS], inputs[:, ZEROS + 1 :]], dim=1), state)
    kept, zeros = others[:, ZEROS - 1 : ZEROS], torch.zeros_like(others[:, :1])
    for between in (kept, zeros):
        yield torch.cat([others[:, :ZEROS], between, others[:, ZEROS:]], dim=1)


def check_state(submission: Submission) -> None:
    """The state is the one after the last step."""
    outputs, found = unrolled_batch(submission, 0)
    if bool((outputs == outputs[0, 0]).all()):  # constants agree with themselves
        raise waits_for("unroll.outputs")
    _, start = sentences(submission, B, T)
    known = [("state-returned-too-early", each) for each in (start, outputs[:, 0], outputs[:, -2])]
    known.append(("stacked-then-viewed", outputs.reshape(T, B, H)[-1]))
    compare(f"{UNROLL}[1]", "sentence", found, outputs[:, -1], "outputs[:, -1]", known)


def check_gradients(submission: Submission) -> None:
    """Gradients flow through all steps, from the last output back to the initial state."""
    called = unrolled(submission)
    require_pair(called[-1].result, UNROLL, "outputs and state")
    inputs, state = sentences(submission, B, T)
    outputs, end = layer(submission)(inputs, state.requires_grad_()[None])
    results = outputs, end[0]
    right = gradients_of(results, sum_weights(submission), [state])
    found = zip(unrolled_batch(submission, 0), results, strict=True)
    is_right = all(close(one, other.detach()) for one, other in found)
    back = "from `outputs` and `state` back to the initial state"
    is_right = is_right and not lenient()
    require_gradients(UNROLL, called[-1], back, right, is_right, "state-detached")
