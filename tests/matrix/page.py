"""The page docs/kill_matrix.md: for each task a table mutant x check.

The page holds all of the matrix: `parse` reads back the rows that `render` wrote.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from grader.base.paths import ROOT
from grader.contract.mistakes import mistakes
from grader.contract.tasks import Assignment, Check, Task, assignments
from tests.matrix.judge import Row

PAGE = ROOT / "docs" / "kill_matrix.md"

FIRST, FAILS, WAITS = "**X**", "x", "-"

INTRO = f"""\
# The kill matrix: mutants x checks

Written by `python -m tests.matrix`, which grades every mutant and every accepted variant in
`tests/submissions/`. It fails when a student would not read the mutant's mistake first, by its
name; when a mutant costs points in another task; when an accepted variant loses a point; when no
mutant fails a check; and when no mutant makes a known mistake.

A mutant fails checks of its own task only, so there is one table per task. {FIRST}: the check that
the student reads first, the root cause; {FAILS}: fails as well; {WAITS}: waits for the one that
failed. The last column is what the student reads: the name of a known mistake or, in quotes, words
of the message where there is none.
"""


def render(rows: Sequence[Row]) -> str:
    """Return the page."""
    mutants = [row for row in rows if row.task]
    accepted = [row for row in rows if not row.task]
    parts = [INTRO, _counts(len(mutants), len(accepted))]
    for assignment in assignments().values():
        parts += [f"## {assignment.title}: `{assignment.id}`\n", _checks(assignment, mutants)]
        for task in assignment.tasks.values():
            parts.append(_mutants(task, [row for row in mutants if row.task == task.id]))
        parts.append(_accepted([row for row in accepted if row.assignment == assignment.id]))
    return "\n".join(parts)


def parse(text: str) -> list[Row]:
    """Return the rows of a page, in its order."""
    rows: list[Row] = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        assignment = section.partition("\n")[0].split("`")[1]
        for part in re.split(r"^### ", section, flags=re.MULTILINE)[1:]:
            head, _, body = part.partition("\n")
            if head.startswith("Accepted variants"):
                rows += [Row(name, name, assignment, "") for name in re.findall("`(.+?)`", body)]
            elif "`" in head:
                rows += _parse_table(assignment, head.split("`")[1], body)
    return rows


def _parse_table(assignment: str, task: str, body: str) -> Iterator[Row]:
    head, _, *lines = [
        [cell.replace("\\|", "|") for cell in line[2:-2].split(" | ")]
        for line in body.splitlines()
        if line.startswith("| ")
    ]
    for name, *cells, reads in lines:
        by_check = {f"{task}.{check}": cell for check, cell in zip(head[1:], cells, strict=False)}
        failed = [check for check, cell in by_check.items() if cell in (FIRST, FAILS)]
        blocked = [check for check, cell in by_check.items() if cell == WAITS]
        yield Row(f"{task}-{name}", name, assignment, task, failed, blocked, reads)


def _counts(mutants: int, accepted: int) -> str:
    count = sum(len(each.checks) for each in assignments().values())
    return _table(
        [":--", "--:"],
        ["all assignments", ""],
        [
            ["mutants, each caught by its check", str(mutants)],
            ["accepted variants, each with 100 points", str(accepted)],
            ["checks, each failed by a mutant", str(count)],
            ["known mistakes, each made by a mutant", str(len(mistakes()))],
        ],
    )


def _checks(assignment: Assignment, mutants: Sequence[Row]) -> str:
    first = Counter(row.failed[0] for row in mutants if row.failed)
    fails = Counter(check for row in mutants for check in row.failed)
    rows = [
        [f"`{check.id}`", f"{check.points:g}", str(first[check.id]), str(fails[check.id])]
        for check in assignment.checks
    ]
    head = ["check", "points", "mutants it catches", "mutants that fail it"]
    return "### Checks\n\n" + _table([":--", "--:", "--:", "--:"], head, rows)


def _mutants(task: Task, rows: list[Row]) -> str:
    head = ["mutant", *(check.name for check in task.checks), "the student reads"]
    lines = [[row.name, *(_cell(row, check) for check in task.checks), row.reads] for row in rows]
    table = _table([":--", *[":-:" for _ in task.checks], ":--"], head, lines)
    return f"### {task.title}: `{task.id}`, {len(rows)} mutants\n\n{table}"


def _cell(row: Row, check: Check) -> str:
    if row.failed and row.failed[0] == check.id:
        return FIRST
    if check.id in row.failed:
        return FAILS
    return WAITS if check.id in row.blocked else ""


def _accepted(rows: list[Row]) -> str:
    names = ", ".join(f"`{row.name}`" for row in rows)
    return f"### Accepted variants, {len(rows)}\n\nFull marks in all tasks: {names}.\n"


def _table(align: list[str], head: list[str], rows: list[list[str]]) -> str:
    lines = [head, align, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
