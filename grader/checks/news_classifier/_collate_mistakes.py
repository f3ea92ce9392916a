"""Names the mistakes behind what a `Collate` returns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from grader.checks._spacy import close_to_spacy, holds_words, is_near_spacy, spacy_vectors
from grader.checks._tools import is_list
from grader.checks.news_classifier._batches import Batch, Batches
from grader.checks.news_classifier._collate_tokens import (
    padded,
    why_dropped,
    why_dropped_and_reshaped,
    why_filled,
    why_longest,
    why_texts_split,
)
from grader.contract.messages import is_tensor
from grader.grading import pipeline
from grader.grading.answers import CollateSeen, unwrap
from grader.grading.pipeline import FEATURES
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def lengths(batch: Batch) -> list[int]:
    """Return the number of tokens of each sentence."""
    return [len(spacy_vectors(text)) for text, _ in batch]


def holds(row: Array, vectors: Array) -> bool:
    """Return whether consecutive steps of a row are these vectors."""
    starts = range(len(row) - len(vectors) + 1)
    return any(close_to_spacy(row[start : start + len(vectors)], vectors) for start in starts)


def why_by_the_calls(drawn: Batches, found: CollateSeen, known: str | None) -> str | None:
    """Return a more exact name for a wrong shape, by the texts read and by other batches."""
    if known == "rows-not-of-the-batch":
        if len(found.texts[0]) == 1 and len(found.texts[0][0]) >= sum(map(len, drawn.texts)):
            return "texts-joined"
        rows = unwrap(found.results[0])[0].numpy()
        if close_to_spacy(rows, spacy_vectors(drawn.texts[-1])[None]):
            return "only-last-sample"
        is_first = close_to_spacy(rows, spacy_vectors(drawn.texts[0])[None])
        return "return-in-the-batch-loop" if is_first else None
    if known == "every-token-dropped" and not found.embedded[0]:
        return "no-tok2vec"
    if known not in (None, "padded-to-fixed-length", "cut-to-fixed-length"):
        return None
    batches, found_rows = [], []
    for batch, result in zip(drawn.small, found.results, strict=False):
        first = result[0] if is_list(result) and result else None
        rows = first.numpy() if isinstance(first, TensorData) else None
        if rows is not None and rows.ndim == 3 and len(rows) == len(batch):
            batches.append(batch)
            found_rows.append(rows)
    return _why_steps(batches, found_rows, known) if len(batches) > 1 else None


def _why_steps(batches: list[Batch], found: list[Array], known: str | None) -> str | None:
    """Return the known mistake behind the number of steps in several batches."""
    steps = [rows.shape[1] for rows in found]
    if known:
        more = {n - max(lengths(batch)) for n, batch in zip(steps, batches, strict=True)}
        if len(more) == 1 and min(more) > 0:
            return "steps-added"
        return why_longest(batches, steps)
    texts = [text for batch in batches for text, _ in batch]
    filled = [filled_steps(row) for rows in found for row in rows]
    return why_filled(texts, filled) or why_longest(batches, steps)


def why_raised(raised: Raised) -> str | None:
    """Return the known mistake behind sizes that do not fit together."""
    stacked = re.search(r"equal size, but got \[(.+?)\] at .* and \[(.+?)\]", raised.message)
    if stacked:
        sizes = [part.split(", ") for part in stacked.groups()]
        if all(len(size) == 2 for size in sizes):
            features = {int(size[1]) for size in sizes}
            if max(features) > FEATURES:
                return "features-padded"
            return "rows-not-padded" if features == {FEATURES} else None
    unequal = re.search(r"tensor a \((\d+)\) must match .* tensor b \((\d+)\)", raised.message)
    if unequal and min(map(int, unequal.groups())) >= FEATURES:
        return "features-padded"
    return None


def why_padded(batch: Batch, found: object, other: object) -> list[str]:
    """Return the known mistakes behind the first part of a pair: its shape, a dtype."""
    name = _why_shape(batch, found, other)
    if name is None or not isinstance(found, TensorData):
        return [name] if name else []
    are_vectors = found.shape[-1:] == (FEATURES,)
    names = [name, "padded-dtype"] if are_vectors and found.dtype != "float32" else [name]
    if len(batch) in found.shape[:2] and isinstance(other, TensorData):
        right = (len(batch),) if other.dtype != "int64" else ()
        names += ["batch-targets-dtype"] if other.shape == right else []
    return [*dict.fromkeys(names)]


def _why_shape(batch: Batch, found: object, other: object) -> str | None:
    if not isinstance(found, TensorData):
        return None if is_tensor(found) else "not-one-tensor"
    if isinstance(other, TensorData) and (len(found.shape), len(other.shape)) == (1, 3):
        return "batch-swapped"
    b, t = len(batch), max(lengths(batch))
    named = {
        (b, t, FEATURES): "padded-dtype",
        (t, b, FEATURES): "time-first" if b > 1 else None,
        (t, FEATURES): "one-sentence-squeezed" if b == 1 else None,
        (b, FEATURES): "doc-vector",
        (sum(lengths(batch)), FEATURES): "sentences-joined" if b > 1 else "one-sentence-squeezed",
        (b, t): "word-numbers",
        (b, 1, FEATURES): "doc-vector",
    }
    if found.shape in named:
        return named[found.shape]
    if len(found.shape) != 3:
        return None
    if 0 in found.shape[1:]:
        return "no-tok2vec" if found.shape[2] == 0 else "every-token-dropped"
    if found.shape[0] == b - lengths(batch).count(0) < b:
        return "empty-sentence-dropped"
    if found.shape[:2] == (b, t):
        return "features-changed"
    if found.shape[0] != b and found.shape[2] == FEATURES:
        kept = _follows_others(batch, found.numpy())
        return "rows-kept-between-calls" if kept else "rows-not-of-the-batch"
    if found.shape[0] == b and found.shape[2] == FEATURES:
        return _why_length(batch, found.numpy())
    return None


def _follows_others(batch: Batch, rows: Array) -> bool:
    """Return whether rows of other texts are in front of those of a batch."""
    vectors = [spacy_vectors(text) for text, _ in batch]
    own = rows[-len(batch) :]
    return (
        len(rows) > len(batch)
        and not any(holds(rows[0], each) for each in vectors if len(each))
        and all(map(holds, own, vectors))
    )


def _why_length(batch: Batch, rows: Array) -> str | None:
    """Return the known mistake that makes T too large or too small."""
    t, shortest = max(lengths(batch)), min(lengths(batch))
    if rows.shape[1] == sum(lengths(batch)) and holds(rows[-1], spacy_vectors(batch[0][0])):
        return "list-not-reset"
    if rows.shape[1] > t:
        if rows[:, t:].any():
            return None
        without_form = rows.shape[1] == FEATURES and not shortest
        return "empty-sentence-one-dimension" if without_form else "padded-to-fixed-length"
    cut = [spacy_vectors(text)[:shortest] for text, _ in batch]
    if rows.shape[1] == shortest and all(map(close_to_spacy, rows, cut)):
        return "cut-to-shortest"
    if all(_is_cut(row, spacy_vectors(text)) for row, (text, _) in zip(rows, batch, strict=True)):
        return "cut-to-fixed-length"
    return why_vectors(
        batch, rows, max((text for text, _ in batch), key=lambda t: len(spacy_vectors(t)))
    )


def _is_cut(row: Array, vectors: Array) -> bool:
    """Return whether a row holds the whole sentence, or as many first tokens as it has steps.

    If the text itself was cut, the last vectors differ, because they depend on their neighbours.
    """
    n, row = len(row), row[row.any(1)]  # the zeros may be in front
    sure = len(vectors) if len(vectors) <= n else n - 8 if n > 16 else n
    return close_to_spacy(row[:sure], vectors[:sure])


def why_targets(batch: Batch, targets: object) -> str | None:
    if not isinstance(targets, TensorData):
        return None if is_tensor(targets) else "not-one-tensor"
    if targets.shape == () and len(batch) == 1:
        return "one-sentence-squeezed"
    if targets.shape == (len(batch),):
        return "batch-targets-dtype"
    rows = targets.tolist() if len(targets.shape) == 2 and targets.shape[1] > 1 else []
    if rows and all(sorted(row)[-2:] == [0, 1] and sum(row) == 1 for row in rows):
        return "targets-one-hot"
    return "batch-targets-shape"


def why_text(batch: Batch, given: list[str]) -> str | None:
    """Return the known mistake that the texts given to spaCy show."""
    texts = [text for text, _ in batch]
    if not given or sorted(given) == sorted(texts):
        return None
    if name := why_texts_split(texts, given):
        return name
    joined = [text for text in given if text not in texts]
    if joined and len(given) < len(texts) and all(text in "".join(given) for text in texts):
        return "texts-joined"
    if sorted(text.lower() for text in given) == sorted(text.lower() for text in texts):
        return "texts-case-changed"
    if sorted(given) == sorted(" ".join(text.split()) for text in texts):
        return "texts-stripped"
    if sorted(_normalised(text) for text in given) == sorted(map(_normalised, texts)):
        return "texts-normalised"
    return "texts-changed" if len(given) % len(texts) == 0 else None


def _normalised(text: str) -> str:
    return " ".join(text.lower().split())


def why_vectors(batch: Batch, rows: Array, text: str) -> str | None:
    """Compare rows with the results of known mistakes on texts of the batch."""
    import numpy as np

    if not rows.any():
        return "batch-all-zeros"
    words, tokens = text.split(), pipeline.tokens(text)
    mean = spacy_vectors(text).mean(0, keepdims=True)
    known = {
        "words-read-alone": [
            np.concatenate([spacy_vectors(part).mean(0, keepdims=True) for part in parts])
            for parts in (tokens, words)
        ],
        "texts-case-changed": [
            spacy_vectors(other) for other in (text.lower(), text.upper(), text.title())
        ],
        "texts-stripped": [spacy_vectors(" ".join(words))],
        "split-at-spaces": [pipeline.vectors_of_words(words)],
        "one-vector-repeated": [mean.repeat(len(tokens), 0)],
    }
    if name := why_dropped([other for other, _ in batch], rows):
        return name
    for mistake, made in known.items():
        if any(holds(row, vectors) for vectors in made for row in rows):
            return mistake
    if rows.any() and all(map(_some_of, rows, (spacy_vectors(other) for other, _ in batch))):
        return "only-last-part" if _are_ends(batch, rows) else "tokens-dropped"
    return None


def _are_ends(batch: Batch, rows: Array) -> bool:
    """Return whether the rows are the ends of texts, and less than half of the longest one."""
    ends = [
        row.any() and close_to_spacy(row[row.any(1)], spacy_vectors(text)[-int(row.any(1).sum()) :])
        for row, (text, _) in zip(rows, batch, strict=True)
    ]
    return all(ends) and int(rows.any(2).sum(1).max()) < max(lengths(batch)) / 2


def _some_of(row: Array, vectors: Array) -> bool:
    """Return whether the nonzero steps of a row are a subsequence of these vectors."""
    rest = iter(vectors)
    return all(any(close_to_spacy(step, vector) for vector in rest) for step in row[row.any(1)])


def why_altered(batch: Batch, rows: Array) -> list[str]:
    """Return why no row holds a sentence although the shape is right."""
    texts = [text for text, _ in batch]
    right = padded([spacy_vectors(text) for text in texts])
    if right.shape == rows.shape and close_to_spacy(rows, right.swapaxes(0, 1).reshape(rows.shape)):
        return ["input-reshaped"]
    if name := why_dropped_and_reshaped(texts, rows):
        return ["input-reshaped", name]
    if all(_of_these_words(rows[b], batch, b) for b in range(len(batch))):
        return ["vectors-kept-by-word"]
    pairs = [(row, spacy_vectors(text)) for row, text in zip(rows, texts, strict=True)]
    for mistake, fits in ALTERED:
        if all(fits(row[: len(vectors)], vectors) for row, vectors in pairs):
            return [mistake]
    if is_near_spacy([row[: len(vectors)] for row, vectors in pairs], texts):
        return ["other-neighbours"]
    filled = [filled_steps(row) for row in rows]
    if sorted(filled) == sorted(lengths(batch)):
        return ["vectors-altered"]
    return [name] if (name := why_filled(texts, filled)) else []


def _are_scaled(steps: Array, vectors: Array) -> bool:
    """Return whether the steps differ from the vectors (tokens, F) in their lengths only."""
    norms = [(each**2).sum(1, keepdims=True) ** 0.5 for each in (steps, vectors)]
    return bool(norms[0].all()) and close_to_spacy(steps / norms[0] * norms[1], vectors)


def _are_shifted(steps: Array, vectors: Array) -> bool:
    """Return whether the steps differ from the vectors (tokens, F) by the same vector."""
    shift = steps - vectors
    return close_to_spacy(shift, shift[:1].repeat(len(shift), 0))


def _are_the_same(steps: Array, vectors: Array) -> bool:
    """Return whether the steps are all one of the vectors (tokens, F)."""
    return any(close_to_spacy(steps, each[None].repeat(len(steps), 0)) for each in vectors)


ALTERED = (  # how the steps of each sentence may differ from its vectors
    ("vectors-scaled", _are_scaled),
    ("tokens-reversed", lambda steps, vectors: close_to_spacy(steps[::-1], vectors)),
    ("one-vector-repeated", _are_the_same),
    ("vectors-shifted", _are_shifted),
)


def _of_these_words(row: Array, batch: Batch, b: int) -> bool:
    """Return whether each step has a vector of its word, from this or another sentence."""
    tokens = pipeline.tokens(batch[b][0])
    texts = (text for text, _ in batch)
    return not row[len(tokens) :].any() and holds_words(row, tokens, texts)


def filled_steps(row: Array) -> int:
    """Return the number of filled steps, or -1 if there are empty ones among them."""
    filled: Array = (row != 0).any(1)
    length = int(filled.sum())
    return length if filled[:length].all() else -1


def is_left_over(row: Array, place: int, batches: list[Batch]) -> bool:
    """Return whether a row (T, F) without a token holds what stood at its place in a batch."""
    earlier = [spacy_vectors(batch[place][0])[: len(row)] for batch in batches if batch[place:]]
    return any(len(each) and close_to_spacy(row[: len(each)], each) for each in earlier)


def why_padding(batch: Batch, row: Array) -> str | None:
    for text, _ in batch:
        n = len(row) - len(spacy_vectors(text))  # number of padding steps
        if n and close_to_spacy(row[n:], spacy_vectors(text)) and not row[:n].any():
            return "padded-in-front"
        if n and close_to_spacy(row[:-n], spacy_vectors(text)):
            return "padded-with-other-value"
    return None
