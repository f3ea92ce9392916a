"""Trains a submission on news, shows progress and saves the results.

The student's model and loop run in the worker, on vectors that this process computes. The worker's
loaders observe the figures of the epochs; this process computes the accuracy from the logits.
"""

from __future__ import annotations

import contextlib
import math
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

import news
from grader.base.console import plain_console
from grader.base.errors import UsageError
from grader.contract.enums import Tier
from grader.contract.messages import Failure, clean, explain_raised, show
from grader.contract.tasks import MAIN, assignments
from grader.grading import vectors
from grader.grading.answers import Fitted, StudentError
from grader.grading.environment_fault import environment_fault
from grader.grading.pipeline import FEATURES
from grader.grading.session import Session, environment, load, session
from grader.grading.submission import Submission
from grader.grading.vectors import Vectors
from grader.intake.sources import Sources
from grader.sandbox.launch import Limits
from grader.sandbox.worker_client import Report, WorkerLost
from grader.training import results
from grader.training.progress import HEADER, TrainingProgress, progress_bar
from grader.worker.wire import TensorData

OUT = Path("training")  # default folder for the results
SIZES = {"hidden_size": 64, "num_layers": 2}  # the contract's defaults
LONG = 2000  # news items: with more, rehearse before the vectors are computed
MONTH = 30 * 24 * 3600.0  # seconds
LIMITS = Limits(seconds=MONTH, memory=None)  # a training run has no time limit
SHOWN_OUTPUT = 2000  # characters of student output to show

Rows = Sequence[tuple[int, str]]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Settings:
    """The options of a training run.

    Attributes:
        data: "sample", "ag_news", or the path of a CSV file.
        val: a CSV file to validate on, or None for the validation set that belongs to `data`.
        rows: the number of training rows, or None for all.
        epochs: passes over the training rows.
        lr: learning rate.
        batch_size: B.
        seed: seed for choosing rows, initial weights and batches.
        device: one of `devices.DEVICES`.
        confine: the weakest confinement to accept, see `grading.session`.
    """

    data: str
    val: Path | None
    rows: int | None
    epochs: int
    lr: float
    batch_size: int
    seed: int
    device: str
    confine: Tier | None = None

    def __post_init__(self) -> None:
        """Reject invalid numbers.

        Raises:
            UsageError: a number is out of range.
        """
        for option, number, least, most in (
            ("--rows", self.rows, 1, 10**9),
            ("--epochs", self.epochs, 1, 1000),
            ("--batch-size", self.batch_size, 1, 4096),
        ):
            if number is not None and not least <= number <= most:
                raise UsageError(f"{option} {number}: give a number from {least} to {most}.")
        if not 0 < self.lr <= 1:
            raise UsageError(f"--lr {self.lr:g}: give a number above 0, up to 1; 0.002 is usual.")


def train(path: Path, settings: Settings, out: Path | None = None) -> int:
    """Train the submission at `path`, show progress and save the results.

    Args:
        path: a folder or zip with model.py and train.py.
        settings: what it is trained on, and how.
        out: the folder for curves.png, confusion.png, metrics.json and weights.pt, created if it
            does not exist; None means `OUT`.

    Returns:
        The exit code: 0, or 1 if the student's code failed, in which case nothing is saved.

    Raises:
        UsageError: an option, the submission or the folder cannot be used.
        NewsError: the data are not available.
    """
    folder, console = out or OUT, plain_console(soft_wrap=True)
    submitted = load(path, MAIN)
    with _session(submitted, settings) as opened:
        train_rows, val_rows = choose(settings)
        refuse_unwritable(folder)
        try:
            if len(train_rows) > LONG:
                _rehearse(submitted, settings)
            outcome = _train(opened.submission, train_rows, val_rows, settings, console)
        except (StudentError, WorkerLost, Failure) as error:
            if isinstance(error, StudentError) and (
                fault := environment_fault(error.raised, opened.submission.worker)
            ):
                raise UsageError(fault) from None
            print(_explain(error), file=sys.stderr)
            outcome = None
    _show_output(opened.submission.worker.output, console)
    if outcome is None:
        return 1
    console.print(f"\nAccuracy on the {len(val_rows):,} validation items: {outcome.accuracy:.4f}")
    try:
        results.save(folder, outcome, _about(settings, opened))
    except OSError as error:
        raise _unwritable(folder, error) from None
    console.print(f"Saved in {folder}: curves.png, confusion.png, metrics.json, weights.pt")
    return 0


