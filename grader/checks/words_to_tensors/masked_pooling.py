"""Checks of the task masked_pooling: `masked_mean` and `masked_max`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grader.checks._differences import about_tensor
from grader.checks._tools import (
    argument_changed,
    close,
    draw_each,
    explain_error,
    figure,
    first_difference,
    generator,
    gradients_of,
    matching_mistake,
    require_gradients,
    require_tensor,
    showing,
)
from grader.checks.words_to_tensors._sentences import B, T, draw_lengths
from grader.contract.messages import Failure, waits_for
from grader.grading.answers import CallResult, unwrap
from grader.grading.calls import Call, construct
from grader.grading.leniency import lenient, local
from grader.grading.submission import Submission, evidence
from grader.grading.trials import end_trial
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor

WIDTH = 10  # 2 * H; differs from B, T, F and all lengths
MEAN, MAX = "masked_mean", "masked_max"
APART = 4.0  # outputs lie around this number or its negative, by sentence and feature
GARBAGE = 50.0  # padded steps hold numbers of about this size
FILLING = 500.0  # numbers that are larger are what a student filled padded steps with
ERRORS = {
    "The size of tensor a": "mask-not-broadcast",
    "must match the existing size": "mask-not-broadcast",
    "Expected reduction dim": "maximum-of-nothing",
}
IN_PLACE = {"being used in an in-place operation": "outputs-changed-in-place"}
ZERO, ALONE, OTHERS, FURTHER, EMPTY, EMPTY_OTHERS, GRADIENT = range(7)  # the calls of each function


def mask_of(lengths: Sequence[int], steps: int) -> Tensor:
    """Return which steps are tokens, shape (B, T)."""
    import torch

    return torch.arange(steps) < torch.tensor(lengths)[:, None]


def outputs_of(seed: int, lengths: Sequence[int]) -> Tensor:
    """Sample outputs with zeros after each sentence, (B, T, 2 * H).

    Each feature of a sentence has either only positive or only negative numbers, and each sentence
    has both kinds.
    """
    import torch

    noise, signs = draw_each(seed, (len(lengths), T, WIDTH), (len(lengths), WIDTH))
    order = signs.argsort(dim=1)
    offsets = torch.where(order < WIDTH // 2, APART, -APART)[:, None]
    return (noise.clamp(-2, 2) + offsets).masked_fill(~mask_of(lengths, T)[:, :, None], 0.0)


def batches_of(submission: Submission) -> list[tuple[Tensor, list[int]]]:
    """Return outputs and lengths, in the order of the calls.

    With zeros after each sentence; the shortest sentence but one of others alone; these others with
    numbers after each sentence; without the longest, so that all end before step T; and with zeros
    and with numbers in the row of a sentence without a token. What a function remembers of the
    first sentences says nothing about the others.
    """
    import torch

    lengths = [*draw_lengths(submission)]
    first, outputs = (outputs_of(submission.seed + more, lengths) for more in (0, 3))
    garbage = GARBAGE * torch.randn(outputs.shape, generator=generator(submission.seed + 1))
    others = torch.where(mask_of(lengths, T)[:, :, None], outputs, garbage)
    b = second(lengths)
    shorter = [place for place, length in enumerate(lengths) if length < T]
    with_empty = [0 if place == b else length for place, length in enumerate(lengths)]
    return [
        (first, lengths),
        (outputs[b : b + 1, : lengths[b]], [lengths[b]]),
        (others, lengths),
        (others[shorter], [lengths[place] for place in shorter]),
        (outputs.masked_fill(~mask_of(with_empty, T)[:, :, None], 0.0), with_empty),
        (others, with_empty),
    ]


def second(lengths: Sequence[int]) -> int:
    """Return the index of the shortest sentence but one."""
    return [*lengths].index(sorted(lengths)[1])


def calling(name: str, outputs: Tensor, lengths: Sequence[int], place: str = "") -> str:
    """Format a call, or a place in its result."""
    call = f"{name}(outputs, torch.tensor({lengths})){place}"
    return f"{call} for outputs of shape {tuple(outputs.shape)}"


@evidence
def means(submission: Submission) -> list[CallResult]:
    """Call `masked_mean` on all batches."""
    return _pooled(submission, MEAN)


@evidence
def maxima(submission: Submission) -> list[CallResult]:
    """Call `masked_max` on all batches."""
    return _pooled(submission, MAX)


def _pooled(submission: Submission, name: str) -> list[CallResult]:
    import torch

    batches = batches_of(submission)
    calls = [
        Call(calling(name, outputs, lengths), [outputs, torch.tensor(lengths)])
        for outputs, lengths in batches
    ]
    outputs, lengths = whole_rows(submission)
    args = [construct("torch.nn.Parameter", outputs), torch.tensor(lengths)]
    weights = [pooled_weights(submission)]
    calls.append(Call(calling(name, outputs, lengths), args, weights=weights))
    return submission.call("masked_pooling", name, calls)


def whole_rows(submission: Submission) -> tuple[Tensor, list[int]]:
    """Return outputs without padding, no two of them equal, and the lengths."""
    import torch

    numbers = torch.randperm(B * T * WIDTH, generator=generator(submission.seed + 4))
    return numbers.view(B, T, WIDTH) / 100 - 2, [T] * B


def pooled_weights(submission: Submission) -> Tensor:
    """Sample the weights of the numbers of a result in the sum whose gradient is wanted."""
    import torch

    return torch.randn((B, WIDTH), generator=generator(submission.seed + 2))


def mean_by_hand(outputs: Tensor, lengths: Any) -> Tensor:
    """Compute the mean sentence by sentence."""
    import torch

    rows = [
        row[:length].sum(0) / max(length, 1) for row, length in zip(outputs, lengths, strict=True)
    ]
    return torch.stack(rows)


def max_by_hand(outputs: Tensor, lengths: Any) -> Tensor:
    """Compute the maximum sentence by sentence."""
    import torch

    pairs = zip(outputs, lengths, strict=True)
    rows = [row[:length].amax(0) if length else torch.zeros_like(row[0]) for row, length in pairs]
    return torch.stack(rows)


BY_HAND = {MEAN: mean_by_hand, MAX: max_by_hand}


def pooled_of(submission: Submission, name: str, called: list[CallResult], which: int) -> Tensor:
    """Return a result, which must have shape (B, 2 * H).

    Raises:
        Failure: it has a different type or shape.
    """
    outputs, lengths = batches_of(submission)[which]
    b, t, _ = outputs.shape
    call, expected = calling(name, outputs, lengths), "a tensor of shape (B, 2 * H)"
    known = {
        (b, t): "pooled-over-features",
        (t, WIDTH): "pooled-over-the-batch",
        (b, t, WIDTH): "not-pooled",
        list: "rows-in-a-list",
        (WIDTH,): "one-sentence-squeezed" if b == 1 else "one-row-for-the-batch",
    }

    def why(found: Any) -> str | None:
        if isinstance(found, TensorData):
            return known.get(found.shape)
        of_max = type(found) is tuple and len(found) == 2
        return "max-returns-a-pair" if of_max else known.get(type(found))

    result = called[which].result
    if isinstance(result, Raised) and which == FURTHER:
        raise Failure(call, result, expected, "mask-to-the-longest")
    explain_error(called[which], call, expected, ERRORS)
    if isinstance(result, Raised) and which:
        raise Failure(call, result, expected)
    return require_tensor(result, call, "float32", "(B, 2 * H)", (b, WIDTH), why)


def check_mean_shape(submission: Submission) -> None:
    """The means have shape (B, 2 * H)."""
    with showing(means(submission)[ZERO].trace):
        pooled_of(submission, MEAN, means(submission), ZERO)


def check_mean(submission: Submission) -> None:
    """Each mean is taken over the sentence's own tokens."""
    import torch

    outputs, lengths = batches_of(submission)[ZERO]
    total = outputs.sum(dim=1)
    column = mask_of(lengths, T).sum(dim=1, keepdim=True)
    mistakes = {
        "mean-over-all-steps": total / T,
        "mean-not-divided": total,
        "mask-too-long": total / (column + 1).clamp(max=T),
        "mask-too-short": mean_by_hand(outputs, [length - 1 for length in lengths]),
        "mask-inverted": torch.zeros_like(total),
        "mean-over-all-tokens": total / sum(lengths),
        "other-pooling": max_by_hand(outputs, lengths),
    }
    found = pooled_of(submission, MEAN, means(submission), ZERO)
    _require_pooled(submission, MEAN, found, mean_by_hand(outputs, lengths), mistakes)


