"""The `results.json` of exercism's test runners, version 3."""

from __future__ import annotations

import json
from typing import Any

from grader.contract.enums import Status
from grader.contract.record import CheckResult, Record
from grader.reports import board
from grader.reports.labels import for_students, name, promise, title

STATUSES = {  # all others are errors
    Status.PASSED: "pass",
    Status.FAILED: "fail",
    Status.NOT_STARTED: "fail",
    Status.BLOCKED: "fail",
    Status.HELD_BACK: "pass",
}
LONGEST = 65_535  # bytes of the top-level message


def text(record: Record) -> str:
    """Return the record as JSON text; a task's `task_id` is its position, from 1."""
    record = for_students(record)
    places = {task.id: place for place, task in enumerate(record.tasks, 1)}
    tests = [_test(check, places[check.task]) for check in record.checks]
    statuses = {test["status"] for test in tests}
    status = "pass" if statuses == {"pass"} else "error" if statuses <= {"error"} else "fail"
    content: dict[str, Any] = {"version": 3, "status": status, "message": None, "tests": tests}
    if status == "error":
        said = (check.message for check in record.checks if check.message)
        message = next(said, "No check ran. Grade it again.")
        content["message"] = message.encode()[:LONGEST].decode(errors="ignore")
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def _test(check: CheckResult, task: int) -> dict[str, Any]:
    return {
        "name": f"{title(check.task)}: {name(check)}",
        "status": STATUSES.get(check.status, "error"),
        "message": None if check.status is Status.PASSED else board.told(check),
        "test_code": promise(check.id),
        "task_id": task,
    }
