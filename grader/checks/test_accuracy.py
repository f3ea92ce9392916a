"""Task accuracy: the student's model and loop, trained on news, classify other news.

While one of the two is not done, a part of the grader's own stands in for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import news
from grader.messages import Blocked, Failure, show
from grader.submission import Submission, value
from grader.tasks import modules, read_toml

if TYPE_CHECKING:
    from grader.vectors import Vectors

SECONDS = 120.0


def split() -> tuple[Vectors, Vectors, Vectors]:
    """Return the sample's vectors: to learn from, to evaluate on, unseen."""
    from grader import vectors

    rows = news.sample("train"), news.sample("valid")[:100]
    unseen = news.sample("valid")[100:] + news.sample("test")
    train, val, rest = (vectors.embed(part) for part in (*rows, unseen))
    return train, val, rest


def test_unseen(submission: Submission) -> None:
    """The model predicts the classes of news that it was not trained on."""
    own_model, own_loop = _done(submission, "model", "train")
    if not own_model and not own_loop:
        raise Blocked("Not looked at yet: finish the task model or train first.", _status(submission, "model", "train"))
    settings = read_toml("accuracy.toml")
    parts = {
        (True, True): ("your model, trained by your loop", "own"),
        (True, False): ("your model, trained by the grader's loop", "own_model"),
        (False, True): ("the grader's model, trained by your loop", "own_loop"),
    }
    who, mark = parts[own_model, own_loop]
    train, val, unseen = split()
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
    full, none = settings["marks"][mark]["full"], settings["marks"][mark]["none"]
    submission.accuracy.update(
        value=round(accuracy, 4), full=full, none=none, parts=mark, unseen=len(unseen)
    )
    if accuracy < full:
        share = max(0.0, (accuracy - none) / (full - none))
        raise Failure(
            f"train(...)` on {len(train)} news items, then the model on {len(unseen)} others `",
            f"The accuracy is {accuracy:.2f} ({who})",
            f"{full:.2f} for full marks, above {none:.2f} for some",
            None,
            share,
        )


def _done(submission: Submission, *tasks: str) -> list[bool]:
    return [submission.state(task) == "done" for task in tasks]


def _status(submission: Submission, *tasks: str) -> str:
    """What becomes of a check that waits for tasks: not started, if none of them is."""
    states = {submission.state(task) for task in tasks}
    return "not_started" if states == {"not_started"} else "blocked"


def _accuracy(logits: Any, unseen: Vectors) -> float:
    import numpy as np

    scores = logits.numpy()
    if scores.shape != (len(unseen), len(news.CLASSES)) or not np.isfinite(scores).all():
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
