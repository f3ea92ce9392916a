"""Trains a submission on news: `python -m grader train`. Tells how it goes, keeps what came out.

The student's model and loop run in the worker, on vectors that are computed here. The figures of
the epochs are what the worker's loaders saw; the accuracy is computed here, from the logits.
"""

from __future__ import annotations

import io
import json
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

import news
from grader import vectors
from grader.errors import UsageError
from grader.grading import Session, environment, load, session
from grader.messages import Failure, clean, explain_raised, show
from grader.process import WorkerLost
from grader.sandbox import Limits
from grader.sources import Sources
from grader.submission import NAMES, StudentError, Submission
from grader.vectors import Vectors
from grader.worker.wire import ProtocolError, TensorData

OUT = Path("training")  # where the results go if nothing else is said
SIZES = {"hidden_size": 64, "num_layers": 2}  # the contract's defaults
LONG = 2000  # news items: with more, the submission is tried out before the vectors are made
MONTH = 30 * 24 * 3600.0  # seconds
LIMITS = Limits(seconds=MONTH, memory=None)  # a user's own run ends when it is done, or by Ctrl-C
SHOWN_OUTPUT = 2000  # characters of what student code printed
BLUE, ORANGE = "#1f5fa8", "#d9701e"  # training, validation

Rows = Sequence[tuple[int, str]]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Settings:
    """What was asked for.

    Attributes:
        data: "sample", "ag_news", or the path of a CSV file.
        val: a CSV file to validate on, or None for what goes with `data`.
        rows: how many rows to learn from, or None for all.
        epochs: passes over them.
        lr: learning rate.
        batch_size: B.
        seed: what rows, weights and batches are drawn from.
    """

    data: str
    val: Path | None
    rows: int | None
    epochs: int
    lr: float
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UsageError: a number is out of range.
        """
        for option, number, least, most in (
            ("--rows", self.rows, 1, 10**9),
            ("--epochs", self.epochs, 1, 1000),
            ("--batch-size", self.batch_size, 1, 4096),
            ("--seed", self.seed, 0, 2**32 - 1),
        ):
            if number is not None and not least <= number <= most:
                raise UsageError(f"{option} {number}: give a number from {least} to {most}.")
        if not 0 < self.lr <= 1:
            raise UsageError(f"--lr {self.lr:g}: give a number above 0, up to 1; 0.002 is usual.")


@dataclass(frozen=True)
class Epoch:
    """The figures of one epoch as the loaders saw them; None where nothing was seen."""

    epoch: int
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    seconds: float

    def row(self) -> str:
        """Return it as a line below `HEADER`."""
        return _line(
            str(self.epoch),
            _show(self.train_loss, 4),
            _show(self.train_accuracy, 3),
            _show(self.val_loss, 4),
            _show(self.val_accuracy, 3),
            f"{self.seconds:.1f}",
        )


def _line(*cells: str) -> str:
    return "  ".join(
        f"{cell:>{width}}" for cell, width in zip(cells, (5, 10, 10, 9, 9, 7), strict=True)
    )


HEADER = _line("Epoch", "Train loss", "Train acc.", "Val. loss", "Val. acc.", "Seconds")


def _show(figure: float | None, digits: int) -> str:
    return "-" if figure is None else f"{figure:.{digits}f}"


@dataclass(frozen=True)
class Outcome:
    """What a run gave.

    Attributes:
        history: an entry an epoch.
        returned: what the student's loop returned.
        confusion: counts of shape (C, C); rows are the true classes, columns the predicted ones.
        weights: the state of the trained model.
        items: how many were learned from and validated on.
        seconds: what the vectors and the training took.
    """

    history: list[Epoch]
    returned: Any
    confusion: Array
    weights: dict[str, TensorData]
    items: dict[str, int]
    seconds: dict[str, float]

    @property
    def accuracy(self) -> float:
        """The share of validation items that were classified right."""
        return float(np.trace(self.confusion) / self.confusion.sum())


def run(
    path: Path,
    *,
    data: str,
    val: Path | None,
    rows: int | None,
    epochs: int,
    lr: float,
    batch_size: int,
    device: str,
    seed: int,
    out: Path | None,
) -> int:
    """Train the submission at `path`, show how it goes, and save what came out.

    Args:
        path: a folder or zip with model.py and train.py.
        data: see `Settings`, as `val`, `rows`, `epochs`, `lr`, `batch_size`, `seed`.
        val: see there.
        rows: see there.
        epochs: see there.
        lr: see there.
        batch_size: see there.
        device: one of `devices.DEVICES`.
        seed: see there.
        out: the folder for curves.png, confusion.png, metrics.json and weights.pt, made if it
            is not there; None means `OUT`.

    Returns:
        The exit code: 0, or 1 if the student's code failed; then nothing is saved.

    Raises:
        UsageError: an option, the submission or the folder cannot be used.
        NewsError: the data cannot be had.
    """
    settings = Settings(data, val, rows, epochs, lr, batch_size, seed)
    folder = OUT if out is None else out
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    taken = load(path)
    with session(taken, device=device, seed=seed, limits=LIMITS) as opened:
        train_rows, val_rows = choose(settings)
        refuse_unwritable(folder)
        try:
            if len(train_rows) > LONG:
                _rehearse(taken, settings, device)
            outcome = _train(opened.submission, train_rows, val_rows, settings, console)
        except (StudentError, WorkerLost, Failure) as error:
            print(_explain(error), file=sys.stderr)
            outcome = None
    _show_output(opened.submission.worker.output, console)
    if outcome is None:
        return 1
    console.print(f"\nAccuracy on the {len(val_rows):,} validation items: {outcome.accuracy:.4f}")
    save(folder, outcome, settings, opened)
    console.print(f"Saved in {folder}: curves.png, confusion.png, metrics.json, weights.pt")
    return 0


def choose(settings: Settings) -> tuple[Rows, Rows]:
    """Return the rows to learn from and those to validate on.

    Raises:
        UsageError: there are not enough rows.
        NewsError: the data cannot be had.
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
                f"--rows {settings.rows}: there are {len(train)} rows to learn from. "
                "Ask for fewer, or leave --rows out."
            )
        train, _ = _draw(train, settings.rows, settings.seed)
    return train, val


