"""A student's feedback as one self-contained HTML file, with nothing that only instructors see."""

from __future__ import annotations

from grader.contract.record import Record
from grader.reports import pages
from grader.reports.labels import for_students, one_line


def text(record: Record, student: str = "") -> str:
    """Return the page; `student` is who it is for."""
    return pages.render("feedback.html", record=for_students(record), student=one_line(student))
