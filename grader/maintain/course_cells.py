"""Which cells of a lesson a course keeps, with its points in their text.

A task that the course leaves out takes with it its section, if that has no other task, or else its
own cells and the code that uses what they define.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from typing import Any

from grader.contract import course
from grader.contract.tasks import Assignment, all_tasks
from grader.maintain.stubs import BuildError

POINTS = re.compile(r"\{points(?::(\w+))?\}")
QUESTIONS = "questions"  # the name of what all written answers are worth together
PREDICTIONS = "predictions"  # and what all guesses are worth together
QUESTION = re.compile(r"^### Question", re.MULTILINE)
Numbered = list[tuple[int, Any]]  # cells as jupytext reads them, by their place in the lesson


def kept(script: str, cells: list[Any], assignment: Assignment) -> Numbered:
    """Return the cells that the course keeps.

    Raises:
        BuildError: `script` wants the points of a task that there is not.
    """
    left_out = [
        task
        for task in all_tasks().values()
        if task.assignment == assignment.id and task.id not in assignment.tasks
    ]
    found = [*enumerate(cells, 1)]
    if left_out:
        ids = {task.id for task in left_out}
        found = _without(found, ids, _dropped_sections(found, ids))
    if not course.current().written_questions:
        found = _without_questions(found)
    _fill_in(script, found, assignment, {task.id for task in left_out})
    return [(number, cell) for number, cell in found if cell.source.strip() or cell.metadata]


def task_of(cell: Any) -> str:
    """Return the id of the task that a cell defines or checks; empty for any other cell."""
    told = cell.metadata
    return str(told.get("check") or told.get("definition", "").partition(".")[0])


def _dropped_sections(cells: Numbered, left_out: Collection[str]) -> set[int]:
    """Return the places of the sections whose tasks are all left out.

    The last text stays: it says how to hand in.
    """
    sections: list[Numbered] = [[]]
    for number, cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            sections.append([])
        sections[-1].append((number, cell))
    dropped: set[int] = set()
    for section in sections:
        own = {task_of(cell) for _, cell in section} - {""}
        if own and own <= set(left_out):
            dropped |= {number for number, _ in section}
    number, last = cells[-1]
    return dropped - {number} if last.cell_type == "markdown" else dropped


def _without(cells: Numbered, left_out: Collection[str], dropped: set[int]) -> Numbered:
    """Leave out cells of sections and tasks, what uses their names, and the text between such."""
    missing = {name for id_ in left_out for name in all_tasks()[id_].names}
    for number, cell in cells:
        if cell.cell_type != "code" or "predict" in cell.metadata:
            continue
        bound, used = bound_and_used(cell.source)
        own = task_of(cell)
        if number in dropped or own in left_out or (not own and used & missing):
            dropped.add(number)
            missing |= bound
        else:
            missing -= bound
    following = 0  # the code that a guess is about
    for number, cell in reversed(cells):
        if "predict" in cell.metadata and following in dropped:
            dropped.add(number)
        elif cell.cell_type == "code" and "predict" not in cell.metadata:
            following = number
    for (before, _), (number, cell), (after, _) in zip(cells, cells[1:], cells[2:], strict=False):
        if cell.cell_type == "markdown" and {before, after} <= dropped:
            dropped.add(number)
    return [(number, cell) for number, cell in cells if number not in dropped]


def bound_and_used(source: str) -> tuple[set[str], set[str]]:
    """Return the names that code binds, and those that it uses and does not bind."""
    bound: set[str] = set()
    used: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
    return bound, used - bound


def _without_questions(cells: Numbered) -> Numbered:
    found: Numbered = []
    for number, cell in cells:
        if "question" not in cell.metadata:
            found.append((number, cell))
        elif found and (asked := QUESTION.search(found[-1][1].source)):
            found[-1][1].source = found[-1][1].source[: asked.start()].rstrip()
    return found


def _fill_in(
    script: str, cells: Numbered, assignment: Assignment, left_out: Collection[str]
) -> None:
    """Write the points into the text, without the lines on what the course leaves out."""
    points = {task.id: f"{task.points:g}" for task in assignment.tasks.values()}
    points |= {id_: f"{points[id_]} (bonus)" for id_ in points if assignment.tasks[id_].bonus}
    points[""] = f"{assignment.points:g}"
    if answers := sum(cell.metadata.get("points", 0) for _, cell in cells):
        points[QUESTIONS] = f"{answers:g}"
    if each := course.current().predictions:
        guesses = sum("predict" in cell.metadata for _, cell in cells)
        points[PREDICTIONS] = f"{each * guesses:g}"

    def line(text: str) -> Iterator[str]:
        for match in POINTS.finditer(text):
            if (name := match[1] or "") in points:
                continue
            if name in left_out or name in (QUESTIONS, PREDICTIONS):
                return
            remedy = "name one, `questions` or `predictions`"
            raise BuildError(script, 1, f"{match[0]}: no task {name}", remedy)
        yield POINTS.sub(lambda match: points[match[1] or ""], text)

    for _, cell in cells:
        if cell.cell_type == "markdown" and POINTS.search(cell.source):
            cell.source = "\n".join(part for row in cell.source.split("\n") for part in line(row))
    title = course.current().titles.get(assignment.id)
    if title and cells:
        first = cells[0][1]
        first.source = re.sub(r"^# .*", lambda _: f"# {title}", first.source)