def _draw(rows: Rows, count: int, seed: int) -> tuple[Rows, Rows]:
    """Draw `count` of the rows; return them and the others, both in their order."""
    drawn = set(random.Random(seed).sample(range(len(rows)), count))
    parts: tuple[list[tuple[int, str]], list[tuple[int, str]]] = ([], [])
    for index, row in enumerate(rows):
        parts[index not in drawn].append(row)
    return parts


def refuse_unwritable(folder: Path) -> None:
    """Make sure that `folder` is there or can be made, and written to; leaves nothing behind.

    Raises:
        UsageError: it cannot.
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
) -> Outcome:
    console.print(
        f"{len(train_rows):,} news items to learn from, {len(val_rows):,} to validate on\n"
        f"epochs {settings.epochs}, lr {settings.lr:g}, batch size {settings.batch_size}, "
        f"device {submission.device}"
    )
    start = time.monotonic()
    train, val = _embed(train_rows, "learn from", console), _embed(val_rows, "validate on", console)
    trained = time.monotonic()
    console.print("\n" + HEADER, style="bold")
    with Watch(
        console, settings.epochs, _batches(train, settings), _batches(val, settings)
    ) as watch:
        seen = _fit(submission, train, val, settings, watch.take)
    return Outcome(
        history=watch.history,
        returned=seen["history"],
        confusion=confusion(seen["logits"], val.targets),
        weights={k: v for k, v in seen["weights"].items() if isinstance(v, TensorData)},
        items={"train": len(train), "val": len(val)},
        seconds={"vectors": trained - start, "training": time.monotonic() - trained},
    )


def _fit(
    submission: Submission, train: Vectors, val: Vectors, settings: Settings, report: Any = None
) -> dict[str, Any]:
    return submission.fit(
        train,
        val,
        val,
        seconds=MONTH,
        seed=settings.seed,
        report=report or (lambda _news: None),
        own_model=True,
        own_loop=True,
        n_targets=len(news.CLASSES),
        epochs=settings.epochs,
        lr=settings.lr,
        batch_size=settings.batch_size,
        **SIZES,
    )


def _rehearse(taken: Sources, settings: Settings, device: str) -> None:
    """Train on eight sentences of noise, so that mistakes show before the long work begins.

    A worker of its own does it: no trace is left in the one that trains.
    """
    targets = np.arange(2 * len(news.CLASSES)) % len(news.CLASSES)
    tokens = np.random.default_rng(0).standard_normal((3 * len(targets), vectors.FEATURES))
    noise = Vectors(tokens.astype(np.float32), 3 * np.arange(len(targets) + 1), targets)
    with session(taken, device=device, seed=settings.seed, limits=LIMITS) as opened:
        _fit(opened.submission, noise, noise, settings)


def _batches(data: Vectors, settings: Settings) -> int:
    return math.ceil(len(data) / settings.batch_size)


def _embed(rows: Rows, purpose: str, console: Console) -> Vectors:
    """Compute the vectors of rows, or read them from the cache, and say which."""
    start = time.monotonic()
    what = f"{len(rows):,} items to {purpose}"
    with _bar(console, TextColumn("vectors"), BarColumn(None), MofNCompleteColumn()) as bar:
        found = vectors.embed(rows, progress=bar.track)
        computed = bool(bar.tasks)
    how = f"computed in {time.monotonic() - start:.1f} s" if computed else "read from the cache"
    console.print(f"vectors of the {what}: {how}")
    return found


def _bar(console: Console, *columns: ProgressColumn) -> Progress:
    """Make a progress bar that shows in a terminal only, and leaves nothing there."""
    return Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        expand=True,
        disable=not console.is_terminal,
    )


@dataclass(frozen=True)
class Pass:
    """How far a loader's pass is; see `Watched.state` in the worker's `fit`."""

    loader: str
    number: int
    learning: bool
    batch: int
    batches: int
    loss: float | None
    accuracy: float | None

    @classmethod
    def read(cls, report: dict[str, Any]) -> Pass:
        """Take a worker's report.

        Raises:
            ProtocolError: it is none.
        """
        try:
            seen = cls(
                loader=report["loader"],
                number=report["pass"],
                learning=report["learning"],
                batch=report["batch"],
                batches=report["batches"],
                loss=report["loss"],
                accuracy=report["accuracy"],
            )
        except KeyError as error:
            raise ProtocolError(f"a report without {error}") from None
        if (
            seen.loader not in ("train", "val")
            or type(seen.learning) is not bool
            or any(type(count) is not int for count in (seen.number, seen.batch, seen.batches))
            or any(type(figure) not in (float, type(None)) for figure in (seen.loss, seen.accuracy))
        ):
            raise ProtocolError("not a report of a loader")
        return seen


class Watch:
    """Follows a training by the reports of its loaders: prints a row an epoch, moves a bar.

    An epoch is a pass over the training data with gradients on, and the pass over the validation
    data that follows it, if one does. All else that a loop may do is of its own.
    """

    def __init__(self, console: Console, epochs: int, train_batches: int, val_batches: int) -> None:
        """Start at the first of `epochs`."""
        self.console, self.epochs = console, epochs
        self.batches = {"train": train_batches, "val": val_batches}
        self.history: list[Epoch] = []
        self.train: Pass | None = None
        self.val: Pass | None = None
        self.since = time.monotonic()
        self.bar = _bar(
            console,
            TextColumn("epoch {task.fields[epoch]}  {task.description}"),
            BarColumn(None),
            TextColumn("loss {task.fields[loss]}  acc. {task.fields[accuracy]}"),
        )
        total = epochs * (train_batches + val_batches)
        self.task = self.bar.add_task("", total=total, epoch=f"1/{epochs}", loss="-", accuracy="-")

    def __enter__(self) -> Watch:
        """Show the bar."""
        self.bar.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Take the bar away, and close an epoch that is open."""
        self.bar.stop()
        if kind is None:
            self._end_epoch()

    def take(self, report: dict[str, Any]) -> None:
        """Take the next report."""
        seen = Pass.read(report)
        if seen.loader == "train" and seen.learning:
            if self.train is not None and self.train.number != seen.number:
                self._end_epoch()
            self.train = seen
        elif seen.loader == "val" and self.train is not None:
            self.val = seen
        else:
            return
        self._draw(seen)
        if self.val is not None and self.val.batch >= self.val.batches:
            self._end_epoch()

    def _draw(self, seen: Pass) -> None:
        done = len(self.history) * sum(self.batches.values()) + seen.batch
        self.bar.update(
            self.task,
            description=f"{seen.loader} {seen.batch}/{seen.batches}",
            completed=done + (self.batches["train"] if seen.loader == "val" else 0),
            epoch=f"{len(self.history) + 1}/{self.epochs}",
            loss=_show(seen.loss, 3),
            accuracy=_show(seen.accuracy, 3),
        )

    def _end_epoch(self) -> None:
        train, val, now = self.train, self.val, time.monotonic()
        if train is None:
            return
        epoch = Epoch(
            epoch=len(self.history) + 1,
            train_loss=train.loss,
            train_accuracy=train.accuracy,
            val_loss=None if val is None else val.loss,
            val_accuracy=None if val is None else val.accuracy,
            seconds=now - self.since,
        )
        self.history.append(epoch)
        self.console.print(epoch.row())
        self.train, self.val, self.since = None, None, now


