"""Operations on `exercise.collate`."""

from __future__ import annotations

from typing import Any

import spacy
import torch

from ..student import student
from .dataset import plain


def observe(batches: list[list[tuple[str, int]]]) -> dict[str, Any]:
    """Create a `Collate` and call it on each batch; count how often a pipeline is loaded."""
    loads = 0
    load = spacy.util.load_model_from_path  # all ways to load a pipeline end here

    def counting(*args: Any, **kwargs: Any) -> spacy.Language:
        nonlocal loads
        loads += 1
        return load(*args, **kwargs)

    make = student.get("collate", "Collate")
    spacy.util.load_model_from_path = counting
    try:
        with student.calling("Collate()"):
            collate = make()
        nlp = student.attempt("Collate().nlp", getattr, collate, "nlp")
        made = loads
        results = [
            plain(
                student.attempt(
                    f"Collate()({_text(batch)})",
                    collate,
                    [(text, torch.tensor(target)) for text, target in batch],
                )
            )
            for batch in batches
        ]
    finally:
        spacy.util.load_model_from_path = load
    return {
        "pipeline": _name(nlp),
        "nlp": plain(nlp),
        "results": results,
        "loads_made": made,
        "loads_called": loads - made,
    }


def _name(nlp: object) -> str | None:
    """Return a pipeline's name, marked if it lacks tok2vec; None if it is not a pipeline."""
    if not isinstance(nlp, spacy.Language):
        return None
    name = f"{nlp.lang}_{nlp.meta.get('name')}"
    return name if "tok2vec" in nlp.pipe_names else f"{name} without tok2vec"


def _text(batch: list[tuple[str, int]]) -> str:
    return "[" + ", ".join(f"({text!r}, tensor({target}))" for text, target in batch) + "]"
