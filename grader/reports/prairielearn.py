"""The `results.json` of an external grader of PrairieLearn, for `pl-external-grader-results`.

https://prairielearn.readthedocs.io/en/latest/externalGrading/
"""

from __future__ import annotations

import json
from typing import Any

from grader.contract.enums import Status
from grader.contract.record import CheckResult, Record
from grader.reports import board
from grader.reports.labels import (
    NOT_JUDGED,
    for_students,
    is_open,
    left_out,
    name,
    promise,
    title,
)


def text(record: Record) -> str:
    """Return the record as JSON text."""
    return json.dumps(to_dict(record), indent=2, allow_nan=False) + "\n"


def to_dict(record: Record) -> dict[str, Any]:
    """Return the record as JSON data for `/grade/results/results.json`.

    Without a final mark it is not gradable: that costs the student no attempt.
    """
    record = for_students(record)
    if any(is_open(check) for check in record.checks):
        return unreadable(NOT_JUDGED)
    share = record.score / record.max_score if record.max_score else 0.0
    return {
        "gradable": True,
        "score": max(0.0, min(share, 1.0)),
        "message": "\n".join([*left_out(record), board.next_line(record)]),
        "tests": [_test(check) for check in record.checks],
    }


def unreadable(reason: str) -> dict[str, Any]:
    """Return the results of a submission that cannot be graded."""
    return {"gradable": False, "message": reason, "format_errors": [reason]}


def _test(check: CheckResult) -> dict[str, Any]:
    return {
        "name": f"{title(check.task)}: {name(check)}",
        "description": promise(check.id),
        "points": check.score,
        "max_points": check.max_score,
        "message": "" if check.status is Status.PASSED else board.told(check),
    }
