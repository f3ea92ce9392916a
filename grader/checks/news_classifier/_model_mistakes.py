"""Names the mistakes behind wrong shapes and exceptions of a model, also on real batches."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.checks._tools import draw, is_list, is_tensor_of
from grader.checks.news_classifier._model_runs import (
    N_ROWS,
    SIZES,
    B,
    C,
    D,
    F,
    H,
    L,
    T,
    alone,
    call,
    close_logits,
    inputs_read,
    logits_of,
    positive_states,
    row_runs,
    rows_read,
    substituted,
    sum_to_one,
)
from grader.contract.messages import Blocked, Failure, clean, shape
from grader.grading.answers import ModelRun, StudentError
from grader.grading.leniency import lenient
from grader.grading.submission import Submission
from grader.worker.wire import Opaque, Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor

# The names of functions identify the mistake, and excuse a ReLU that does not act on the states
# themselves. No name fails a model.
SQUASHING = {"sigmoid", "tanh", "hardsigmoid", "hardtanh", "softsign"}
RECTIFIERS = {
    *("relu", "relu_", "threshold", "clamp", "clamp_", "clamp_min", "clip", "maximum", "where"),
}
ACTIVATIONS = {
    *("celu", "elu", "gelu", "hardswish", "leaky_relu", "logsigmoid"),
    *("mish", "prelu", "relu6", "selu", "silu", "softplus"),
    *SQUASHING,
}

PRODUCT = re.compile(r"cannot be multiplied \((\d+)x(\d+) and (\d+)x\d+\)")
STATES = re.compile(r"Expected hidden\[0\] size \(\d+, (\d+), \d+\), got \[\d+, (\d+), \d+\]")


def place(raised: Raised) -> str:
    """Format the student's line that raised."""
    if not raised.frames:
        return ""
    frame = raised.frames[-1]
    return f" in {clean(frame.file)}, line {frame.line}, `{clean(frame.source)}`"


def why_shape(submission: Submission, dims: tuple[int, ...], run: ModelRun) -> str | None:
    """Return the known mistake behind logits of a wrong shape."""
    logits, (rows, steps, _) = run.logits, dims
    if rows != steps and rows_read(run) == {steps}:
        return _why_axis(submission)
    if not isinstance(logits, TensorData):
        parts = logits.values() if isinstance(logits, dict) else logits if is_list(logits) else ()
        if sum(is_tensor_of(part, "float32", (rows, C)) for part in parts) == 1:
            return "more-than-logits"
        if isinstance(logits, Opaque) and logits.type in ("max", "topk", "sort"):
            return "class-instead-of-scores"
        is_layer = isinstance(logits, Opaque) and "features=" in logits.text
        return "layer-returned" if is_layer else None
    if logits.dtype == "int64" and logits.shape in ((rows,), (rows, 1)):
        return "class-instead-of-scores"
    if rows == 1 and logits.shape == (C,):
        return "squeezed"
    known = {
        (rows, steps, C): "logits-every-step",
        (steps, rows, C): "logits-every-step",
        (D, rows, C): "directions-not-joined",
        (L * D, rows, C): "directions-not-joined",
        (rows, D, C): "directions-not-joined",
        (rows, L * D, C): "directions-not-joined",
        (D * rows, C): "joined-along-batch",
    }
    if logits.shape == (rows,) and logits.dtype.startswith("float"):
        return "one-score-per-sentence"
    if rows > 1 and logits.shape == (C,):
        return "one-row-of-logits"
    if rows > 1:
        known |= {(L * D, C): "states-indexed-by-batch", (steps, C): "output-indexed-by-batch"}
    if logits.shape in known:
        return known[logits.shape]
    if len(logits.shape) == 2 and logits.shape[0] == rows and logits.shape[1] != C:
        return "classes-ignored"
    return None


def _why_axis(submission: Submission) -> str:
    """Return why the LSTM takes time steps for sentences."""
    (lstm,) = submission.build_model(SIZES).lstms
    return "transposed-twice" if lstm.batch_first is True else "batch-first-forgotten"


