"""Implements `python -m grader diff`: whose mark changes between two runs, and why."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from grader.base.errors import UsageError
from grader.classroom.run import RESULTS
from grader.contract.enums import Status
from grader.contract.record import CheckResult, Record
from grader.contract.results import Result
from grader.intake.files import read
from grader.reports.labels import safe

MAX_FILE = 1 << 30  # bytes


@dataclass(frozen=True)
class Change:
    """A student whose result changed.

    Attributes:
        student: the id.
        old: the old score, or None.
        new: the new score, or None.
        why: the reasons, one line each.
    """

    student: str
    old: float | None
    new: float | None
    why: list[str] = field(default_factory=list)


def run(old: Path, new: Path, *, as_json: bool) -> int:
    """Compare two runs, print the changes, and return 1 if there are any."""
    before, after = load(old), load(new)
    if before.keys() != after.keys() and len(before) == len(after) == 1:
        after = {student: next(iter(after.values())) for student in before}  # two records
    changes = [Change(**safe(asdict(change))) for change in compare(before, after)]
    if as_json:
        print(json.dumps([asdict(change) for change in changes], indent=2, ensure_ascii=False))
    else:
        show(changes, len(before.keys() | after.keys()))
    return 1 if changes else 0


def load(path: Path) -> dict[str, Result]:
    """Read the results of a class's REPORT folder, or one record, by student who handed in.

    Raises:
        UsageError: the path holds no results.
    """
    file = path / RESULTS if path.is_dir() else path
    if not file.exists():
        raise UsageError(
            f"{file}: no such file. Give a report folder from `python -m grader class`, "
            "or a record from `python -m grader grade --json`."
        )
    try:
        data = json.loads(read(file, MAX_FILE))
        if "checks" in data:
            record = Record.from_dict(data)
            return {record.submission["name"]: Result(record.submission["name"], record=record)}
        results = [Result.from_dict(each) for each in data["results"]]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{file}: holds no results ({error!r}). Create it again.") from None
    return {result.student: result for result in results if not result.missing}


def compare(before: dict[str, Result], after: dict[str, Result]) -> list[Change]:
    """List the changes, the largest loss first."""
    nobody = Result("")
    students = [*before, *(student for student in after if student not in before)]
    changes = []
    for student in students:
        old, new = before.get(student), after.get(student)
        if old is None or new is None:
            why = ["new submission" if old is None else "no longer submitted"]
        else:
            why = _why(old, new)
        if why:
            changes.append(Change(student, _score(old or nobody), _score(new or nobody), why))
    return sorted(changes, key=lambda change: (change.new or 0) - (change.old or 0))


def _score(result: Result) -> float | None:
    return None if result.record is None else result.record.score


def _why(old: Result, new: Result) -> list[str]:
    """Return the reasons why two results differ; none if they agree."""
    if old.record is None or new.record is None:
        if old.record is new.record:
            return []
        if new.record is None:
            return [f"can no longer be graded: {new.fault}"]
        return [f"could not be graded before: {old.fault}"]
    reasons = _checks(old.record, new.record)
    if reasons and old.record.submission.get("digest") != new.record.submission.get("digest"):
        reasons.insert(0, "a different submission")
    return reasons


def _checks(old: Record, new: Record) -> list[str]:
    """Compare two records check by check."""
    before = {check.id: check for check in old.checks}
    after = {check.id: check for check in new.checks}
    reasons = []
    for id_ in before | after:
        was, now = before.get(id_), after.get(id_)
        if was is None and now is not None:
            reasons.append(f"{id_}: new check, {now.score:g}/{now.max_score:g}{_told(now)}")
        elif now is None and was is not None:
            reasons.append(f"{id_}: check removed, was {was.score:g}/{was.max_score:g}")
        elif was is not None and now is not None and _mark(was) != _mark(now):
            points = f"{was.score:g}/{was.max_score:g} -> {now.score:g}/{now.max_score:g}"
            reasons.append(f"{id_}: {points}, {was.status} -> {now.status}{_told(now or was)}")
    return reasons


def _mark(check: CheckResult) -> tuple[Any, ...]:
    return check.score, check.max_score, check.status is Status.ERROR


def _told(check: CheckResult) -> str:
    """Return the mistake, or the first line of the message, in parentheses."""
    said = check.mistake or check.message.split("\n")[0]
    return f" ({said})" if said else ""


def show(changes: list[Change], total: int) -> None:
    """Print the changes as a table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from grader.base.console import plain_console

    console = plain_console()
    if not changes:
        console.print(f"No mark changes; {total} submissions compared.")
        return
    table = Table("Student", "Old", "New", "Change", "Why", box=box.SIMPLE)
    for change in changes:
        both = change.old is not None and change.new is not None
        moved = f"{(change.new or 0) - (change.old or 0):+g}" if both else ""
        scores = ["-" if score is None else f"{score:g}" for score in (change.old, change.new)]
        cells = (change.student, *scores, moved, "\n".join(change.why))
        table.add_row(*map(Text, cells))
    console.print(table)
    console.print(f"{len(changes)} of {total} submissions change.")
