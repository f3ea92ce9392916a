"""The marks of a class as CSV: complete, or for the import into Canvas or Moodle.

Where there is no mark, or the grader could not judge a check, the mark is empty, and never a zero.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from grader.contract import course, grades
from grader.contract.messages import shorten
from grader.contract.record import Record, TaskResult
from grader.contract.results import Result
from grader.contract.roster import Student
from grader.contract.tasks import Assignment, assignments
from grader.reports import labels, table

POSSIBLE = "Points Possible"  # in the first column of the row with the most points
CANVAS_OWN = ("Student", "LastName", "FirstName", "ID", "SIS User ID", "SIS Login ID", "Section",
              "Integration ID", "Root Account")  # fmt: skip
CANVAS_SKIPS = tuple(
    f"{kind} {what}"
    for kind in ("Current", "Final", "Override")
    for what in ("Score", "Points", "Grade", "Status")
)  # Canvas makes these columns itself, and skips any whose title has one of them in it
LONGEST_COLUMN = 255
KNOWN_BY = ("ID number", "Email address")  # what Moodle's gradebook finds a student by
PASSED = LATE = {True: "yes", False: "no", None: ""}
MAX_NOTES = 2000  # characters in a cell of notes


def every_check(results: Sequence[Result], decimal: str = "point") -> str:
    """Return a row per student: status, the mark, the points of each task, and of each check."""
    has_roster = any(result.roster or result.match for result in results)
    return _csv((_every_check(result, has_roster) for result in results), decimal)


def canvas(
    results: Sequence[Result], title: str = "", layout: str = "", decimal: str = "point"
) -> str:
    """Return what Canvas imports: who, the marks, and a row of points possible.

    Without a roster, students of a `layout` of Canvas's own have Canvas's ids, all others are known
    by their SIS ids. `title` is what Canvas calls the assignment.
    """
    assignment = _assignment(results)
    column = _column(assignment, title)
    most = max((result.record.max_score for result in results if result.record), default=None)
    possible = canvas_columns(Student(), POSSIBLE)
    possible[column] = assignment.points if most is None and assignment else most
    twice = _twice(results)
    rows = (
        canvas_columns(
            result.roster or _unknown(result, layout),
            result.shown_name.replace(POSSIBLE, POSSIBLE.lower()),
        )
        | {column: _given(result, twice)}
        for result in results
    )
    return _csv([possible, *rows], decimal)


def moodle(
    results: Sequence[Result], title: str = "", layout: str = "", decimal: str = "point"
) -> str:
    """Return the CSV that Moodle imports: the student, the mark, the points per task as feedback.

    Students of a `layout` of Moodle's own have the numbers of participants: that makes a grading
    worksheet. All others are known by their id numbers and e-mail addresses, for the import of the
    gradebook; that ends at the first student whom Moodle does not know, so with a roster those whom
    it does not name are left out. `title` is what the column of marks is called.
    """
    column, twice = _column(_assignment(results), title), _twice(results)
    if layout == "moodle":
        rows = (_worksheet(result, twice, decimal) for result in results)
        return _csv(rows, decimal)
    has_roster = any(result.roster for result in results)
    gradebook = [
        _gradebook(result, column, twice, has_roster=has_roster, decimal=decimal)
        for result in results
        if not has_roster or result.roster
    ]
    return _csv(identified(gradebook), decimal)


def identified(rows: Sequence[table.Row]) -> list[table.Row]:
    """Return rows for Moodle's gradebook with those columns of `KNOWN_BY` that no row lacks.

    Moodle gives a row that lacks the value to the student of the row above. If every column lacks
    some, the one that lacks fewer is left, and the rows that have it.
    """
    counts = {key: sum(bool(row.get(key)) for row in rows) for key in KNOWN_BY}
    most = max(counts.values())
    kept = [key for key in KNOWN_BY if counts[key] == most][: None if most == len(rows) else 1]
    return [
        {key: value for key, value in row.items() if key not in KNOWN_BY or key in kept}
        for row in rows
        if row.get(kept[0])
    ]


def refused_column(title: str) -> str:
    """Say why Canvas could not import marks under a title; empty if it can."""
    if not title.strip() or len(title) > LONGEST_COLUMN:
        return f"a column needs a title of 1 to {LONGEST_COLUMN} characters"
    if title.strip() in CANVAS_OWN:
        return f"{title!r} is a column that says who a student is; name the assignment"
    if skipped := next((name for name in CANVAS_SKIPS if name in title), ""):
        return f"{title!r}: Canvas skips every column with {skipped!r} in its title"
    if title.startswith(table.FORMULA):
        return f"{title!r}: a spreadsheet would take this for a formula"
    return ""


def final(record: Record | None) -> float | None:
    """Return the mark if it is final, else None."""
    if record is None or any(check.status.is_provisional for check in record.checks):
        return None
    return record.score


def _assignment(results: Sequence[Result]) -> Assignment | None:
    ids = [result.record.submission.get("assignment", "") for result in results if result.record]
    return assignments().get(ids[0] if ids else "")


def _column(assignment: Assignment | None, title: str) -> str:
    """Return the name of the column of marks, by default the course's or the assignment's title."""
    if title or assignment is None:
        return title or "Points"
    return course.current().columns.get(assignment.id, assignment.title)


def _twice(results: Sequence[Result]) -> set[Student]:
    """Return the students of the roster with more than one hand-in: nobody knows which counts."""
    counts = Counter(result.roster for result in results if result.roster)
    return {student for student, count in counts.items() if count > 1}


def mark(result: Result) -> grades.Mark | None:
    """Return a student's mark, as the course makes it of the points; None if it is not final."""
    points = final(result.record)
    if points is None or result.record is None:
        return None
    by = None if result.late_by is None else timedelta(seconds=result.late_by)
    return grades.mark(points, result.record.max_score, result.late, by)


