"""The answers of a worker: their types, and what does not have their form is rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from grader.sandbox.worker_client import WorkerLost
from grader.worker.wire import Raised, TensorData

Sizes = dict[str, int]


class StudentError(Exception):
    """Student code raised; `raised` describes it."""

    def __init__(self, raised: Raised) -> None:
        """Wrap the description."""
        super().__init__(raised.message)
        self.raised = raised


def reject_unless(fits: bool) -> None:
    """See that an answer has the form that the operation gives it.

    Raises:
        WorkerLost: it has not; only a submission that meddles with the worker can do that.
    """
    if not fits:
        raise WorkerLost("What came back is not what the grader asked for.")


def has_fields(seen: Any, **types: type | tuple[type, ...]) -> bool:
    """Tell whether an answer is a dict of just these keys, each with a value of these types."""
    return (
        type(seen) is dict
        and seen.keys() == types.keys()
        and all(isinstance(seen[name], type_) for name, type_ in types.items())
    )


def unwrap(seen: Any) -> Any:
    """Return what was seen, unless it is an exception.

    Raises:
        StudentError: it is one.
    """
    if isinstance(seen, Raised):
        raise StudentError(seen)
    return seen


@dataclass(frozen=True)
class DatasetSeen:
    """What a `NewsDataset` showed; each field may be `Raised`."""

    samples: Any
    targets: Any
    n_targets: Any
    length: Any
    items: list[Any]


@dataclass(frozen=True)
class CollateSeen:
    """What a `Collate` showed.

    Attributes:
        pipeline: the name of `nlp` if it is a pipeline, ending in " without tok2vec" where that
            component is missing or switched off; otherwise None.
        nlp: what it is.
        results: for each batch what came back, or `Raised`.
        loads_made: how many pipelines were loaded when the object was made.
        loads_called: and how many by the calls.
    """

    pipeline: str | None
    nlp: Any
    results: list[Any]
    loads_made: int
    loads_called: int


@dataclass(frozen=True)
class ModelBuilt:
    """The LSTMs of a model, the type names of all its modules, its default arguments."""

    lstms: list[dict[str, Any]]
    modules: list[str]
    defaults: dict[str, Any]


@dataclass(frozen=True)
class ModelRun:
    """One forward pass.

    Attributes:
        logits: what came back, or `Raised`.
        lstm_calls: for each call of an LSTM its input (B, T, F), the lengths if it was packed,
            the shape of h_n, and whether it was given states to start from.
        functions: names of the torch functions that were called.
    """

    logits: Any
    lstm_calls: list[dict[str, Any]]
    functions: list[str]


@dataclass(frozen=True)
class LoopSeen:
    """What the probe model tells after a training loop or an evaluation ran on it."""

    result: Any
    weight: TensorData
    bias: TensorData
    events: list[dict[str, Any]]
    unmoved: list[str]
    training: bool


@dataclass(frozen=True)
class DecodedText:
    """What `decode` gave, and for each step (tokens, state) that its decoder was fed."""

    result: Any
    steps: list[tuple[Any, Any]]


@dataclass(frozen=True)
class TextTraining:
    """What training on a text gave.

    Attributes:
        result: what came back, or `Raised`.
        calls: for each call of the model its `ids` and `state`, whether that was `attached` to the
            steps before, and the model's `weights` at that time.
        weights: those in the end.
    """

    result: Any
    calls: list[dict[str, Any]]
    weights: dict[str, TensorData]


@dataclass(frozen=True)
class Call:
    """A call of student code.

    Attributes:
        text: the call, in the words that the student will read.
        args: its arguments: plain data, tensors, and what `made` describes.
        kwargs: those that are given by name.
        method: the method of an object to call; None calls the object itself.
    """

    text: str
    args: Sequence[Any] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    method: str | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as a worker takes it."""
        plain = {"text": self.text, "args": list(self.args), "kwargs": self.kwargs}
        return plain if self.method is None else plain | {"method": self.method}


@dataclass(frozen=True)
class CallResult:
    """What a call gave.

    Attributes:
        result: plain data, or `Raised`; a PackedSequence is `{"packed": its parts by name}`.
        functions: how often each torch function was called on the way, by name.
    """

    result: Any
    functions: dict[str, int]


@dataclass(frozen=True)
class ObservedCall:
    """What a call gave, and what a component or layer was given on the way, call by call."""

    result: Any
    given: list[Any]


@dataclass(frozen=True)
class PipelineSeen:
    """What `fast_pipeline` returned.

    Attributes:
        made: what came back.
        components: the factories of the components that run; None if it is no pipeline.
        vectors: for each text (tokens, F), or `Raised`.
    """

    made: Any
    components: list[str] | None
    vectors: Any


def construct(make: str, *args: Any, state: Any = None, **kwargs: Any) -> dict[str, Any]:
    """Describe an argument that a worker makes: `made("torch.nn.LSTM", 3, 4, state=weights)`."""
    return {"make": make, "args": list(args), "kwargs": kwargs, "state": state}


def call_results(seen: Any, calls: Sequence[Call]) -> list[CallResult]:
    """Return the result of each call.

    Raises:
        WorkerLost: the answer does not have the form of one.
    """
    reject_unless(type(seen) is list and len(seen) == len(calls))
    for each in seen:
        reject_unless(has_fields(each, result=object, functions=dict))
        reject_unless(all(type(name) is str for name in each["functions"]))
        reject_unless(all(type(count) is int for count in each["functions"].values()))
    return [CallResult(**each) for each in seen]


def observed_calls(seen: Any, what: str, count: int) -> list[ObservedCall]:
    """Return what was observed in each of `count` calls; `what` is the key of the observations.

    Raises:
        WorkerLost: the answer does not have the form of one.
    """
    reject_unless(type(seen) is list and len(seen) == count)
    for each in seen:
        reject_unless(has_fields(each, result=object, **{what: list}))
    return [ObservedCall(each["result"], each[what]) for each in seen]


LSTM_SIZES = {
    *("input_size", "hidden_size", "num_layers", "bidirectional", "proj_size", "batch_first")
}


def is_lstm_call(seen: Any) -> bool:
    """Tell whether an answer describes a call of an `nn.LSTM`."""
    if not has_fields(seen, input=object, lengths=object, h_n_shape=tuple, start=object):
        return False
    start = seen["start"]
    plain = type(start) is tuple and all(type(state) is TensorData for state in start)
    return (start is None or plain) and all(type(size) is int for size in seen["h_n_shape"])


def loop_seen(seen: Any, scenario: dict[str, Any]) -> LoopSeen:
    """Return what a student's loop did in the scenario that was sent.

    Raises:
        WorkerLost: the answer does not have the form of one.
    """
    fits = has_fields(
        seen,
        result=object,
        weight=TensorData,
        bias=TensorData,
        events=list,
        unmoved=list,
        training=bool,
    )
    reject_unless(
        fits and _are_weights(seen, scenario) and all(type(x) is str for x in seen["unmoved"])
    )
    for event in seen["events"]:
        if event == {"do": "backward"}:
            continue
        types = {"do": str, "batch": str, "training": bool, "grad": bool, "moved": bool}
        reject_unless(has_fields(event, **types, weight=TensorData, bias=TensorData))
        reject_unless(_are_weights(event, scenario))
    return LoopSeen(**seen)


def _are_weights(seen: dict[str, Any], scenario: dict[str, Any]) -> bool:
    """Tell whether the probe's weights have the form in which they were sent."""
    return all(
        (seen[name].dtype, seen[name].shape) == (str(scenario[name].dtype), scenario[name].shape)
        for name in ("weight", "bias")
    )
