"""Marks of a class as CSV: all of them, and what Canvas and Moodle import.

Where there is no mark, or the grader could not judge a check, Canvas and Moodle get an empty mark,
which changes nothing there.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from grader.contract.record import Record
from grader.contract.results import Result
from grader.contract.tasks import assignments
from grader.reports import table


def every_check(results: Sequence[Result]) -> str:
    """Return a row a student: the mark, the points of each task, and of each check."""
    return _csv(_every_check(result) for result in results)


def canvas(results: Sequence[Result], title: str = "", layout: str = "") -> str:
    """Return what Canvas imports: its four columns, the marks, and a row of points possible.

    Students of a `layout` of Canvas's own have Canvas's ids, all others are known by their SIS ids.
    """
    column = _column(results, title)
    most = max((result.record.max_score for result in results if result.record), default=None)
    possible: table.Row = {"Student": "Points Possible", "ID": "", "SIS User ID": "", "Section": ""}
    rows = [
        {
            "Student": result.name or result.student,
            "ID": result.student if layout == "canvas" else "",
            "SIS User ID": "" if layout == "canvas" else result.student,
            "Section": "",
            column: final(result.record),
        }
        for result in results
    ]
    return _csv([{**possible, column: most}, *rows])


def moodle(results: Sequence[Result], title: str = "", layout: str = "") -> str:
    """Return what Moodle imports: who, the mark, and the points of each task as feedback.

    Students of a `layout` of Moodle's own have the numbers of participants: that makes a grading
    worksheet. All others are known by their id numbers, for the import of the gradebook.
    """
    column = _column(results, title)
    return _csv(
        {
            **_worksheet(result),
            "Feedback comments": _points(result.record),
        }
        if layout == "moodle"
        else {
            "ID number": result.student,
            "Full name": result.name,
            column: final(result.record),
            f"{column} (feedback)": _points(result.record),
        }
        for result in results
    )


def _column(results: Sequence[Result], title: str) -> str:
    """Return what the column of marks is called; the assignment's title if nothing is said."""
    ids = [result.record.submission.get("assignment", "") for result in results if result.record]
    known = assignments().get(ids[0] if ids else "")
    return title or (known.title if known else "Points")


def _worksheet(result: Result) -> table.Row:
    return {
        "Identifier": f"Participant {result.student}",
        "Full name": result.name,
        "Grade": final(result.record),
        "Maximum Grade": result.record.max_score if result.record else None,
        "Last modified (grade)": "",
    }


def final(record: Record | None) -> float | None:
    """Return a mark that is ready to be given; None if the grader has to look again."""
    if record is None or any(check.status.is_provisional for check in record.checks):
        return None
    return record.score


def _every_check(result: Result) -> table.Row:
    row: table.Row = {
        "student": result.student,
        "name": result.name,
        "submission": result.path,
        "fault": result.fault,
        "final": "" if final(result.record) is None else "yes",
        "score": None,
        "max_score": None,
    }
    if result.record is not None:
        row |= {"score": result.record.score, "max_score": result.record.max_score}
        row |= {task.id: task.score for task in result.record.tasks}
        row |= {check.id: check.score for check in result.record.checks}
    return row


def _points(record: Record | None) -> str:
    if record is None:
        return ""
    return "; ".join(f"{task.id}: {task.score:g}" for task in record.tasks)


def _csv(rows: Iterable[table.Row]) -> str:
    stream = io.StringIO()
    table.write(rows, stream)
    return stream.getvalue()
