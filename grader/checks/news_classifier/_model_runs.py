"""Runs a student's model and finds out what its logits depend on.

It does so by substitution: it replaces the output of the student's LSTM with hidden states of the
grader's, changes one slice, and compares the logits.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grader.checks._tools import close, draw, generator
from grader.contract.messages import Blocked, Failure, shape, show, waits_for
from grader.grading.answers import ModelRun, Sizes, StudentError, unwrap
from grader.grading.leniency import lenient, leniently, still_wrong
from grader.grading.submission import Submission, evidence
from grader.sandbox.worker_client import FRESH
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    from torch import Tensor

    States = tuple[Tensor, Tensor, Tensor]  # output (B, T, D * H), h_n, c_n (L * D, B, H)

# All different, also from L * D and D * H, so that no size can be mistaken for another; depths 1
# and 3 are tested as well.
SIZES: Sizes = {"n_targets": 5, "input_size": 7, "hidden_size": 6, "num_layers": 2}
ONE_LAYER: Sizes = {**SIZES, "num_layers": 1}
THREE_LAYERS: Sizes = {**SIZES, "num_layers": 3}
B, T, F, H, L, D, C = 3, 8, 7, 6, 2, 2, 5
TOLERANCE = 1e-4
LAST_LAYER = "model.last_layer"  # on which the checks of the head depend
N_ROWS = 6  # states per test: a ReLU may hide a change in one of them, but not in all
N_STATES = 24
INITIALISATIONS = 5  # that are tried where nothing shows


def call(sizes: Sizes, *dims: int) -> str:
    """Format the call of a forward pass."""
    arguments = ", ".join(f"{name}={size}" for name, size in sizes.items())
    inner = f"(torch.randn{shape(dims)})" if dims else ""
    return f"LSTMClassifier({arguments}){inner}"


def repaired(logits: object, rows: int) -> Tensor | None:
    """Return logits (B, C) of another dtype, with more or fewer dimensions, or other classes."""
    if not isinstance(logits, TensorData) or not logits.dtype.startswith("float"):
        return None
    if 0 in logits.shape:
        return None
    sizes = [size for size in logits.shape if size > 1]
    found = logits.torch().double().reshape(sizes)
    if not bool(found.isfinite().all()):
        return None
    if found.dim() == rows == 1:
        return found.unsqueeze(0)
    if found.dim() != 2:
        return None
    if found.shape == (C, rows):
        return found.T
    return found if len(found) == rows else None


def alone(batch: Tensor) -> Tensor:
    """Return a batch of one sentence; for a model that fails on one, three times the same."""
    return batch.repeat(3, *[1] * (batch.dim() - 1)) if lenient() else batch


def logits_of(run: ModelRun) -> Tensor:
    """Return a run's logits (B, C) as a float64 tensor."""
    logits = unwrap(run.logits)
    if lenient():
        if (found := repaired(logits, sentences_read(run))) is None:
            raise still_wrong()
        return found
    if not isinstance(logits, TensorData) or logits.shape[1:] != (C,):
        raise Failure("model(padded)", f"It returned {show(logits)}", f"shape (B, C) with C = {C}")
    return logits.torch().double()


def close_logits(found: Tensor, expected: Tensor) -> bool:
    """Return whether logits or states agree up to rounding, relative to the largest of them."""
    return close(found, expected, TOLERANCE, relative=True)


def substituted(
    submission: Submission, sizes: Sizes, padded: Tensor, states: list[States]
) -> list[ModelRun]:
    """Run a model with the output of its LSTM replaced by each of the states.

    Raises:
        Blocked: an LSTM gets a different number of sentences than the batch has.
    """
    runs = submission.run_model(sizes, [padded] * len(states), states)
    if any(sentences_read(run) != len(padded) for run in runs):
        raise waits_for(LAST_LAYER)
    return runs


def sentences_read(run: ModelRun) -> int:
    """Count the sentences that the LSTM got in all its calls."""
    shapes = [seen.h_n_shape for seen in run.lstm_calls]
    return sum(dims[1] if len(dims) == 3 else 1 for dims in shapes)


def rows_read(run: ModelRun) -> set[int]:
    """Return the number of sentences in each call of the LSTM."""
    return {seen.h_n_shape[1] for seen in run.lstm_calls if len(seen.h_n_shape) == 3}


