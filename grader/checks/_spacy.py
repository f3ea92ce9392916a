"""What spaCy makes of texts: the token vectors that students' code is compared with."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from grader.checks._tools import close
from grader.grading.pipeline import load_pipeline

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

TOLERANCE = 1e-4  # vectors are of size 1; batching changes them by some 1e-6


@functools.cache
def pipeline() -> Any:
    """Load the pipeline that the expected vectors come from."""
    return load_pipeline()


@functools.cache
def spacy_vectors(text: str) -> Array:
    """Return the vectors (tokens, F) of a text."""
    from grader.grading import vectors

    array: Array = vectors.compute([text], pipeline())[0]
    return array


def close_to_spacy(found: Any, expected: Any) -> bool:
    """Tell whether vectors agree, however the texts were batched."""
    return close(found, expected, TOLERANCE)