def check_max_shape(submission: Submission) -> None:
    """The maxima have shape (B, 2 * H)."""
    with showing(maxima(submission)[ZERO].trace):
        pooled_of(submission, MAX, maxima(submission), ZERO)


def check_max(submission: Submission) -> None:
    """Each maximum is taken over the sentence's own tokens, also if all numbers are negative."""
    import torch

    outputs, lengths = batches_of(submission)[ZERO]
    expected = max_by_hand(outputs, lengths)
    found = pooled_of(submission, MAX, maxima(submission), ZERO)
    is_shorter = torch.tensor(lengths) < T
    inverted = torch.zeros_like(found).masked_fill(~is_shorter[:, None], -torch.inf)
    won = expected.clone()
    won[is_shorter] = expected[is_shorter].clamp(min=float(found[is_shorter].nan_to_num().min()))
    mistakes = {
        "mask-inverted": inverted,
        "maximum-from-zero": expected.clamp(min=0),
        "padding-wins": won,
        "other-pooling": mean_by_hand(outputs, lengths),
        "largest-absolute-value": max_by_hand(outputs.abs(), lengths),
        "smallest-for-largest": -max_by_hand(-outputs, lengths),
        "mask-too-short": max_by_hand(outputs, [length - 1 for length in lengths]),
    }
    if not close(found, expected, relative=True):  # zeros in one padded step look like all of them
        others = pooled_of(submission, MAX, maxima(submission), OTHERS)
        if close(others, _one_too_long(submission, MAX), relative=True):
            mistakes = {"mask-too-long": found}
    _require_pooled(submission, MAX, found, expected, mistakes)


