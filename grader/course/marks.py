"""Grades the notebook's code in a worker and writes the marks to the gradebook.

These are the marks that count; nothing that a kernel prints or returns affects them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import determine_grade, is_grade, is_solution
from traitlets import Int

from grader.base.errors import UsageError
from grader.base.files import written_whole
from grader.contract import predictions
from grader.contract.record import Record, TaskResult
from grader.contract.tasks import Assignment, assignments, tasks
from grader.course.folders import record_file
from grader.course.intake import MISSING
from grader.course.sandbox_policy import SandboxPolicy
from grader.grading import session
from grader.intake import reader
from grader.intake.choice import RawSubmission, modules_beside
from grader.intake.sources import bounded
from grader.reports import board, html, labels

SKIP = "skip-execution"  # nbclient's tag
GRADER_FAILED = "The grader itself failed"
OUTDATED = (
    "The notebook has other points than the course for %s. Run `python -m grader build`, then "
    "nbgrader's generate_assignment and autograde --force."
)
BY_HAND = "It could not be graded automatically; your teacher will look at it."


class SaveMarks(SandboxPolicy, NbGraderPreprocessor):
    """Grades a notebook and saves marks, comments and the record."""

    seed = Int(0, help="Seed of the grader's inputs, 0 to 2**32 - 1.").tag(config=True)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Grade a notebook."""
        told = resources["nbgrader"]
        place = record_file(told["assignment"], told["student"])
        place.unlink(missing_ok=True)
        folder = Path(str(resources.get("metadata", {}).get("path", ".")))
        record, fault = self._grade(nb, told["student"], modules_beside(folder / "notebook"))
        if record is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(place) as stream:
                stream.write(record.to_json().encode())
        with Gradebook(told["db_url"]) as gradebook:
            _save(gradebook, told, nb, record, fault)
        _show_results(nb, record, fault)
        return nb, resources

    def _grade(self, nb: Any, student: str, beside: dict[str, bytes]) -> tuple[Record | None, str]:
        """Return the record, or why there is none."""
        if "unreadable" in nb.metadata:
            return None, f"The file cannot be graded: {nb.metadata.unreadable}. {BY_HAND}"
        try:
            assignment = _assignment(nb)
            for task in _outdated(nb, assignment):
                self.log.error(OUTDATED, task)
            content = RawSubmission(
                student, beside, main=nbformat.writes(nb).encode(), main_name="notebook.ipynb"
            )
            taken = reader.extract_limited(content, assignment.modules, assignment.id)
            taken = replace(taken, notes=bounded([*nb.metadata.get("notes", ()), *taken.notes]))
            options = {"assignment": assignment.id, "seed": self.seed, **self.grading_options()}
            record = session.grade(taken, many=True, **options)
        except UsageError as error:
            return None, f"{error} {BY_HAND}"
        except Exception as error:  # a failure of the grader is never a mark, and ends no run
            self.log.exception("The grader failed on %s", student)
            return None, f"{GRADER_FAILED} ({type(error).__name__}). {BY_HAND}"
        return record, ""


def _save(gradebook: Any, told: Any, nb: Any, record: Record | None, fault: str) -> None:
    """Write marks and comments; cells that were marked by hand before need another look."""
    find = (told["notebook"], told["assignment"], told["student"])
    for cell in nb.cells:
        if is_grade(cell):
            grade = gradebook.find_grade(cell.metadata.nbgrader.grade_id, *find)
            score = grade.auto_score = _score(cell, record)
            grade.needs_manual_grade = score is None or grade.manual_score is not None
    for name, text in _comments(nb, record, fault).items():
        gradebook.find_comment(name, *find).auto_comment = text
    gradebook.db.commit()


def _assignment(nb: Any) -> Assignment:
    """Return the assignment that the notebook's test cells belong to."""
    ids = (cell.metadata.nbgrader.grade_id for cell in nb.cells if is_grade(cell))
    names = [id_.removeprefix("check-") for id_ in ids]
    found = {tasks()[name].assignment for name in names if name in tasks()}
    if len(found) != 1:
        raise UsageError("Its cells check no task, or tasks of several assignments.")
    return assignments()[found.pop()]


def _outdated(nb: Any, assignment: Assignment) -> list[str]:
    """Return the tasks whose cells have other points than the course; they get no points."""
    worth = {f"check-{task.id}": task.points for task in assignment.tasks.values()}
    cells = [cell.metadata.nbgrader for cell in nb.cells if is_grade(cell)]
    return [
        cell.grade_id.removeprefix("check-")
        for cell in cells
        if cell.grade_id.startswith("check-") and worth.get(cell.grade_id) != cell.points
    ]


def _task_of(cell: Any, record: Record | None) -> TaskResult | None:
    """Return the result of a test cell's task."""
    name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
    results = {f"check-{task.id}": task for task in record.tasks} if record else {}
    return results.get(name)


def _score(cell: Any, record: Record | None) -> float | None:
    """Return the points of a cell, or None if they must be given by hand."""
    told = cell.metadata.nbgrader
    if told.grade_id.startswith(predictions.CELL):
        return float(told.points) if predictions.is_made(cell.source) else 0.0
    if is_solution(cell):  # a written answer: 0 if it is unchanged
        return None if cell.source == MISSING else determine_grade(cell)[0]
    task = _task_of(cell, record)
    if task is None or task.state == "error" or task.max_score != told.points:
        return None
    return float(task.score)


def _comments(nb: Any, record: Record | None, fault: str) -> dict[str, str | None]:
    """Return the comments on the cells that students write."""
    cells = [cell for cell in nb.cells if is_solution(cell)]
    names = [cell.metadata.nbgrader.grade_id for cell in cells]
    comments: dict[str, str | None] = dict.fromkeys(names, fault or None)
    last = {name.split("-")[0]: name for name in comments}  # a task's last cell
    if record is not None:
        for task in record.tasks:
            if task.id in last:
                comments[last[task.id]] = board.line(record, task)
    for cell in cells:
        if is_grade(cell):
            unanswered = _score(cell, record) == 0
            comments[cell.metadata.nbgrader.grade_id] = "No response." if unanswered else None
    if record is not None and comments:
        first = next(iter(comments))
        told = [*labels.left_out(record), comments[first] or ""]
        comments[first] = " ".join(told).strip() or None
    return comments


def only(record: Record, task: str) -> Record:
    """Return the part of a record for one task."""
    checks = [check for check in record.checks if check.task == task]
    accuracy = record.accuracy if task == "accuracy" else {}
    return Record(record.submission, checks, record.environment, accuracy)


def _show_results(nb: Any, record: Record | None, fault: str) -> None:
    """Put the results into the test cells, which are not run."""
    for cell in nb.cells:
        if cell.cell_type == "code" and is_grade(cell):
            cell.metadata.tags = [SKIP]
            task = _task_of(cell, record)
            if record is None or task is None:
                data = {"text/plain": fault or BY_HAND}
            else:
                part = only(record, task.id)
                data = {"text/html": html.table(part), "text/plain": board.text(part)}
            cell.outputs = [nbformat.v4.new_output("display_data", data)]