def confusion(logits: Any, targets: Array) -> Array:
    """Count how often each class was taken for each: (C, C), a row a true class.

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
    """Tell what is wrong in the words that grading uses."""
    if isinstance(error, WorkerLost):
        return f"{error.what}\n  {error.where}" if error.where else error.what
    if isinstance(error, Failure):
        return str(error)
    raised = error.raised
    if raised.type == "NotImplementedError" and raised.message.startswith("Task "):
        return clean(raised.message)
    if raised.kind == "missing_module":
        return explain_raised(raised, raised.message)
    owners = [module for module, names in NAMES.items() if raised.message in names]
    return explain_raised(raised, owners[0] if owners else "model")


def _show_output(output: str, console: Console) -> None:
    if output.strip():
        console.print("\nYour code printed:", style="bold")
        console.print(clean(output[-SHOWN_OUTPUT:]).strip("\n"))


def save(folder: Path, outcome: Outcome, settings: Settings, opened: Session) -> None:
    """Write the results into a folder, each file whole or not at all.

    Raises:
        UsageError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "weights.pt", _weights(outcome))
        _write(folder / "metrics.json", _metrics(outcome, settings, opened).encode())
        _write(folder / "curves.png", draw_curves(outcome.history))
        _write(folder / "confusion.png", draw_confusion(outcome.confusion))
    except OSError as error:
        raise _unwritable(folder, error) from None


