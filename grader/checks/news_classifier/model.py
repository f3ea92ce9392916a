"""Checks of the task model: `LSTMClassifier`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.checks._tools import draw, showing
from grader.checks.news_classifier._model_layers import (
    can_be_adapted,
    expect_lstm,
    expect_registered,
    rebuilt_layer,
)
from grader.checks.news_classifier._model_mistakes import (
    ACTIVATIONS,
    RECTIFIERS,
    SQUASHING,
    expect_real_batches,
    place,
    why_depth,
    why_raised,
    why_rows,
    why_shape,
)
from grader.checks.news_classifier._model_runs import (
    LAST_LAYER,
    N_ROWS,
    ONE_LAYER,
    SIZES,
    THREE_LAYERS,
    B,
    C,
    D,
    F,
    H,
    L,
    NothingShows,
    ReadSet,
    T,
    alone,
    call,
    can_be_fitted,
    close_logits,
    has_depth,
    head_answers,
    inputs_read,
    logits_of,
    read_set,
    repaired,
    require_different_rows,
    row_runs,
    sentences_read,
    substituted,
    sum_to_one,
    token_runs,
    with_living_weights,
    without_softmax,
)
from grader.contract.messages import Failure, shape, show, waits_for
from grader.grading.answers import ModelRun, Sizes, StudentError, unwrap
from grader.grading.leniency import lenient, local
from grader.grading.submission import Submission, evidence
from grader.grading.trials import end_trial
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor


# --- builds, shape ---------------------------------------------------------------------------


def check_builds(submission: Submission) -> None:
    """The constructor creates one bidirectional `nn.LSTM` with the given sizes."""
    for sizes in (SIZES, ONE_LAYER, THREE_LAYERS, {"n_targets": C}):
        try:
            expect_lstm(submission, sizes)
        except (Failure, StudentError) as failure:
            failure.local = sizes is not SIZES or can_be_adapted(submission)
            raise


# The mistake if only such an input fails; none of them counts unless the first input works.
SHAPES: dict[tuple[int, ...], str | None] = {
    (B, T, F): None,
    (1, T, F): "one-sentence-fails",
    (B, 1, F): "one-token-fails",
    (1, 1, F): None,
}


@evidence
def plain_runs(submission: Submission) -> dict[tuple[int, ...], ModelRun]:
    """Run a new model on each of the shapes."""
    return {dims: submission.run_model(SIZES, [draw(submission.seed, *dims)])[0] for dims in SHAPES}


def check_shape(submission: Submission) -> None:
    """(B, T, F) becomes (B, C), float32, even for B = 1 and for T = 1."""
    for dims, run in plain_runs(submission).items():
        others = dims != (B, T, F)  # the other checks can do with more sentences and steps
        try:
            repairable = others or repaired(run.logits, dims[0]) is not None
            with local(repairable), showing(run.trace):
                _require_logits(submission, dims, run)
        except (Failure, StudentError) as failure:
            statistics = isinstance(failure, Failure) and failure.mistake == "batch-statistics"
            failure.local &= not statistics
            failure.local = failure.local or (not statistics and can_be_fitted(submission))
            raise


def _require_logits(submission: Submission, dims: tuple[int, ...], run: ModelRun) -> None:
    import torch

    logits, where = run.logits, call(SIZES, *dims)
    if isinstance(logits, Raised) and (mistake := why_raised(submission, run, logits)):
        expected = f"logits of shape (B, C) = {shape((dims[0], C))}"
        raise Failure(where, logits, expected, mistake)
    expected = f"float32 of shape (B, C) = {shape((dims[0], C))}"
    if isinstance(logits, Raised) and logits.kind == "exception" and SHAPES[dims]:
        statistics = "more than 1 value per channel" in logits.message
        mistake = "batch-statistics" if statistics else SHAPES[dims]
        raise Failure(where, logits, expected, mistake)
    logits = unwrap(logits)
    if not (
        isinstance(logits, TensorData) and (logits.dtype, logits.shape) == ("float32", (dims[0], C))
    ):
        raise Failure(
            where, f"It returned {show(logits)}", expected, why_shape(submission, dims, run)
        )
    if not bool(torch.isfinite(logits.torch()).all()):
        mistake = "batch-statistics" if dims == (1, T, F) else None
        found = "It returned numbers that are infinite or not a number (nan)"
        raise Failure(where, found, "finite numbers", mistake)


# --- rows ------------------------------------------------------------------------------------


@with_living_weights
def check_rows(submission: Submission) -> None:
    """A sentence's logits depend only on the sentence."""
    import torch

    first, second, *others = row_runs(submission)
    together = logits_of(first)
    require_different_rows(together)
    if not close_logits(logits_of(second), together):
        raise Failure(
            f"model(batch)` twice with the same batch, for `{call(SIZES)}.eval()",
            "The second result differs from the first",
            "the same logits",
            _why_again(first, second),
        )
    if not close_logits(torch.cat([logits_of(run)[:1] for run in others]), together):
        end_trial()
        raise Failure(
            f"model(batch[b : b + 1])` and `model(batch)[b : b + 1]` for `{call(SIZES)}.eval()",
            "A sentence has different logits alone and in a batch",
            "the same logits",
            why_rows(submission, draw(submission.seed, B, T, F), first, together),
        )

    expect_real_batches(submission)