def _require_pooled(
    submission: Submission, name: str, found: Tensor, expected: Tensor, mistakes: dict[str, Tensor]
) -> None:
    """Require correct numbers for the sentences with zeros after them.

    Raises:
        Failure: a number differs.
    """
    if close(found, expected):
        return
    end_trial()
    outputs, lengths = batches_of(submission)[ZERO]
    longer = [length > 1 for length in lengths]  # of one token, other mistakes leave nothing
    candidates = [(why, _finite(wrong[longer])) for why, wrong in mistakes.items()]
    why = matching_mistake(_finite(found[longer]), candidates, close)
    if name == MAX and bool(found.isnan().any()):
        why = "infinity-in-a-product"
    b = next(b for b, row in enumerate(found) if not close(row, expected[b]))
    at, number, right = first_difference(found[b], expected[b])
    what = "mean" if name == MEAN else "maximum"
    wanted = f"{right}, the {what} of feature {at} over the {lengths[b]} tokens of sentence {b}"
    with local():
        call = calling(name, outputs, lengths, f"[{b}, {at}]")
        note = about_tensor(found, expected)
        raise Failure(call, f"It is {number}", wanted, why, note=note)


def _finite(pooled: Tensor) -> Tensor:
    """Replace infinities by numbers that can be compared."""
    return pooled.nan_to_num(nan=float("nan"))