def inputs_read(run: ModelRun) -> Tensor:
    """Return the inputs (B, T, F) of all calls of the LSTM; empty if they have another form.

    Packed inputs are returned padded.
    """
    import torch

    inputs = [seen.input for seen in run.lstm_calls]
    if not all(isinstance(given, TensorData) and given.shape[-2:-1] == (T,) for given in inputs):
        return torch.empty(0, T, F)
    parts = [given.torch().reshape(-1, T, given.shape[-1]) for given in inputs]
    return torch.cat(parts) if parts else torch.empty(0, T, F)


@dataclass(frozen=True)
class ReadSet:
    """The states that affect the logits of a model with L layers, for sentences of T steps.

    Attributes:
        layers: L.
        h_n: pairs (layer, direction) of h_n that affect the logits.
        c_n: the same for c_n.
        output: pairs (step, direction) of output that affect the logits.
    """

    layers: int
    h_n: frozenset[tuple[int, int]]
    c_n: frozenset[tuple[int, int]]
    output: frozenset[tuple[int, int]]

    def reads(self, direction: int) -> bool:
        """Return whether a direction's final state affects the logits, in any layer."""
        last_step = (T - 1, 0) if direction == 0 else (0, 1)
        return last_step in self.output or any(d == direction for _, d in self.h_n | self.c_n)

    @property
    def beside(self) -> frozenset[tuple[int, int]]:
        """The steps of output that affect the logits and are not a direction's last one."""
        return self.output - {(T - 1, 0), (0, 1)}

    def describe(self) -> str:
        """Describe in words which states affect the logits."""
        names = ("forward", "backward")
        parts = [
            f"the {names[direction]} state of layer {layer + 1} in {part}"
            for part, pairs in (("h_n", self.h_n), ("c_n", self.c_n))
            for layer, direction in sorted(pairs)
        ]
        if len(self.output) > 4:
            parts.append(f"output at {len({step for step, _ in self.output})} of {T} steps")
        else:
            parts += [
                f"the {names[d]} half of output[:, {step}]" for step, d in sorted(self.output)
            ]
        return " and ".join(parts)


def positive_states(submission: Submission, layers: int) -> States:
    """Sample states between 0.1 and 0.9, which pass a ReLU unchanged."""
    output = draw(submission.seed, N_ROWS, T, D * H).sigmoid() * 0.8 + 0.1
    h_n = draw(submission.seed, layers * D, N_ROWS, H).sigmoid() * 0.8 + 0.1
    c_n = draw(submission.seed, N_ROWS, layers * D, H).sigmoid().transpose(0, 1) * 0.8 + 0.1
    return output, h_n, c_n


def changed(states: States, part: int, first: int, direction: int) -> States:
    """Change a slice of output (part 0) at a step, or of h_n or c_n (parts 1, 2) at a layer."""
    copies = [state.clone() for state in states]
    if part == 0:
        copies[0][:, first, direction * H : (direction + 1) * H].mul_(-1).add_(1.0)
    else:
        copies[part][first * D + direction].mul_(-1).add_(1.0)
    return copies[0], copies[1], copies[2]


def has_depth(submission: Submission, sizes: Sizes) -> bool:
    """Return whether the model has one LSTM with the number of layers that it was given."""
    try:
        lstms = submission.build_model(sizes, is_adapted=False).lstms
    except StudentError:
        return False
    return [lstm.num_layers for lstm in lstms] == [sizes["num_layers"]]


def can_be_fitted(submission: Submission) -> bool:
    """Return whether the model works once it is adapted, see `grader.worker.adapted`."""
    with leniently("model.shape"):
        (run,) = submission.run_model(SIZES, [draw(submission.seed, B, T, F)])
    return repaired(run.logits, B) is not None


def read_set(submission: Submission, sizes: Sizes) -> ReadSet:
    """Find out which states affect the logits, once per depth."""
    key = ("read_set", sizes["num_layers"])
    return submission.once(key, lambda kept: _find_read_set(kept, sizes))


def _find_read_set(submission: Submission, sizes: Sizes) -> ReadSet:
    layers = sizes["num_layers"]
    slices = [
        (part, first, direction)
        for part, count in enumerate((T, layers, layers))
        for first in range(count)
        for direction in range(D)
    ]
    base = positive_states(submission, layers)
    states = [base, *(changed(base, *one) for one in slices)]
    padded = draw(submission.seed, N_ROWS, T, F)
    first, *others = [logits_of(run) for run in substituted(submission, sizes, padded, states)]
    read = {
        one for one, logits in zip(slices, others, strict=True) if not close_logits(logits, first)
    }
    parts = [frozenset(one[1:] for one in read if one[0] == part) for part in range(3)]
    return ReadSet(layers, h_n=parts[1], c_n=parts[2], output=parts[0])