def _write(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _weights(outcome: Outcome) -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save({name: weight.torch() for name, weight in outcome.weights.items()}, stream)
    return stream.getvalue()


def _metrics(outcome: Outcome, settings: Settings, opened: Session) -> str:
    surroundings = environment(opened.submission)
    surroundings.pop("data", None)  # what grading would train on
    content = {
        "schema_version": 1,
        "submission": {"name": opened.name, "digest": opened.digest},
        "settings": {**asdict(settings), **SIZES},
        "items": outcome.items,
        "accuracy": outcome.accuracy,
        "classes": news.CLASSES,
        "confusion": outcome.confusion.tolist(),
        "history": [asdict(epoch) for epoch in outcome.history],
        "returned": outcome.returned,
        "seconds": outcome.seconds,
        "environment": surroundings,
    }
    return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Make JSON data of a value; what JSON has no form for becomes text."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else str(value)
    if type(value) is dict:
        return {str(key): _plain(content) for key, content in value.items()}
    if type(value) in (list, tuple):
        return [_plain(content) for content in value]
    return str(value) if isinstance(value, Path) else show(value)


def draw_curves(history: Sequence[Epoch]) -> bytes:
    """Draw loss and accuracy over the epochs, as a PNG."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    epochs = [epoch.epoch for epoch in history]
    with _figure(9.6, 4.2) as (figure, stream):
        for axes, quantity in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
            for part, name, colour in (("train", "training", BLUE), ("val", "validation", ORANGE)):
                line = [getattr(epoch, f"{part}_{quantity}") for epoch in history]
                heights = [math.nan if point is None else point for point in line]
                axes.plot(epochs, heights, "o-", color=colour, label=name, markersize=4)
            axes.set_title(quantity.capitalize(), loc="left", fontweight="bold")
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(axis="y", color="#dddddd")
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
            if quantity == "accuracy":
                axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return stream.getvalue()


def draw_confusion(counts: Array) -> bytes:
    """Draw a confusion matrix, as a PNG: colours are shares of the true class."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ticks = range(len(counts))
    with _figure(6.2, 5.4) as (figure, stream):
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*counts.shape):
            share, count = shares[row, column], counts[row, column]
            colour = "white" if share > 0.6 else "#222222"
            axes.text(
                column,
                row - 0.1,
                f"{share:.0%}",
                ha="center",
                va="center",
                color=colour,
                fontsize=13,
                fontweight="bold" if row == column else None,
            )
            axes.text(
                column, row + 0.17, f"{count:,}", ha="center", va="center", color=colour, fontsize=9
            )
        axes.set_xticks(ticks, news.CLASSES)
        axes.set_yticks(ticks, news.CLASSES)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        accuracy = np.trace(counts) / counts.sum()
        title = f"{counts.sum():,} validation items, accuracy {accuracy:.3f}"
        axes.set_title(title, loc="left", fontweight="bold")
    return stream.getvalue()


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Any, io.BytesIO]]:
    """Give a figure to draw on; afterwards its PNG is in the stream."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    stream = io.BytesIO()
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)  # inches
    figure = Figure(figsize=(width, height), dpi=150, layout=layout)
    yield figure, stream
    figure.savefig(stream, format="png")