def _why_again(first: ModelRun, second: ModelRun) -> str | None:
    before, after = (_start(run) for run in (first, second))
    if after is None or (before is not None and close_logits(after, before)):
        return "random-in-eval"
    return "state-kept" if before is None or not before.any() else "random-start"


def _start(run: ModelRun) -> Tensor | None:
    """Return h_0 if the LSTM got an initial state."""
    start = run.lstm_calls[0].start if run.lstm_calls else None
    given = start[0] if isinstance(start, tuple) and start else None
    return given.torch() if isinstance(given, TensorData) else None


# --- what the output layer uses ----------------------------------------------------------------


@with_living_weights
def check_last_layer(submission: Submission) -> None:
    """The output layer uses only hidden states of the last layer, unmodified, for any L."""
    _lstm_is_called_once(submission)
    for sizes in (SIZES, THREE_LAYERS, ONE_LAYER):
        if not lenient() or has_depth(submission, sizes):
            _reads_last_layer(submission, sizes)
    _reads_all_tokens(submission)
    if lenient():
        expect_registered(submission)
    _reads_true_states(submission)
    _learns(submission)


def _lstm_is_called_once(submission: Submission) -> None:
    where, calls = call(SIZES, N_ROWS, T, F), token_runs(submission)[0].lstm_calls
    if not calls:
        raise Failure(where, "forward did not call its nn.LSTM", "one call", "lstm-not-called")
    if sentences_read(token_runs(submission)[0]) > N_ROWS:
        found = f"forward called its nn.LSTM {len(calls)} times"
        mistake = "lstm-called-by-steps" if len(calls) == T else None
        raise Failure(where, found, "one call with the whole batch", mistake)


def _reads_last_layer(submission: Submission, sizes: Sizes) -> None:
    layers, where = sizes["num_layers"], call(sizes, N_ROWS, T, F)
    expected = f"states h of the last layer only (layer {layers} of {layers})"
    try:
        seen = read_set(submission, sizes)
    except StudentError as error:
        if layers == L or error.raised.kind != "exception":
            raise
        mistake = why_depth(error.raised, layers)
        raise Failure(where, error.raised, expected, mistake) from None
    if seen.c_n:
        found = "The logits depend on c_n, the cell state"
        raise Failure(where, found, expected, "cell-state")
    read = sorted({layer for layer, _ in seen.h_n})
    if read not in ([], [layers - 1]):
        names = " and ".join(str(layer + 1) for layer in read)
        found = f"The logits depend on the states h_n of layer {names}"
        raise Failure(where, found, expected, _why_layers(read, layers))
    if not seen.h_n and not seen.output:
        raise NothingShows(Failure(where, "The logits depend on no state of the LSTM", expected))


def _why_layers(read: list[int], layers: int) -> str:
    if layers != L:  # the model works with L layers
        return "depth-hard-coded"
    return "layers-and-directions-mixed" if layers - 1 in read else "first-layer"


