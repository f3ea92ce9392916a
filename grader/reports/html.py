"""One task's result as a small HTML table, for notebooks and their feedback pages."""

from __future__ import annotations

from html import escape

from grader.diagnosis import mistakes
from grader.record import CheckResult, Record, TaskResult
from grader.tasks import tasks

COLOURS = {"passed": "#2e8b57", "blocked": "#888888", "not_started": "#888888", "not_run": "#888888"}
BAD = "#c0392b"
SIGNS = {"passed": "&#10003;", "blocked": "&ndash;", "not_started": "&ndash;", "not_run": "&ndash;"}
LINE = "border-top: 1px solid rgba(128, 128, 128, 0.35)"
CELL = f"text-align: left; vertical-align: top; padding: 5px 14px 5px 0; {LINE}"
TEXT = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 2px 0 4px 0"


def table(record: Record) -> str:
    """Show the tasks of a record; what student code can choose is escaped."""
    return "".join(_task(task, record) for task in record.tasks)


def _task(task: TaskResult, record: Record) -> str:
    checks = [check for check in record.checks if check.task == task.id]
    title = f"{escape(tasks()[task.id].title)}: {task.score:g} of {task.max_score:g} points"
    done = f"; {task.state.replace('_', ' ')}" if task.state != "done" else "; done"
    rows = "".join(_row(check) for check in checks)
    return (
        f'<div style="max-width: 54em"><b>{title}</b>{done}'
        f'<table style="border-collapse: collapse; width: 100%; margin: 6px 0 8px 0">{rows}</table>'
        f"{_accuracy(record)}</div>"
    )


def _row(check: CheckResult) -> str:
    colour = COLOURS.get(check.status, BAD)
    name = escape(check.id.split(".")[1].replace("_", " "))
    points = f"{check.score:g}/{check.max_score:g}" if check.max_score else ""
    return (
        f'<tr><td style="{CELL}; color: {colour}; width: 1em"><b>{SIGNS.get(check.status, "&#10007;")}'
        f'</b></td><td style="{CELL}; white-space: nowrap">{name}</td>'
        f'<td style="{CELL}; white-space: nowrap">{points}</td>'
        f'<td style="{CELL}; width: 100%">{_told(check)}</td></tr>'
    )


def _told(check: CheckResult) -> str:
    if check.status in ("not_started", "not_run"):
        return check.status.replace("_", " ")
    parts = []
    if check.mistake is not None:
        parts.append(f"<b>{escape(mistakes()[check.mistake].title)}</b>")
    if check.message:
        parts.append(f'<div style="{TEXT}">{escape(check.message)}</div>')
    if check.hint is not None and check.status != "blocked":
        hint = tasks()[check.task].hints[check.hint - 1]
        parts.append(
            f"<details><summary>Hint {check.hint}</summary>"
            f'<div style="{TEXT}">{escape(hint)}</div></details>'
        )
    return "".join(parts)


def _accuracy(record: Record) -> str:
    found = record.accuracy
    if not found:
        return ""
    return (
        f"Accuracy on {found['unseen']} news items not seen before: <b>{found['value']:.2f}</b> "
        f"(full marks from {found['full']:.2f}, points from {found['none']:.2f})"
    )