def why_depth(raised: Raised, layers: int) -> str:
    """Return the known mistake behind an exception with another number of layers."""
    product = PRODUCT.search(raised.message)
    by_layers = product and product.groups()[1:] == (str(D * H), str(layers * H))
    return "linear-by-layers" if by_layers else "depth-hard-coded"


def why_raised(submission: Submission, run: ModelRun, raised: Raised) -> str | None:
    """Return the known mistake behind sizes that do not fit together in `forward`."""
    if f"Expected {F}, got {T * F}" in raised.message:
        return "input-flattened"
    if f"shape '[{T}, {B}, {F}]' is invalid" in raised.message:
        return "packed-time-first"
    read = run.lstm_calls[0].input if run.lstm_calls else None
    if isinstance(read, TensorData) and len(read.shape) == 2:
        return "input-without-batch"
    if states := STATES.search(raised.message):
        expected, got = map(int, states.groups())
        return _why_axis(submission) if (expected, got) == (T, B) else None
    product = PRODUCT.search(raised.message)
    if not product:
        return None
    rows, given, expected = map(int, product.groups())
    if (given, expected) == (D * H, H):
        return "linear-not-doubled"
    if given == H and expected == D * H:
        known = {B: "one-direction-to-linear", D * B: "joined-along-batch"}
        return known.get(rows, "not-one-row-per-sentence")
    if rows == 1 and given in (B * D * H, B * H):
        return "batch-flattened"
    if given in (T * D * H, T * H) or expected in (T * D * H, T * H):
        return "steps-flattened"
    if given == 2 * D * H and expected in (H, D * H):
        return "four-states"
    if given == D * H:
        return "linear-other-size"
    return "steps-flattened" if given % H == expected % H == 0 and given > 2 * D * H else None


def why_rows(submission: Submission, batch: Tensor, run: ModelRun, logits: Tensor) -> str:
    """Return the known mistake by which sentences of a batch influence each other."""
    if rows_read(run) == {T}:
        return "batch-first-forgotten"
    given = run.lstm_calls[0].input if run.lstm_calls else None
    if isinstance(given, TensorData) and given.shape == (B, T, F):
        seen = given.torch()
        same_numbers = close_logits(seen.flatten().sort().values, batch.flatten().sort().values)
        if same_numbers and not any(close_logits(seen[0], row) for row in batch):
            return "input-reshaped"
    read, read_alone = (inputs_read(each)[:1] for each in (run, row_runs(submission)[2]))
    if read.shape == read_alone.shape and len(read) and not close_logits(read, read_alone):
        return "input-depends-on-the-batch"
    if sum_to_one(logits.T) or sum_to_one(logits.exp().T):
        return "softmax-over-batch"
    return "states-viewed" if _views_states(submission) else "rows-mixed"


def _views_states(submission: Submission) -> bool:
    """Return whether h_n, or its end, was viewed as (B, ...), so that sentences are mixed.

    Then the states of n layers and directions fill the rows one after the other.
    """
    base = positive_states(submission, L)
    places = [(state, sentence) for state in range(L * D) for sentence in range(N_ROWS)]
    states = [base]
    for state, sentence in places:
        h_n = base[1].clone()
        h_n[state, sentence].mul_(-1).add_(1.0)
        states.append((base[0], h_n, base[2]))
    padded = draw(submission.seed, N_ROWS, T, F)
    try:
        runs = substituted(submission, SIZES, padded, states)
        first, *others = [logits_of(run) for run in runs]
    except (Blocked, Failure, StudentError):
        return False
    changed = {
        place: {*(~_equal_rows(other, first)).nonzero().flatten().tolist()}
        for place, other in zip(places, others, strict=True)
    }
    return any(
        all(rows == _filled(n, *place) for place, rows in changed.items()) for n in (D, L * D)
    )


