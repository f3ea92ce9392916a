"""Shows training progress: a row per epoch, and a live bar in a terminal."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from grader.worker.wire import ProtocolError


@dataclass(frozen=True)
class EpochFigures:
    """The figures of an epoch as observed by the loaders; None if not observed."""

    epoch: int
    train_loss: float | None
    train_accuracy: float | None
    val_loss: float | None
    val_accuracy: float | None
    seconds: float

    def row(self) -> str:
        """Format the figures as a row below `HEADER`."""
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


def progress_bar(console: Console, *columns: ProgressColumn) -> Progress:
    """Create a progress bar that shows only in a terminal and disappears at the end."""
    return Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        expand=True,
        disable=not console.is_terminal,
    )


@dataclass(frozen=True)
class LoaderPass:
    """The progress of a pass over a loader; see `Watched.state` in the worker's `fit`."""

    loader: str
    number: int
    learning: bool
    batch: int
    batches: int
    loss: float | None
    accuracy: float | None

    @classmethod
    def read(cls, report: dict[str, Any]) -> LoaderPass:
        """Parse a worker's report.

        Raises:
            ProtocolError: the report is invalid.
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


class TrainingProgress:
    """Follows training by the reports of its loaders: prints a row per epoch, moves a bar.

    An epoch is a pass over the training data with gradients enabled, and the pass over the
    validation data that follows it, if any. Everything else that a loop does is ignored.
    """

    def __init__(self, console: Console, epochs: int, train_batches: int, val_batches: int) -> None:
        """Start before the first of `epochs`."""
        self.console, self.epochs = console, epochs
        self.batches = {"train": train_batches, "val": val_batches}
        self.history: list[EpochFigures] = []
        self.train: LoaderPass | None = None
        self.val: LoaderPass | None = None
        self.since = time.monotonic()
        self.bar = progress_bar(
            console,
            TextColumn("epoch {task.fields[epoch]}  {task.description}"),
            BarColumn(None),
            TextColumn("loss {task.fields[loss]}  acc. {task.fields[accuracy]}"),
        )
        total = epochs * (train_batches + val_batches)
        self.task = self.bar.add_task("", total=total, epoch=f"1/{epochs}", loss="-", accuracy="-")

    def __enter__(self) -> TrainingProgress:
        """Start the progress bar."""
        self.bar.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Stop the progress bar, and finish an unfinished epoch."""
        self.bar.stop()
        if kind is None:
            self._end_epoch()

    def take(self, report: dict[str, Any]) -> None:
        """Process the next report."""
        seen = LoaderPass.read(report)
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

    def _draw(self, seen: LoaderPass) -> None:
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
        epoch = EpochFigures(
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