def right_results(submission: Submission) -> list[tuple[str, list[CallResult]]]:
    """Return the name and the results of each function that is right for the first batch.

    The others have failed `mean` or `max`; one of both is enough to judge the rest.

    Raises:
        Blocked: none is right, so a result that ignores padding proves nothing.
    """
    outputs, lengths = batches_of(submission)[ZERO]
    found = []
    for name, called in ((MEAN, means(submission)), (MAX, maxima(submission))):
        pooled = pooled_of(submission, name, called, ZERO)
        if close(pooled, BY_HAND[name](outputs, lengths)):
            found.append((name, called))
    if not found:
        raise waits_for("masked_pooling.mean")
    return found


def check_padding(submission: Submission) -> None:
    """A sentence has the same result alone and in a batch, whatever the padded steps hold."""
    for name, called in right_results(submission):
        for which, like in (
            (OTHERS, "the same as with zeros in the padded steps"),
            (ALONE, "the same as beside longer sentences"),
            (FURTHER, "the same as beside a sentence of T tokens"),
        ):
            with local():
                found = pooled_of(submission, name, called, which)
                why = "padding-pooled"
                if which == OTHERS and close(found, _one_too_long(submission, name), relative=True):
                    why = "mask-too-long"
                _require_same(submission, name, which, found, like, why)


def _one_too_long(submission: Submission, name: str) -> Tensor:
    """Pool one padded step of each sentence, too; the sum is divided by the correct length."""
    import torch

    outputs, lengths = batches_of(submission)[OTHERS]
    longer = [min(length + 1, T) for length in lengths]
    if name == MAX:
        return max_by_hand(outputs, longer)
    return mean_by_hand(outputs, longer) * (torch.tensor(longer) / torch.tensor(lengths))[:, None]


def _require_same(
    submission: Submission,
    name: str,
    which: int,
    found: Tensor,
    like: str,
    why: str | None = None,
) -> None:
    """Require correct numbers for the sentences that have a token.

    Raises:
        Failure: a number differs.
    """
    outputs, lengths = batches_of(submission)[which]
    rows = BY_HAND[name](outputs, lengths)
    for b, (row, other) in enumerate(zip(found, rows, strict=True)):
        if lengths[b] and not close(row, other):
            at, number, right = first_difference(row, other)
            call = calling(name, outputs, lengths, f"[{b}, {at}]")
            raise Failure(call, f"It is {number}", f"{right}, {like}", why)


def check_empty(submission: Submission) -> None:
    """A sentence without a token gets zeros, and changes nothing for the others."""
    import torch

    which = EMPTY if lenient() else EMPTY_OTHERS
    outputs, lengths = batches_of(submission)[which]
    b = lengths.index(0)
    for name, called in right_results(submission):
        found = pooled_of(submission, name, called, which)
        call = calling(name, outputs, lengths, f"[{b}]")
        if not close(found[b], torch.zeros(WIDTH)):
            row = found[b]
            of_nan = "infinity-in-a-product" if name == MAX else "mean-of-nothing"
            why = of_nan if row.isnan().any() else None
            is_filling = bool(row.abs().gt(FILLING).all())
            why = "maximum-of-nothing" if is_filling else why
            why = "one-step-of-nothing" if close(row, outputs[b, 0]) else why
            raise Failure(call, f"It holds {figure(float(row[0]))}", "zeros", why)
        if 1 in called[which].changed:  # changed outputs are a matter of the gradients
            raise argument_changed(call, "lengths")
        why = None if found.any() else "empty-for-all"
        _require_same(submission, name, which, found, "the same as without an empty sentence", why)


def check_gradients(submission: Submission) -> None:
    """Gradients flow from the results back to the outputs."""
    for name, called in right_results(submission):
        outputs, lengths = whole_rows(submission)
        call = calling(name, outputs, lengths)
        explain_error(called[GRADIENT], call, "a gradient", IN_PLACE)
        unwrap(called[GRADIENT].result)
        pooled = BY_HAND[name](outputs.requires_grad_(), lengths)
        right = gradients_of([pooled], [pooled_weights(submission)], [outputs])
        back = "from the result back to `outputs`"
        gradients = called[GRADIENT]
        require_gradients(call, gradients, back, right, not lenient(), "state-detached")
