"""Checks of the task carry_state: `carry_state`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from grader.checks._tools import (
    close,
    draw_each,
    explain_error,
    gradients_of,
    numbers,
    require_gradients,
    require_pair,
    require_tensor,
    require_unchanged,
    showing,
)
from grader.checks.recurrent_layers._layers import (
    WEIGHTS_APART,
    F,
    H,
    compare,
    frozen,
    parameter,
)
from grader.contract.messages import Blocked, Failure, show
from grader.grading.answers import CallResult, StudentError, unwrap
from grader.grading.calls import Call, construct
from grader.grading.leniency import lenient, local, still_wrong
from grader.grading.submission import Submission, evidence
from grader.worker.wire import Raised

if TYPE_CHECKING:
    from torch import Tensor

    Candidates = Iterable[tuple[str, Tensor]]  # known mistakes and their results


LAYERS = 2
B = 6  # larger than the first chunk size, so that chunks of the batch are not the whole batch
# T and chunk size: a rest of three steps, no rest, a rest of one step, too short, single steps
LENGTHS = ((11, 4), (8, 4), (9, 4), (5, 9), (3, 1))
PER_STEP, PER_CALL = 4.0, 256.0  # what a coded layer adds to outputs, which are between -1 and 1


def carry_call(number: int) -> str:
    """Format the call for one of the lengths."""
    steps, size = LENGTHS[number]
    return f"carry_state(lstm, torch.randn({B}, {steps}, {F}), (h_0, c_0), size={size})"


def lstm_weights(submission: Submission, directions: int = 1) -> dict[str, Tensor]:
    """Sample the weights of an LSTM by name."""
    import torch

    names = torch.nn.LSTM(F, H, LAYERS, bidirectional=directions == 2).state_dict()
    shapes = [each.shape for each in names.values()]
    tensors = draw_each(submission.seed + WEIGHTS_APART, *shapes)
    return dict(zip(names, (0.6 * each for each in tensors), strict=True))


def sequences(submission: Submission, number: int, directions: int = 1) -> list[Tensor]:
    """Sample inputs of one of the lengths, h_0 and c_0."""
    states = (LAYERS * directions, B, H)
    return draw_each(submission.seed, (B, LENGTHS[number][0], F), states, states)


@evidence
def carried(submission: Submission) -> list[CallResult]:
    """Run chunks for all lengths, with a frozen layer, and with a bidirectional layer."""
    plain = {"batch_first": True}
    lstm = construct("torch.nn.LSTM", F, H, LAYERS, state=lstm_weights(submission), **plain)
    calls = []
    for number, (_, size) in enumerate(LENGTHS):
        inputs, h, c = sequences(submission, number)
        calls.append(Call(carry_call(number), [lstm, inputs, (h, c), size]))
    inputs, h, c = sequences(submission, 0)
    learning = (parameter(h), parameter(c))
    given = [frozen(lstm), inputs, learning, LENGTHS[0][1]]
    calls.append(Call(carry_call(0), given, weights=sum_weights(submission)))
    both = {**plain, "bidirectional": True}
    other = construct("torch.nn.LSTM", F, H, LAYERS, state=lstm_weights(submission, 2), **both)
    inputs, h, c = sequences(submission, 0, directions=2)
    calls.append(Call(TWO_DIRECTIONS, [other, inputs, (h, c), LENGTHS[0][1]]))
    return submission.call("carry_state", "carry_state", calls)


def sum_weights(submission: Submission) -> list[Tensor]:
    """Sample the weights of all numbers of a result in the sum whose gradients are wanted."""
    states = (LAYERS, B, H)
    return draw_each(submission.seed + 1, (B, LENGTHS[0][0], H), states, states)


TWO_DIRECTIONS = "carry_state(lstm, inputs, (h_0, c_0), size=4)` with a bidirectional `lstm"


def carried_through(submission: Submission, number: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return outputs, h_n and c_n for one of the lengths, which must have the correct shapes.

    Raises:
        Failure: the result has a different type or shape.
    """
    (steps, size), call = LENGTHS[number], carry_call(number)
    outputs, states = require_pair(
        carried(submission)[number].result, call, "outputs and (h_n, c_n)"
    )
    known = {
        (B, steps % size, H): "last-chunk-only",
        (B, steps - steps % size, H): "last-chunk-dropped",
        (B, -(-steps // size) * size, H): "last-chunk-padded",
        list: "list-not-joined",
    }
    outputs = require_tensor(outputs, f"{call}[0]", "float32", "(B, T, H)", (B, steps, H), known)
    h_n, c_n = (
        require_tensor(each, f"{call}[1][{at}]", "float32", "(L, B, H)", (LAYERS, B, H))
        for at, each in enumerate(require_pair(states, f"{call}[1]", "(h_n, c_n)"))
    )
    return outputs, h_n, c_n


def check_shape(submission: Submission) -> None:
    """Outputs have shape (B, T, H), states (L, B, H), even if the last chunk is shorter."""
    known = {
        "Sizes of tensors must match except in dimension 0": "chunks-joined-along-the-batch",
        "stack expects each tensor to be equal size": "stacked-for-joined",
        "Expected sequence length to be larger than 0": "empty-chunk",
        f"got [{LAYERS}, {B}, {H}]": "batch-cut",  # the given state, for a part of the batch
    }
    for number, called in enumerate(carried(submission)[: len(LENGTHS)]):
        # Each of the other checks asks for one thing that it can judge, or is blocked.
        with local(), showing(called.trace):
            explain_error(called, carry_call(number), "outputs and (h_n, c_n)", known)
            carried_through(submission, number)


def whole_run(submission: Submission) -> Any:
    """Return a function that runs torch's own layer."""
    import torch

    lstm = torch.nn.LSTM(F, H, LAYERS, batch_first=True)
    lstm.load_state_dict(lstm_weights(submission))

    lstm.requires_grad_(False)

    def run(inputs: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        outputs, (h_n, c_n) = lstm(inputs, (h, c))
        return outputs, h_n, c_n

    return run


def check_outputs(submission: Submission) -> None:
    """The outputs equal those of one run over the whole sequence."""
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
            ("chunks-start-over", chunks(lambda _h, _c: (zeros, zeros), zeros, zeros)),
            ("chunks-start-over", chunks(lambda _h, _c: (zeros, zeros))),
            ("chunks-start-over", chunks(lambda _h, _c: (h_0, c_0))),
            ("start-state-ignored", run(inputs, zeros, zeros)[0]),
            ("cell-state-not-carried", chunks(lambda h, _c: (h, zeros))),
            ("cell-state-not-carried", chunks(lambda h, _c: (h, c_0))),
            ("cell-state-not-carried", chunks(lambda h, _c: (h, h))),
            ("only-cell-state-carried", chunks(lambda _h, c: (zeros, c))),
            ("only-cell-state-carried", chunks(lambda _h, c: (h_0, c))),
            ("top-layer-for-all", chunks(lambda h, c: (h[-1:].expand_as(h), c))),
            ("top-layer-for-all", chunks(lambda h, c: (h[-1:].expand_as(h), c[-1:].expand_as(c)))),
            ("c-and-h-swapped", chunks(lambda h, c: (c, h))),
            ("c-and-h-swapped", run(inputs, c_0, h_0)[0]),
        ],
    )
    require_unchanged(carried(submission)[0], carry_call(0), "lstm, inputs, state, size")


def check_state(submission: Submission) -> None:
    """The states equal those of one run over the whole sequence."""
    from torch.nn.functional import pad

    run, given = whole_run(submission), sequences(submission, 0)
    _, *found = carried_through(submission, 0)
    _, *expected = run(*given)
    steps, size = LENGTHS[0]
    _, *late = run(pad(given[0], (0, 0, 0, -steps % size)), *given[1:])
    early = [given[1:], run(given[0][:, :4], *given[1:])[1:], run(given[0][:, :8], *given[1:])[1:]]
    for at in range(2):
        candidates = [
            ("c-and-h-swapped", expected[1 - at]),
            *(("state-returned-too-early", states[at]) for states in early),
            ("last-chunk-padded", late[at]),
        ]
        call = f"{carry_call(0)}[1][{at}]"
        like = "one run over all steps"
        compare(call, "layer sentence", found[at], expected[at], like, candidates)


@evidence
def carried_in_code(submission: Submission) -> CallResult:
    """Run chunks with a layer that adds to its outputs the numbers of the call and of the step."""
    coded = construct(
        "..coded_lstm.CodedLSTM",
        *(F, H, LAYERS),
        state=lstm_weights(submission),
        batch_first=True,
        per_call=PER_CALL,
        per_step=PER_STEP,
    )
    inputs, h, c = sequences(submission, 0)
    call = Call(carry_call(0), [coded, inputs, (h, c), LENGTHS[0][1]])
    return submission.call("carry_state", "carry_state", [call])[0]


def runs_of(result: Any) -> list[int]:
    """Return how many steps each run of the coded layer had, by the numbers of a result.

    Only steps that follow one another from 0 on count.
    """
    places: dict[int, set[int]] = {}
    for number in filter(math.isfinite, numbers(unwrap(result))):
        run, step = divmod(round(number / PER_STEP), int(PER_CALL / PER_STEP))
        if run > 0:
            places.setdefault(run, set()).add(step)
    return [len(steps) for steps in places.values() if steps == {*range(len(steps))}]


def check_in_chunks(submission: Submission) -> None:
    """The layer is called once per chunk."""
    (steps, size), call = LENGTHS[0], carry_call(0)
    runs = runs_of(carried_in_code(submission).result)
    expected = [min(size, steps - start) for start in range(0, steps, size)]
    if sorted(runs) != sorted(expected):
        known = {1: "not-in-chunks", steps: "step-by-step", size: "chunk-for-split"}
        times = "once" if len(runs) == 1 else f"{len(runs)} times"
        why = known.get(len(runs))
        raise Failure(call, f"It ran the layer {times}", f"{len(expected)} runs", why)


def check_gradients(submission: Submission) -> None:
    """Gradients flow through all chunks, from the final states back to the initial ones."""
    call, called = carry_call(0), carried(submission)[len(LENGTHS)]
    require_pair(called.result, call, "outputs and (h_n, c_n)")
    inputs, *states = sequences(submission, 0)
    start = [each.requires_grad_() for each in states]
    ends = whole_run(submission)(inputs, *start)
    right = gradients_of(ends, sum_weights(submission), start)
    is_right = False
    with contextlib.suppress(Failure, Blocked, StudentError):
        found = carried_through(submission, 0)
        is_right = all(close(one, end.detach()) for one, end in zip(found, ends, strict=True))
    back = "from the results back to the initial states"
    require_gradients(call, called, back, right, is_right and not lenient(), "state-detached")


def check_one_direction(submission: Submission) -> None:
    """A bidirectional layer raises a ValueError."""
    result, plain = carried(submission)[-1].result, carried(submission)[0].result
    if isinstance(plain, Raised) and plain.type == "ValueError":
        raise still_wrong()  # it always raises one
    if isinstance(result, Raised) and result.type not in ("ValueError", "NotImplementedError"):
        source = result.frames[-1].source if result.frames else ""
        is_meant = source.startswith(("assert", "raise"))
        why = "other-exception-raised" if is_meant else "bidirectional-in-chunks"
        raise Failure(TWO_DIRECTIONS, result, "a ValueError", why)
    if not (isinstance(result, Raised) and result.type == "ValueError"):
        found = f"It returned {show(unwrap(result))}"
        expected = "that it raises a ValueError"
        raise Failure(TWO_DIRECTIONS, found, expected, "bidirectional-in-chunks")
