"""A student's feedback as a self-contained HTML file, without the instructors' details."""

from __future__ import annotations

from grader.contract.grades import Mark
from grader.contract.record import Record
from grader.reports import pages
from grader.reports.labels import for_students, one_line


def text(record: Record, student: str = "", mark: Mark | None = None) -> str:
    """Return the feedback page for `student`; `mark` is what the course makes of the points."""
    return pages.render(
        "feedback.html", record=for_students(record), student=one_line(student), mark=mark
    )
