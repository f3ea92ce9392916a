"""Measures the task accuracy: train on some news items, classify others.

A key, the HMAC-SHA256 of the course's secret and the submission, splits the news into training and
test items and renumbers the classes. It also disguises the news. First, each text is cut into
random pieces of a few tokens, and each piece becomes one random weighted mean of token vectors.
Then one random matrix multiplies all vectors, and all get the same length. So prepared answers and
weights do not fit, and lengths and angles of vectors hardly tell which news they belong to. An LSTM
learns better from such vectors than from the original ones.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import news
from grader.contract import course_news
from grader.contract.messages import Failure, show
from grader.grading.calibration import DATA, TRAINING
from grader.grading.keys import derive
from grader.grading.pipeline import FEATURES
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    import numpy as np

    from grader.grading.submission import Submission
    from grader.grading.vectors import Array, Vectors

SECONDS = 120.0  # for one training run
TRIES = 3  # at most, each with another split and other weights and batches; the best one counts
KEYS = ("train_loss", "val_loss", "val_accuracy")  # of an epoch in a history
MOST_EPOCHS, LARGEST = 100, 1e6  # in a history that is kept
EVENNESS = 3.0  # of the weights in a piece: they have the Dirichlet distribution of this parameter
CONDITION = 4.0  # of the random matrix: its largest singular value divided by the smallest
LENGTH = 7.0  # of each disguised vector, about the mean length of the original ones
SPLIT = (8, 9, 12)  # of 12 rows, 8 are for training, 1 for validation, 3 for testing


def key(submission: Submission, attempt: int) -> int:
    """Return the key for one try at one submission."""
    return derive(submission.secret, submission.digest, submission.seed, attempt)


@dataclass(frozen=True)
class Split:
    """The news of one try as vectors, for training, validation and testing; and a seed."""

    train: Vectors
    val: Vectors
    unseen: Vectors
    seed: int


@dataclass(frozen=True)
class Measured:
    """The result of one try.

    Attributes:
        accuracy: the fraction of test items that were classified correctly.
        history: the figures of the epochs by `KEYS`, as returned by the loop; empty if invalid.
    """

    accuracy: float
    history: list[dict[str, float]] = field(default_factory=list)


def split(pool: Vectors, key: int, shuffled: bool = False) -> Split:
    """Split a pool of news for one try.

    Args:
        pool: N news items.
        key: determines the split.
        shuffled: shuffle the targets of the training items, so that there is nothing to learn
            (for the calibration).
    """
    import numpy as np

    from grader.grading.vectors import Vectors

    chance = np.random.default_rng(key)
    order, classes = chance.permutation(len(pool)), chance.permutation(len(news.CLASSES))
    pieces = _pieces(chance, pool)
    turned = Vectors(_disguised(chance, pieces.vectors), pieces.offsets, classes[pool.targets])
    ends = [len(pool) * share // SPLIT[-1] for share in SPLIT]
    train, val, unseen = (
        turned.take(order[start:end]) for start, end in zip([0, *ends[:-1]], ends, strict=True)
    )
    if shuffled:
        train = Vectors(train.vectors, train.offsets, chance.permutation(train.targets))
    return Split(train, val.by_length(), unseen.by_length(), int(chance.integers(1 << 32)))


def _pieces(chance: np.random.Generator, pool: Vectors) -> Vectors:
    """Replace each few neighbouring tokens by a weighted mean of them, with random weights.

    At most `steps` pieces of `narrowest` to `widest` tokens (see accuracy.toml) make up a text; the
    last piece may be shorter, and what follows it is left out.
    """
    import numpy as np

    from grader.grading.vectors import Vectors

    lengths = np.diff(pool.offsets)
    widths = chance.integers(DATA["narrowest"], DATA["widest"] + 1, (len(pool), DATA["steps"]))
    ends = np.minimum(np.cumsum(widths, axis=1), lengths[:, None])
    starts = np.concatenate([np.zeros((len(pool), 1), dtype=np.int64), ends[:, :-1]], axis=1)
    used = starts < ends
    positions = np.arange(len(pool.vectors)) - np.repeat(pool.offsets[:-1], lengths)
    weights = chance.gamma(EVENNESS, size=len(pool.vectors)).astype(np.float32)
    weights[positions >= np.repeat(ends[:, -1], lengths)] = 0
    first = (pool.offsets[:-1, None] + starts)[used]
    sums = np.add.reduceat(pool.vectors * weights[:, None], first)
    means = sums / np.add.reduceat(weights, first)[:, None]
    return Vectors(means, np.cumsum([0, *used.sum(axis=1)], dtype=np.int64), pool.targets)


def _disguised(chance: np.random.Generator, vectors: Array) -> Array:
    """Multiply vectors (tokens, F) by a random matrix, then scale each one to `LENGTH`."""
    import numpy as np

    size = vectors.shape[1]
    left, right = (np.linalg.qr(chance.standard_normal((size, size)))[0] for _ in range(2))
    singular = CONDITION ** chance.uniform(-0.5, 0.5, size)
    turned: Array = vectors @ (left * singular @ right).astype(np.float32)
    lengths = np.linalg.norm(turned, axis=1, keepdims=True)
    turned *= LENGTH / np.maximum(lengths, 1e-6)
    return turned


def sample_pool() -> Vectors:
    """Return the vectors of the whole sample."""
    return _embedded(
        tuple(row for split in ("train", "valid", "test") for row in news.sample(split))
    )


@functools.lru_cache(maxsize=2)
def _embedded(rows: tuple[tuple[int, str], ...]) -> Vectors:
    from grader.grading import vectors

    return vectors.embed(rows)


def pool(submission: Submission) -> Vectors:
    """Return the news to split: the sample, or some of the instructor's own rows.

    Raises:
        UsageError: the vectors cannot be computed.
    """
    if submission.rows is None:
        return sample_pool()
    return _embedded(tuple(course_news.few(submission.rows)))


def measure(submission: Submission, drawn: Split, *, own_model: bool, own_loop: bool) -> Measured:
    """Train once and classify the test items.

    Args:
        submission: the submission to measure.
        drawn: the news of this try.
        own_model: use the student's model instead of the grader's.
        own_loop: use the student's loop instead of the grader's.

    Raises:
        Failure: the model does not return logits, or has no valid weights after the training.
        StudentError, WorkerLost: the submission failed.
    """
    seen = submission.fit(
        drawn.train,
        drawn.val,
        seconds=SECONDS,
        seed=drawn.seed,
        own_model=own_model,
        own_loop=own_loop,
        n_targets=len(news.CLASSES),
        similar_lengths=True,
        **TRAINING,
    )
    if own_model:
        scores = _student_logits(submission, drawn, own_loop)
    else:
        scores = replacement_logits(seen.weights, drawn.unseen)
    accuracy = float((scores.argmax(axis=1) == drawn.unseen.targets).mean())
    return Measured(accuracy, curve(seen.history))


def _student_logits(submission: Submission, drawn: Split, own_loop: bool) -> Array:
    """Classify the test items with the student's model; they reach its process only now."""
    import numpy as np

    logits = submission.predict(
        drawn.unseen,
        seconds=SECONDS,
        seed=drawn.seed,
        batch_size=TRAINING["batch_size"],
        own_loop=own_loop,
    )
    shape = (len(drawn.unseen), len(news.CLASSES))
    right_form = isinstance(logits, TensorData) and logits.shape == shape
    scores: Array | None = logits.numpy() if right_form else None
    if scores is None or not np.isfinite(scores).all():
        found = f"The logits of {len(drawn.unseen)} sentences are {show(logits)}"
        raise Failure("model(padded)", found, "finite numbers of shape (N, C)")
    return scores


