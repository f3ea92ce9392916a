"""Progress of a class: a live line in a terminal, otherwise one line per submission."""

from __future__ import annotations

from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from grader.contract.enums import State
from grader.contract.messages import clean
from grader.contract.results import Result

STYLES = {  # by verdict
    "full marks": "green",
    "in progress": "yellow",
    "no points": "red",
    "not started": "dim",
    "missing": "dim",
    "error": "bold magenta",
}


def verdict(result: Result) -> str:
    """Return the verdict on a result, a key of `STYLES`."""
    if result.faulty:
        return "error"
    if result.record is None:
        return "missing"
    if result.record.full_marks:
        return "full marks"
    if result.record.score > 0:
        return "in progress"
    untouched = all(
        task.state in (State.NOT_STARTED, State.BLOCKED) for task in result.record.tasks
    )
    return "not started" if untouched else "no points"


def line(result: Result) -> str:
    """Format a result as one line of text."""
    if result.record is None:
        return clean(f"{result.student}  error: {result.fault}")
    marks = f"{result.record.score:g}/{result.record.max_score:g}"
    return clean(f"{result.student}  {marks}  {verdict(result)}  {result.seconds:.1f} s")


class Watching:
    """A context manager that shows results as they arrive."""

    def __init__(self, console: Console, total: int) -> None:
        """Show progress towards `total` submissions."""
        self.console, self.total = console, total
        self.counts: Counter[str] = Counter()
        self.bar = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("", total=total, counts="")

    def __enter__(self) -> Watching:
        """Start the live display."""
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the live display."""
        self.bar.stop()

    def show(self, result: Result) -> None:
        """Count a result and show it."""
        self.counts[verdict(result)] += 1
        self.bar.update(self.task, advance=1, counts=self.summary().markup)
        if not self.console.is_terminal:
            self.console.print(
                f"{self.counts.total()}/{self.total}  {line(result)}", soft_wrap=True
            )
        elif result.record is None:
            self.console.print(Text(line(result), STYLES["error"]))

    def summary(self) -> Text:
        """Return how many results have each verdict."""
        parts = [
            (f"{self.counts[name]} {name}", STYLES[name]) for name in STYLES if self.counts[name]
        ]
        return Text(", ").join(Text(*part) for part in parts)
