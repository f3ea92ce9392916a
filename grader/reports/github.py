"""The points as notices of a workflow run on GitHub.

    python -m grader report RECORD.json --as github

GitHub Classroom read them, until it closed in August 2026, and tools that took its place can: a run
of the workflow `Autograding Tests` has a notice `Autograding report` with the points as JSON. That
is what its own reporter writes: https://github.com/classroom-resources/autograding-grading-reporter
"""

from __future__ import annotations

import json

from grader.contract.record import Record
from grader.reports import labels


def text(record: Record) -> str:
    """Return the record's points as workflow commands; an error, and no points, without a mark."""
    record = labels.cleaned(record)
    if any(labels.is_open(check) for check in record.checks):
        return f"::error title=Not graded::{labels.NOT_JUDGED}\n"
    points, most = (f"{number:g}" for number in (record.score, record.max_score))
    report = json.dumps({"totalPoints": json.loads(points), "maxPoints": json.loads(most)})
    return (
        f"::notice title=Autograding complete::Points {points}/{most}\n"
        f"::notice title=Autograding report::{report}\n"
    )