def mark_columns(found: grades.Mark | None) -> table.Row:
    """Return what the course decides about a mark; a course without such rules has no column."""
    of, row = course.current(), table.Row()
    if grades.has_penalty():
        row["penalty"] = found.penalty if found else None
    if grades.changes_marks():
        row["mark"] = found.final if found else None
    if of.pass_mark is not None:
        row["passed"] = PASSED[found.passed if found else None]
    return row


def _given(result: Result, twice: set[Student]) -> float | None:
    found = None if result.roster in twice else mark(result)
    return found.final if found else None


def _unknown(result: Result, layout: str) -> Student:
    """Return a student whom only the hand-in tells: by Canvas's id, or by the course's."""
    return Student(**{"canvas_id" if layout == "canvas" else "id": result.student})


def canvas_columns(student: Student, name: str) -> table.Row:
    """Return the columns by which Canvas knows a student, in the order that it demands."""
    return {
        "Student": name,
        "ID": student.canvas_id,
        "SIS User ID": student.id,
        "SIS Login ID": student.login,
        "Section": student.section,
    }


def _worksheet(result: Result, twice: set[Student], decimal: str) -> table.Row:
    known = result.roster.participant if result.roster else ""
    number = known or ("" if result.roster and result.missing else result.student)
    return {
        "Identifier": f"Participant {number}" if number else "",
        "Full name": result.shown_name if result.roster else result.name,
        "Grade": _given(result, twice),
        "Maximum Grade": result.record.max_score if result.record else None,
        "Last modified (grade)": "",
        "Feedback comments": _points(result, decimal),
    }


def _gradebook(
    result: Result, column: str, twice: set[Student], *, has_roster: bool, decimal: str
) -> table.Row:
    given = _given(result, twice)
    row: table.Row = {
        "ID number": result.roster.id if result.roster else result.student,
        "Full name": result.roster.name if result.roster else result.name,
    }
    if has_roster:
        row["Email address"] = result.roster.email if result.roster else ""
    told = "" if given is None else _points(result, decimal)
    return row | {column: moodle_grade(given), f"{column} (feedback)": told}


def moodle_grade(mark: float | None) -> table.Value:
    """Return a mark for Moodle's gradebook, which makes 0 of an empty one in a new grade item."""
    return table.NO_GRADE if mark is None else mark


def _every_check(result: Result, has_roster: bool) -> table.Row:
    row: table.Row = {"student": result.shown_id, "name": result.name}
    if has_roster:
        student = result.roster or Student()
        row |= {
            "name": student.name or result.name,
            "email": student.email,
            "section": student.section,
            "matched by": result.match.value if result.match else "",
        }
    points = final(result.record)
    row |= {
        "status": result.status.value,
        "late": LATE[result.late],
        "submission": result.path,
        "fault": result.fault,
        "notes": notes_cell(labels.notes(result)),
        "final": "" if points is None else "yes",
        "score": points,
        "max_score": result.record.max_score if result.record else None,
        **mark_columns(mark(result)),
    }
    if result.record is not None:
        row |= {task.id: _task(task, result.record) for task in result.record.tasks}
        row |= {
            check.id: None if check.status.is_provisional else check.score
            for check in result.record.checks
        }
    return row


def _task(task: TaskResult, record: Record) -> float | None:
    """Return a task's points; None if one of its checks could not be judged."""
    own = [check.status for check in record.checks if check.task == task.id]
    return None if any(status.is_provisional for status in own) else task.score


def _points(result: Result, decimal: str) -> str:
    points = {task.id: task.score for task in result.record.tasks} if result.record else {}
    return points_cell(points, decimal)


def points_cell(points: Mapping[str, float | None], decimal: str) -> str:
    """Return the points of each task that has any, as feedback for a student."""
    told = "; ".join(f"{name}: {score:g}" for name, score in points.items() if score is not None)
    return told.replace(".", ",") if decimal == "comma" else told


def notes_cell(notes: Iterable[str]) -> str:
    """Return the notes on a submission as one cell."""
    return shorten(" ".join(notes), MAX_NOTES)


def _csv(rows: Iterable[table.Row], decimal: str) -> str:
    stream = io.StringIO()
    table.write(rows, stream, decimal)
    return stream.getvalue()
