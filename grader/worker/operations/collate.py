"""Operations on `exercise.collate`."""

from __future__ import annotations

from typing import Any

import spacy
import torch

from ..student import student


def observe(batches: list[list[tuple[str, int]]]) -> dict[str, Any]:
    """Make one `Collate` and call it on each batch; count how often a pipeline is loaded."""
    loads = 0
    load = spacy.load

    def counting(*args: Any, **kwargs: Any) -> spacy.Language:
        nonlocal loads
        loads += 1
        return load(*args, **kwargs)

    spacy.load = counting
    try:
        make = student.get("collate", "Collate")
        with student.calling("Collate()"):
            collate = make()
        made = loads
        nlp = student.attempt("Collate().nlp", getattr, collate, "nlp")
        if isinstance(nlp, spacy.Language):
            nlp = f"{nlp.lang}_{nlp.meta.get('name')}"
        results = [
            student.attempt(
                f"Collate()({_text(batch)})",
                collate,
                [(text, torch.tensor(target)) for text, target in batch],
            )
            for batch in batches
        ]
    finally:
        spacy.load = load
    return {"nlp": nlp, "results": results, "loads_made": made, "loads_called": loads - made}


def _text(batch: list[tuple[str, int]]) -> str:
    return "[" + ", ".join(f"({text!r}, tensor({target}))" for text, target in batch) + "]"
