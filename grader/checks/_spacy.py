"""The token vectors that spaCy computes, which students' results are compared with."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from grader.checks._tools import close
from grader.grading import pipeline

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

BETWEEN = ("", "\n", "\n\n", ". ", " . ", " | ", "; ", ", ")  # what texts may be joined with
# The mean cosine between spaCy's vectors of a text's tokens and those in another context: with the
# tokens of other texts around them 0.91 to 0.95, read alone 0.64 to 0.70 (39 draws).
NEAR, EQUAL = 0.8, 0.999
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


def vectors_of_joined(texts: Sequence[str]) -> Iterator[list[Array]]:
    """Yield the vectors of each text's tokens in one document of all texts.

    With a space between the texts, without it, and with other text between them.
    """
    lengths = [len(spacy_vectors(text)) for text in texts]
    for spaced in (True, False):
        yield _cut(pipeline.vectors_of_joined([*texts], spaced=spaced), lengths)
    words = [token for text in texts for token in pipeline.tokens(text)]
    for between in BETWEEN:
        found = pipeline.tokens(between.join(texts))
        places = _places(words, found)
        if places is not None:
            yield _cut(spacy_vectors(between.join(texts))[places], lengths)


def _places(some: Sequence[str], tokens: Sequence[str]) -> list[int] | None:
    """Return where tokens are among others in the same order, or None if one is missing."""
    rest = iter(enumerate(tokens))
    found = [next((at for at, token in rest if token == one), None) for one in some]
    places = [at for at in found if at is not None]
    return places if len(places) == len(found) else None


def _cut(rows: Array, lengths: Sequence[int]) -> list[Array]:
    ends = [*itertools.accumulate(lengths)]
    return [rows[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def is_near_spacy(found: Sequence[Any], texts: Sequence[str]) -> bool:
    """Return whether vectors are near those of each text's tokens, but not all equal or scaled."""
    import numpy as np

    rows = np.concatenate([*map(np.asarray, found)])
    right = np.concatenate([*map(spacy_vectors, texts)])
    if rows.shape != right.shape or not np.isfinite(rows).all():
        return False
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(right, axis=1)
    cosines = (rows * right).sum(1) / np.maximum(lengths, 1e-9)
    return bool(NEAR < cosines.mean() < EQUAL and cosines.min() > 0)
