"""`nbgrader export`: marks per task and per check, as a plain CSV or for Canvas and Moodle.

    nbgrader export                                                 marks.csv
    nbgrader export --exporter grader.course.export.CanvasCsv       canvas.csv
    nbgrader export --exporter grader.course.export.MoodleCsv       moodle.csv

Texts are quoted, and none can start a formula in a spreadsheet. Where a person still has to give
points, Canvas and Moodle get an empty mark, which changes nothing there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins import ExportPlugin

from grader.contract.tasks import tasks
from grader.course.folders import record_file
from grader.reports import table
from grader.reports.table import Row


class MarksCsv(ExportPlugin):
    """A row a submission: marks of every task, question and check."""

    default_file = "marks.csv"

    def export(self, gradebook: Gradebook) -> None:
        """Write the file."""
        to = Path(self.to or self.default_file)
        with to.open("w", encoding="utf-8", newline="") as stream:
            table.write(self.rows(gradebook), stream)
        self.log.info("Wrote %s", to)

    def rows(self, gradebook: Gradebook) -> Iterator[Row]:
        """Return the rows of the file, each from column to value."""
        for assignment, student, submission in self.submissions(gradebook):
            yield {
                "assignment": assignment.name,
                "student_id": student.id,
                "last_name": student.last_name,
                "first_name": student.first_name,
                "email": student.email,
                "timestamp": str((submission and submission.timestamp) or ""),
                "needs_manual_grade": "yes" if submission and submission.needs_manual_grade else "",
                "score": _total(submission) if submission else 0.0,
                "max_score": assignment.max_score,
                "problem": _problem(assignment.name, submission) if submission else "",
                **_cells(submission),
                **_checks(assignment.name, student.id),
            }

    def submissions(self, gradebook: Gradebook) -> Iterator[tuple[Any, Any, Any]]:
        """Go through assignments and students; with None for what was not handed in."""
        for assignment in gradebook.assignments:
            if self.assignment and assignment.name not in map(str, self.assignment):
                continue
            for student in gradebook.students:
                if self.student and student.id not in map(str, self.student):
                    continue
                try:
                    submission = gradebook.find_submission(assignment.name, student.id)
                except MissingEntry:
                    submission = None
                yield assignment, student, submission


class CanvasCsv(MarksCsv):
    """What Canvas imports: its four columns, a column an assignment, a row of points possible."""

    default_file = "canvas.csv"

    def rows(self, gradebook: Gradebook) -> Iterator[Row]:
        """Return the rows."""
        people: dict[str, Row] = {}
        possible: Row = {"Student": "Points Possible", "ID": "", "SIS User ID": "", "Section": ""}
        for assignment, student, submission in self.submissions(gradebook):
            possible[assignment.name] = assignment.max_score
            name = ", ".join(filter(None, [student.last_name, student.first_name]))
            row = {
                "Student": name or student.id,
                "ID": "",
                "SIS User ID": student.id,
                "Section": "",
            }
            people.setdefault(student.id, row)[assignment.name] = _final(submission)
        yield possible
        yield from people.values()


class MoodleCsv(MarksCsv):
    """What Moodle imports: who, a column an assignment, its points per task as feedback."""

    default_file = "moodle.csv"

    def rows(self, gradebook: Gradebook) -> Iterator[Row]:
        """Return the rows."""
        people: dict[str, Row] = {}
        for assignment, student, submission in self.submissions(gradebook):
            row: Row = {"ID number": student.id, "Email address": student.email}
            points = [f"{name}: {score:g}" for name, score in _cells(submission).items()]
            row = people.setdefault(student.id, row)
            row[assignment.name] = _final(submission)
            row[f"{assignment.name} (feedback)"] = "; ".join(points)
        yield from people.values()


def _total(submission: Any) -> float:
    return max(0.0, round(submission.score - (submission.late_submission_penalty or 0.0), 2))


def _final(submission: Any) -> float | None:
    """Return a mark that is ready to be given."""
    if submission is None or submission.needs_manual_grade:
        return None
    return _total(submission)


def _cells(submission: Any) -> dict[str, float]:
    """Return the points of each task and question, from the gradebook."""
    if submission is None:
        return {}
    order = [f"check-{task}" for task in tasks()]
    scores = {
        grade.name: round(grade.score, 2)
        for notebook in submission.notebooks
        for grade in notebook.grades
    }
    names = [name for name in order if name in scores] + sorted(scores.keys() - set(order))
    return {name.removeprefix("check-"): scores[name] for name in names}


def _problem(assignment: str, submission: Any) -> str:
    """Return why a submission could not be graded: there is no record of it, but a comment."""
    if record_file(assignment, submission.student.id).is_file():
        return ""
    comments = (comment for each in submission.notebooks for comment in each.comments)
    return next((str(comment.auto_comment) for comment in comments if comment.auto_comment), "")


def _checks(assignment: str, student: str) -> Row:
    """Return the points of each check, from the record of the last run."""
    file = record_file(assignment, student)
    if not file.is_file():
        return {}
    record = json.loads(file.read_text(encoding="utf-8"))
    return {check["id"]: check["score"] for check in record["checks"]}
