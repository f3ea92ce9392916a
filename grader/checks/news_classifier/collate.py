"""Checks of the task collate: `Collate`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from grader.checks._spacy import TOLERANCE, close_to_spacy, spacy_vectors
from grader.checks._tools import first_difference, is_list, is_tensor_of, quoted, repair, tensor_of
from grader.checks.news_classifier._batches import Batch, Batches, draw_batches
from grader.contract.messages import Failure, is_tensor, show
from grader.grading import pipeline
from grader.grading.answers import CollateSeen, unwrap
from grader.grading.leniency import lenient, local, still_wrong
from grader.grading.pipeline import FEATURES, MODEL
from grader.grading.submission import Submission, evidence
from grader.sandbox.worker_client import FRESH
from grader.worker.wire import Opaque, Raised, TensorData

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def batches_of(submission: Submission) -> Batches:
    """Return the batches for this submission's seed."""
    return draw_batches(submission.seed)


@evidence
def seen(submission: Submission) -> CollateSeen:
    """Create a Collate and call it on all batches."""
    return submission.collate(batches_of(submission).small)


@evidence
def seen_long(submission: Submission) -> CollateSeen:
    """Create a Collate where a pipeline is ready, and call it on the two other batches."""
    drawn = batches_of(submission)
    return submission.collate([drawn.long, drawn.raw], apart=FRESH)


def lengths(batch: Batch) -> list[int]:
    """Return the number of tokens of each sentence."""
    return [len(spacy_vectors(text)) for text, _ in batch]


def call(batch: Batch) -> str:
    """Format the call with a batch."""
    return "Collate()([" + ", ".join(f"({quoted(text)}, tensor({t}))" for text, t in batch) + "])"


def padded(submission: Submission) -> Array:
    """Return the padded vectors (B, T, F) of the first batch."""
    drawn = batches_of(submission)
    return _pair(drawn.batch, unwrap(seen(submission).results[0]))[0]


def _pair(batch: Batch, found: Any) -> tuple[Array, list[int]]:
    """Return the padded vectors (B, T, F) and the targets of a batch.

    Raises:
        Failure: a type or shape is wrong.
        Blocked: it is, and it cannot be repaired for a check that is judged leniently.
    """
    if not lenient():
        _expect_pair(batch, found)
        return found[0].numpy(), found[1].tolist()
    if (pair := _repaired(batch, found)) is None:
        raise still_wrong()
    return pair


def _repaired(batch: Batch, found: Any) -> tuple[Array, list[int]] | None:
    """Return a pair of other dtypes or shapes, in another order, or padded too far."""
    b, t = len(batch), max(lengths(batch))
    for first in found if is_list(found) else ():
        rows = repair(first, "float32", (b, t, FEATURES))
        if rows is None and isinstance(first, TensorData) and len(first.shape) == 3:
            longer = repair(first, "float32", (b, max(first.shape[:2]), FEATURES))
            if longer is not None and longer.shape[1] > t and not bool(longer[:, t:].any()):
                rows = longer[:, :t]
        others = [repair(part, "int64", (b,)) for part in found if part is not first]
        targets = [part.tolist() for part in others if part is not None]
        if rows is not None and targets:
            own = [part for part in targets if part != lengths(batch)]
            return rows.numpy(), (own or targets)[0]
    return None


def holds(row: Array, vectors: Array) -> bool:
    """Return whether consecutive steps of a row are these vectors."""
    starts = range(len(row) - len(vectors) + 1)
    return any(close_to_spacy(row[start : start + len(vectors)], vectors) for start in starts)


def check_loads_once(submission: Submission) -> None:
    """The pipeline is loaded once, in the constructor, and kept in `nlp`."""
    drawn = batches_of(submission)
    found = seen(submission)
    nlp = unwrap(found.nlp)
    if not (found.pipeline or "").startswith(MODEL):
        expected = f'the result of spacy.load("{MODEL}"), loaded in __init__'
        raise Failure("Collate().nlp", f"It is {found.pipeline or show(nlp)}", expected)
    if found.loads_called:
        every = found.loads_called >= len(drawn.small)
        raise Failure(
            call(drawn.batch),
            f"Pipelines loaded by {len(drawn.small)} such calls: {found.loads_called}",
            "0, because Collate() loads the one that they use",
            "pipeline-loaded-at-every-call" if every else None,
        )


