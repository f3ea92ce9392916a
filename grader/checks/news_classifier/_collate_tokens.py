"""Names what a `Collate` made rows of, if not of all of spaCy's tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from grader.checks._spacy import close_to_spacy, spacy_vectors
from grader.checks.news_classifier._batches import Batch
from grader.grading import pipeline

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Split = Callable[[str], list[str]]
SPLITS: tuple[tuple[str, Split], ...] = (
    ("split-at-spaces", str.split),
    ("split-at-spaces", lambda text: text.split(" ")),
    ("split-at-words", re.compile(r"\w+").findall),
    ("split-at-words", re.compile(r"\w+|[^\w\s]").findall),
    ("characters-counted", list),
)


def is_mark(token: str) -> bool:
    """Return whether a token is punctuation."""
    return not token.isspace() and not any(map(str.isalnum, token))


Keep = Callable[[list[str]], list[int]]
KEPT: tuple[tuple[str, Keep], ...] = (  # the positions of tokens that code may keep
    ("spaces-dropped", lambda tokens: [i for i, t in enumerate(tokens) if not t.isspace()]),
    ("punctuation-dropped", lambda tokens: [i for i, t in enumerate(tokens) if not is_mark(t)]),
    ("tokens-dropped", lambda tokens: [i for i, t in enumerate(tokens) if t.isalpha()]),
    ("last-token-missing", lambda tokens: [*range(len(tokens) - 1)]),
)


def why_texts_split(texts: list[str], given: list[str]) -> str | None:
    """Return the known mistake if the pipeline was given words instead of texts."""
    read = {*given} - {""}
    if read == {token for text in texts for token in pipeline.tokens(text)}:
        return "words-read-alone"
    splits = ({word for text in texts for word in split(text)} - {""} for _, split in SPLITS)
    return "words-split-and-read-alone" if read in splits else None


def why_filled(texts: list[str], filled: list[int]) -> str | None:
    """Return how the texts were split, if only one way leads to rows with so many steps."""
    fitting = {name for name, split in SPLITS if [len(split(text)) for text in texts] == filled}
    return fitting.pop() if len(fitting) == 1 else None


def why_longest(batches: list[Batch], steps: list[int]) -> str | None:
    """Return what was counted instead of tokens, if that leads to so many steps in each batch."""
    fitting = {
        name
        for name, split in SPLITS
        if [max(len(split(text)) for text, _ in batch) for batch in batches] == steps
    }
    if fitting and "characters-counted" not in fitting:
        return "words-counted"
    return fitting.pop() if len(fitting) == 1 else None


def why_dropped(texts: list[str], rows: Array) -> str | None:
    """Return the known mistake if rows hold only some of the tokens' vectors, without gaps."""
    return next((name for name, keep in KEPT if _equal(rows, _kept(texts, keep))), None)


def why_dropped_and_reshaped(texts: list[str], rows: Array) -> str | None:
    """Return which tokens are missing, if what is left was time-first and then reshaped."""
    for name, keep in KEPT:
        kept = _kept(texts, keep)
        if max(map(len, kept)) == rows.shape[1]:
            reshaped = padded(kept).swapaxes(0, 1).reshape(rows.shape)
            if close_to_spacy(rows, reshaped):
                return name
    return None


def padded(parts: list[Array]) -> Array:
    """Return vectors (tokens, F) of several texts as one batch (B, T, F)."""
    import numpy as np

    found = np.zeros((len(parts), max(map(len, parts)), parts[0].shape[1]), dtype=np.float32)
    for row, part in zip(found, parts, strict=True):
        row[: len(part)] = part
    return found


def _kept(texts: list[str], keep: Keep) -> list[Array]:
    return [spacy_vectors(text)[keep(pipeline.tokens(text))] for text in texts]


def _equal(rows: Array, kept: list[Array]) -> bool:
    """Return whether rows are these vectors, and zeros after them."""
    longest = max(map(len, kept))
    if len(rows) != len(kept) or rows.shape[1] < longest or rows[:, longest:].any():
        return False
    return close_to_spacy(rows[:, :longest], padded(kept))
