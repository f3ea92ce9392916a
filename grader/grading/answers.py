"""The types of a worker's answers; anything that does not have the right form is rejected."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, is_dataclass
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from grader.sandbox.worker_client import WorkerLost
from grader.worker.wire import Raised, TensorData

Sizes = dict[str, int]
T = TypeVar("T")


class StudentError(Exception):
    """Student code raised; `raised` describes it.

    `local` says whether the checks that depend on the one that fails can still be judged.
    """

    def __init__(self, raised: Raised) -> None:
        """Wrap the description of an exception."""
        super().__init__(raised.message)
        self.raised, self.local = raised, False


def reject_unless(fits: bool) -> None:
    """Require that an answer has the form that the operation defines.

    Raises:
        WorkerLost: it does not; only a submission that tampers with the worker can cause this.
    """
    if not fits:
        raise WorkerLost("The answer does not have the form that the grader asked for.")


def structured(seen: Any, expected: type[T], count: int | None = None) -> T:
    """Return an answer as a value of `expected`.

    Args:
        seen: the answer. A dataclass is sent as a dict of its fields.
        expected: the type, with the types of its parts: a dataclass of this module, `list[str]`,
            `dict[str, X]`, `tuple[X, ...]`, `X | None`, `Any`.
        count: the required length of a list, if known.

    Raises:
        WorkerLost: the answer does not have this type.
    """
    found = _structured(seen, expected)
    reject_unless(count is None or (type(found) is list and len(found) == count))
    return found  # type: ignore[no-any-return]


def _structured(seen: Any, expected: Any) -> Any:
    kind, parts = get_origin(expected), get_args(expected)
    if expected is Any:
        return seen
    if kind is UnionType:
        return _any_of(seen, parts)
    if kind is list and type(seen) is list:
        return [_structured(part, parts[0]) for part in seen]
    if kind is tuple and type(seen) is tuple:
        each = parts[:1] * len(seen) if parts[-1] is ... else parts
        reject_unless(len(each) == len(seen))
        return tuple(_structured(part, type_) for part, type_ in zip(seen, each, strict=True))
    if kind is dict and type(seen) is dict:
        return {_structured(k, parts[0]): _structured(v, parts[1]) for k, v in seen.items()}
    if _is_structure(expected) and type(seen) is dict:
        types = _types(expected)
        reject_unless(seen.keys() == types.keys())
        return expected(**{name: _structured(seen[name], type_) for name, type_ in types.items()})
    reject_unless(type(seen) is (type(None) if expected is None else expected))
    return seen


def _is_structure(expected: Any) -> bool:
    """Return whether a type is a dataclass of this module; any other dict stays a dict."""
    return is_dataclass(expected) and expected.__module__ == __name__


def _any_of(seen: Any, options: tuple[Any, ...]) -> Any:
    for option in options[:-1]:
        with contextlib.suppress(WorkerLost):
            return _structured(seen, option)
    return _structured(seen, options[-1])


@functools.cache
def _types(structure: type) -> dict[str, Any]:
    return get_type_hints(structure)


def unwrap(seen: Any) -> Any:
    """Return an observed value, unless it is an exception.

    Raises:
        StudentError: student code raised.
    """
    if isinstance(seen, Raised):
        raise StudentError(seen)
    return seen


@dataclass(frozen=True)
class DatasetSeen:
    """Observations of a `NewsDataset`; each field may be `Raised`.

    `length` is None unless it was asked for.
    """

    samples: Any
    targets: Any
    n_targets: Any
    length: Any
    items: list[Any]


@dataclass(frozen=True)
class CollateSeen:
    """Observations of a `Collate`.

    Attributes:
        pipeline: the name of `nlp` if it is a pipeline, ending in " without tok2vec" where that
            component is missing or disabled (" without components" where all are); otherwise None.
        nlp: the attribute itself.
        results: for each batch the return value, or `Raised`.
        texts: for each batch the texts that the pipeline was given.
        embedded: for each batch whether tok2vec computed vectors.
        overwritten: whether the first result is different after the other calls.
        loads_made: the number of pipelines loaded by the constructor; `loads_called`: by the calls.
    """

    pipeline: str | None
    nlp: Any
    results: list[Any]
    texts: list[list[str]]
    embedded: list[bool]
    overwritten: bool
    loads_made: int
    loads_called: int


@dataclass(frozen=True)
class LSTMSizes:
    """The settings of an `nn.LSTM`."""

    input_size: Any
    hidden_size: Any
    num_layers: Any
    bidirectional: Any
    proj_size: Any
    batch_first: Any


@dataclass(frozen=True)
class ModelBuilt:
    """The LSTMs of a model, the type names of all its modules, and its default arguments."""

    lstms: list[LSTMSizes]
    modules: list[str]
    defaults: dict[Any, Any]


@dataclass(frozen=True)
class LSTMCall:
    """A call of an `nn.LSTM`.

    Attributes:
        input: (B, T, F); packed sentences are padded.
        lengths: the lengths of the sentences, if they were packed.
        h_n_shape: (L * D, B, H).
        start: the initial states, if it got any.
    """

    input: Any
    lengths: Any
    h_n_shape: tuple[int, ...]
    start: tuple[TensorData, ...] | None


@dataclass(frozen=True)
class ModelRun:
    """One forward pass.

    Attributes:
        logits: the return value, or `Raised`.
        lstm_calls: the calls of LSTMs, in order.
        functions: names of the torch functions that were called.
        trace: the shapes on the way.
    """

    logits: Any
    lstm_calls: list[LSTMCall]
    functions: list[str]
    trace: str


@dataclass(frozen=True)
class Forward:
    """A call of the probe model.

    Attributes:
        batch: the name of the batch: "train 0", "val 1", ...
        training: whether the probe was in training mode.
        grad: whether gradients were computed.
        moved: whether the batch had been moved to the probe's device.
        weight: the probe's weight at that time.
        bias: the probe's bias at that time.
    """

    batch: str
    training: bool
    grad: bool
    moved: bool
    weight: TensorData
    bias: TensorData


@dataclass(frozen=True)
class Backward:
    """A gradient that reached the probe model."""

    backward: bool


@dataclass(frozen=True)
class RecipeSeen:
    """The parts of a training loop, see `grader.worker.recipe.Recipe`."""

    optimizer: str
    settings: dict[str, str]
    schedulers: list[str]
    losses: list[str]
    measures: list[str]
    changed: bool
    autocast: bool


@dataclass(frozen=True)
class LoopSeen:
    """What the probe model recorded while a training loop or an evaluation ran on it.

    Attributes:
        left: the logits of the first validation batch afterwards, which show the mode.
        grad_left: whether gradients were enabled afterwards.
        backwards: how often `backward` was called, whether or not it reached the probe.
        uses_device: whether a call named the device that the student's function was given; or, if
            it was given none, whether it looked up the model's or named no other.
        recipe: what the loop consists of.
    """

    result: Any
    weight: TensorData
    bias: TensorData
    events: list[Forward | Backward]
    unmoved: list[str]
    left: TensorData
    backwards: int
    grad_left: bool
    uses_device: bool
    recipe: RecipeSeen


def as_sent(seen: LoopSeen, scenario: dict[str, Any]) -> LoopSeen:
    """Return `seen`; the probe's weights must have their original shapes and dtypes."""
    calls: list[LoopSeen | Forward] = [e for e in seen.events if isinstance(e, Forward)]
    for found in [seen, *calls]:
        for name, weight in {"weight": found.weight, "bias": found.bias}.items():
            sent = scenario[name]
            reject_unless((weight.dtype, weight.shape) == (str(sent.dtype), sent.shape))
    return seen


