"""Helpers for the tasks of `recurrent.py`: sizes, random weights, comparison with torch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from grader.checks._differences import about_tensor
from grader.checks._tools import (
    close,
    draw,
    draw_each,
    first_difference,
    matching_mistake,
    require_tensor,
    same_numbers,
    two_mistakes,
)
from grader.contract.messages import Failure, waits_for
from grader.grading.answers import CallResult
from grader.grading.calls import Call, construct
from grader.grading.submission import Submission
from grader.grading.trials import end_trial
from grader.worker.wire import Raised, TensorData, tensor_data

if TYPE_CHECKING:
    from torch import Tensor

    Candidates = Iterable[tuple[str, Tensor]]  # known mistakes and their results

Option = tuple[str, Any]  # the name of a known mistake, empty for what is right, and its part
B, T, F, H = 3, 6, 5, 7  # all different, and none equal to the 4 gates of an LSTM
TOLERANCE = 1e-5  # the tolerance of `close`
BUILT_IN = "torch's own "  # in the message of what raises instead of them
VALUES = {"rnn_cell": "values", "lstm_cell": "cell_state", "gru_cell": "values"}
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
WEIGHTS_APART = 1_000_000  # offset of the seed, so that weights differ from inputs
NOT_TRANSPOSED = {  # by the shapes of inputs or state, and of weights, with 1, 3 or 4 parts
    **{f"({B}x{F} and {n * H}x{F})": "weights-not-transposed" for n in (1, 3, 4)},
    **{f"({B}x{H} and {n * H}x{H})": "weights-not-transposed" for n in (3, 4)},
    **{f"({n * H}x{F} and {B}x{F})": "weights-not-transposed" for n in (1, 3, 4)},
    **{f"({n * H}x{H} and {B}x{H})": "weights-not-transposed" for n in (1, 3, 4)},
    **{f"({B}x{F} and {H}x{n * H})": "weights-of-the-other" for n in (1, 3, 4)},
    **{f"({B}x{H} and {F}x{n * H})": "weights-of-the-other" for n in (1, 3, 4)},
}


def weights(submission: Submission, gates: int) -> list[Tensor]:
    """Sample the four weights of a cell whose products have `gates` parts of H numbers."""
    rows = gates * H
    shapes = (rows, F), (rows, H), (rows,), (rows,)
    return [0.6 * each for each in draw_each(submission.seed + WEIGHTS_APART, *shapes)]


def compare(
    call: str,
    axes: str,
    found: Tensor,
    expected: Tensor,
    like: str,
    candidates: Candidates,
    fallback: str | Callable[[], str] | None = None,
    pairs: Iterable[tuple[str, str, Tensor]] = (),
) -> None:
    """Require correct numbers.

    Args:
        call: the call, for the message.
        axes: names of all dimensions except the last.
        found: the result.
        expected: the correct result.
        like: what computes the correct result, for the message.
        candidates: the results of known mistakes.
        fallback: the mistake to name if none of them explains the result, or what returns it.
        pairs: the results of two known mistakes together, see `in_pairs`.

    Raises:
        Failure: the numbers differ; the message shows the first wrong one.
    """
    if close(found, expected):
        return
    end_trial()
    why: str | Sequence[str] | None = matching_mistake(found, candidates, close)
    note = "" if why else about_tensor(found, expected)
    if why is None and not note:
        why = two_mistakes(found, pairs, close) or (fallback() if callable(fallback) else fallback)
    wrong = ~((found - expected).abs() <= TOLERANCE)
    *index, _ = wrong.nonzero()[0].tolist()
    row = tuple(index)
    feature, number, right = first_difference(found[row], expected[row], TOLERANCE)
    names = [*axes.split(), "feature"]
    place = ", ".join(f"{name} {at}" for name, at in zip(names, [*index, feature], strict=True))
    shown = f"It is {number} at {place} ({int(wrong.sum())} of {wrong.numel()} numbers differ)"
    raise Failure(call, shown, f"{right} (from {like})", why, note=note)


def alone(
    options: Sequence[Sequence[Option]], compute: Callable[..., Tensor]
) -> Iterator[tuple[str, Tensor]]:
    """Yield the result of each mistake in one part of a formula, with its name.

    Args:
        options: for each part what `compute` gets for it: first what is right, then known mistakes.
        compute: computes the result from the parts.
    """
    for place, part in enumerate(options):
        for name, wrong in part[1:]:
            parts = [each[0][1] for each in options]
            parts[place] = wrong
            yield name, compute(*parts)


def in_pairs(
    options: Sequence[Sequence[Option]], compute: Callable[..., Tensor]
) -> Iterator[tuple[str, str, Tensor]]:
    """Yield the results of two mistakes in different parts of a formula, see `alone`."""
    for one, other in itertools.combinations(range(len(options)), 2):
        for first, second in itertools.product(options[one][1:], options[other][1:]):
            parts = [part[0][1] for part in options]
            parts[one], parts[other] = first[1], second[1]
            yield first[0], second[0], compute(*parts)


def require_by_hand(
    submission: Submission,
    task: str,
    called: CallResult,
    call: Call,
    compute: Callable[..., Any],
) -> None:
    """Require that a cell computes the same without torch's own recurrent layers.

    It gets other inputs there, so that nothing that it has computed before is of use.

    Args:
        submission: the submission.
        task: the task, named like the cell.
        called: the result of `call` while torch has its layers.
        call: the call: inputs, state and weights.
        compute: computes the correct result from the same arguments.

    Raises:
        Failure: it does not.
        Blocked: the result does not depend on the inputs and their weights.
    """
    new = Call(call.text, [draw(submission.seed + 1, *call.args[0].shape), *call.args[1:]])
    calls = [new]
    for place in (0, 2):  # the inputs, their weights
        args = [*new.args]
        args[place] = args[place].flip(0)
        calls.append(Call(call.text, args))
    alone, *others = submission.call(task, task, calls, without_built_in=True)
    if isinstance(called.result, Raised) or not same_numbers(called.result, _plain(compute, call)):
        like = submission.call(task, task, [new])[0].result
    else:
        like = _plain(compute, new)
    expected = "the formula itself"
    if isinstance(alone.result, Raised) and BUILT_IN in alone.result.message:
        name = alone.result.message.partition(BUILT_IN)[2].split()[0]
        raise Failure(call.text, f"It called torch's own {name}", expected, "built-in-layer")
    if isinstance(alone.result, Raised) and not isinstance(called.result, Raised):
        where = f"{call.text}` without the recurrent layers of `torch.nn"
        raise Failure(where, alone.result, expected, "built-in-layer")
    if not same_numbers(alone.result, like):
        found = "It computed different numbers where torch has no recurrent layers of its own"
        raise Failure(call.text, found, expected, "built-in-layer")
    if any(same_numbers(other.result, alone.result) for other in others):
        raise waits_for(f"{task}.{VALUES[task]}")


def _plain(compute: Callable[..., Any], call: Call) -> list[TensorData]:
    """Return the numbers of the correct result, as a worker sends them."""
    found = compute(*call.args)
    return [tensor_data(each) for each in (found if isinstance(found, tuple) else (found,))]


def other_formula(submission: Submission, task: str, call: Call) -> Callable[[], str]:
    """Return what names the mistake of a cell whose numbers no known mistake explains."""

    def name_mistake() -> str:
        one, other = submission.call(task, task, [call, call])
        same = same_numbers(one.result, other.result)
        return "formula-differs" if same else "weights-of-its-own"

    return name_mistake


def frozen(layer: dict[str, Any]) -> dict[str, Any]:
    """Describe a layer whose weights need no gradient, so that gradients come only from states."""
    freeze = construct("operator.methodcaller", "requires_grad_", False)
    return construct("builtins.next", construct("builtins.map", freeze, [layer]))


def parameter(tensor: Tensor) -> dict[str, Any]:
    """Describe a tensor that needs a gradient."""
    return construct("torch.nn.Parameter", tensor)


ROWS = (B, 1, B)  # of the calls of a cell
FROM_ZEROS = 2  # the last one has a state of zeros, as every first step of a layer


def step(submission: Submission, number: int = 0) -> list[Tensor]:
    """Sample the inputs, a hidden state and a cell state of one of the calls of a cell."""
    rows = ROWS[number]
    inputs, *states = draw_each(submission.seed, (rows, F), (rows, H), (rows, H))
    return [inputs, *(0 * state if number == FROM_ZEROS else state for state in states)]


def require_from_zeros(call: str, result: Any, expected: Tensor, like: str) -> None:
    """Require correct numbers of the call with a state of zeros, if the others are correct.

    Raises:
        Failure: they differ.
    """
    found = require_tensor(result, call, "float32", "(B, H)", (B, H))
    where = f"{call} with a state of zeros"
    compare(where, "sentence", found, expected, like, [("zero-state-apart", found)])


BATCHES = ((B, T), (1, T), (B, 1))
