"""Operations on `exercise.text`: what went through a pipeline or a layer."""

from __future__ import annotations

import functools
from typing import Any

import spacy
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..pipeline import MODEL
from ..student import student
from ..wire import TensorData
from .call import plain


def vectors(module: str, batches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Call `token_vectors` on each batch of texts, with the whole pipeline.

    Args:
        module: the student's module.
        batches: for each call its `texts`, and its `text` in the words that the student will read.

    Returns:
        For each call `result`, and `sizes`: how many documents tok2vec was given at a time.
    """
    function = student.get(module, "token_vectors")
    nlp = spacy.load(MODEL)
    tok2vec: Any = nlp.get_pipe("tok2vec")
    predict = tok2vec.predict
    sizes: list[int] = []

    def counting(docs: Any) -> Any:
        sizes.append(len(docs))
        return predict(docs)

    tok2vec.predict = counting
    seen = []
    for batch in batches:
        sizes.clear()
        result = student.attempt(batch["text"], function, nlp, batch["texts"])
        seen.append({"result": plain(result), "sizes": [*sizes]})
    return seen


def states(module: str, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Call `sentence_states` several times, each with an LSTM of its own.

    Args:
        module: the student's module.
        calls: for each call the `sizes` and weights (`state`) of the LSTM, the `sentences`, and its
            `text` in the words that the student will read.

    Returns:
        For each call `result`, and `given`: for each call of the LSTM the batch sizes of the packed
        sentences that it was given, or None if they were not packed.
    """
    function = student.get(module, "sentence_states")
    return [_states(function, **call) for call in calls]


def _states(
    function: Any,
    text: str,
    sizes: dict[str, int],
    state: dict[str, TensorData],
    sentences: list[TensorData],
) -> dict[str, Any]:
    lstm = nn.LSTM(**sizes, batch_first=True, bidirectional=True)
    lstm.load_state_dict({name: weight.torch() for name, weight in state.items()})
    given: list[list[int] | None] = []

    def note(_lstm: nn.Module, inputs: Any) -> None:
        packed = isinstance(inputs[0], PackedSequence)
        given.append(inputs[0].batch_sizes.tolist() if packed else None)

    lstm.register_forward_pre_hook(note)
    result = student.attempt(text, function, lstm, [sentence.torch() for sentence in sentences])
    return {"result": plain(result), "given": given}


def pipeline(module: str, texts: list[str], batch_size: int) -> dict[str, Any]:
    """Call `fast_pipeline` once in this process, and run what it returned.

    Returns:
        `made`: what came back.
        `components`: if it is a pipeline, the factories of the components that run, in order;
            otherwise None.
        `vectors`: then for each text (tokens, F), or `Raised`; otherwise none.
    """
    made = _fast_pipeline(module)
    if not isinstance(made, spacy.Language):
        return {"made": plain(made), "components": None, "vectors": []}
    components = [made.get_pipe_meta(name).factory for name in made.pipe_names]
    found = student.attempt("fast_pipeline().pipe(texts)", _run, made, texts, batch_size)
    return {"made": plain(made), "components": components, "vectors": plain(found)}


def own_pipeline(enable: list[str], texts: list[str], batch_size: int) -> Any:
    """Run the model's own pipeline, or only these of its components; returns as `pipeline` does."""
    return plain(_run(_own_pipeline(*enable), texts, batch_size))


@functools.cache
def _own_pipeline(*enable: str) -> Any:
    return spacy.load(MODEL, enable=enable) if enable else spacy.load(MODEL)


@functools.cache
def _fast_pipeline(module: str) -> Any:
    function = student.get(module, "fast_pipeline")
    with student.calling("fast_pipeline()"):
        return function()


def _run(nlp: Any, texts: list[str], batch_size: int) -> list[Tensor]:
    return [torch.as_tensor(doc.tensor) for doc in nlp.pipe(texts, batch_size=batch_size)]
