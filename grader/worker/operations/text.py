"""Operations on `exercise.text`; they record the inputs of pipelines and layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import spacy
import torch
from spacy.pipeline import AttributeRuler, Lemmatizer
from thinc.model import Model
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..coded_lstm import CodedLSTM
from ..pipeline import MODEL
from ..shape_trace import traced
from ..student import student
from ..wire import TensorData
from .call import held, holds, plain


def vectors(module: str, batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Call `token_vectors` on each batch of texts, with the whole pipeline.

    Args:
        module: the student's module.
        batches: for each call its `texts`, its `text` as shown to the student, and `shift`: what
            tok2vec adds to its vectors if it is given several documents at a time, or None.

    Returns:
        For each call `result` (as it is, unless `shift` is None), `given`: how many documents
        tok2vec was given at a time, `changed`: whether the texts are different afterwards, and
        `switched`: the components that it left on or off.
    """
    function = student.get(module, "token_vectors")
    nlp = spacy.load(MODEL)
    tok2vec: Any = nlp.get_pipe("tok2vec")
    predict = tok2vec.predict
    sizes: list[int] = []
    shift: float | None = None

    def counting(docs: Any) -> Any:
        sizes.append(len(docs))
        computed = predict(docs)
        return _shifted(computed, shift) if shift and len(docs) > 1 else computed

    tok2vec.predict = counting
    seen = []
    for batch in batches:
        sizes.clear()
        shift, active = batch["shift"], {*nlp.pipe_names}
        before = held(batch["texts"])
        result = student.attempt(batch["text"], function, nlp, batch["texts"])
        result = plain(result) if shift is None else result
        switched = sorted(active ^ {*nlp.pipe_names})
        kept = {"changed": not holds(batch["texts"], before), "switched": switched}
        seen.append({"result": result, "given": [*sizes], "trace": "", **kept})
    return seen


def states(module: str, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Call `sentence_states` several times, each with an LSTM of its own.

    Args:
        module: the student's module.
        calls: for each call the `sizes`, weights (`state`) and code (`per_call`) of the LSTM, see
            `CodedLSTM`, the `sentences`, and the `text` as shown to the student.

    Returns:
        For each call `result`, and `given`: for each call of the LSTM the batch sizes of its packed
        input, or None if the input was not packed; `trace`: the shapes on the way; and `changed`:
        whether the sentences are different afterwards.
    """
    function = student.get(module, "sentence_states")
    return [_states(function, **call) for call in calls]


def _states(
    function: Any,
    text: str,
    sizes: dict[str, int],
    state: dict[str, TensorData],
    sentences: list[TensorData],
    per_call: float,
) -> dict[str, Any]:
    lstm = CodedLSTM(**sizes, batch_first=True, bidirectional=True, per_call=per_call)
    lstm.load_state_dict({name: weight.torch() for name, weight in state.items()})
    given: list[list[int] | None] = []

    def note(_lstm: nn.Module, inputs: Any) -> None:
        packed = isinstance(inputs[0], PackedSequence)
        given.append(inputs[0].batch_sizes.tolist() if packed else None)

    lstm.register_forward_pre_hook(note)
    read = [sentence.torch() for sentence in sentences]
    before = held(read)
    result = student.attempt(text, traced, function, lstm, read)
    trace = "" if student.trace is None else student.trace.text
    seen = {"result": plain(result), "given": given, "trace": trace}
    return {**seen, "changed": not holds(read, before)}


def pipeline(module: str, texts: list[str], batch_size: int) -> dict[str, Any]:
    """Call `fast_pipeline` once per process, and run the pipeline that it returned.

    Returns:
        `made`: the return value.
        `components`: for a pipeline, the factories of the enabled components in order; otherwise
            None.
        `vectors`: for a pipeline, the vectors (tokens, F) of each text, or `Raised`.
    """
    made = _fast_pipeline(module)
    if not isinstance(made, spacy.Language):
        return {"made": plain(made), "components": None, "vectors": []}
    components = [made.get_pipe_meta(name).factory for name in made.pipe_names]

    def run() -> list[Tensor]:
        return [torch.as_tensor(doc.tensor) for doc in made.pipe(texts, batch_size=batch_size)]

    found = student.attempt("fast_pipeline().pipe(texts)", run)
    return {"made": plain(made), "components": components, "vectors": plain(found)}


def calls(module: str, batches: list[list[str]], batch_size: int, step: int) -> Any:
    """Run the student's pipeline, with the calls of components counted in its vectors.

    Args:
        module: the student's module.
        batches: what `pipe` is given, call by call.
        batch_size: how many texts it is told to take at a time.
        step: what each call of a component adds to the vectors after it, see `CallCounter`.

    Returns:
        For each batch, for each text (tokens, F), or `Raised`.
    """
    made = _fast_pipeline(module)

    def run(texts: list[str]) -> list[Tensor]:
        return [torch.as_tensor(doc.tensor) for doc in made.pipe(texts, batch_size=batch_size)]

    with CallCounter(step).counting():
        text = "fast_pipeline().pipe(texts)"
        found = [student.attempt(text, run, texts) for texts in batches]
    return plain(found)


class CallCounter:
    """Counts the calls of spaCy components, in any pipeline, and adds the count to the vectors.

    The n-th call (from 0) adds `n * step` to the vectors that it computes. A call of a component is
    a call of its network or, if it is rule-based, of the object itself. Components call `predict`
    of a network. Networks call their layers; a call of a layer counts only outside of a network.
    """

    LAYER = (Model, "__call__")
    COUNTED: tuple[tuple[Any, str], ...] = (
        (Model, "predict"),
        LAYER,
        (AttributeRuler, "__call__"),
        (Lemmatizer, "__call__"),
    )

    def __init__(self, step: int) -> None:
        """Start at zero; each call adds `step` more than the one before."""
        self.step, self.count, self.depth = step, 0, 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count calls within the context."""
        own = [(kind, name, getattr(kind, name)) for kind, name in self.COUNTED]
        for kind, name, function in own:
            setattr(kind, name, self._counted(function, is_layer=(kind, name) == self.LAYER))
        try:
            yield
        finally:
            for kind, name, function in own:
                setattr(kind, name, function)

    def _counted(self, function: Any, *, is_layer: bool) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            if is_layer and self.depth:
                return function(*args, **kwargs)
            shift, self.count = self.count * self.step, self.count + 1
            self.depth += 1
            try:
                return _shifted(function(*args, **kwargs), shift)
            finally:
                self.depth -= 1

        return counted


def _shifted(computed: Any, shift: float) -> Any:
    """Add to the vectors in a network's output: a list of them, or the first part of a pair."""
    if isinstance(computed, tuple):
        return (*(_shifted(each, shift) for each in computed[:1]), *computed[1:])
    if isinstance(computed, list):
        return [_shifted(each, shift) for each in computed]
    return computed + shift if getattr(computed, "dtype", None) == "float32" else computed


_made: dict[str, tuple[Any, Any]] = {}  # by module: the function, and the pipeline that it returned


def _fast_pipeline(module: str) -> Any:
    function = student.get(module, "fast_pipeline")
    if module not in _made or _made[module][0] is not function:
        with student.calling("fast_pipeline()"):
            _made[module] = function, function()
    return _made[module][1]