@evidence
def row_runs(submission: Submission) -> list[ModelRun]:
    """Run one batch twice, then each of its rows alone, where no row can be remembered."""
    batch = draw(submission.seed, B, T, F)
    rows = [*map(alone, batch.split(1))]
    together = submission.run_model(SIZES, [batch, batch])
    return [*together, *submission.run_model(SIZES, rows, apart=FRESH)]


class NothingShows(Exception):
    """No change shows in the logits, which is `problem`, or all ReLUs of a right model are dead.

    With B sentences and H features that happens in up to 17 of 1,000 initialisations of a head with
    two ReLUs (3,000 were tried), in 5 of 1,000 if the directions are added.
    """

    def __init__(self, problem: Failure | Blocked) -> None:
        """Keep what to say if other initial weights show nothing, either."""
        super().__init__()
        self.problem = problem


def with_living_weights(check: Callable[[Submission], None]) -> Callable[[Submission], None]:
    """Return a check that is repeated with other initial weights while nothing shows."""

    @functools.wraps(check)
    def judged(submission: Submission) -> None:
        problem: Exception
        try:
            return check(submission)
        except NothingShows as first:
            problem = first.problem
        for initial in range(1, INITIALISATIONS):
            with contextlib.suppress(NothingShows):
                return check(submission.reseeded(initial))
        raise problem

    return judged


def require_different_rows(logits: Tensor) -> None:
    """Require that different sentences have different logits: constants show nothing.

    Raises:
        NothingShows: all rows are the same.
    """
    if close_logits(logits, logits[:1].expand_as(logits)):
        raise NothingShows(waits_for(LAST_LAYER))


@evidence
def token_runs(submission: Submission) -> list[ModelRun]:
    """Run sentences, then the same with the token at step 1, 2, ..., T replaced."""
    padded = draw(submission.seed, N_ROWS, T, F)
    others = [padded.clone() for _ in range(T)]
    for step, other in enumerate(others):
        other[:, step] = padded.flip(0)[:, step]
    return submission.run_model(SIZES, [padded, *others])


# --- what the output layer does to states ------------------------------------------------------


@evidence
def head_answers(submission: Submission) -> tuple[Tensor, Tensor, set[str]]:
    """Run the output layer on states: pairs with their midpoints, and negative ones.

    Returns:
        Logits (N_STATES, 3, C) for two random states and their midpoint, logits (N_STATES, C) for
        all-negative states, and the names of the torch functions called.
    """
    import torch

    numbers = generator(submission.seed)
    pairs = torch.randn(N_STATES, 2, D * H, generator=numbers)
    triples = torch.cat([pairs, pairs.mean(1, keepdim=True)], dim=1).flatten(0, 1)
    negative = -torch.rand(N_STATES, D * H, generator=numbers) - 0.1
    padded = alone(draw(submission.seed, 1, T, F))
    states = [_everywhere(state, len(padded)) for state in torch.cat([triples, negative])]
    runs = substituted(submission, SIZES, padded, states)
    logits = torch.cat([logits_of(run)[:1] for run in runs])
    functions = {name for run in runs for name in run.functions}
    require_different_rows(logits)
    return (
        logits[: 3 * N_STATES].unflatten(0, (N_STATES, 3)),
        logits[3 * N_STATES :],
        functions,
    )


def _everywhere(state: Tensor, rows: int) -> States:
    """Copy the two halves of a state (D * H,) to every step and layer of some rows."""
    output = state.expand(rows, T, D * H)
    h_n = state.reshape(1, D, 1, H).expand(L, D, rows, H).reshape(L * D, rows, H)
    return output, h_n, h_n


def sum_to_one(numbers: Tensor) -> bool:
    """Return whether the numbers of each row sum to 1."""
    sums = numbers.sum(1)
    return close_logits(sums, sums.new_ones(len(sums)))


def without_softmax(answers: Tensor) -> Tensor:
    """Undo a softmax or log_softmax, up to a number per sentence that all logits share."""
    scores = answers.log() if sum_to_one(answers.flatten(0, -2)) else answers
    return scores - scores.mean(-1, keepdim=True)
