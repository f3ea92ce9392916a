"""Shows on nbgrader's feedback pages what the course shows of a failure, and shows already."""

from __future__ import annotations

import json
from typing import Any

import nbformat
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution

from grader.contract.record import Record
from grader.course.folders import record_file
from grader.course.marks import only
from grader.reports import board, html, labels


class ShowToStudents(NbGraderPreprocessor):
    """Replaces results, comments and points; the autograded notebook keeps them whole."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Change a notebook that has its grades."""
        told = resources["nbgrader"]
        place = record_file(told["assignment"], told["student"])
        if place.is_file():
            whole = Record.from_dict(json.loads(place.read_text("utf-8")))
            told["score"] -= _show(nb, whole, labels.for_students(whole))
        return nb, resources


def _show(nb: Any, whole: Record, shown: Record) -> float:
    """Change the cells, and return the points that are not shown."""
    held = 0.0
    before = {
        board.line(whole, task): board.line(shown, task_) for task, task_ in _pairs(whole, shown)
    }
    points = {f"check-{task.id}": (task.score, task_) for task, task_ in _pairs(whole, shown)}
    for cell in nb.cells:
        about = cell.metadata.get("nbgrader", {})
        if is_solution(cell) and about.get("comment"):
            for old, new in before.items():
                about["comment"] = about["comment"].replace(old, new)
        if cell.cell_type == "code" and is_grade(cell) and about["grade_id"] in points:
            score, task = points[about["grade_id"]]
            part = only(shown, task.id)
            data = {"text/html": html.table(part), "text/plain": board.text(part)}
            cell.outputs = [nbformat.v4.new_output("display_data", data)]
            if about.get("score") == score != task.score:
                held += score - task.score
                about["score"] = task.score
    return held


def _pairs(whole: Record, shown: Record) -> list[tuple[Any, Any]]:
    return list(zip(whole.tasks, shown.tasks, strict=True))
