"""Checks the submitted folders before nbgrader does.

nbgrader skips broken folders, or gives up half-way, and leaves the marks of an earlier run.
"""

from __future__ import annotations

import fnmatch
import glob
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.utils import rmtree

RECORDS = Path("records")  # below the course's folder


def look_over(converter: Any) -> None:
    """Exclude broken folders from a run of `nbgrader autograde`, and remove their old marks.

    Args:
        converter: nbgrader's converter before its run; `assignments` are the folders it found.
    """
    course = converter.coursedir
    assignment = course.assignment_id
    with Gradebook(course.db_url, course.course_id) as gradebook:
        try:
            notebooks = [each.name for each in gradebook.find_assignment(assignment).notebooks]
        except MissingEntry:  # nbgrader reports this itself
            return
        for student, folder in _handed_in(course):
            problem = _problem(folder, notebooks, course)
            if not problem:
                # nbgrader goes by the names; `SubmissionExporter` finds the one under another.
                asked = fnmatch.filter(notebooks, course.notebook_id)
                paths = [str(folder / f"{name}.ipynb") for name in asked]
                converter.assignments[str(folder)] = paths
                continue
            converter.log.error("%s is not graded: %s", student, problem)
            converter.assignments.pop(str(folder), None)
            old = course.format_path(course.autograded_directory, student, assignment)
            if Path(old).exists():
                rmtree(old)
            (Path(course.root) / record_file(assignment, student)).unlink(missing_ok=True)
            gradebook.update_or_create_student(student)
            gradebook.update_or_create_submission(assignment, student)
            for name in notebooks:
                take_back(gradebook, name, assignment, student, problem)


def _handed_in(course: Any) -> Iterator[tuple[str, Path]]:
    """Yield the requested students and their folders."""
    where = course.submitted_directory, course.student_id, course.assignment_id
    student = course.format_path(where[0], "(?P<student>.*)", re.escape(where[2]), escape=True)
    for folder in sorted(glob.glob(course.format_path(*where))):
        found = re.fullmatch(student, folder)
        if found and found["student"] not in course.student_id_exclude.split(","):
            yield found["student"], Path(folder)


def _problem(folder: Path, notebooks: list[str], course: Any) -> str:
    """Return why nbgrader cannot read a folder, or an empty text if it can."""
    for name in notebooks:
        if notebook_of(folder / f"{name}.ipynb") is None:
            others = ", ".join(sorted(path.name for path in folder.glob("*.ipynb"))) or "none"
            return f"there is no {name}.ipynb in its folder (notebooks there: {others})"
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            return f"{path.relative_to(folder)} is a link or a special file"
    try:
        course.get_existing_timestamp(str(folder))
    except Exception:  # it raises many kinds of exceptions
        return "timestamp.txt has no valid date"
    return ""


def notebook_of(path: Path) -> Path | None:
    """Return the notebook that was handed in as `path`, or the only one, whatever its name."""
    if path.is_symlink() or path.is_file():
        return path
    found = sorted(path.parent.glob("*.ipynb"))
    return found[0] if len(found) == 1 else None


def record_file(assignment: str, student: str) -> Path:
    """Return the path of a submission's record, relative to the course's folder."""
    return RECORDS / assignment / f"{student}.json"


def take_back(
    gradebook: Any, notebook: str, assignment: str, student: str, reason: str | None = None
) -> None:
    """Remove the marks and comments of earlier runs; new comments give the reason, if any."""
    submission = gradebook.find_submission_notebook(notebook, assignment, student)
    for grade in submission.grades:
        grade.auto_score, grade.needs_manual_grade = None, True
    for comment in submission.comments:
        comment.auto_comment = reason
    gradebook.db.commit()