def check_shape(submission: Submission) -> None:
    """A batch becomes float32 (B, T, F) and int64 (B,), where T is the longest sentence."""
    drawn = batches_of(submission)
    found = seen(submission).results[0]
    lacks_tok2vec = "without tok2vec" in str(seen(submission).pipeline)
    if isinstance(found, Raised) and found.type != "NotImplementedError":
        mistake = "no-tok2vec" if lacks_tok2vec else _why_raised(found)
        if mistake:
            expected = "a pair (padded, targets)"
            raise Failure(call(drawn.batch), found, expected, mistake)
    try:
        _expect_pair(drawn.batch, unwrap(found))
    except Failure as failure:
        mistake = _why_by_the_calls(submission, failure.mistake)
        with local(_repaired(drawn.batch, unwrap(found)) is not None):
            raise (failure.named(mistake) if mistake else failure) from None


def _why_by_the_calls(submission: Submission, known: str | None) -> str | None:
    """Return a more exact name for a wrong shape, by the texts read and by another batch."""
    drawn, found = batches_of(submission), seen(submission)
    if known == "rows-not-of-the-batch":
        if len(found.texts[0]) == 1 and len(found.texts[0][0]) >= sum(map(len, drawn.texts)):
            return "texts-joined"
        first, rows = spacy_vectors(drawn.texts[0]), unwrap(found.results[0])[0].numpy()
        return "return-in-the-batch-loop" if close_to_spacy(rows, first[None]) else None
    if known != "padded-to-fixed-length":
        return None
    steps = [
        result[0].shape[1] if is_list(result) and isinstance(result[0], TensorData) else 0
        for result in found.results[:2]
    ]
    if steps[0] == max(map(len, drawn.texts)):
        return "characters-counted"
    more = [n - max(lengths(batch)) for n, batch in zip(steps, drawn.small, strict=False)]
    return "steps-added" if more[0] == more[1] else None


def _why_raised(raised: Raised) -> str | None:
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


def _expect_pair(batch: Batch, found: Any) -> None:
    """Require the correct types and shapes."""
    if not is_list(found) or len(found) != 2:
        several = is_list(found) and len(found) > 2 and is_tensor(found[0])
        mistake = "more-than-a-pair" if several else None
        if isinstance(found, Opaque) and found.type == "generator":
            mistake = "yield-for-return"
        raise Failure(
            call(batch), f"It returned {show(found)}", "a pair (padded, targets)", mistake
        )
    first, targets = found
    right_shape = (len(batch), max(lengths(batch)), FEATURES)
    if not is_tensor_of(first, "float32", right_shape):
        expected = tensor_of("float32", "(B, T, F)", right_shape)
        mistake = _why_padded(batch, first, targets)
        raise Failure(f"{call(batch)}[0]", f"It is {show(first)}", expected, mistake)
    b = right_shape[:1]
    if not is_tensor_of(targets, "int64", b):
        expected = tensor_of("int64", "(B,)", b)
        mistake = _why_targets(batch, targets)
        raise Failure(f"{call(batch)}[1]", f"It is {show(targets)}", expected, mistake)


def _why_padded(batch: Batch, found: object, other: object) -> str | None:
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
        return "no-tok2vec"
    if found.shape[0] == b - lengths(batch).count(0) < b:
        return "empty-sentence-dropped"
    if found.shape[:2] == (b, t):
        return "features-changed"
    if found.shape[0] != b and found.shape[2] == FEATURES:
        return "rows-not-of-the-batch"
    if found.shape[0] == b and found.shape[2] == FEATURES:
        return _why_length(batch, found.numpy())
    return None


def _why_length(batch: Batch, rows: Array) -> str | None:
    """Return the known mistake that makes T too large or too small."""
    t, shortest = max(lengths(batch)), min(lengths(batch))
    if rows.shape[1] == sum(lengths(batch)) and holds(rows[-1], spacy_vectors(batch[0][0])):
        return "list-not-reset"
    if rows.shape[1] > t:
        return None if rows[:, t:].any() else "padded-to-fixed-length"
    cut = [spacy_vectors(text)[:shortest] for text, _ in batch]
    if rows.shape[1] == shortest and all(map(close_to_spacy, rows, cut)):
        return "cut-to-shortest"
    if all(_is_cut(row, spacy_vectors(text)) for row, (text, _) in zip(rows, batch, strict=True)):
        return "cut-to-fixed-length"
    return _why_vectors(
        batch, rows, max((text for text, _ in batch), key=lambda t: len(spacy_vectors(t)))
    )


