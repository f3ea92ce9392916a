"""What a record's ids are called, and its texts made safe to show, whatever version made it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from grader.contract.enums import State, Status
from grader.contract.messages import clean
from grader.contract.mistakes import Mistake, mistakes
from grader.contract.record import CheckResult, Record, TaskResult
from grader.contract.tasks import tasks
from grader.grading.session import function

LARGEST = 10**15  # no number of a record is larger, and every format can write it
NOT_JUDGED = (
    "The grader could not judge this. That is no fault of yours: the mark is not final before it "
    "has been graded again."
)


def cleaned(record: Record) -> Record:
    """Return a record that every format can show, whatever its texts and numbers are."""
    return Record(
        submission=safe(record.submission),
        checks=[_cleaned(check) for check in record.checks],
        environment=safe(record.environment),
        accuracy=safe(record.accuracy),
    )


def _cleaned(check: CheckResult) -> CheckResult:
    """Clean a check; its message keeps its lines."""
    return CheckResult(
        **{**safe(vars(check)), "status": check.status, "message": clean(check.message)}
    )


def safe(value: Any) -> Any:
    """Return JSON data that can be shown: texts and keys are one line, numbers are finite.

    A text has no control or direction character and no lone surrogate; NaN becomes 0, and a number
    beyond `LARGEST` becomes that.
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
    """Return a name as one line that can be shown anywhere."""
    return clean(text.replace("\n", " "))


def for_students(record: Record) -> Record:
    """Return a cleaned record that tells nothing of the grader's own faults."""
    record = cleaned(record)
    checks = [
        replace(check, message=NOT_JUDGED) if check.status is Status.ERROR else check
        for check in record.checks
    ]
    return replace(record, checks=checks)


def left_out(record: Record) -> list[str]:
    """Return a line on each file that was not taken, or was read in another way than sent."""
    return [*record.submission.get("left_out", ()), *record.submission.get("notes", ())]


def state(task: TaskResult) -> State:
    """Return the state of a task as pages show it: done where every point is earned.

    A check without points can be open there: it waits for another task.
    """
    full = task.state is State.PARTLY and task.score >= task.max_score
    return State.DONE if full else task.state


def name(check: CheckResult) -> str:
    """Return what a check is called within its task."""
    return (check.id.partition(".")[2] or check.id).replace("_", " ")


def title(task: str) -> str:
    """Return the title of a task."""
    return tasks()[task].title if task in tasks() else task


def mistake(id_: str) -> Mistake:
    """Return a known mistake; one that is no longer known has its id for a title."""
    return mistakes().get(id_) or Mistake(id_, id_.replace("-", " "), "")


def hint(check: CheckResult) -> str:
    """Return the hint that a check asks for; empty if there is none."""
    task = tasks().get(check.task)
    if task is None or check.hint is None or not 1 <= check.hint <= len(task.hints):
        return ""
    return task.hints[check.hint - 1]


def promise(id_: str) -> str:
    """Return the sentence of the contract that a check stands for; empty if it is not known."""
    task = tasks().get(id_.partition(".")[0])
    check = next((check for check in task.checks if check.id == id_), None) if task else None
    return (function(check).__doc__ or "").split("\n")[0] if check else ""