@dataclass(frozen=True)
class DecodedText:
    """The result of `decode`, and (tokens, state) for each step of its decoder."""

    result: Any
    steps: list[tuple[Any, Any]]


@dataclass(frozen=True)
class LanguageModelCall:
    """A call of a language model: its arguments, and its weights at that time.

    Attributes:
        attached: whether the gradient of `state` reaches earlier steps.
    """

    ids: Any
    state: Any
    attached: bool
    weights: dict[str, TensorData]


@dataclass(frozen=True)
class TextTraining:
    """Observations of `train_on_text`: the result or `Raised`, the calls, the final weights."""

    result: Any
    calls: list[LanguageModelCall]
    weights: dict[str, TensorData]


@dataclass(frozen=True)
class TableTraining:
    """Observations of `train_word_vectors`.

    Attributes:
        result: the result or `Raised`.
        steps: the steps of its optimizers.
        rate: the learning rate of the last step; `optimizer`: the class of the last optimizer.
        drawn: whether the first negatives differ, from each other and from the contexts.
        cut: whether vectors without a gradient were looked up before the first loss, or detached.
        piled_up: how often `backward` found gradients of the batch before.
        uphill: whether `backward` was called on the loss with the opposite sign.
        rows: the largest number of pairs in a loss.
        held: whether an optimizer holds the table that the centres, the contexts and the negatives
            of the first loss came from, or, for a loss of the submission's own, all its tables;
            empty if no loss was computed.
        moved: the change of the table that changed least, relative to its first values.
        changed: whether a table changed at all, in an optimizer or not.
        start: the root mean square of the first values of a table, the largest.
        returned: whether the result equals a table that an optimizer holds.
        n_drawn: how many ids were sampled or taken from a table, from `lowest` to `highest`.
        strangers: the share of the first loss's pairs that are not two words of a given pair.
        n_negatives: how many negatives each of them has; 0 for a loss of the submission's own.
    """

    result: Any
    steps: int
    rate: float
    optimizer: str
    drawn: bool
    cut: bool
    piled_up: int
    uphill: bool
    rows: int
    held: list[bool]
    moved: float
    changed: bool
    start: float
    returned: bool
    n_drawn: int
    lowest: int
    highest: int
    strangers: float
    n_negatives: int


@dataclass(frozen=True)
class CallResult:
    """The result of a call.

    Attributes:
        result: plain data, or `Raised`; a PackedSequence is `{"packed": its parts by name}`.
        trace: the shapes on the way.
        gradients: of the weighted sum of the result, one per argument that needs one; None if the
            call had no weights.
        changed: the places of the arguments that the call changed.
    """

    result: Any
    trace: str
    gradients: Any
    changed: list[int]


@dataclass(frozen=True)
class InstanceCalls:
    """The weights of an object (none unless it is an `nn.Module`), and the results of its calls."""

    weights: dict[str, TensorData]
    called: list[CallResult]


@dataclass(frozen=True)
class ObservedCall:
    """The result of a call, the inputs of a component or layer during it, and its shapes.

    Attributes:
        changed: whether the given sentences or texts are different after the call.
    """

    result: Any
    given: list[Any]
    trace: str
    changed: bool


@dataclass(frozen=True)
class PipelineCall(ObservedCall):
    """Also the components of a given pipeline that the call left switched on or off."""

    switched: list[str]


@dataclass(frozen=True)
class Fitted:
    """The results of training on news."""

    history: Any
    weights: dict[Any, Any]
    seconds: float


@dataclass(frozen=True)
class PipelineSeen:
    """Observations of the pipeline that `fast_pipeline` returned.

    Attributes:
        made: the return value.
        components: the factories of the enabled components; None if it is not a pipeline.
        vectors: for each text (tokens, F), or `Raised`.
    """

    made: Any
    components: list[str] | None
    vectors: Any
