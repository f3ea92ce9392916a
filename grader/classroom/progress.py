"""How far a class is: one live line in a terminal, a line a submission anywhere else."""

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

from grader.contract.messages import clean
from grader.contract.results import Result

VERDICTS = ("full marks", "partly", "nothing yet", "error")
STYLES = {"full marks": "green", "partly": "yellow", "nothing yet": "dim", "error": "red"}


def verdict(result: Result) -> str:
    """Sum a result up: one of `VERDICTS`."""
    if result.faulty:
        return "error"
    if result.record is None:
        return "nothing yet"
    if result.record.full_marks:
        return "full marks"
    return "partly" if result.record.score > 0 else "nothing yet"


def line(result: Result) -> str:
    """Return a result as a line of text."""
    if result.record is None:
        return clean(f"{result.student}  error: {result.fault}")
    marks = f"{result.record.score:g}/{result.record.max_score:g}"
    return clean(f"{result.student}  {marks}  {verdict(result)}  {result.seconds:.1f} s")


class Watching:
    """Shows results as they come; use it as a context."""

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
        """Begin."""
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        self.bar.stop()

    def show(self, result: Result) -> None:
        """Show one more result."""
        self.counts[verdict(result)] += 1
        self.bar.update(self.task, advance=1, counts=self.summary().markup)
        if not self.console.is_terminal:
            self.console.print(
                f"{self.counts.total()}/{self.total}  {line(result)}", soft_wrap=True
            )
        elif result.record is None:
            self.console.print(Text(line(result), STYLES["error"]))

    def summary(self) -> Text:
        """Return the counts by verdict."""
        parts = [
            (f"{self.counts[name]} {name}", STYLES[name]) for name in VERDICTS if self.counts[name]
        ]
        return Text(", ").join(Text(*part) for part in parts)
