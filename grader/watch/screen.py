"""What `watch` shows in a terminal of any size: one task, the list of tasks, or the board."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from grader.contract.enums import Status
from grader.contract.record import CheckResult, Record, TaskResult
from grader.contract.tasks import Assignment, Task
from grader.reports import board, labels

KEYS = "h hint  n next  p previous  a all  l list  r reset  q quit"
CUT = "  ... (a shows all of it)"
# The rows of a task, and which statuses they list.
ROWS: dict[str, Callable[[Status], bool]] = {
    "passed": lambda status: status is Status.PASSED,
    "failed": lambda status: status.is_broken,
    "not checked": lambda status: status.is_pending,
}


@dataclass(frozen=True)
class View:
    """The content of the screen.

    Attributes:
        place: what is watched.
        points: the points of the assignment.
        task: the task at hand.
        record: the latest results.
        notice: what has just happened, in one line.
        is_good: whether that is good news.
        doing: what goes on in the background, in a few words.
        hint: the level of the hint to show; 0 for none.
    """

    place: str
    points: float
    task: Task
    record: Record
    notice: str = ""
    is_good: bool = False
    doing: str = ""
    hint: int = 0


def show(view: View, console: Console) -> None:
    """Clear the screen and show the task at hand, cut to the height of the terminal."""
    _show(view, [*_header(view), *_task(view)], console)


def show_list(view: View, assignment: Assignment, console: Console) -> None:
    """Clear the screen and show the state of each task, with a mark at the one at hand."""
    results = {result.id: result for result in labels.cleaned(view.record).tasks}
    lines = list(_header(view))
    for id_, task in assignment.tasks.items():
        mark = "> " if task is view.task else "  "
        line = Text.assemble(f"{mark}{id_:<{max(map(len, assignment.tasks)) + 2}}", no_wrap=True)
        if id_ in results:
            result = results[id_]
            state = result.state
            line.append(f"{result.score:>4g}/{result.max_score:<4g}")
            line.append(f"{state.words:<13}", board.STYLES[state])
        else:
            line.append(f"{'':>4} {task.points:<4g}{'':<13}")
        lines.append(line.append(labels.title(id_)))
    _show(view, lines, console)


def show_all(record: Record, console: Console) -> None:
    """Clear the screen and show the whole board, whatever its height."""
    console.clear()
    board.show(record, console=console)
    console.print(Text(f"\n{KEYS}", style="dim"))


def _show(view: View, content: Iterable[RenderableType], console: Console) -> None:
    width = min(console.width, board.WIDTH)

    def lines(*renderables: RenderableType) -> list[list[Segment]]:
        options = console.options.update(width=width)
        return console.render_lines(Group(*renderables), options, pad=False)

    below = lines(
        Text(view.doing, style="cyan"), Text(KEYS, style="dim", no_wrap=True, overflow="ellipsis")
    )
    above = lines(*content)
    room = max(console.height - len(below) - 1, 2)
    if len(above) > room:
        above = [*above[: room - 1], *lines(Text(CUT, style="dim"))]
    console.clear()
    rows = [*above, *below]
    for number, row in enumerate(rows, 1):  # no line break at the end: it would scroll
        end = [Segment.line()] if number < len(rows) else []
        console.print(Segments([*row, *end]), end="")


def _header(view: View) -> Iterable[RenderableType]:
    yield Text.assemble((view.place, "bold"), f"   {view.record.score:g}/{view.points:g} points")
    yield Text(view.notice, style="bold green" if view.is_good else "yellow")
    yield Text()


def _task(view: View) -> Iterable[RenderableType]:
    record, task = labels.cleaned(view.record), view.task
    title = Text(f"{task.id}: {task.title}", style="bold")
    result = next((each for each in record.tasks if each.id == task.id), None)
    if result is None:
        yield title
        return
    state = result.state
    points = f"   {result.score:g}/{result.max_score:g}  "
    yield Text.assemble(title, points, (state.words, board.STYLES[state]))
    checks = [check for check in record.checks if check.task == task.id]
    rows = Table.grid(padding=(0, 0, 0, 2))
    for word, belongs in ROWS.items():
        if names := ", ".join(labels.name(check) for check in checks if belongs(check.status)):
            rows.add_row("", word, names)
    yield rows
    if view.hint:
        yield Text(f"\nHint {view.hint} of {len(task.hints)}", style="cyan")
        yield Padding(Text(task.hints[view.hint - 1]), (0, 0, 0, 2))
        return
    yield from _first(checks, record, result)
    if task.id == "accuracy" and (accuracy := board.accuracy(record)):
        yield Text(f"\n{accuracy}")


def _first(
    checks: list[CheckResult], record: Record, result: TaskResult
) -> Iterable[RenderableType]:
    """Show what to do first."""
    broken = [check for check in checks if check.status.is_broken]
    if broken:
        yield board.details(replace(broken[0], hint=None), 0)
        return
    if to_do := board.first(record, result):
        yield Text(f"\n{to_do[:1].upper()}{to_do[1:]}.")
