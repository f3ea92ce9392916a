"""The board: the table and messages in a terminal after grading."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.base.console import plain_console
from grader.contract.enums import State, Status
from grader.contract.messages import compared, shorten
from grader.contract.record import CheckResult, Record, TaskResult
from grader.contract.tasks import MAIN, Task, assignments, tasks
from grader.reports import labels

STYLES = {
    State.DONE: "green",
    State.IN_PROGRESS: "yellow",
    State.WRONG: "red",
    State.NOT_STARTED: "dim",
    State.BLOCKED: "dim",
    State.HELD_BACK: "dim",
    State.ERROR: "bold magenta",
}
FINISHED = (State.DONE, State.HELD_BACK)
STATUS_WORDS = {
    Status.TIMEOUT: "timed out",
    Status.MEMORY: "out of memory",
    Status.CRASHED: "process exited",
    Status.ERROR: "not your fault: the grader could not judge this",
}
WIDTH = 88  # columns; longer lines are hard to read
LABELLED = re.compile(r"  (got|raised|expected|shapes|yours): +")
FIGURES = {"unseen", "value", "full", "none"}  # required keys of the accuracy
PRINTED = "Your code printed:"
PARTS = {  # whose model and loop the accuracy was measured with
    "own": ", with your model and your loop",
    "own_model": ", with your model and the grader's loop; your own loop is tried once it passes "
    "its checks",
    "own_loop": ", with your loop and the grader's model; your own model is tried once it passes "
    "its checks",
}
UNTOLD = {  # texts for checks without a message, by status
    Status.NOT_STARTED: "Not started.",
    Status.BLOCKED: "Not checked yet.",
    Status.NOT_RUN: "Did not run: grade again.",
    Status.HELD_BACK: "Graded after the deadline.",
}


def text(record: Record) -> str:
    """Return the board as plain text with every message."""
    stream = io.StringIO()
    console = plain_console(file=stream, width=100, color_system=None, force_jupyter=False)
    show(record, verbose=True, console=console)
    return "\n".join(line.rstrip() for line in stream.getvalue().strip().split("\n"))


def show(record: Record, *, verbose: bool = False, console: Console | None = None) -> None:
    """Print the board with the first message of each task, or with every one if `verbose`."""
    record = labels.cleaned(record)
    console = console or plain_console()
    console.print()
    console.print(_table(record))
    if text := accuracy(record):
        console.print(Text("\n" + text))
    for task in record.tasks:
        failing = [c for c in record.checks if c.task == task.id and c.status.is_broken]
        for check in failing if verbose else failing[:1]:
            console.print(details(check, len(failing) - 1 if not verbose else 0))
    if left_out := labels.left_out(record):
        console.print(Text("\n" + "\n".join(left_out), style="yellow"))
    console.print(_next_step(record))


def next_line(record: Record) -> str:
    """Return one line that says what to do next, for pages that show messages elsewhere."""
    task = next((task for task in record.tasks if task.state not in FINISHED), None)
    if task is None:
        return _all_done(record)
    failing = [c for c in record.checks if c.task == task.id and c.status.is_broken and c.hint]
    command = hint_command(failing[0]) if failing else f"python -m grader hint {task.id}"
    return f"Next: {labels.title(task.id)}: {first(record, task)}. A hint: {command}"


def told(check: CheckResult) -> str:
    """Return a check's message and the command for its hint; empty if it passed."""
    if check.status is Status.PASSED:
        return ""
    lines = [check.message or UNTOLD.get(check.status, f"{check.status}.")]
    if check.printed:
        lines += [PRINTED, *(f"  {line}" for line in check.printed.split("\n"))]
    if check.hint is not None and check.status.is_broken:
        lines.append(f"Hint: {hint_command(check)}")
    return "\n".join(lines)


def to_fix(record: Record, task: str) -> list[list[CheckResult]]:
    """Return a task's failed checks, grouped by message.

    If a module cannot be imported, all its checks fail with the same message.
    """
    groups: dict[tuple[str, str | None, str], list[CheckResult]] = {}
    for check in record.checks:
        if check.task == task and check.status.is_broken:
            groups.setdefault((check.status, check.mistake, check.message), []).append(check)
    return list(groups.values())


