"""Task collate: what `Collate` promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grader.messages import Failure, shape, show
from grader.submission import CollateSeen, Submission, evidence, value
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# Lengths 5, 8, 2 and 3: the longest is neither first nor last and B differs from T; stop words,
# punctuation and upper case are there to be lost; no two rows have the same target.
BATCH = [
    ("The match was abandoned .", 2),
    ("Shares of the bank fell on Monday !", 0),
    ("Comet sighted", 3),
    ("Ministers met again", 1),
]
ONE = [("Oil prices rose again", 1)]
EMPTY = [("Rain stops play", 1), ("", 0)]
F = 96
TOLERANCE = 1e-4  # vectors are of size 1; batching changes them by some 1e-6


@evidence
def seen(submission: Submission) -> CollateSeen:
    """Make one Collate and call it on all batches."""
    return submission.collate([BATCH, ONE, EMPTY])


@evidence
def right_vectors(_submission: Submission) -> dict[str, Array]:
    """Compute the vectors (tokens, F) of each text."""
    from grader import vectors

    texts = [text for batch in (BATCH, ONE, EMPTY) for text, _ in batch]
    all_vectors, offsets = vectors.compute(texts, vectors.load_pipeline())
    parts = zip(texts, offsets[:-1], offsets[1:], strict=True)
    return {text: all_vectors[start:stop] for text, start, stop in parts}


def call(batch: list[tuple[str, int]]) -> str:
    """Show how a batch was handed over."""
    return "Collate()([" + ", ".join(f"({text!r}, tensor({t}))" for text, t in batch) + "])"


def padded(submission: Submission, number: int = 0) -> Array:
    """Return the padded vectors of a batch as an array."""
    array: Array = value(seen(submission).results[number])[0].numpy()
    return array


def test_loads_once(submission: Submission) -> None:
    """The pipeline is loaded once, when the object is made, and kept in `nlp`."""
    found = seen(submission)
    nlp = value(found.nlp)
    if not str(nlp).startswith("en_core_web_sm"):
        raise Failure("Collate().nlp", f"It is {show(nlp)}", "the pipeline en_core_web_sm")
    if found.loads_called:
        raise Failure(
            call(BATCH),
            f"It loaded a pipeline {found.loads_called} times in 3 calls",
            "it to be loaded once, in __init__",
            "pipeline-loaded-at-every-call",
        )


def test_shape(submission: Submission) -> None:
    """A batch becomes float32 (B, T, F) and int64 (B,), T the longest sentence."""
    found = value(seen(submission).results[0])
    vectors = right_vectors(submission)
    lengths = [len(vectors[text]) for text, _ in BATCH]
    b, t = len(BATCH), max(lengths)
    if type(found) not in (tuple, list) or len(found) != 2:
        raise Failure(call(BATCH), f"It returned {show(found)}", "a pair (padded, targets)")
    first, targets = found
    if not isinstance(first, TensorData) or (first.dtype, first.shape) != ("float32", (b, t, F)):
        mistake = _why_shape(first, b, t, lengths)
        expected = f"a float32 tensor of shape (B, T, F) = {shape((b, t, F))}"
        raise Failure(f"{call(BATCH)}[0]", f"It is {show(first)}", expected, mistake)
    if not isinstance(targets, TensorData) or (targets.dtype, targets.shape) != ("int64", (b,)):
        mistake = None
        if isinstance(targets, TensorData):
            mistake = "batch-targets-shape" if targets.shape != (b,) else "batch-targets-dtype"
        expected = f"an int64 tensor of shape (B,) = ({b},)"
        raise Failure(f"{call(BATCH)}[1]", f"It is {show(targets)}", expected, mistake)


def _why_shape(found: object, b: int, t: int, lengths: list[int]) -> str | None:
    if not isinstance(found, TensorData):
        return None
    shapes = {
        (t, b, F): "time-first",
        (b, min(lengths), F): "cut-to-shortest",
        (b, F): "doc-vector",
        (b, t, 0): "no-tok2vec",
    }
    if found.shape == (b, t, F):
        return "padded-dtype"
    if len(found.shape) == 3 and found.shape[0] == b and found.shape[1] > t:
        return "padded-to-fixed-length"
    return shapes.get(found.shape)


def test_vectors(submission: Submission) -> None:
    """Row b begins with `token.vector` of each token of one sentence."""
    import numpy as np

    found, vectors = padded(submission), right_vectors(submission)
    by_length = sorted(BATCH, key=lambda item: len(vectors[item[0]]))
    longest = by_length[-1][0]
    right = vectors[longest]
    if any(close(row, right) for row in found):
        return
    mistake = None
    if any(close(row, np.broadcast_to(right.mean(0), right.shape)) for row in found):
        mistake = "one-vector-repeated"
    raise Failure(
        f"{call(BATCH)}[0]",
        f"No row holds the {len(right)} token vectors of {longest!r} (the longest sentence)",
        "token.vector of each of its tokens, in order",
        mistake,
    )


def close(one: Array, other: Array) -> bool:
    """Tell whether two arrays agree up to rounding; NaN agrees with nothing."""
    return one.shape == other.shape and bool((abs(one - other) <= TOLERANCE).all())


def test_padding(submission: Submission) -> None:
    """Behind a sentence's last token there are zeros, up to T."""
    found, vectors = padded(submission), right_vectors(submission)
    for text, _ in BATCH:
        right = vectors[text]
        if any(_starts_with(row, right) and not row[len(right) :].any() for row in found):
            continue
        mistake = None
        if any(close(row[len(row) - len(right) :], right) for row in found):
            mistake = "padded-in-front"
        elif any(_starts_with(row, right) for row in found):
            mistake = "padded-with-other-value"
        raise Failure(
            f"{call(BATCH)}[0]",
            f"The row of {text!r} is not its {len(right)} vectors and then zeros",
            f"{len(right)} token vectors, then {len(found[0]) - len(right)} rows of zeros",
            mistake,
        )


