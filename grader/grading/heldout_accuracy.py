"""Measures the task accuracy: train on some news items, classify others.

A key, the HMAC-SHA256 of the course's secret and the submission, splits the news into training and
test items, renumbers the classes, and rotates all token vectors by one random rotation. So nobody
can put prepared answers or weights into a submission. An LSTM learns from rotated vectors as well
as from the original ones.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import news
from grader.contract.messages import Failure, show
from grader.grading.calibration import TRAINING
from grader.grading.keys import derive
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    import numpy as np

    from grader.grading.submission import Submission
    from grader.grading.vectors import Vectors

SECONDS = 120.0  # for one training run
TRIES = 3  # at most, each with another split and other weights and batches; the best one counts
MOST_ROWS = 4800  # used from an instructor's own file; the sample has 1,200
KEYS = ("train_loss", "val_loss", "val_accuracy")  # of an epoch in a history
MOST_EPOCHS, LARGEST = 100, 1e6  # in a history that is kept
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
    turned = Vectors(pool.vectors @ _rotation(chance, pool), pool.offsets, classes[pool.targets])
    ends = [len(pool) * share // SPLIT[-1] for share in SPLIT]
    train, val, unseen = (
        turned.take(order[start:end]) for start, end in zip([0, *ends[:-1]], ends, strict=True)
    )
    if shuffled:
        train = Vectors(train.vectors, train.offsets, chance.permutation(train.targets))
    return Split(train, val, unseen, int(chance.integers(1 << 32)))


def _rotation(chance: np.random.Generator, pool: Vectors) -> np.ndarray[Any, Any]:
    """Generate a random orthogonal matrix (F, F), float32."""
    import numpy as np

    size = pool.vectors.shape[1]
    turned: np.ndarray[Any, Any] = np.linalg.qr(chance.standard_normal((size, size)))[0]
    return turned.astype(np.float32)


@functools.cache
def sample_pool() -> Vectors:
    """Return the vectors of the whole sample."""
    from grader.grading import vectors

    return vectors.embed(
        [row for split in ("train", "valid", "test") for row in news.sample(split)]
    )


def pool(submission: Submission) -> Vectors:
    """Return the news to split: the sample, or at most `MOST_ROWS` of the instructor's own rows.

    Raises:
        UsageError: the vectors cannot be computed.
    """
    if submission.rows is None:
        return sample_pool()
    from grader.grading import vectors

    count = min(len(submission.rows), MOST_ROWS)
    return vectors.embed(random.Random(submission.seed).sample(submission.rows, count))


def measure(submission: Submission, drawn: Split, *, own_model: bool, own_loop: bool) -> Measured:
    """Train once and classify the test items.

    Args:
        submission: the submission to measure.
        drawn: the news of this try.
        own_model: use the student's model instead of the grader's.
        own_loop: use the student's loop instead of the grader's.

    Raises:
        Failure: the model does not return logits.
        StudentError, WorkerLost: the submission failed.
    """
    import numpy as np

    seen = submission.fit(
        drawn.train,
        drawn.val,
        drawn.unseen,
        seconds=SECONDS,
        seed=drawn.seed,
        own_model=own_model,
        own_loop=own_loop,
        n_targets=len(news.CLASSES),
        **TRAINING,
    )
    logits, shape = seen.logits, (len(drawn.unseen), len(news.CLASSES))
    right_form = isinstance(logits, TensorData) and logits.shape == shape
    scores = logits.numpy() if right_form else None
    if scores is None or not np.isfinite(scores).all():
        found = f"The logits of {len(drawn.unseen)} sentences are {show(logits)}"
        raise Failure("model(padded)", found, "finite numbers of shape (N, C)")
    accuracy = float((scores.argmax(axis=1) == drawn.unseen.targets).mean())
    return Measured(accuracy, curve(seen.history))


def curve(history: Any) -> list[dict[str, float]]:
    """Extract the figures of the history that a loop returned; empty if it is invalid."""
    if type(history) is not list or len(history) > MOST_EPOCHS or not all(map(_is_epoch, history)):
        return []
    return [{key: round(float(epoch[key]), 4) for key in KEYS} for epoch in history]


def _is_epoch(epoch: Any) -> bool:
    figures: list[Any] = [epoch.get(key) for key in KEYS] if type(epoch) is dict else [None]
    return all(type(figure) in (int, float) and 0 <= figure <= LARGEST for figure in figures)