def _is_cut(row: Array, vectors: Array) -> bool:
    """Return whether a row holds the whole sentence, or as many first tokens as it has steps.

    If the text itself was cut, the last vectors differ, because they depend on their neighbours.
    """
    n = len(row)
    sure = len(vectors) if len(vectors) <= n else n - 8 if n > 16 else n
    return close_to_spacy(row[:sure], vectors[:sure])


def _why_targets(batch: Batch, targets: object) -> str | None:
    if not isinstance(targets, TensorData):
        return None if is_tensor(targets) else "not-one-tensor"
    if targets.shape == () and len(batch) == 1:
        return "one-sentence-squeezed"
    return "batch-targets-dtype" if targets.shape == (len(batch),) else "batch-targets-shape"


def check_vectors(submission: Submission) -> None:
    """Row b holds `token.vector` for each token of one sentence of any length."""
    drawn = batches_of(submission)
    rows = padded(submission)
    for text in sorted(drawn.texts, key=lambda text: -len(spacy_vectors(text))):
        if not any(holds(row, spacy_vectors(text)) for row in rows):
            mistake = _why_vectors(drawn.batch, rows, text)
            mistake = mistake or _why_text(drawn.batch, seen(submission).texts[0])
            mistake = mistake or _why_altered(drawn.batch, rows)
            _expect_vectors(drawn.batch, rows, drawn.texts.index(text), mistake)
    rows, _ = _pair(drawn.long, unwrap(seen_long(submission).results[0]))
    if not any(holds(row, spacy_vectors(drawn.long[0][0])) for row in rows):
        mistake = _why_text(drawn.long, seen_long(submission).texts[0])
        _expect_vectors(drawn.long, rows, 0, mistake)
    _expect_raw(submission)


def _expect_raw(submission: Submission) -> None:
    """Compare the vectors of texts that invite cleaning."""
    drawn = batches_of(submission)
    found = unwrap(seen_long(submission).results[1])
    mistake = _why_text(drawn.raw, seen_long(submission).texts[1])
    try:
        rows, _ = _pair(drawn.raw, found)
    except Failure:
        if not mistake:
            raise
        shown = f"It is {show(found[0] if is_list(found) and found else found)}"
        expected = f"the vectors of {sum(lengths(drawn.raw))} tokens"
        raise Failure(f"{call(drawn.raw)}[0]", shown, expected, mistake) from None
    for text, _ in drawn.raw:
        if not any(holds(row, spacy_vectors(text)) for row in rows):
            _expect_vectors(drawn.raw, rows, [text for text, _ in drawn.raw].index(text), mistake)


def _why_text(batch: Batch, given: list[str]) -> str | None:
    """Return the known mistake that the texts given to spaCy show."""
    texts = [text for text, _ in batch]
    if not given or sorted(given) == sorted(texts):
        return None
    if sorted(text.lower() for text in given) == sorted(text.lower() for text in texts):
        return "texts-case-changed"
    if sorted(given) == sorted(" ".join(text.split()) for text in texts):
        return "texts-stripped"
    return "texts-changed" if len(given) % len(texts) == 0 else None


def _expect_vectors(batch: Batch, rows: Array, b: int, mistake: str | None = None) -> None:
    """Compare row b with the vectors of sentence b, step by step."""
    text = batch[b][0]
    tokens = pipeline.tokens(text)
    for step, (token, found, vector) in enumerate(
        zip(tokens, rows[b], spacy_vectors(text), strict=False)
    ):
        if not close_to_spacy(found, vector):
            at, number, right = first_difference(found, vector, TOLERANCE)
            place = f"{call(batch)}[0][{b}, {step}, {at}]"
            expected = f"{right}, from token.vector of {token!r} in {quoted(text)}"
            raise Failure(place, f"It is {number}", expected, mistake)


def _why_vectors(batch: Batch, rows: Array, text: str) -> str | None:
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
    for mistake, made in known.items():
        if any(holds(row, vectors) for vectors in made for row in rows):
            return mistake
    if rows.any() and all(map(_some_of, rows, (spacy_vectors(other) for other, _ in batch))):
        return "tokens-dropped"
    return None


