"""The token vectors that spaCy computes, which students' results are compared with."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from grader.checks._tools import close
from grader.grading.pipeline import load_pipeline

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

TOLERANCE = 1e-4  # vectors have a norm of about 1; batching changes them by about 1e-6


@functools.cache
def pipeline() -> Any:
    """Load the pipeline that computes the expected vectors."""
    return load_pipeline()


@functools.cache
def spacy_vectors(text: str) -> Array:
    """Return spaCy's vectors (tokens, F) for a text."""
    from grader.grading import vectors

    array: Array = vectors.compute([text], pipeline())[0]
    return array


def close_to_spacy(found: Any, expected: Any) -> bool:
    """Return whether vectors agree, up to the differences that batching causes."""
    return close(found, expected, TOLERANCE)
