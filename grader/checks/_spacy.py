"""The token vectors that spaCy computes, which students' results are compared with."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from grader.checks._tools import close
from grader.grading import pipeline

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

TOLERANCE = 1e-4  # vectors have a norm of about 1; batching changes them by about 1e-6


@functools.cache
def spacy_vectors(text: str) -> Array:
    """Return spaCy's vectors (tokens, F) for a text."""
    (found,) = pipeline.vectors([text])
    return found


def close_to_spacy(found: Any, expected: Any) -> bool:
    """Return whether vectors agree, up to the differences that batching causes."""
    return close(found, expected, TOLERANCE)


def holds_words(rows: Any, tokens: Sequence[str], texts: Iterable[str]) -> bool:
    """Return whether row i is a vector of token i, in this text or in another one."""
    vectors: dict[str, list[Array]] = {}
    for text in texts:
        for token, vector in zip(pipeline.tokens(text), spacy_vectors(text), strict=True):
            vectors.setdefault(token, []).append(vector)
    return all(
        any(close_to_spacy(row, vector) for vector in vectors[token])
        for token, row in zip(tokens, rows, strict=False)
    )