def points_of(checks: Sequence[CheckResult]) -> str:
    """Format the points of checks as earned/available."""
    return _points(sum(c.score for c in checks), sum(c.max_score for c in checks))


def hint_command(check: CheckResult) -> str:
    """Return the command that shows a check's hint."""
    return f"python -m grader hint {check.task} {check.hint}"


def line(record: Record, task: TaskResult) -> str:
    """Return a task's result as one line, without any text that student code controls."""
    names = [labels.name(c) for c in record.checks if c.task == task.id and c.status.is_broken]
    to_fix = f", fix: {', '.join(names)}" if names else ""
    state = task.state.words
    return f"{task.id}: {_points(task.score, task.max_score)} points, {state}{to_fix}."


def _table(record: Record) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Task", no_wrap=True)
    table.add_column("Points", justify="right", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("Fix first")
    for task in record.tasks:
        table.add_row(
            f"{task.id}{labels.bonus(task.id)}",
            _points(task.score, task.max_score),
            Text(task.state.words, style=STYLES[task.state]),
            Text(first(record, task), no_wrap=True, overflow="ellipsis"),
        )
    total = _points(record.score, record.max_score)
    table.add_section()
    table.add_row(Text("Total", style="bold"), Text(total, style="bold"), "", "")
    return table


def _points(score: float, max_score: float) -> str:
    return f"{score:g}/{max_score:g}"


def first(record: Record, task: TaskResult) -> str:
    """Return in a few words what to do first in a task."""
    if task.state in FINISHED:
        return _held_back(c for c in record.checks if c.task == task.id)
    if task.state is State.NOT_STARTED:
        return f"write {_where(task.id)}"
    done = (Status.PASSED, Status.HELD_BACK)
    open_checks = [c for c in record.checks if c.task == task.id and c.status not in done]
    check = next((check for check in open_checks if check.status.is_broken), open_checks[0])
    if check.mistake is not None:
        return labels.mistake(check.mistake).title
    if check.status is Status.NOT_RUN:
        return f"{labels.name(check)} did not run"
    if not check.status.is_broken:
        return _to_do(check.message) or f"write {_where(task.id)}"
    lines = check.message.split("\n")
    return compared(check.message) or lines[1 if lines[1:] else 0].strip().rstrip(",.")


def _held_back(checks: Iterable[CheckResult]) -> str:
    """Say which points are held back; empty if none are."""
    held = [check for check in checks if check.status is Status.HELD_BACK]
    points = sum(check.max_score for check in held)
    return f"{points:g} points: {_decapitalized(held[0].message)}".rstrip(".") if held else ""


def _decapitalized(text: str) -> str:
    return text[:1].lower() + text[1:]


def _to_do(message: str) -> str:
    """Shorten "Task x: write y in exercise/x.py" or "Not checked yet: ..." to the action."""
    return message.partition(": ")[2].replace("exercise/", "").rstrip(".")


def _where(id_: str) -> str:
    task = tasks().get(id_)
    if task is None:
        return f"{id_}.py"
    if not task.module:
        return "model.py and train.py first"
    return f"{' and '.join(task.names)} in {task.module}.py" if task.shares_module else f"{id_}.py"


def accuracy(record: Record) -> str:
    """Say what accuracy was measured, with whose parts, and what it earns.

    The text is empty if the task did not run.
    """
    found = record.accuracy
    if not found.keys() >= FIGURES:
        return ""
    whose = PARTS.get(found.get("parts", ""), "")
    text = (
        f"Accuracy: {found['value']:.2f} on {found['unseen']} held-out news items{whose}.\n"
        f"Full marks from {found['full']:.2f}, points from {found['none']:.2f}."
    )
    if usual := found.get("reference"):
        low, high = usual["mean"] - 2 * usual["spread"], usual["mean"] + 2 * usual["spread"]
        text += (
            f" Between {low:.2f} and {high:.2f} is usual for a correct solution: each "
            "submission is tested on a different draw of the news."
        )
    return text


def details(check: CheckResult, others: int) -> Group:
    """Format a check's message with the command for its hint."""
    style = STYLES[State.ERROR if check.status is Status.ERROR else State.WRONG]
    title = Text.assemble("\n", (check.id, f"bold {style}"), f"  {_status(check)}")
    lines: list[Text | Padding] = [title, Padding(Message(check.message), (0, 0, 0, 2))]
    if check.printed:
        lines.append(Padding(Text(PRINTED, style="dim"), (0, 0, 0, 2)))
        printed = Text(check.printed, no_wrap=True, overflow="ellipsis")
        lines.append(Padding(printed, (0, 0, 0, 4)))
    if check.hint is not None:
        hint = f"Hint: {hint_command(check)}"
        more = f"   ({others} more in {check.task}; -v shows all)" if others else ""
        lines.append(Padding(Text.assemble((hint, "cyan"), (more, "dim")), (0, 0, 0, 2)))
    return Group(*lines)


class Message:
    """A message whose prose is wrapped, and whose lines of code are cut, at `WIDTH` columns."""

    def __init__(self, text: str) -> None:
        """Take the text of a message."""
        self.text = text

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = min(options.max_width, WIDTH - 2)
        for line in self.text.split("\n"):
            if line.startswith("    "):
                yield Text(shorten(line, width))
                continue
            indent = LABELLED.match(line)
            hang = " " * (indent.end() if indent else 0)
            for part in textwrap.wrap(line, width, subsequent_indent=hang) or [""]:
                yield Text(part)


def _status(check: CheckResult) -> str:
    points = f"{_points(check.score, check.max_score)} points"
    return STATUS_WORDS.get(check.status, points)


def _next_step(record: Record) -> Text:
    open_tasks = [task for task in record.tasks if task.state not in FINISHED]
    if not open_tasks:
        how = f" {hand_in(record)}" if _is_whole(record) else ""
        return Text.assemble((f"\n{_all_done(record)}", "bold green"), (how, "cyan"))
    task = open_tasks[0]
    row = tasks().get(task.id)
    checks = [check for check in record.checks if check.task == task.id]
    if any(check.status.is_broken for check in checks):
        return Text.assemble("\nNext: ", (task.id, "bold"), ", the first message above.")
    if task.state is State.NOT_STARTED and row and row.module:
        text = f"\nNext: {row.title}. Open {row.module}.py and read its docstrings;"
    else:
        text = f"\nNext: {task.id}: {first(record, task)};"
    return Text.assemble(text, " a first hint: ", (f"python -m grader hint {task.id}", "cyan"))


def _all_done(record: Record) -> str:
    if _is_whole(record):
        failed = any(check.status.is_broken for check in record.checks)
        without_points = " A check without points failed, see above." if failed else ""
        if held := _held_back(record.checks):
            return f"All done that is checked here. {held}.{without_points}"
        return f"All done: full marks.{without_points}"
    done = [task.id for task in record.tasks]
    known = [tasks()[id_] for id_ in done if id_ in tasks()]  # the course may leave others out
    others = [id_ for task in known[-1:] for id_ in assignments()[task.assignment].tasks]
    after = others[others.index(known[-1].id) + 1 :] if known else []
    following = f" Next: {after[0]}." if after else ""
    return f"{' and '.join(done)} done.{following}"


def _is_whole(record: Record) -> bool:
    """Return whether the record is of a whole assignment."""
    known = [tasks()[task.id] for task in record.tasks if task.id in tasks()]
    return {record.max_score} == {assignments()[task.assignment].points for task in known}


def hand_in(record: Record) -> str:
    """Say how to hand in: a notebook as it is, the exercise by the command that packs it."""
    if str(record.submission.get("name")).endswith(".ipynb"):
        return "Hand in the notebook."
    assignment = next(tasks()[each.id].assignment for each in record.tasks if each.id in tasks())
    option = "" if assignment == MAIN else f" --assignment {assignment}"
    return f"To hand in: python -m grader handin{option}"


def show_hint(task: Task, level: int) -> None:
    """Print a hint."""
    console = plain_console()
    console.print(Text.assemble((f"{task.id}: {task.title}", "bold"), f"  (hint {level} of 3)"))
    console.print(Padding(Text(task.hints[level - 1]), (0, 0, 0, 2)))
    if level < len(task.hints):
        console.print(f"More: python -m grader hint {task.id} {level + 1}")
