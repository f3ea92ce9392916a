"""The page docs/kill_matrix.md: for each task a table mistake x check."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from grader.bank import ROOT
from grader.diagnosis import mistakes
from grader.tasks import Assignment, Check, Task, assignments
from tests.matrix.judge import Matrix, Row

PAGE = ROOT / "docs" / "kill_matrix.md"
DATA = ROOT / "docs" / "matrix.json"

FIRST, FAILS, WAITS = "**X**", "x", "-"

INTRO = f"""\
# The matrix: mistakes x checks

Written by `python -m tests.matrix`, which grades every submission of the banks in
`tests/submissions/` over all tasks of its assignment. It fails when a mistake is not the first
thing that its student reads, is not named, or costs points in another task; when a right variant
loses a point; when no mistake trips a check; and when no entry makes a known mistake.

Each mistake fails in the table of its own task only, so there is one table a task. {FIRST}: the
check that the student reads first, the root cause; {FAILS}: fails as well; {WAITS}: waits for the
one that failed. The last column is what the student reads: the name of a known mistake, or, in
quotes, words of the message where there is none.
"""


def render(matrix: Matrix) -> str:
    """Return the page."""
    wrong = [row for row in matrix.rows if row.task]
    right = [row for row in matrix.rows if not row.task]
    parts = [INTRO, _numbers(matrix, wrong, right)]
    for assignment in assignments().values():
        parts += [f"## {assignment.title}: `{assignment.id}`\n", _checks(assignment, wrong)]
        for task in assignment.tasks.values():
            parts.append(_mistakes(task, [row for row in wrong if row.task == task.id]))
        parts.append(_right([row for row in right if row.assignment == assignment.id]))
    if matrix.problems:
        parts.append("## Problems\n\n" + "".join(f"- {problem}\n" for problem in matrix.problems))
    return "\n".join(parts)


def same(path: Path, matrix: Matrix) -> bool:
    """Tell whether a page is the one of this matrix, the time left out."""
    found = path.read_text(encoding="utf-8") if path.exists() else ""
    return _timeless(found) == _timeless(render(matrix))


def _timeless(page: str) -> str:
    return re.sub(r"^\| seconds .*\n", "", page, flags=re.MULTILINE)


def _numbers(matrix: Matrix, wrong: list[Row], right: list[Row]) -> str:
    count = sum(len(each.checks) for each in assignments().values())
    return _table(
        [":--", "--:"],
        ["both banks", ""],
        [
            ["wrong submissions, each caught by its check", str(len(wrong))],
            ["right submissions, each with 100 points", str(len(right))],
            ["checks, none idle", str(count)],
            ["known mistakes, each made by an entry", str(len(mistakes()))],
            [f"seconds for all on {matrix.cores} cores", f"{matrix.seconds:.0f}"],
        ],
    )


def _checks(assignment: Assignment, wrong: list[Row]) -> str:
    first = Counter(row.failed[0] for row in wrong if row.failed)
    fails = Counter(check for row in wrong for check in row.failed)
    rows = [
        [f"`{check.id}`", f"{check.points:g}", str(first[check.id]), str(fails[check.id])]
        for check in assignment.checks
    ]
    head = ["check", "points", "mistakes it catches", "mistakes that trip it"]
    return "### Checks\n\n" + _table([":--", "--:", "--:", "--:"], head, rows)


def _mistakes(task: Task, rows: list[Row]) -> str:
    head = ["mistake", *(check.name for check in task.checks), "the student reads"]
    lines = [[row.name, *(_cell(row, check) for check in task.checks), _reads(row)] for row in rows]
    table = _table([":--", *[":-:" for _ in task.checks], ":--"], head, lines)
    return f"### {task.title}: `{task.id}`, {len(rows)} mistakes\n\n{table}"


def _cell(row: Row, check: Check) -> str:
    if row.failed and row.failed[0] == check.id:
        return FIRST
    if check.id in row.failed:
        return FAILS
    return WAITS if check.id in row.blocked else ""


def _reads(row: Row) -> str:
    return row.reads if row.mistake else f"`{row.reads}`"


def _right(rows: list[Row]) -> str:
    names = ", ".join(f"`{row.name}`" for row in rows)
    return f"### Right variants, {len(rows)}\n\nFull marks in all tasks: {names}.\n"


def _table(align: list[str], head: list[str], rows: list[list[str]]) -> str:
    lines = [head, align, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
