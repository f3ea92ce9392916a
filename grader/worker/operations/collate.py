"""Operations on `exercise.collate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import spacy
import torch
from spacy.pipeline import Tok2Vec

from ..student import student
from .dataset import plain

MAX_TEXTS, MAX_LENGTH = 1000, 10_000  # recorded texts per batch, and characters of each


def observe(batches: list[list[tuple[str, int]]]) -> dict[str, Any]:
    """Create a `Collate` and call it on each batch; count how often a pipeline is loaded.

    `nlp.pipe` runs in this process whatever its `n_process`: a worker cannot start others.
    """
    loads = 0
    load = spacy.util.load_model_from_path  # all ways to load a pipeline end here

    def counting(*args: Any, **kwargs: Any) -> spacy.Language:
        nonlocal loads
        loads += 1
        return _loaded(load, *args, **kwargs)

    make = student.get("collate", "Collate")
    spacy.util.load_model_from_path = counting
    texts: list[list[str]] = []
    embedded: list[bool] = []
    try:
        with student.calling("Collate()"):
            collate = make()
        nlp = student.attempt("Collate().nlp", getattr, collate, "nlp")
        made = loads
        returned: list[Any] = []
        results: list[Any] = []
        with (
            patch.object(spacy.Language, "make_doc", _recording(texts)),
            patch.object(Tok2Vec, "predict", _embedding(embedded)),
            one_process(),
        ):
            for batch in batches:
                texts.append([])
                embedded.append(False)
                call = f"Collate()({_text(batch)})"
                items = [(text, torch.tensor(target)) for text, target in batch]
                returned.append(student.attempt(call, collate, items))
                results.append(plain(returned[-1]))
            overwritten = plain(returned[0]) != results[0]
    finally:
        spacy.util.load_model_from_path = load
    return {
        "pipeline": _name(nlp),
        "nlp": plain(nlp),
        "results": results,
        "texts": texts,
        "embedded": embedded,
        "overwritten": overwritten,
        "loads_made": made,
        "loads_called": loads - made,
    }


_LOADED: dict[str, tuple[spacy.Language, list[str]]] = {}


def _loaded(load: Callable[..., spacy.Language], *args: Any, **kwargs: Any) -> spacy.Language:
    """Load a pipeline; with an edit, reuse the last one: loading takes longer than the rest."""
    key = repr((args, sorted(kwargs.items())))
    nlp, names = _LOADED.get(key, (None, []))
    if nlp is None or not student.is_edited or nlp.pipe_names != names:
        nlp = load(*args, **kwargs)
        _LOADED[key] = nlp, [*nlp.pipe_names]
    return nlp


def _recording(texts: list[list[str]]) -> Callable[..., Any]:
    """Return a `Language.make_doc` that records each text in the last of the lists."""
    make_doc = spacy.Language.make_doc

    def recording(nlp: spacy.Language, text: Any) -> Any:
        if type(text) is str and len(texts[-1]) < MAX_TEXTS:
            texts[-1].append(text[:MAX_LENGTH])
        return make_doc(nlp, text)

    return recording


def _embedding(embedded: list[bool]) -> Callable[..., Any]:
    """Return a `Tok2Vec.predict` that records its calls in the last place of a list."""
    predict = Tok2Vec.predict

    def recorded(component: Tok2Vec, docs: Any) -> Any:
        embedded[-1] = True
        return predict(component, docs)

    return recorded


def one_process() -> AbstractContextManager[Any]:
    """Return a context in which `nlp.pipe` starts no processes."""
    pipe = spacy.Language.pipe

    def in_this_process(nlp: spacy.Language, *args: Any, **kwargs: Any) -> Iterator[Any]:
        return pipe(nlp, *args, **{**kwargs, "n_process": 1})

    return patch.object(spacy.Language, "pipe", in_this_process)


def _name(nlp: object) -> str | None:
    """Return a pipeline's name, and whether it lacks tok2vec; None if it is not a pipeline."""
    if not isinstance(nlp, spacy.Language):
        return None
    name = f"{nlp.lang}_{nlp.meta.get('name')}"
    missing = "tok2vec" if nlp.pipe_names else "components"
    return name if "tok2vec" in nlp.pipe_names else f"{name} without {missing}"


def _text(batch: list[tuple[str, int]]) -> str:
    return "[" + ", ".join(f"({text!r}, tensor({target}))" for text, target in batch) + "]"