def _why_altered(batch: Batch, rows: Array) -> str | None:
    """Return why no row holds a sentence although the shape is right."""
    import numpy as np

    right = np.zeros((rows.shape[1], len(batch), FEATURES), dtype=rows.dtype)
    for b, (text, _) in enumerate(batch):
        right[: len(spacy_vectors(text)), b] = spacy_vectors(text)
    if close_to_spacy(rows, right.reshape(rows.shape)):
        return "input-reshaped"
    found = sorted(_length(row) for row in rows)
    return "vectors-altered" if found == sorted(lengths(batch)) else None


def _some_of(row: Array, vectors: Array) -> bool:
    """Return whether the nonzero steps of a row are a subsequence of these vectors."""
    rest = iter(vectors)
    return all(any(close_to_spacy(step, vector) for vector in rest) for step in row[row.any(1)])


def check_padding(submission: Submission) -> None:
    """After the last token of a sentence there are zeros, up to T."""
    drawn = batches_of(submission)
    rows, right_lengths = padded(submission), lengths(drawn.batch)
    found = [_length(row) for row in rows]
    if sorted(found) == sorted(right_lengths):
        return
    b = next(b for b, length in enumerate(found) if length != right_lengths[b])
    zeros = [step for step, is_filled in enumerate(rows[b].any(1)) if not is_filled]
    expected = (
        f"{[*range(right_lengths[b], len(rows[b]))]}, those after the {right_lengths[b]} tokens "
        f"of {drawn.batch[b][0]!r}"
    )
    text = f"The steps that are all zero are {zeros or 'none'}"
    raise Failure(
        f"{call(drawn.batch)}[0][{b}]", text, expected, _why_padding(drawn.batch, rows[b])
    )


def _length(row: Array) -> int:
    """Return the number of filled steps, or -1 if there are empty ones among them."""
    filled: Array = (row != 0).any(1)
    length = int(filled.sum())
    return length if filled[:length].all() else -1


def _why_padding(batch: Batch, row: Array) -> str | None:
    for text, _ in batch:
        n = len(row) - len(spacy_vectors(text))  # number of padding steps
        if n and close_to_spacy(row[n:], spacy_vectors(text)) and not row[:n].any():
            return "padded-in-front"
        if n and close_to_spacy(row[:-n], spacy_vectors(text)):
            return "padded-with-other-value"
    return None


def check_order(submission: Submission) -> None:
    """Row b and target b belong to item b of the batch."""
    drawn = batches_of(submission)
    rows, targets = _pair(drawn.batch, unwrap(seen(submission).results[0]))
    texts, right_targets = zip(*drawn.batch, strict=True)
    order = [
        next(b for b, row in enumerate(rows) if holds(row, spacy_vectors(text))) for text in texts
    ]
    given = [*range(len(drawn.batch))]
    if order != given:
        found = f"The sentences of the batch are in rows {order}"
        raise Failure(f"{call(drawn.batch)}[0]", found, f"rows {given}", "rows-reordered")
    if targets != [*right_targets]:
        mistake = "targets-reordered" if sorted(targets) == sorted(right_targets) else None
        if targets == given:
            mistake = "targets-counted"
        if targets == [target - 1 for target in right_targets]:
            mistake = "targets-subtracted-again"
        if targets == lengths(drawn.batch):
            mistake = "lengths-for-targets"
        expected = f"{[*right_targets]}, the targets of the batch"
        raise Failure(f"{call(drawn.batch)}[1]", f"It is {targets}", expected, mistake)


def check_one_sentence(submission: Submission) -> None:
    """A batch of one sentence works."""
    drawn = batches_of(submission)
    rows, _ = _pair(drawn.one, unwrap(seen(submission).results[1]))
    if not holds(rows[0], spacy_vectors(drawn.one[0][0])):
        _expect_vectors(drawn.one, rows, 0)


def check_empty_sentence(submission: Submission) -> None:
    """A sentence without a token is all zeros."""
    drawn = batches_of(submission)
    found = seen(submission).results[2]
    if isinstance(found, Raised):
        expected = "a row of zeros for the empty text"
        raise Failure(call(drawn.empty), found, expected, "empty-sentence-fails")
    (first, second), _ = _pair(drawn.empty, found)
    if not first.any():
        raise Failure(
            f"{call(drawn.empty)}[0][0]", "It contains only zeros", "the vectors of the first text"
        )
    if second.any():
        raise Failure(f"{call(drawn.empty)}[0][1]", "It is not all zeros", "only zeros")
