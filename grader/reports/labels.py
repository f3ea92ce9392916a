"""Names for a record's ids, and safe texts, for records of any version of the grader."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from grader.contract import course, grades, held_back
from grader.contract.enums import Status
from grader.contract.messages import clean
from grader.contract.mistakes import Mistake, mistakes
from grader.contract.record import ACCURACY, CheckResult, Record
from grader.contract.results import Result
from grader.contract.tasks import Check, tasks

VALUES = re.compile(r"  (got|expected|shapes):")  # lines of a message that show values
LARGEST = 10**15  # limit for the numbers of a record; every format can write it
NOT_JUDGED = (
    "The grader could not judge this. It is not your fault: the mark is not final until this has "
    "been graded again."
)

NOT_SHOWN = "This check failed. The course does not show more."


def cleaned(record: Record) -> Record:
    """Return a copy of a record whose texts and numbers every format can show."""
    return Record(
        submission=safe(record.submission),
        checks=[_cleaned(check) for check in record.checks],
        environment=safe(record.environment),
        accuracy=safe(record.accuracy),
    )


def _cleaned(check: CheckResult) -> CheckResult:
    """Clean a check, but keep the line breaks of its message and of what was printed."""
    texts = {"message": clean(check.message), "printed": clean(check.printed)}
    return CheckResult(**{**safe(vars(check)), "status": check.status, **texts})


def safe(value: Any) -> Any:
    """Make JSON data safe to show: texts and keys become one line, numbers finite.

    Control and direction characters and lone surrogates are removed. NaN becomes 0, and larger
    numbers become `LARGEST`.
    """
    if isinstance(value, dict):
        return {one_line(str(key)): safe(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [safe(part) for part in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return max(-LARGEST, min(value, LARGEST)) if value == value else 0.0
    return one_line(str(value))


def one_line(text: str) -> str:
    """Return a name as one line that is safe to show."""
    return clean(text.replace("\n", " "))


def for_students(record: Record, hidden: Collection[str] | None = None) -> Record:
    """Return a cleaned record with what the course shows of a failure, and shows already.

    It has no details of the grader's own failures. `hidden` are the checks that are held back, by
    default those whose deadline has not passed.
    """
    record, show = cleaned(record), course.current().show
    hidden = held_back.hidden() if hidden is None else hidden
    checks = [hide(check) if check.id in hidden else _shown(check, show) for check in record.checks]
    return replace(record, checks=checks, accuracy={} if ACCURACY in hidden else record.accuracy)


def hide(check: CheckResult) -> CheckResult:
    """Return a result that is held back until the deadline."""
    message = held_back.message(tasks()[check.task].check(check.id))
    return CheckResult(
        check.id,
        check.task,
        Status.HELD_BACK,
        0.0,
        check.max_score,
        message=message,
        bonus=check.bonus,
    )


def is_held_back(check: CheckResult) -> bool:
    """Return whether the course holds a check back, be the deadline over or not."""
    known = _known(check.id)
    return known is not None and known.held_back


def is_open(check: CheckResult) -> bool:
    """Return whether the grader could not judge a check that is not held back."""
    return check.status.is_provisional and check.status is not Status.HELD_BACK


def _shown(check: CheckResult, show: str) -> CheckResult:
    """Return a result as a student may read it."""
    if check.status is Status.ERROR:
        return replace(check, message=NOT_JUDGED)
    if show == "full" or not check.status.is_broken:
        return check
    if show == "none":
        return replace(check, message=NOT_SHOWN, mistake=None, hint=None, printed="")
    lines = check.message.split("\n")
    return replace(
        check, message="\n".join(line for line in lines if not VALUES.match(line)), printed=""
    )


def notes(result: Result) -> list[str]:
    """Return a line on whatever is to be known of a hand-in and its files."""
    return [*result.notes, *(left_out(result.record) if result.record else ())]


def left_out(record: Record) -> list[str]:
    """Return a line on each file that was not taken, or was read in another way than sent."""
    return [*record.submission.get("left_out", ()), *record.submission.get("notes", ())]


def name(check: CheckResult) -> str:
    """Return a check's name within its task."""
    return (check.id.partition(".")[2] or check.id).replace("_", " ")


def title(task: str) -> str:
    """Return the title of a task, and whether its points are bonus."""
    known = tasks().get(task)
    return f"{known.title}{bonus(task)}" if known else task


def bonus(task: str) -> str:
    """Return " (bonus)" for a task whose points count on top of the others, else nothing."""
    known = tasks().get(task)
    return " (bonus)" if known and known.bonus else ""


def mark_line(mark: grades.Mark | None) -> str:
    """Say what the course makes of the points; empty if it decides nothing about marks."""
    if mark is None or mark.final is None:
        return ""
    late = f" after {mark.penalty:g} points for lateness" if mark.penalty else ""
    told = f"Mark: {mark.final:g}{late}" if grades.changes_marks() else ""
    passed = "" if mark.passed is None else "passed" if mark.passed else "not passed"
    return ", ".join(filter(None, [told, passed])).capitalize()


def mistake(id_: str) -> Mistake:
    """Return a known mistake; for an unknown id, the id is the title."""
    return mistakes().get(id_) or Mistake(id_, id_.replace("-", " "), "")


def hint(check: CheckResult) -> str:
    """Return the text of a check's hint; empty if it has none."""
    task = tasks().get(check.task)
    levels = enumerate(task.hints, 1) if task else ()
    return next((text for level, text in levels if level == check.hint), "")


def promise(id_: str) -> str:
    """Return the requirement that a check tests; empty if the id is unknown."""
    check = _known(id_)
    return (check.load().__doc__ or "").split("\n")[0] if check and check.is_here else ""


def _known(id_: str) -> Check | None:
    """Return the check with this id; None if it is unknown."""
    task = tasks().get(id_.partition(".")[0])
    return next((check for check in task.checks if check.id == id_), None) if task else None
