"""Task model: what `LSTMClassifier` promises.

What the read-out sees is found by substitution: the answer of the student's LSTM is replaced by
states that the grader sends, one slice is changed, and the logits tell whether it was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grader.messages import Failure, shape, show
from grader.submission import ModelRun, Sizes, Submission, evidence, value
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    from torch import Tensor

    States = tuple[Tensor, Tensor, Tensor]  # output (B, T, D * H), h_n, c_n (L * D, B, H)

# All different, so that no size can stand for another; the depths 1 and 3 come besides.
SIZES: Sizes = {"n_targets": 5, "input_size": 7, "hidden_size": 6, "num_layers": 2}
ONE_LAYER: Sizes = {**SIZES, "num_layers": 1}
THREE_LAYERS: Sizes = {**SIZES, "num_layers": 3}
B, T, F, H, L, D, C = 3, 4, 7, 6, 2, 2, 5
SHAPES = [(B, T, F), (1, T, F), (B, 1, F), (1, 1, F)]
TOLERANCE = 1e-4


def call(sizes: Sizes, *dims: int) -> str:
    """Show a forward pass."""
    arguments = ", ".join(f"{name}={size}" for name, size in sizes.items())
    inner = f"(torch.randn{shape(dims)})" if dims else ""
    return f"LSTMClassifier({arguments}){inner}"


def randn(submission: Submission, *dims: int) -> Tensor:
    """Draw a normal tensor from the submission's seed."""
    import torch

    return torch.randn(dims, generator=torch.Generator().manual_seed(submission.seed + sum(dims)))


def logits_of(run: ModelRun) -> Tensor:
    """Return a run's logits as a tensor of float64."""
    return value(run.logits).torch().double()  # type: ignore[no-any-return]


