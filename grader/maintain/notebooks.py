"""Builds an assignment's notebook from a jupytext script (the lesson) and `solution/` (the code).

The line that begins a cell of the script says what the cell is:
    setup=true                          says what to do where the kit is not installed
    imports=true                        the imports of the assignment's modules
    definition="collate.Collate"        TASK.NAME: this definition, with everything between it and
                                        the one before
    check="collate"                     a test cell; its points are the task's, see assignments/
    predict=true                        a guess to make before the next cell, see predictions.py
    question="padding" points=5         a written answer, marked by hand: the cell holds the guide
All other cells are part of the lesson. In their text, `{points:collate}` becomes the points of a
task, `{points:questions}` those of all written answers, `{points:predictions}` those of all guesses
if a course gives any, and `{points}` those of all tasks. What a course leaves out is not in its
notebook, see `course_cells.py`. Code cells that begin with `# Experiment` are not run for feedback
pages, see `grader/course/kernel.py`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.base.paths import COURSE
from grader.contract import course
from grader.contract.predictions import CELL
from grader.contract.tasks import Assignment, all_assignments, assignments, owner
from grader.intake.statements import SETUP
from grader.maintain import course_cells, predictions
from grader.maintain.stubs import REBUILD, BuildError, read, write

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
Cell = dict[str, Any]
SETUP_CODE = f"""\
{SETUP}
try:
    from grader.notebook import ready
except ModuleNotFoundError:
    raise RuntimeError(
        "This notebook needs the course kit. Unpack the kit's archive, follow its README.md, and "
        "open the notebook from there. For Colab, Kaggle or a notebook alone, ask your instructor "
        "for the notebook that needs no other file."
    ) from None"""


def place(assignment: str) -> Path:
    """Return the path of the course's notebook: beside its file, if that is an nbgrader course."""
    of = course.current()
    own = of.place and (of.folder / course.NBGRADER).is_file()
    return (of.folder if own else COURSE) / "source" / assignment / f"{assignment}.ipynb"


def build(script: Path, solution: Path, target: Path) -> list[Path]:
    """Write a notebook, and return it in a list if it changed.

    Raises:
        BuildError: the script or the solution has an error.
        OSError: the notebook cannot be written.
    """
    text = notebook(script, solution)
    target.parent.mkdir(parents=True, exist_ok=True)
    return [target] if write(target, text) else []


def check(script: Path, solution: Path, target: Path) -> list[str]:
    """Compare a notebook with what `build` would write; return one line per problem."""
    try:
        expected = notebook(script, solution)
        actual = read(target) if target.is_file() else None
    except BuildError as error:
        return [str(error)]
    if actual == expected:
        return []
    what = "is missing" if actual is None else "differs from its lesson and the solution"
    return [f"{target.name}:1: {what}; {REBUILD}"]


