"""A student's feedback as a self-contained HTML file, without the instructors' details."""

from __future__ import annotations

from grader.contract.record import Record
from grader.reports import pages
from grader.reports.labels import for_students, one_line


def text(record: Record, student: str = "") -> str:
    """Return the feedback page for `student`."""
    return pages.render("feedback.html", record=for_students(record), student=one_line(student))