def _reads_all_tokens(submission: Submission) -> None:
    real, *others = [logits_of(run) for run in token_runs(submission)]
    for step, other in enumerate(others, start=1):
        if close_logits(other, real):
            found = f"The logits stay the same when token {step} of {T} changes"
            expected = "logits that depend on every token"
            raise NothingShows(Failure(call(SIZES, N_ROWS, T, F), found, expected))


def _reads_true_states(submission: Submission) -> None:
    """Compare a real forward pass with the output layer applied to the correct states.

    The input differs in the second case, because only the states may matter.
    """
    padded = alone(draw(submission.seed, 1, T, F))
    rows = len(padded)
    (real,) = submission.run_model(SIZES, [padded])
    logits, where = logits_of(real), call(SIZES, rows, T, F)
    if not real.lstm_calls:
        raise Failure(where, "forward did not call its nn.LSTM", "one call", "lstm-not-called")
    seen = real.lstm_calls[0]
    given = seen.input
    if not isinstance(given, TensorData) or given.shape[-2:] != (T, F):
        found = f"The input of the nn.LSTM is {show(given)}"
        raise Failure(where, found, f"the whole batch, of shape {shape((rows, T, F))}")
    layer = rebuilt_layer(submission, where)
    start = None
    if seen.start is not None:
        start = tuple(state.torch().float().reshape(L * D, rows, H) for state in seen.start)
    states = layer(given.torch().float().reshape(rows, T, F), start)
    for other in (-padded, 2 * padded.flip(1).cos()):
        (read,) = substituted(submission, SIZES, other, [states])
        if not close_logits(logits_of(read), logits):
            found = "The logits depend on more than the states of the nn.LSTM"
            raise Failure(where, found, "logits computed only from these states")


def _learns(submission: Submission) -> None:
    """Require that training would reach every weight of the LSTM."""
    learns = submission.lstm_learns(SIZES, draw(submission.seed, B, T, F))
    if not any(learns.values()):
        where = f"{call(SIZES, B, T, F)}.square().sum().backward()"
        found = "The gradient does not reach the weights of the nn.LSTM"
        raise NothingShows(Failure(where, found, "a gradient for them", "lstm-detached"))


@with_living_weights
def check_both_directions(submission: Submission) -> None:
    """The output layer uses the final hidden states of both directions, at steps T - 1 and 0."""
    seen = read_set(submission, SIZES)
    forward, backward = seen.reads(0), seen.reads(1)
    if not seen.output | seen.h_n | seen.c_n:
        raise NothingShows(waits_for(LAST_LAYER))
    if not forward or not backward or seen.beside:
        raise Failure(
            call(SIZES, N_ROWS, T, F),
            f"The logits depend on {seen.describe()}",
            f"the forward state after the last token (it is in output[:, {T - 1}]) and the "
            "backward state after the first (output[:, 0])",
            _why_directions(seen, forward, backward),
        )
    _tokens_come_in_order(submission)


def _tokens_come_in_order(submission: Submission) -> None:
    """Require that the LSTM's input at step t depends on token t, in any form."""
    import torch

    runs = [inputs_read(run) for run in token_runs(submission)]
    if any(given.shape != runs[0].shape for given in runs):
        return
    real, *others = runs
    reached = torch.stack([(other != real).any(2).any(0) for other in others])  # [token, step]
    for token, step in enumerate(reached.diagonal().tolist(), start=1):
        if not step:
            is_reversed = bool(reached.flip(1).diagonal().all())
            raise Failure(
                call(SIZES, N_ROWS, T, F),
                f"When token {token} of {T} changes, step {token} of the input of its nn.LSTM "
                "stays the same",
                "the tokens in order, the first at the first step",
                "input-reversed" if is_reversed else None,
            )


