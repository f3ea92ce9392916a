"""A task's result as a small HTML table, for notebooks and their feedback pages."""

from __future__ import annotations

import re
from html import escape
from itertools import groupby

from grader.contract.enums import Status
from grader.contract.record import CheckResult, Record, TaskResult
from grader.reports import board, labels

GREEN, GREY, RED = "#2e8b57", "#888888", "#c0392b"
TABLE = "border-collapse: collapse; table-layout: auto; width: 100%; margin: 6px 0 8px 0"
LINE = "border-top: 1px solid rgba(128, 128, 128, 0.35)"
CELL = f"text-align: left; vertical-align: top; padding: 5px 14px 5px 0; {LINE}"
PRE = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 2px 0 4px 0"
ACCURACY = "accuracy"  # the task
TEXT = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 2px 0 4px 0"


def table(record: Record) -> str:
    """Return the tasks of a record as HTML; text from student code is escaped."""
    record = labels.cleaned(record)
    return "".join(_task(task, record) for task in record.tasks)


def _task(task: TaskResult, record: Record) -> str:
    checks = [check for check in record.checks if check.task == task.id]
    title = f"{escape(labels.title(task.id))}: {task.score:g} of {task.max_score:g} points"
    state = task.state.words
    rows = "".join(_row(check) for check in checks)
    return (
        f'<div style="max-width: 54em"><b>{title}</b>, {state}'
        f'<table style="{TABLE}">{rows}</table>'
        f"{_accuracy(record) if task.id == ACCURACY else ''}</div>"
    )


def _row(check: CheckResult) -> str:
    sign, colour = ("&#10007;", RED)
    if check.status is Status.PASSED:
        sign, colour = ("&#10003;", GREEN)
    elif check.status.is_pending:
        sign, colour = ("&ndash;", GREY)
    name = escape(labels.name(check))
    points = f"{check.score:g}/{check.max_score:g}" if check.max_score else ""
    return (
        f'<tr><td style="{CELL}; color: {colour}; width: 1em"><b>{sign}</b></td>'
        f'<td style="{CELL}; white-space: nowrap">{name}</td>'
        f'<td style="{CELL}; white-space: nowrap">{points}</td>'
        f'<td style="{CELL}; width: 100%">{_told(check)}</td></tr>'
    )


def _told(check: CheckResult) -> str:
    if check.status in (Status.NOT_STARTED, Status.NOT_RUN):
        return check.status.words
    parts = []
    if check.mistake is not None:
        parts.append(f"<b>{escape(labels.mistake(check.mistake).title)}</b>")
    if check.message:
        parts.append(_message(check.message))
    if check.printed:
        parts.append(f'{board.PRINTED}<pre style="{PRE}">{escape(check.printed)}</pre>')
    if check.hint is not None and not check.status.is_pending:
        parts.append(
            f"<details><summary>Hint {check.hint}</summary>"
            f'<div style="{TEXT}">{_prose(labels.hint(check))}</div></details>'
        )
    return "".join(parts)


def _message(text: str) -> str:
    """Format a message: indented lines are code, values and places, and keep their columns."""
    parts = []
    for indented, lines in groupby(text.split("\n"), lambda line: line.startswith("  ")):
        block = [*lines]
        parts.append(
            f'<pre style="{PRE}">{"".join(map(_code_line, block))}</pre>'
            if indented
            else f'<div style="{TEXT}">{_prose(chr(10).join(block))}</div>'
        )
    return "".join(parts)


def _code_line(line: str) -> str:
    """Format a line whose continuation, if it is wrapped, begins below its text."""
    labelled = board.LABELLED.match(line)
    width = labelled.end() if labelled else len(line) - len(line.lstrip()) + 2
    return f'<div style="padding-left: {width}ch; text-indent: -{width}ch">{escape(line)}</div>'


def _prose(text: str) -> str:
    """Escape a text, with what is between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _accuracy(record: Record) -> str:
    return f'<div style="{TEXT}">{escape(board.accuracy(record))}</div>'
