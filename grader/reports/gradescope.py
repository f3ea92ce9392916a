"""The `results.json` that Gradescope reads and shows to students."""

from __future__ import annotations

import json
from typing import Any

from grader.contract.enums import Status
from grader.contract.record import CheckResult, Record
from grader.reports import board
from grader.reports.labels import for_students, is_held_back, left_out, name, title


def text(record: Record) -> str:
    """Return the record as JSON text."""
    return json.dumps(to_dict(record), indent=2, allow_nan=False) + "\n"


def to_dict(record: Record) -> dict[str, Any]:
    """Return the record as JSON data for `/autograder/results/results.json`.

    What is held back is shown after the due date that Gradescope has, and until then students do
    not see their total. Nothing else is hidden, because that would hide the total, too.
    """
    held = {check.id for check in record.checks if is_held_back(check)}
    first, record = for_students(record, held), for_students(record, ())
    tests = [
        _test(f"{number}.{place}", check)
        for number, task in enumerate(record.tasks, 1)
        for place, check in enumerate((c for c in record.checks if c.task == task.id), 1)
    ]
    return {
        "score": record.score,
        "execution_time": round(sum(check.seconds for check in record.checks), 3),
        "output": "\n".join([*left_out(record), board.next_line(first)]),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def unreadable(reason: str) -> dict[str, Any]:
    """Return the results of a submission that cannot be graded."""
    return {"score": 0, "output": reason, "output_format": "text"}


def _test(number: str, check: CheckResult) -> dict[str, Any]:
    test: dict[str, Any] = {
        "number": number,
        "name": f"{title(check.task)}: {name(check)}",
        "status": "passed" if check.status is Status.PASSED else "failed",
        "output": board.told(check),
        "tags": [check.task, check.status],
    }
    if is_held_back(check):
        test["visibility"] = "after_due_date"
    if check.max_score:
        test |= {"score": check.score, "max_score": check.max_score}
    return test