def _about(settings: Settings, opened: Session) -> dict[str, Any]:
    surroundings = environment(opened.submission, opened.seed)
    del surroundings["data"]  # what grading trains on
    training = asdict(settings)
    del training["device"], training["confine"]  # the environment has the effective ones
    return {
        "submission": {"name": opened.submitted.name, "digest": opened.submitted.digest},
        "settings": {**training, **SIZES},
        "environment": surroundings,
    }


def _session(submitted: Sources, settings: Settings) -> contextlib.AbstractContextManager[Session]:
    return session(
        submitted,
        device=settings.device,
        seed=settings.seed,
        confine=settings.confine,
        limits=LIMITS,
    )


def choose(settings: Settings) -> tuple[Rows, Rows]:
    """Return the training rows and the validation rows.

    Raises:
        UsageError: there are not enough rows.
        NewsError: the data is not available.
    """
    val: Rows | None = None if settings.val is None else news.read_csv(settings.val)
    if settings.data == "sample":
        train: Rows = news.sample("train")
        val = val or news.sample("valid")
    elif settings.data == "ag_news":
        train = list(news.AG_NEWS(split="train"))
        val = val or list(news.AG_NEWS(split="test"))
    elif not Path(settings.data).exists():
        raise UsageError(
            f"--data {settings.data}: no such file. Give sample, ag_news, or the path of a CSV."
        )
    else:
        train = news.read_csv(settings.data)
        if val is None:
            if len(train) < 2:
                raise UsageError(f"{settings.data}: one row only. Add --val FILE.csv.")
            val, train = _draw(train, max(1, len(train) // 10), settings.seed)
    if settings.rows is not None:
        if settings.rows > len(train):
            raise UsageError(
                f"--rows {settings.rows}: there are only {len(train)} training rows. "
                "Use a smaller number, or omit --rows."
            )
        train, _ = _draw(train, settings.rows, settings.seed)
    return train, val


def _draw(rows: Rows, count: int, seed: int) -> tuple[Rows, Rows]:
    """Choose `count` random rows; return them and the others, both in the original order."""
    drawn = set(random.Random(seed).sample(range(len(rows)), count))
    parts: tuple[list[tuple[int, str]], list[tuple[int, str]]] = ([], [])
    for index, row in enumerate(rows):
        parts[index not in drawn].append(row)
    return parts


def refuse_unwritable(folder: Path) -> None:
    """Check that `folder` exists or can be created, and is writable; leave nothing behind.

    Raises:
        UsageError: the folder is not writable.
    """
    try:
        full = folder.absolute()
        there = next(place for place in (full, *full.parents) if place.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(
        f"--out {folder}: cannot be written to ({error.strerror}). Name another folder."
    )


def _train(
    submission: Submission, train_rows: Rows, val_rows: Rows, settings: Settings, console: Console
) -> results.TrainingResult:
    console.print(
        f"{len(train_rows):,} training items, {len(val_rows):,} validation items\n"
        f"epochs {settings.epochs}, lr {settings.lr:g}, batch size {settings.batch_size}, "
        f"device {submission.device}"
    )
    start = time.monotonic()
    train, val = _embed(train_rows, "training", console), _embed(val_rows, "validation", console)
    trained = time.monotonic()
    console.print("\n" + HEADER, style="bold")
    with TrainingProgress(
        console, settings.epochs, _batches(train, settings), _batches(val, settings)
    ) as watch:
        seen, logits = _fit(submission, train, val, settings, watch.take)
    return results.TrainingResult(
        history=watch.history,
        returned=seen.history,
        confusion=confusion(logits, val.targets),
        weights={k: v for k, v in seen.weights.items() if isinstance(v, TensorData)},
        items={"train": len(train), "val": len(val)},
        seconds={"vectors": trained - start, "training": time.monotonic() - trained},
    )


def _fit(
    submission: Submission,
    train: Vectors,
    val: Vectors,
    settings: Settings,
    report: Report | None = None,
) -> tuple[Fitted, Any]:
    """Train, and return the results and the logits of the validation items."""
    fitted = submission.fit(
        train,
        val,
        seconds=MONTH,
        seed=settings.seed,
        report=report,
        own_model=True,
        own_loop=True,
        n_targets=len(news.CLASSES),
        epochs=settings.epochs,
        lr=settings.lr,
        batch_size=settings.batch_size,
        similar_lengths=False,
        **SIZES,
    )
    logits = submission.predict(
        val,
        seconds=MONTH,
        seed=settings.seed,
        batch_size=settings.batch_size,
        own_loop=True,
    )
    return fitted, logits


def _rehearse(submitted: Sources, settings: Settings) -> None:
    """Train on eight random sentences, so that errors show before the long work begins.

    This happens in a separate worker, so it cannot affect the one that trains.
    """
    targets = np.arange(2 * len(news.CLASSES)) % len(news.CLASSES)
    tokens = np.random.default_rng(0).standard_normal((3 * len(targets), FEATURES))
    noise = Vectors(tokens.astype(np.float32), 3 * np.arange(len(targets) + 1), targets)
    with _session(submitted, settings) as opened:
        _fit(opened.submission, noise, noise, settings)


def _batches(data: Vectors, settings: Settings) -> int:
    return math.ceil(len(data) / settings.batch_size)


def _embed(rows: Rows, purpose: str, console: Console) -> Vectors:
    """Compute the vectors of rows, or read them from the cache, and print which."""
    start = time.monotonic()
    what = f"{len(rows):,} {purpose} items"
    with progress_bar(console, TextColumn("vectors"), BarColumn(None), MofNCompleteColumn()) as bar:
        found = vectors.embed(rows, progress=bar.track)
        computed = bool(bar.tasks)
    how = f"computed in {time.monotonic() - start:.1f} s" if computed else "read from the cache"
    console.print(f"vectors of the {what}: {how}")
    return found


def confusion(logits: Any, targets: Array) -> Array:
    """Compute the confusion matrix (C, C), with one row per true class.

    Raises:
        Failure: the logits are not numbers of shape (N, C).
    """
    count, classes = len(targets), len(news.CLASSES)
    call = "model(padded)"
    if not isinstance(logits, TensorData) or logits.shape != (count, classes):
        found = f"The logits of {count} sentences are {show(logits)}"
        raise Failure(call, found, f"shape ({count}, {classes})")
    scores = logits.numpy()
    if not np.isfinite(scores).all():
        found = "After the training the logits hold nan or inf"
        raise Failure(call, found, "finite numbers (does a smaller --lr help?)")
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (targets, scores.argmax(axis=1)), 1)
    return counts


def _explain(error: StudentError | WorkerLost | Failure) -> str:
    """Print what is wrong in the same words as grading."""
    if isinstance(error, WorkerLost):
        told = [error.what, error.where and f"  {error.where}", error.around]
        return "\n".join(filter(None, told))
    if isinstance(error, Failure):
        return str(error)
    raised = error.raised
    if raised.type == "NotImplementedError" and raised.message.startswith("Task "):
        return clean(raised.message)
    if raised.kind == "missing_module":
        return explain_raised(raised, raised.message)
    four = assignments()[MAIN].tasks.values()
    owners = [task.module for task in four if raised.message in task.names]
    return explain_raised(raised, owners[0] if owners else "model")


def _show_output(output: str, console: Console) -> None:
    if output.strip():
        console.print("\nYour code printed:", style="bold")
        console.print(clean(output[-SHOWN_OUTPUT:]).strip("\n"))