def _equal_rows(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).abs().amax(1) <= 1e-4 * other.abs().max()


def _filled(n: int, state: int, sentence: int) -> set[int]:
    """Return the row that a state of a sentence is in, if the last n states were viewed."""
    at = (state - (L * D - n)) * N_ROWS + sentence
    return {at // n} if at >= 0 and state >= L * D - n else set()


# Rows of a real batch: one without padding, one without a token. To sort them once is not to sort
# them and to sort them back: applied twice, the order is a different one.
LENGTHS = (3, 1, 5, 0)


def _padded_batch(batch: Tensor) -> Tensor:
    """Return a batch (4, 5, F) with zeros after the last token of each sentence."""
    import torch

    steps = torch.arange(max(LENGTHS)).unsqueeze(1)
    return torch.stack([row * (steps < n) for row, n in zip(batch, LENGTHS, strict=True)])


def expect_real_batches(submission: Submission) -> None:
    """Run the model on a batch with padding, and on one sentence in training mode."""
    import torch

    padded = _padded_batch(draw(submission.seed, len(LENGTHS), max(LENGTHS), F))
    (run,) = submission.run_model(SIZES, [padded])
    where = f"{call(SIZES)}(padded)` with sentences of 3, 1, 5 and 0 tokens in `padded"
    expected = "four rows of finite logits"
    if isinstance(run.logits, Raised) and run.logits.kind == "exception":
        raise Failure(where, run.logits, expected, _why_padding(run.logits))
    together = logits_of(run)
    if not bool(torch.isfinite(together).all()):
        found = "Some logits are infinite or not a number (nan)"
        raise Failure(where, found, expected, "padding-fails")
    if len(together) != len(LENGTHS):
        found = f"It returned {len(together)} rows of logits"
        empty = len(together) == sum(map(bool, LENGTHS))
        raise Failure(where, found, expected, "empty-row-without-logits" if empty else None)
    _expect_same_alone(submission, padded, together, where)
    if lenient():
        return
    (run,) = submission.run_model(SIZES, [draw(submission.seed, 1, 1, F)], training=True)
    where = f"{call(SIZES)}.train()(torch.randn{shape((1, 1, F))})"
    if isinstance(run.logits, Raised) and run.logits.kind == "exception":
        statistics = "when training" in run.logits.message
        mistake = "batch-statistics" if statistics else None
        raise Failure(where, run.logits, "logits in training mode, too", mistake)
    if not bool(torch.isfinite(logits_of(run)).all()):
        found = "It returned numbers that are infinite or not a number (nan)"
        raise Failure(where, found, "finite numbers", "batch-statistics")


def _expect_same_alone(
    submission: Submission, padded: Tensor, together: Tensor, where: str
) -> None:
    """Require that each sentence of a batch with padding has the logits that it has alone."""
    import torch

    runs = submission.run_model(SIZES, [*map(alone, padded.split(1))])
    works = [not isinstance(run.logits, Raised) for run in runs]
    if not all(works[: LENGTHS.index(0)]):
        return  # a batch of one fails: the check of the shape says so
    rows = torch.cat([logits_of(run)[:1] for run in runs if not isinstance(run.logits, Raised)])
    together = together[works]
    if close_logits(together, rows):
        return
    found = "A sentence has different logits alone and in this batch"
    moved = all(any(close_logits(row, other) for other in rows) for row in together)
    longest = LENGTHS.index(max(LENGTHS))
    is_same = close_logits(together[longest], rows[longest])
    mistake = "padding-in-the-result" if is_same else "rows-mixed"
    raise Failure(where, found, "the same logits", "logits-reordered" if moved else mistake)


def _why_padding(raised: Raised) -> str:
    """Return the known mistake behind an exception on a batch with padding."""
    if "must be sorted in decreasing order" in raised.message:
        return "lengths-not-sorted"
    if "greater than 0" in raised.message:
        return "length-zero"
    return "padding-fails"