def _starts_with(row: Array, right: Array) -> bool:
    return close(row[: len(right)], right)


def test_order(submission: Submission) -> None:
    """Row b and target b belong to item b of the batch."""
    found, vectors = padded(submission), right_vectors(submission)
    targets = value(seen(submission).results[0])[1].tolist()
    rows_right = all(
        _starts_with(row, vectors[text]) for row, (text, _) in zip(found, BATCH, strict=True)
    )
    targets_right = targets == [target for _, target in BATCH]
    if not rows_right:
        lengths = [len(vectors[text]) for text, _ in BATCH]
        raise Failure(
            f"{call(BATCH)}[0]",
            "Row b does not hold the vectors of sentence b",
            f"the order of the batch (sentences of {lengths} tokens)",
            "rows-reordered",
        )
    if not targets_right:
        expected = f"{[target for _, target in BATCH]}, the order of the batch"
        raise Failure(f"{call(BATCH)}[1]", f"It is {targets}", expected, "targets-reordered")


def test_one_sentence(submission: Submission) -> None:
    """A batch of one sentence works."""
    _expect_batch(submission, 1, ONE)


def test_empty_sentence(submission: Submission) -> None:
    """A sentence without a token is all zeros."""
    _expect_batch(submission, 2, EMPTY)


def _expect_batch(submission: Submission, number: int, batch: list[tuple[str, int]]) -> None:
    import numpy as np

    found = value(seen(submission).results[number])
    vectors = right_vectors(submission)
    t = max(len(vectors[text]) for text, _ in batch)
    right = np.zeros((len(batch), t, F), np.float32)
    for row, (text, _) in zip(right, batch, strict=True):
        row[: len(vectors[text])] = vectors[text]
    good = (
        type(found) in (tuple, list)
        and len(found) == 2
        and all(isinstance(part, TensorData) for part in found)
        and close(found[0].numpy(), right)
        and found[1].tolist() == [target for _, target in batch]
    )
    if not good:
        expected = f"float32 {shape(right.shape)} and the targets of shape ({len(batch)},)"
        raise Failure(call(batch), f"It returned {show(found)}", expected)