def far(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors differ by more than rounding; NaN differs from everything."""
    return one.shape != other.shape or not bool(((one - other).abs() <= TOLERANCE).all())


# --- builds, shape ---------------------------------------------------------------------------


def test_builds(submission: Submission) -> None:
    """The constructor makes one bidirectional `nn.LSTM` of the sizes asked for."""
    for sizes in (SIZES, ONE_LAYER, THREE_LAYERS, {"n_targets": C}):
        built = submission.build_model(sizes)
        if len(built.lstms) != 1:
            found = f"It has {len(built.lstms)} modules nn.LSTM"
            raise Failure(call(sizes), found, "exactly one")
        expected = {"input_size": 96, "hidden_size": 64, "num_layers": 2, **sizes}
        del expected["n_targets"]
        for name, size in {**expected, "bidirectional": True}.items():
            found = built.lstms[0][name]
            if found != size:
                known = {"bidirectional": "one-direction-lstm", "num_layers": "layers-ignored"}
                mistake = known.get(name, "sizes-ignored")
                raise Failure(call(sizes), f"Its nn.LSTM has {name}={found}", f"{size}", mistake)


@evidence
def plain_runs(submission: Submission) -> dict[tuple[int, ...], ModelRun]:
    """Run the model on every shape, depth by depth; the key is (L, B, T, F)."""
    inputs = [randn(submission, *dims) for dims in SHAPES]
    runs = {}
    for sizes in (SIZES, ONE_LAYER, THREE_LAYERS):
        found = submission.run_model(sizes, inputs)
        runs |= {(sizes["num_layers"], *dims): r for dims, r in zip(SHAPES, found, strict=True)}
    return runs


def test_shape(submission: Submission) -> None:
    """(B, T, F) becomes (B, C), float32, for any depth, for B = 1 and T = 1."""
    for (layers, *dims), run in plain_runs(submission).items():
        logits = value(run.logits)
        expected = (dims[0], C)
        if isinstance(logits, TensorData) and (logits.dtype, logits.shape) == ("float32", expected):
            continue
        batch_sizes = [seen["h_n_shape"][1] for seen in run.lstm_calls if len(seen["h_n_shape"]) == 3]
        mistake = None
        if dims[0] != dims[1] and batch_sizes == [dims[1]]:
            mistake = "batch-first-forgotten"
        elif isinstance(logits, TensorData) and logits.shape == expected[dims[0] == 1 :]:
            mistake = "squeezed" if dims[0] == 1 else None
        elif isinstance(logits, TensorData) and logits.shape == (dims[0], dims[1], C):
            mistake = "logits-every-step"
        raise Failure(
            call({**SIZES, "num_layers": layers}, *dims),
            f"It returned {show(logits)}",
            f"float32 of shape (B, C) = {shape(expected)}",
            mistake,
        )


# --- rows ------------------------------------------------------------------------------------


@evidence
def row_runs(submission: Submission) -> list[ModelRun]:
    """Run one batch twice, then each of its rows alone, then the batch again."""
    batch = randn(submission, B, T, F)
    return submission.run_model(SIZES, [batch, batch, *batch.split(1), batch])


def test_rows(submission: Submission) -> None:
    """A sentence's logits depend on nothing but the sentence."""
    together, again, *alone, _ = [logits_of(run) for run in row_runs(submission)]
    if far(together, again):
        kept = any(seen["own_start"] for run in row_runs(submission) for seen in run.lstm_calls)
        raise Failure(
            f"model(batch)` twice with the same batch, for `{call(SIZES)}.eval()",
            "The second answer differs from the first",
            "the same logits",
            "state-kept" if kept else "random-in-eval",
        )
    import torch

    if far(together, torch.cat(alone)):
        sizes = {seen["h_n_shape"][1] for seen in row_runs(submission)[0].lstm_calls}
        raise Failure(
            f"model(batch[b : b + 1])` and `model(batch)[b : b + 1]` for `{call(SIZES)}",
            "A sentence alone has other logits than the same sentence in a batch",
            "the same logits",
            "batch-first-forgotten" if sizes == {T} else "rows-mixed",
        )


# --- what the read-out sees ------------------------------------------------------------------


@dataclass(frozen=True)
class ReadSet:
    """What changes the logits of a model with L layers, for one sentence of T steps.

    Attributes:
        h_n: pairs (layer, direction) of h_n that are read.
        c_n: the same for c_n.
        output: pairs (step, direction) of output that are read.
    """

    layers: int
    h_n: frozenset[tuple[int, int]]
    c_n: frozenset[tuple[int, int]]
    output: frozenset[tuple[int, int]]

    def reads(self, direction: int) -> bool:
        """Tell whether the last state of the last layer is read, wherever it stands."""
        last_step = (T - 1, 0) if direction == 0 else (0, 1)
        return (self.layers - 1, direction) in self.h_n or last_step in self.output

    @property
    def beside(self) -> frozenset[tuple[int, int]]:
        """The steps of output that are read and are not a last state."""
        return self.output - {(T - 1, 0), (0, 1)}


def positive_states(submission: Submission, layers: int) -> States:
    """Draw states between 0.1 and 0.9, which a ReLU lets through, for one sentence."""
    output = randn(submission, 1, T, D * H).sigmoid() * 0.8 + 0.1
    h_n = randn(submission, layers * D, 1, H).sigmoid() * 0.8 + 0.1
    c_n = randn(submission, 1, layers * D, H).sigmoid().transpose(0, 1) * 0.8 + 0.1
    return output, h_n, c_n


def changed(states: States, part: int, first: int, direction: int) -> States:
    """Change one slice: of output (part 0) at a step, of h_n or c_n (1, 2) at a layer."""
    copies = [state.clone() for state in states]
    if part == 0:
        copies[0][:, first, direction * H : (direction + 1) * H].mul_(-1).add_(1.0)
    else:
        copies[part][first * D + direction].mul_(-1).add_(1.0)
    return copies[0], copies[1], copies[2]


def read_set(submission: Submission, sizes: Sizes) -> ReadSet:
    """Find out what a model reads.

    Raises:
        Failure: the model does not use its LSTM at all.
    """
    layers = sizes["num_layers"]
    slices = [
        (part, first, direction)
        for part, count in enumerate((T, layers, layers))
        for first in range(count)
        for direction in range(D)
    ]
    base = positive_states(submission, layers)
    states = [base, *(changed(base, *one) for one in slices)]
    padded = randn(submission, 1, T, F)
    runs = submission.run_model(sizes, [padded] * len(states), states)
    if not runs[0].lstm_calls:
        found = "forward did not call the model's nn.LSTM"
        raise Failure(call(sizes, 1, T, F), found, "one call", "lstm-not-called")
    first, *others = [logits_of(run) for run in runs]
    read = {one for one, logits in zip(slices, others, strict=True) if far(first, logits)}
    parts = [frozenset(one[1:] for one in read if one[0] == part) for part in range(3)]
    return ReadSet(layers, h_n=parts[1], c_n=parts[2], output=parts[0])  # type: ignore[arg-type]


@evidence
def read_sets(submission: Submission) -> list[tuple[Sizes, ReadSet]]:
    """Find the read-sets of a model with two layers and of one with three."""
    return [(sizes, read_set(submission, sizes)) for sizes in (SIZES, THREE_LAYERS)]


@evidence
def real_and_substituted(submission: Submission) -> tuple[Tensor, Tensor]:
    """Compute the logits of a real forward pass, and of the true states put in its place."""
    import torch

    padded = randn(submission, B, T, F)
    (real,) = submission.run_model(SIZES, [padded])
    logits = logits_of(real)
    lstm = torch.nn.LSTM(F, H, L, batch_first=True, bidirectional=True)
    weights = submission.lstm_weights(SIZES)
    lstm.load_state_dict({name: weight.torch() for name, weight in weights.items()})
    given = real.lstm_calls[0]["input"] if real.lstm_calls else None
    with torch.no_grad():
        fits = isinstance(given, TensorData) and given.shape == (B, T, F)
        output, (h_n, c_n) = lstm(given.torch() if fits else padded)  # type: ignore[union-attr]
    (substituted,) = submission.run_model(SIZES, [padded], [(output, h_n, c_n)])
    return logits, logits_of(substituted)


def test_last_layer(submission: Submission) -> None:
    """The read-out sees states of the last layer only, as the LSTM computes them."""
    for sizes, seen in read_sets(submission):
        layers = sizes["num_layers"]
        wrong_layers = sorted({layer for layer, _ in seen.h_n if layer < layers - 1})
        where = f"{call(sizes, 1, T, F)}"
        expected = f"states h of the last layer (layer {layers} of {layers})"
        if seen.c_n:
            found = "The logits depend on c_n, the cell state"
            raise Failure(where, found, expected, "cell-state")
        if wrong_layers:
            names = " and ".join(str(layer + 1) for layer in wrong_layers)
            found = f"The logits depend on the states h_n of layer {names}"
            last = any(layer == layers - 1 for layer, _ in seen.h_n)
            mistake = "layers-and-directions-mixed" if last else "first-layer"
            raise Failure(where, found, expected, mistake)
        if not seen.h_n and not seen.output:
            raise Failure(where, "The logits depend on no state of the LSTM", expected)
    real, substituted = real_and_substituted(submission)
    if far(real, substituted):
        raise Failure(
            call(SIZES, B, T, F),
            "The logits are not those that the read-out gives for the LSTM's states",
            "forward to use the states of its nn.LSTM for this input",
        )


def test_both_directions(submission: Submission) -> None:
    """The read-out sees the forward state of the last step and the backward state of the first."""
    for sizes, seen in read_sets(submission):
        where = call(sizes, 1, T, F)
        forward, backward = seen.reads(0), seen.reads(1)
        if forward and backward and not seen.beside:
            continue
        expected = (
            f"the forward state of step {T} (the last) and the backward state of step 1, "
            "and no other"
        )
        found = f"The logits depend on {_describe(seen)}"
        raise Failure(where, found, expected, _why_directions(seen, forward, backward))


def _describe(seen: ReadSet) -> str:
    names = ("forward", "backward")
    parts = [
        f"the {names[direction]} state of layer {layer + 1} in h_n"
        for layer, direction in sorted(seen.h_n)
    ]
    if len(seen.output) > 4:
        parts.append(f"output at {len({step for step, _ in seen.output})} of {T} steps")
    else:
        parts += [f"output[:, {step}], {names[d]} half" for step, d in sorted(seen.output)]
    return " and ".join(parts) or "no state of the LSTM"


def _why_directions(seen: ReadSet, forward: bool, backward: bool) -> str | None:
    if seen.output == {(T - 1, 0), (T - 1, 1)}:
        return "output-last-step"
    if seen.output == {(0, 0), (0, 1)}:
        return "output-first-step"
    if len({step for step, _ in seen.output}) == T:
        return "all-steps"
    if not seen.beside and forward != backward:
        return "one-direction-read"
    return None


# --- the head --------------------------------------------------------------------------------

N_STATES = 48


@evidence
def head_answers(submission: Submission) -> tuple[Tensor, Tensor, set[str]]:
    """Feed the read-out with states: pairs and their middles, then negative ones.

    Returns:
        Logits (N_STATES, 3, C) for two random states and the state half-way between, logits
        (N_STATES, C) for states that are all negative, and the torch functions called.
    """
    import torch

    generator = torch.Generator().manual_seed(submission.seed)
    pairs = torch.randn(N_STATES, 2, D * H, generator=generator)
    triples = torch.cat([pairs, pairs.mean(1, keepdim=True)], dim=1).flatten(0, 1)
    negative = -torch.rand(N_STATES, D * H, generator=generator) - 0.1
    states = [_everywhere(state) for state in torch.cat([triples, negative])]
    padded = randn(submission, 1, T, F)
    runs = submission.run_model(SIZES, [padded] * len(states), states)
    logits = torch.cat([logits_of(run) for run in runs])
    functions = {name for run in runs for name in run.functions}
    return (
        logits[: 3 * N_STATES].unflatten(0, (N_STATES, 3)),
        logits[3 * N_STATES :],
        functions,
    )


def _everywhere(state: Tensor) -> States:
    """Put the two halves of a state (D * H,) at every step and layer."""
    output = state.expand(1, T, D * H)
    h_n = state.reshape(1, D, 1, H).expand(L, D, 1, H).reshape(L * D, 1, H)
    return output, h_n, h_n


def test_logits(submission: Submission) -> None:
    """What comes back are plain scores: no softmax, nothing that cuts them off."""
    answers, _, _ = head_answers(submission)
    scores = answers.flatten(0, 1)
    where = call(SIZES, B, T, F)
    if not far(scores.exp().sum(1), scores.exp().sum(1) * 0 + 1):
        raise Failure(where, "The exponentials of each row sum to 1", "plain scores", "log-softmax")
    if bool((scores >= 0).all()):
        mistake = "relu-after-linear"
        if not far(scores.sum(1), scores.sum(1) * 0 + 1):
            mistake = "softmax"
        found = f"None of {scores.numel()} logits is negative"
        raise Failure(where, found, "plain scores, of either sign", mistake)


# Functions that cut off at zero; what they are called decides only what is let through.
RECTIFIERS = {"relu", "relu_", "clamp", "clamp_", "clamp_min", "maximum", "where", "threshold"}


def test_relu(submission: Submission) -> None:
    """Between the states and the last Linear there is a ReLU."""
    answers, negative, functions = head_answers(submission)
    where = call(SIZES, B, T, F)
    expected = "ReLU, then Linear"
    if not far(answers[:, :2].mean(1), answers[:, 2]):
        found = "The logits are a linear function of the LSTM's states"
        raise Failure(where, found, expected, "no-relu")
    if functions & RECTIFIERS or not far(negative, negative[:1].expand_as(negative)):
        return
    found = "Negative states change the logits, and a ReLU was not called"
    raise Failure(where, found, expected, "other-activation")


def test_device(submission: Submission) -> None:
    """The model runs where it was moved to: it makes no tensor on a fixed device."""
    submission.run_model_elsewhere(SIZES, (B, T, F))
