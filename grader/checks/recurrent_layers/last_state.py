"""Checks of the task last_state: `last_state`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from grader.checks._tools import close, draw_each, is_tensor_of, require_tensor, showing
from grader.checks.recurrent_layers._layers import H, compare
from grader.contract.messages import Failure, shape, show
from grader.grading.answers import CallResult
from grader.grading.calls import Call
from grader.grading.submission import Submission, evidence
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor

    Candidates = Iterable[tuple[str, Tensor]]  # known mistakes and their results


DEPTHS = ((3, 2), (2, 2), (1, 2), (3, 1), (1, 1))  # L and D
SENTENCES = 5  # different from the numbers of layers and directions


def last_state_call(number: int) -> str:
    """Format the call for one of the depths."""
    layers, directions = DEPTHS[number]
    return f"last_state(h_n, num_layers={layers}, num_directions={directions})"


def all_states(submission: Submission, number: int) -> Tensor:
    """Sample an h_n for one of the depths."""
    layers, directions = DEPTHS[number]
    (h_n,) = draw_each(submission.seed, (layers * directions, SENTENCES, H))
    return h_n


@evidence
def last_states(submission: Submission) -> list[CallResult]:
    """Call the function for all depths."""
    calls = [
        Call(last_state_call(number), [all_states(submission, number), *depth])
        for number, depth in enumerate(DEPTHS)
    ]
    return submission.call("last_state", "last_state", calls)


def last_state_of(submission: Submission, number: int, known: dict[Any, str]) -> Tensor:
    """Return the states for one of the depths, which must have the correct shape.

    Raises:
        Failure: the result has a different type or shape.
    """
    result, directions = last_states(submission)[number].result, DEPTHS[number][1]
    dims = (directions, SENTENCES, H)
    return require_tensor(result, last_state_call(number), "float32", "(D, B, H)", dims, known)


def check_shape(submission: Submission) -> None:
    """The final hidden states of the last layer have shape (D, B, H)."""
    layers, directions = DEPTHS[0]
    known = {
        (SENTENCES, H): "last-row-only",
        (1, SENTENCES, H): "last-row-only",
        (layers * directions, SENTENCES, H): "whole-h-n",
        (layers, SENTENCES, H): "not-the-last-rows",
        (layers * directions, H): "last-sentence",
        (SENTENCES, directions, H): "batch-is-second",
        (SENTENCES, directions * H): "directions-joined",
        list: "list-not-joined",
        tuple: "list-not-joined",
    }
    call = last_states(submission)[0]
    by_layer = all_states(submission, 0).view(layers, directions, SENTENCES, H)
    if is_tensor_of(call.result, "float32", (layers, SENTENCES, H)) and any(
        close(call.result.torch(), rows) for rows in by_layer.unbind(1)
    ):
        known[layers, SENTENCES, H] = "one-direction-of-every-layer"
    with showing(call.trace):
        last_state_of(submission, 0, known)


def check_layers(submission: Submission) -> None:
    """The states are those of the last layer, the forward direction first."""
    layers, directions = DEPTHS[0]
    h_n = all_states(submission, 0)
    expected = h_n[-directions:]
    batch_first = h_n.reshape(layers, SENTENCES, directions, H)
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
            ("batch-in-another-place", batch_first[-1].transpose(0, 1)),
            (
                "batch-in-another-place",
                h_n.reshape(SENTENCES, -1, H)[:, -directions:].transpose(0, 1),
            ),
            ("directions-flipped", expected.flip(0)),
            ("last-row-only", h_n[-1:].expand(directions, -1, -1)),
            *_rows_by_layer(submission),
        ],
        "not-the-last-rows",
    )


def _rows_by_layer(submission: Submission) -> Iterator[tuple[str, Tensor]]:
    """Yield rows that begin at the number of a layer, if those of another depth do so, too."""
    for more in (-1, 0):
        rows = [
            all_states(submission, number)[layers + more :][:directions]
            for number, (layers, directions) in enumerate(DEPTHS[:2])
        ]
        other = last_states(submission)[1].result
        if isinstance(other, TensorData) and close(other.torch(), rows[1]):
            yield "layers-counted-as-rows", rows[0]


def check_any_depth(submission: Submission) -> None:
    """The result is correct for any number of layers, and for one direction."""
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
        try:
            states = last_state_of(submission, number, known)
        except Failure as failure:
            is_lost = failure.mistake == "squeezed"
            raise (failure.named("one-direction-lost") if is_lost else failure) from None
        like = f"nn.LSTM with L = {layers} and D = {directions}"
        compare(call, "direction sentence", states, expected, like, [(why, states)])
