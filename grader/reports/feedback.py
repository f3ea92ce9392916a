"""A student's feedback as a self-contained HTML file, without the instructors' details."""

from __future__ import annotations

from grader.contract.grades import Mark
from grader.contract.record import Record
from grader.reports import pages
from grader.reports.labels import for_students, one_line


def text(record: Record, student: str = "", mark: Mark | None = None) -> str:
    """Return the feedback page for `student`; `mark` is what the course makes of the points."""
    shown = for_students(record)
    mark = None if shown.held_back else mark  # it would tell what is held back
    return pages.render("feedback.html", record=shown, student=one_line(student), mark=mark)
