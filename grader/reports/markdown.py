"""Markdown: a student's feedback, and the step summary of GitHub Actions.

    python -m grader report RECORD.json --as markdown >> "$GITHUB_STEP_SUMMARY"

Text from student code is in fenced blocks, or has its Markdown characters escaped.
"""

from __future__ import annotations

import re

from grader.contract.record import CheckResult, Record
from grader.reports import board
from grader.reports.labels import for_students, hint, left_out, mistake, name, one_line, title


def text(record: Record, student: str = "") -> str:
    """Return the record as Markdown, addressed to `student` if given."""
    record = for_students(record)
    student = one_line(student)
    heading = f"# Feedback for {escape(student)}" if student else "# Result"
    parts = [heading, f"**{record.score:g} of {record.max_score:g} points**", _table(record)]
    if accuracy := board.accuracy(record):
        parts.append(escape(accuracy))
    for task in record.tasks:
        if groups := board.to_fix(record, task.id):
            parts.append(f"## {escape(title(task.id))}")
            parts += map(_checks, groups)
    parts += map(escape, [*left_out(record), board.next_line(record)])
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Escape a text to one line that Markdown shows literally, without markup or links."""
    escaped = re.sub(r"[\\`*_{}\[\]<>#|~&!$@]", r"\\\g<0>", " ".join(text.split()))
    return re.sub(
        r"(?i)(www)\.|:(?=//)", lambda found: f"{found[1] or ''}\\{found[0][-1]}", escaped
    )


def fenced(text: str) -> str:
    """Return a text in a fenced block that its content cannot close."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _table(record: Record) -> str:
    rows = [
        f"| {escape(title(task.id))} | {task.score:g}/{task.max_score:g} "
        f"| {escape(task.state.replace('_', ' '))} | {escape(board.first(record, task))} |"
        for task in record.tasks
    ]
    return "\n".join(["| Task | Points | State | Fix first |", "|---|--:|---|---|", *rows])


def _checks(checks: list[CheckResult]) -> str:
    """Return a section for checks with the same message."""
    check = checks[0]
    names = ", ".join(escape(name(each)) for each in checks)
    known = f": {escape(mistake(check.mistake).title)}" if check.mistake else ""
    heading = f"### {names} ({board.points_of(checks)} points){known}"
    parts = [heading, fenced(board.told(check))]
    if advice := hint(check):
        parts.append(
            f"<details><summary>Hint {check.hint}</summary>\n\n{fenced(advice)}\n\n</details>"
        )
    return "\n\n".join(parts)
