"""Checks of the task accuracy: train the student's model and loop on news, classify others.

If one of the two is not done, the grader's own replaces it.
"""

from __future__ import annotations

from typing import Any

import news
from grader.contract import course
from grader.contract.enums import State, Status
from grader.contract.messages import Blocked, Failure, show
from grader.contract.tasks import MAIN, assignments
from grader.grading import heldout_accuracy, keys
from grader.grading.answers import unwrap
from grader.grading.calibration import TRAINING, calibration, marks
from grader.grading.submission import Submission

FEW = 24  # rows for a run of all four parts


def check_unseen(submission: Submission) -> dict[str, Any]:
    """The trained model predicts the classes of a held-out test set."""
    own_model, own_loop = _done(submission, "model", "train")
    if not own_model and not own_loop:
        waits = _status(submission, "model", "train")
        if waits is Status.HELD_BACK:
            raise Blocked("Measured after the deadline, like model and train.", waits)
        raise Blocked("Not checked yet: finish the task model or train first.", waits)
    parts = {
        (True, True): ("your model, trained by your loop", "own", "reference"),
        (True, False): (
            "your model, trained by the grader's loop",
            "own_model",
            "the grader's loop",
        ),
        (False, True): (
            "the grader's model, trained by your loop",
            "own_loop",
            "the grader's model",
        ),
    }
    who, mark, like = parts[own_model, own_loop]
    usual = calibration()["runs"]["right"][like]
    full, none = marks()
    measured, count = _tries(submission, own_model, own_loop, full)
    accuracies = [each.accuracy for each in measured]
    best, tries = max(accuracies), [round(accuracy, 4) for accuracy in accuracies]
    details = {
        "value": max(tries),
        "tries": tries,
        "unseen": count,
        "full": full,
        "none": none,
        "parts": mark,
        "history": measured[accuracies.index(best)].history,
        "secret": keys.kind(submission.secret),
        "reference": None
        if submission.rows or course.current().data
        else {k: usual[k] for k in ("mean", "spread")},
    }
    if best < full:
        training = TRAINING
        each = " and ".join(f"{accuracy:.2f}" for accuracy in accuracies)
        raise Failure(
            f"train(model, ..., epochs={training['epochs']}, lr={training['lr']})",
            f"{count} other news items were then classified with an accuracy of {each} in "
            f"{len(accuracies)} tries ({who})",
            f"{full:.2f} for full marks, more than {none:.2f} for some",
            share=max(0.0, (best - none) / (full - none)),
            details=details,
        )
    return details


def _tries(
    submission: Submission, own_model: bool, own_loop: bool, enough: float
) -> tuple[list[heldout_accuracy.Measured], int]:
    """Train and classify until an accuracy is high enough, at most `TRIES` times.

    Returns the result of each try, and the number of test items.
    """
    pool, measured = heldout_accuracy.pool(submission), []
    for attempt in range(heldout_accuracy.TRIES):
        drawn = heldout_accuracy.split(pool, heldout_accuracy.key(submission, attempt))
        measured.append(
            heldout_accuracy.measure(submission, drawn, own_model=own_model, own_loop=own_loop)
        )
        if measured[-1].accuracy >= enough:
            break
    return measured, len(drawn.unseen)


def _done(submission: Submission, *tasks: str) -> list[bool]:
    return [submission.state(task) is State.DONE for task in tasks]


def _status(submission: Submission, *tasks: str) -> Status:
    """Return the status of a check that needs these tasks: not started if none of them is."""
    states = {submission.state(task) for task in tasks}
    if states == {State.HELD_BACK}:
        return Status.HELD_BACK
    return Status.NOT_STARTED if states == {State.NOT_STARTED} else Status.BLOCKED


def check_end_to_end(submission: Submission) -> None:
    """All four parts work together, from rows of text to a trained model."""
    four = assignments()[MAIN].modules
    done = dict(zip(four, _done(submission, *four), strict=True))
    if not all(done.values()):
        first = next(task for task in four if not done[task])
        message = f"Not checked yet: finish the task {first} first."
        raise Blocked(message, _status(submission, *four))
    history = unwrap(submission.end_to_end(_few(news.sample("train")), news.sample("valid")[:10]))
    if type(history) is not list or len(history) != 1:
        found = f"It returned {show(history)}"
        raise Failure("train(model, DataLoader(NewsDataset(rows), ...), ...)", found, "one entry")


def _few(rows: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return some rows in which each class occurs."""
    first = {label: at for at, (label, _) in reversed([*enumerate(rows)])}
    chosen = dict.fromkeys([*range(FEW), *first.values()])
    return [rows[at] for at in chosen]
