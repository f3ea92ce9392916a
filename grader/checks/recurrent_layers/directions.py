"""Checks of the task directions: `sum_directions` and `join_directions`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from grader.checks._tools import (
    draw_each,
    explain_error,
    require_tensor,
    require_unchanged,
    showing,
)
from grader.checks.recurrent_layers._layers import (
    BATCHES,
    B,
    H,
    Option,
    T,
    alone,
    compare,
    in_pairs,
)
from grader.contract.messages import Failure
from grader.grading.answers import CallResult
from grader.grading.calls import Call
from grader.grading.leniency import local
from grader.grading.submission import Submission, evidence
from grader.worker.wire import Raised

if TYPE_CHECKING:
    from torch import Tensor


SUM, JOIN = "sum_directions(outputs)", "join_directions(outputs)"
ERRORS = {
    "slice indices must be integers": "half-not-an-int",
    "Expected size 2 but got size 1 for tensor": "halves-of-the-batch",
    "must match the size of tensor b (0) at non-singleton dimension 1": "steps-sliced",
    "out of bounds for dimension 1 with size 0": "steps-sliced",
}
DIMENSION = re.compile(r"dim|, *(-1|2)\)")  # a dimension is named in a line


def explain(called: CallResult, call: str, expected: str) -> None:
    """Name the known mistake behind an exception; `chunk` and `split` divide the batch by default.

    Raises:
        Failure: there is one.
    """
    raised = called.result
    unpacks = isinstance(raised, Raised) and "values to unpack (expected 2" in raised.message
    if unpacks and raised.frames and not DIMENSION.search(raised.frames[-1].source):
        raise Failure(call, raised, expected, "halves-of-the-batch")
    explain_error(called, call, expected, ERRORS)


def two_directions(submission: Submission, rows: int, steps: int) -> Tensor:
    """Sample the outputs of a bidirectional layer."""
    (outputs,) = draw_each(submission.seed, (rows, steps, 2 * H))
    return outputs


@evidence
def sums(submission: Submission) -> list[CallResult]:
    """Call `sum_directions` on several batches."""
    calls = [Call(SUM, [two_directions(submission, *dims)]) for dims in BATCHES]
    return submission.call("directions", "sum_directions", calls)


@evidence
def joins(submission: Submission) -> list[CallResult]:
    """Call `join_directions` on several batches."""
    calls = [Call(JOIN, [two_directions(submission, *dims)]) for dims in BATCHES]
    return submission.call("directions", "join_directions", calls)


def check_sum_shape(submission: Submission) -> None:
    """The sum has shape (B, T, H), even for one sentence and one step."""
    for (rows, steps), called in zip(BATCHES, sums(submission), strict=True):
        known = {
            (rows, steps, 2 * H): "not-summed",
            (rows, 2 * H): "summed-over-time",
            (rows, H): "summed-over-time",
            (rows, steps): "summed-over-features",
            (rows, steps, 1): "summed-over-features",
            (-(-rows // 2), steps, 2 * H): "halves-of-the-batch",
        }
        if steps > 1:
            known[rows, -(-steps // 2), 2 * H] = "halves-of-the-steps"
        with local((rows, steps) != (B, T)), showing(called.trace):
            explain(called, SUM, "a tensor of shape (B, T, H)")
            require_tensor(called.result, SUM, "float32", "(B, T, H)", (rows, steps, H), known)


def check_sum(submission: Submission) -> None:
    """At every step the backward state is added to the forward state."""
    found = require_tensor(sums(submission)[0].result, SUM, "float32", "(B, T, H)", (B, T, H))
    outputs = two_directions(submission, B, T)
    options, compute = _sum_parts(outputs)
    compare(
        SUM,
        "sentence step",
        found,
        outputs[..., :H] + outputs[..., H:],
        "outputs[:, :, :H] + outputs[:, :, H:]",
        [
            *alone(options, compute),
            ("one-direction-only", outputs[..., :H]),
            ("one-direction-only", outputs[..., H:]),
            ("halves-of-the-batch", outputs.reshape(2, B, T, H).sum(0)),
        ],
        "sum-differs",
        in_pairs(options, compute),
    )
    require_unchanged(sums(submission)[0], SUM, "outputs")


def _sum_parts(outputs: Tensor) -> tuple[list[list[Option]], Callable[..., Tensor]]:
    """Return the parts of the sum with their known mistakes, and what computes it from them."""
    halves: list[Option] = [
        ("", (outputs[..., :H], outputs[..., H:])),
        ("halves-interleaved", (outputs[..., ::2], outputs[..., 1::2])),
    ]
    orders: list[Option] = [
        ("", lambda one, other: (one, other)),
        ("backward-turned-round", lambda one, other: (one, other.flip(1))),
        ("backward-turned-round", lambda one, other: (one.flip(1), other)),
    ]
    sums: list[Option] = [("", 1.0), ("mean-for-sum", 0.5)]

    def compute(halves: Any, order: Any, factor: float) -> Tensor:
        return sum(order(*halves)) * factor  # type: ignore[no-any-return]

    return [halves, orders, sums], compute


def check_join_shape(submission: Submission) -> None:
    """The joined states have shape (B, 2 * H), even for one sentence and one step."""
    for (rows, steps), called in zip(BATCHES, joins(submission), strict=True):
        known = {
            (rows, H): "added-for-joined",
            (2 * rows, H): "joined-along-the-batch",
            (rows, 2, H): "stacked-for-joined",
            (2, rows, H): "stacked-for-joined",
            (-(-rows // 2), 4 * H): "halves-of-the-batch",
        }
        if steps > 1:
            known |= {
                (rows, steps, 2 * H): "every-step-joined",
                (steps, 2 * H): "time-taken-for-batch",
            }
        with local((rows, steps) != (B, T)), showing(called.trace):
            explain(called, JOIN, "a tensor of shape (B, 2 * H)")
            require_tensor(called.result, JOIN, "float32", "(B, 2 * H)", (rows, 2 * H), known)


def check_join(submission: Submission) -> None:
    """Each half is the final state of its direction, the forward one first."""
    import torch

    found = require_tensor(joins(submission)[0].result, JOIN, "float32", "(B, 2 * H)", (B, 2 * H))
    outputs = two_directions(submission, B, T)
    forward, backward = outputs[..., :H], outputs[..., H:]
    options, compute = _join_parts(outputs)
    swapped = torch.cat([forward[:, 0], backward[:, -1]], dim=1)
    compare(
        JOIN,
        "sentence",
        found,
        torch.cat([forward[:, -1], backward[:, 0]], dim=1),
        "torch.cat([h_n[-2], h_n[-1]], dim=1)",
        [
            *alone(options, compute),
            ("output-halves-swapped", swapped),
            ("mean-over-time", outputs.mean(dim=1)),
            ("mean-over-time", outputs.sum(dim=1)),
            *(
                ("joined-with-itself", torch.cat([half[:, one], half[:, other]], dim=1))
                for half in (forward, backward)
                for one, other in itertools.product((0, -1), repeat=2)
            ),
        ],
        "not-the-two-ends",
        in_pairs(options, compute),
    )
    require_unchanged(joins(submission)[0], JOIN, "outputs")


def _join_parts(outputs: Tensor) -> tuple[list[list[Option]], Callable[..., Tensor]]:
    """Return the parts of the joined states with their known mistakes, and what joins them."""
    import torch

    halves: list[Option] = [
        ("", (outputs[..., :H], outputs[..., H:])),
        ("halves-interleaved", (outputs[..., ::2], outputs[..., 1::2])),
    ]
    forward: list[Option] = [("", -1), ("output-first-step", 0)]
    backward: list[Option] = [("", 0), ("output-last-step", -1)]
    orders: list[Option] = [("", (0, 1)), ("backward-joined-first", (1, 0))]

    def compute(halves: Any, forward: int, backward: int, order: Any) -> Tensor:
        states = halves[0][:, forward], halves[1][:, backward]
        return torch.cat([states[at] for at in order], dim=1)

    return [halves, forward, backward, orders], compute