def notebook(script: Path, solution: Path) -> str:
    """Return the notebook's JSON, byte for byte reproducible.

    Raises:
        BuildError: a cell refers to an unknown part, or a part is missing or used twice.
    """
    try:
        import jupytext
    except ModuleNotFoundError:
        install = "python -m pip install -c constraints.txt -e '.[dev]'"
        raise BuildError(script.name, 1, "jupytext is not installed", install) from None
    assignment = assignments().get(script.stem)
    if assignment is None:
        remedy = "call the script as its table in grader/contract/assignments/ is called"
        raise BuildError(script.name, 1, f"there is no assignment {script.stem}", remedy)
    whole = all_assignments()[assignment.id]
    modules = {module: read(solution / f"{module}.py") for module in whole.modules}
    code = {"setup": SETUP_CODE, "imports": _imports(modules)}
    for module, source in modules.items():
        code |= dict(_definitions(module, source))
    found = jupytext.reads(read(script), fmt="py:percent").cells
    cells = [
        _cell(script.name, number, cell, code, assignment)
        for number, cell in course_cells.kept(script.name, found, assignment)
    ]
    left_out = {task for task in whole.tasks if task not in assignment.tasks}
    wanted = [name for name in code if name.partition(".")[0] not in left_out]
    wanted = [*wanted, *(f"check-{task}" for task in assignment.tasks)]
    _require_each_once(script.name, wanted, [cell["id"] for cell in cells])
    content = {
        "cells": cells,
        "metadata": {"kernelspec": KERNEL, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _imports(modules: dict[str, str]) -> str:
    """Merge the imports of all modules."""
    plain: set[str] = set()
    named: dict[str, set[str]] = {}
    for source in modules.values():
        for node in ast.parse(source).body:
            if isinstance(node, ast.Import):
                plain.add(ast.unparse(node))
            elif isinstance(node, ast.ImportFrom):
                names = {ast.unparse(alias) for alias in node.names}
                named.setdefault(node.module or "", set()).update(names)
    lines = [f"from {module} import {', '.join(sorted(names))}" for module, names in named.items()]
    return "\n".join([*sorted(plain), *sorted(lines)])


def _definitions(module: str, source: str) -> Iterator[tuple[str, str]]:
    """Split a module after its imports into the definitions of its tasks, by TASK.NAME.

    A definition includes what precedes it, such as a constant or a helper that belongs to no task,
    and indented comments after its last statement, such as a marker.
    """
    lines = source.split("\n")
    begin = 0
    for node in ast.parse(source).body:
        end = node.end_lineno or 0
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Expr):
            begin = end
        elif isinstance(node, ast.ClassDef | ast.FunctionDef) and (
            task := owner(module, node.name)
        ):
            while lines[end].startswith(" "):
                end += 1
            yield f"{task.id}.{node.name}", "\n".join(lines[begin:end]).strip("\n")
            begin = end


def _cell(
    script: str, number: int, cell: Any, code: dict[str, str], assignment: Assignment
) -> Cell:
    """Convert a cell of the script to a cell of the notebook."""
    told = cell.metadata
    source, name = cell.source, f"lesson-{number:02}"
    nbgrader: dict[str, Any] | None = None
    if kind := next((kind for kind in ("setup", "imports") if kind in told), None):
        source, name, nbgrader = code[kind], kind, {"locked": True}
    elif "definition" in told:
        name, nbgrader = told["definition"], {"solution": True}
        if name not in code:
            raise BuildError(script, 1, f"solution/ has no {name}", "fix the cell's `definition`")
        source = code[name]
    elif "check" in told:
        task = assignment.tasks.get(told["check"])
        if task is None:
            raise BuildError(script, 1, f"no task {told['check']}", "fix the cell's `check`")
        name = f"check-{task.id}"
        nbgrader = {"grade": True, "locked": True, "points": task.points}
    elif "predict" in told:
        question = predictions.parse(script, cell.source)
        source, name = question.cell, f"{CELL}{question.prediction.id}"
        if points := course.current().predictions:
            nbgrader = {"grade": True, "solution": True, "points": points}
    elif "question" in told:
        name = f"question-{told['question']}"
        nbgrader = {"grade": True, "solution": True, "points": told["points"]}
    return _as_json(cell.cell_type, source, name, nbgrader)


def _as_json(kind: str, source: str, name: str, nbgrader: dict[str, Any] | None) -> Cell:
    name = name.replace(".", "-")
    result: Cell = {
        "cell_type": kind,
        "id": name,
        "metadata": {},
        "source": source.splitlines(keepends=True),
    }
    if kind == "code":
        result |= {"execution_count": None, "outputs": []}
    if nbgrader is not None:
        plain = {"grade": False, "locked": False, "solution": False, "task": False}
        result["metadata"]["nbgrader"] = plain | {"grade_id": name, "schema_version": 3} | nbgrader
    return result


def _require_each_once(script: str, wanted: list[str], found: list[str]) -> None:
    for name in wanted:
        count = found.count(name.replace(".", "-"))
        if count != 1:
            what = f"{name} is in {count} cells"
            raise BuildError(script, 1, what, "put it into exactly one cell")
