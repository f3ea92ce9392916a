"""Task accuracy: the student's model and loop, trained on news, classify other news.

While one of the two is not done, a part of the grader's own stands in for it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import news
from grader.messages import Blocked, Failure, show
from grader.submission import Submission, value
from grader.tasks import modules, read_toml
from grader.worker.wire import TensorData

if TYPE_CHECKING:
    from grader.vectors import Vectors

SECONDS = 120.0


def split(submission: Submission) -> tuple[Vectors, Vectors, Vectors]:
    """Return news as vectors: to learn from, to evaluate on, unseen.

    The sample gives 800, 100 and 300 items. Real news is harder: of a file of the instructor's
    own 4,800 rows are taken, drawn by the submission's seed, in the same proportions.
    """
    from grader import vectors

    if submission.rows is None:
        rows = news.sample("train") + news.sample("valid") + news.sample("test")
    else:
        count = min(len(submission.rows), 4800)
        rows = random.Random(submission.seed).sample(submission.rows, count)
    first, second = len(rows) * 8 // 12, len(rows) * 9 // 12
    parts = (rows[:first], rows[first:second], rows[second:])
    train, val, unseen = (vectors.embed(part) for part in parts)
    return train, val, unseen


def test_unseen(submission: Submission) -> None:
    """The model predicts the classes of news that it was not trained on."""
    own_model, own_loop = _done(submission, "model", "train")
    if not own_model and not own_loop:
        waits = _status(submission, "model", "train")
        raise Blocked("Not looked at yet: finish the task model or train first.", waits)
    settings = read_toml("accuracy.toml")
    parts = {
        (True, True): ("your model, trained by your loop", "own"),
        (True, False): ("your model, trained by the grader's loop", "own_model"),
        (False, True): ("the grader's model, trained by your loop", "own_loop"),
    }
    who, mark = parts[own_model, own_loop]
    train, val, unseen = split(submission)
    seen = submission.fit(
        train,
        val,
        unseen,
        seconds=SECONDS,
        seed=submission.seed,
        own_model=own_model,
        own_loop=own_loop,
        n_targets=len(news.CLASSES),
        **settings["training"],
    )
    accuracy = _accuracy(seen["logits"], unseen)
    full, none = settings["marks"]["full"], settings["marks"]["none"]
    submission.accuracy.update(
        value=round(accuracy, 4), full=full, none=none, parts=mark, unseen=len(unseen)
    )
    if accuracy < full:
        training = settings["training"]
        raise Failure(
            f"train(model, ..., epochs={training['epochs']}, lr={training['lr']})",
            f"{len(unseen)} other news items were then classified with an accuracy of "
            f"{accuracy:.2f} ({who})",
            f"{full:.2f} for full marks, more than {none:.2f} for some",
            share=max(0.0, (accuracy - none) / (full - none)),
        )


def _done(submission: Submission, *tasks: str) -> list[bool]:
    return [submission.state(task) == "done" for task in tasks]


def _status(submission: Submission, *tasks: str) -> str:
    """What becomes of a check that waits for tasks: not started, if none of them is."""
    states = {submission.state(task) for task in tasks}
    return "not_started" if states == {"not_started"} else "blocked"


def _accuracy(logits: Any, unseen: Vectors) -> float:
    import numpy as np

    shape = (len(unseen), len(news.CLASSES))
    right_form = isinstance(logits, TensorData) and logits.shape == shape
    scores = logits.numpy() if right_form else None
    if scores is None or not np.isfinite(scores).all():
        found = f"The logits of {len(unseen)} sentences are {show(logits)}"
        raise Failure("model(padded)", found, "finite numbers of shape (N, C)")
    return float((scores.argmax(axis=1) == unseen.targets).mean())


def test_end_to_end(submission: Submission) -> None:
    """All four parts work together, from rows of text to a trained model."""
    done = dict(zip(modules(), _done(submission, *modules()), strict=True))
    if not all(done.values()):
        first = next(task for task in modules() if not done[task])
        message = f"Not looked at yet: finish the task {first} first."
        raise Blocked(message, _status(submission, *modules()))
    history = value(submission.end_to_end(news.sample("train")[:24], news.sample("valid")[:10]))
    if type(history) is not list or len(history) != 1:
        found = f"It returned {show(history)}"
        raise Failure("train(model, DataLoader(NewsDataset(rows), ...), ...)", found, "one entry")
