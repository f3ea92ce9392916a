"""The board: what a person sees in a terminal after grading."""

from __future__ import annotations

import io

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from grader.diagnosis import mistakes
from grader.record import CheckResult, Record, TaskResult
from grader.tasks import Task, assignments, tasks

STYLES = {
    "done": "green",
    "partly": "yellow",
    "wrong": "red",
    "not_started": "dim",
    "blocked": "dim",
    "error": "bold magenta",
}
BAD = ("failed", "timeout", "memory", "crashed", "error")  # statuses with something to mend
STATUS_WORDS = {
    "timeout": "took too long",
    "memory": "too much memory",
    "crashed": "the program ended",
    "error": "not your fault: the grader could not judge this",
}


def text(record: Record) -> str:
    """Return the board as plain text, with every message."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=100,
        highlight=False,
        markup=False,
        emoji=False,
        color_system=None,
        force_jupyter=False,
    )
    show(record, verbose=True, console=console)
    return "\n".join(line.rstrip() for line in stream.getvalue().strip().split("\n"))


def show(record: Record, *, verbose: bool = False, console: Console | None = None) -> None:
    """Print the board; `verbose` shows every message, not only the first of a task."""
    console = console or Console(highlight=False, markup=False, emoji=False)
    console.print()
    console.print(_table(record))
    if record.accuracy:
        console.print(Text(_accuracy(record)))
    for task in record.tasks:
        failing = [c for c in record.checks if c.task == task.id and c.status in BAD]
        for check in failing if verbose else failing[:1]:
            console.print(_details(check, len(failing) - 1 if not verbose else 0))
    if left_out := record.submission.get("left_out"):
        console.print(Text("\n" + "\n".join(left_out), style="yellow"))
    console.print(_next_step(record))


def line(record: Record, task: TaskResult) -> str:
    """Return a task's result as one line, without a word that student code can choose."""
    names = [c.id.split(".")[1] for c in record.checks if c.task == task.id and c.status in BAD]
    to_mend = f", to mend: {', '.join(names).replace('_', ' ')}" if names else ""
    state = task.state.replace("_", " ")
    return f"{task.id}: {_points(task.score, task.max_score)} points, {state}{to_mend}."


def _table(record: Record) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Task", no_wrap=True)
    table.add_column("Points", justify="right", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("First to mend")
    for task in record.tasks:
        checks = [check for check in record.checks if check.task == task.id]
        table.add_row(
            task.id,
            _points(task.score, task.max_score),
            Text(task.state.replace("_", " "), style=STYLES[task.state]),
            Text(_first(task, checks)),
        )
    total = _points(record.score, record.max_score)
    table.add_section()
    table.add_row(Text("Total", style="bold"), Text(total, style="bold"), "", "")
    return table


def _points(score: float, max_score: float) -> str:
    return f"{score:g}/{max_score:g}"


def _first(task: TaskResult, checks: list[CheckResult]) -> str:
    """Say in a few words what to look at first."""
    if task.state == "done":
        return ""
    if task.state == "not_started":
        return f"write {_where(task.id)}"
    open_checks = [check for check in checks if check.status != "passed"]
    first = next((check for check in open_checks if check.status in BAD), open_checks[0])
    if first.mistake is not None:
        return mistakes()[first.mistake].title
    if first.status == "not_run":
        return f"{first.id.split('.')[1]} did not run"
    if first.status not in BAD:
        return _to_do(first.message) or f"write {_where(task.id)}"
    return first.message.split("\n")[1 if "\n" in first.message else 0].rstrip(",.")


def _to_do(message: str) -> str:
    """Shorten "Task x: write y in exercise/x.py" or "Not looked at yet: ..." to what to do."""
    return message.partition(": ")[2].replace("exercise/", "").rstrip(".")


def _where(id_: str) -> str:
    task = tasks()[id_]
    if not task.module:
        return "model.py and train.py first"
    return f"{' and '.join(task.names)} in {task.module}.py" if task.shares_module else f"{id_}.py"


def _accuracy(record: Record) -> str:
    """Hold the accuracy against the marks, and against the reference's where they compare."""
    found = record.accuracy
    text = (
        f"\nAccuracy on {found['unseen']} news items not seen before:\n"
        f"  yours {found['value']:.2f}, "
        f"full marks from {found['full']:.2f}, points from {found['none']:.2f}"
    )
    if reference := found["reference"]:
        text += f", reference {reference['mean']:.2f} +- {reference['spread']:.2f}"
    return text


def _details(check: CheckResult, others: int) -> Group:
    """Show one message with the command for its hint."""
    style = STYLES["error" if check.status == "error" else "wrong"]
    title = Text.assemble("\n", (check.id, f"bold {style}"), f"  {_status(check)}")
    lines: list[Text | Padding] = [title, Padding(Text(check.message), (0, 0, 0, 2))]
    if check.hint is not None:
        hint = f"Hint: python -m grader hint {check.task} {check.hint}"
        more = f"   ({others} more in {check.task}; -v shows all)" if others else ""
        lines.append(Padding(Text.assemble((hint, "cyan"), (more, "dim")), (0, 0, 0, 2)))
    return Group(*lines)


def _status(check: CheckResult) -> str:
    points = f"{_points(check.score, check.max_score)} points"
    return STATUS_WORDS.get(check.status, points)


def _next_step(record: Record) -> Text:
    open_tasks = [task for task in record.tasks if task.state != "done"]
    if not open_tasks:
        graded = {assignments()[tasks()[task.id].assignment].points for task in record.tasks}
        whole = {record.max_score} == graded
        what = "All done: full marks." if whole else "All of this is done."
        return Text(f"\n{what}", style="bold green")
    task = open_tasks[0]
    row = tasks()[task.id]
    checks = [check for check in record.checks if check.task == task.id]
    if any(check.status in BAD for check in checks):
        return Text.assemble("\nNext: ", (task.id, "bold"), ", the first message above.")
    if task.state == "not_started" and row.module:
        text = f"\nNext: {row.title}. Open {row.module}.py and read its docstrings;"
    else:
        text = f"\nNext: {task.id}: {_first(task, checks)};"
    return Text.assemble(text, " a first hint: ", (f"python -m grader hint {task.id}", "cyan"))


def show_hint(task: Task, level: int) -> None:
    """Print one hint."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.print(Text.assemble((f"{task.id}: {task.title}", "bold"), f"  (hint {level} of 3)"))
    console.print(Padding(Text(task.hints[level - 1]), (0, 0, 0, 2)))
    if level < len(task.hints):
        console.print(f"More: python -m grader hint {task.id} {level + 1}")