def _why_directions(seen: ReadSet, forward: bool, backward: bool) -> str | None:
    known = {
        frozenset({(T - 1, 0), (T - 1, 1)}): "output-last-step",
        frozenset({(0, 0), (0, 1)}): "output-first-step",
        frozenset({(0, 0), (T - 1, 1)}): "output-halves-swapped",
    }
    steps = {step for step, _ in seen.output}
    if seen.output in known:
        return known[seen.output]
    if seen.output == {(step, direction) for step in (0, T - 1) for direction in range(D)}:
        return "both-ends-of-output"
    if len(steps) == 1 and not steps & {0, T - 1}:
        return "output-middle-step"
    if len(steps) == T:
        return "all-steps"
    if not seen.beside and forward != backward:
        return "one-direction-read"
    return None


# --- the head --------------------------------------------------------------------------------


@with_living_weights
def check_logits(submission: Submission) -> None:
    """The result is logits: no softmax, and nothing else that bounds them."""
    answers, _, functions = head_answers(submission)
    scores = answers.flatten(0, 1)
    where = call(SIZES, 1, T, F)
    if sum_to_one(scores.exp()):
        found = "The exponentials of the logits sum to 1, whatever the states of the LSTM"
        with local():
            raise Failure(where, found, "plain scores", "log-softmax")
    expected = "raw logits, which can have any sign and size"
    used = sorted(functions & SQUASHING)
    if used and bool((scores.abs() <= 1).all()):
        found = f"All logits lie between -1 and 1, and forward calls {' and '.join(used)}"
        raise Failure(where, found, expected, "squashed")
    norms = scores.norm(dim=1)
    if close_logits(norms, norms[:1].expand_as(norms)):
        found = "The logits of each sentence have the same norm, whatever the states of the LSTM"
        raise Failure(where, found, expected, "logits-normalised")
    if bool((scores >= 0).all()):
        found = "No logit is negative, whatever the states of the LSTM"
        if sum_to_one(scores):
            with local():
                raise Failure(where, f"{found}, and they sum to 1", expected, "softmax")
        cut = bool((scores == 0).any())
        raise Failure(where, found, expected, "relu-after-linear" if cut else None)


def _free_head(submission: Submission) -> bool:
    """Return whether negative states may matter: after a norm, or in a head of several layers."""
    parts = submission.build_model(SIZES).modules
    return any("Norm" in part for part in parts) or sum("Linear" in part for part in parts) != 1


@with_living_weights
def check_relu(submission: Submission) -> None:
    """There is a ReLU between the hidden states and the last Linear."""
    answers, negative, functions = head_answers(submission)
    if lenient():
        answers, negative = without_softmax(answers), without_softmax(negative)
    where = call(SIZES, 1, T, F)
    expected = "ReLU, then Linear"
    if close_logits(answers[:, 2], answers[:, :2].mean(1)):
        found = "The logits are a linear function of the LSTM's states"
        mistake = "relu-unused" if functions & {"relu", "relu_"} else "no-relu"
        raise Failure(where, found, expected, mistake)
    if _free_head(submission) and functions & RECTIFIERS:
        return
    if close_logits(negative, negative[:1].expand_as(negative)):
        return
    if used := sorted(functions & ACTIVATIONS):
        found = f"Between the LSTM and the logits forward calls {' and '.join(used)}, and no ReLU"
        raise Failure(where, found, expected, "other-activation")
    raise Failure(where, "forward calls no ReLU after the LSTM", expected, "no-relu")


# --- device ----------------------------------------------------------------------------------


@with_living_weights
def check_device(submission: Submission) -> None:
    """The model runs on any device: it creates no tensor on a fixed one."""
    require_different_rows(logits_of(row_runs(submission)[0]))
    where = f"{call(SIZES)}.to(device)(padded)"
    try:
        device = submission.run_model_elsewhere(SIZES, (B, T, F))
    except StudentError as error:
        raised = error.raised
        if "device" not in raised.message and "lengths" not in raised.message:
            raise
        mistake = "lengths-on-device" if "lengths" in raised.message else "fixed-device"
        found = f"On a device that is not the CPU it fails{place(raised)}"
        raise Failure(where, found, "a model that runs on its device", mistake) from None
    if device == "cpu":
        expected = "logits on the device of the model"
        raise Failure(where, "Its logits are on the CPU", expected, "fixed-device")