def replacement_logits(weights: dict[Any, Any], unseen: Vectors) -> Array:
    """Compute the logits (N, C) of the grader's `Classifier` from its weights.

    This process computes them, so nothing but the weights comes from the student's loop.

    Raises:
        Failure: the weights do not have the right names and shapes, or are not finite.
    """
    import numpy as np

    hidden, features, classes = TRAINING["hidden_size"], FEATURES, len(news.CLASSES)
    shapes: dict[str, tuple[int, ...]] = {
        "head.0.weight": (hidden, features),
        "head.0.bias": (hidden,),
        "head.2.weight": (classes, hidden),
        "head.2.bias": (classes,),
    }
    numbers = [w.numpy() for w in map(weights.get, shapes) if isinstance(w, TensorData)]
    if [each.shape for each in numbers] != [*shapes.values()] or not all(
        each.dtype.kind == "f" and np.isfinite(each).all() for each in numbers
    ):
        raise Failure(
            "train(model, ...)",
            "After the training, the weights of the model have other names, shapes or dtypes, or "
            "hold nan or inf",
            "the same weights with finite numbers",
        )
    weight, bias, out_weight, out_bias = numbers
    counts = np.diff(unseen.offsets)
    texts = np.repeat(np.arange(len(unseen)), counts)
    sums = np.zeros((len(unseen), features))
    np.add.at(sums, texts, unseen.vectors)
    means = sums / np.maximum(counts, 1)[:, None]
    logits: Array = np.tanh(means @ weight.T + bias) @ out_weight.T + out_bias
    return logits


def curve(history: Any) -> list[dict[str, float]]:
    """Extract the figures of the history that a loop returned; empty if it is invalid."""
    if type(history) is not list or len(history) > MOST_EPOCHS or not all(map(_is_epoch, history)):
        return []
    return [{key: round(float(epoch[key]), 4) for key in KEYS} for epoch in history]


def _is_epoch(epoch: Any) -> bool:
    figures: list[Any] = [epoch.get(key) for key in KEYS] if type(epoch) is dict else [None]
    return all(type(figure) in (int, float) and 0 <= figure <= LARGEST for figure in figures)
