"""Implements `python -m grader course check`: runs the whole cycle in a scratch copy.

Regular and unusual submissions go through nbgrader's own commands: generate_assignment, autograde,
generate_feedback, export.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from grader.base.errors import UsageError
from grader.base.paths import COURSE
from grader.contract.tasks import Task, tasks
from grader.course.sandbox_policy import why_no_marks, why_no_pages
from grader.maintain.scratch import Scratch, cell, name_of

UNCONFINED = "c.SandboxPolicy.run_student_code_without_a_sandbox = True"
ATTACK = """
import glob, os, sqlite3
for path in glob.glob("../../../*.db") + glob.glob("/tmp/**/gradebook.db", recursive=True):
    sqlite3.connect(path).execute("delete from grade").connection.commit()
print(sorted(glob.glob("../../../source/*/*")))
os._exit(0)
"""
FORGED = """
import grader.notebook
check = lambda *_: 1e9
grader.notebook.check = check
"""
Row = dict[str, str]


def _tested(notebook: Any) -> list[Task]:
    """Return the tasks of a notebook's test cells."""
    names = [name_of(each) or "" for each in notebook.cells]
    return [tasks()[name.removeprefix("check-")] for name in names if name.startswith("check-")]


def _code(notebook: Any, task: Task) -> list[Any]:
    """Return the cells that hold a task's code."""
    names = [f"{task.id}-{name}" for name in task.names]
    return [each for each in notebook.cells if name_of(each) in names]


def _right(source: Any, _: Any) -> Any:
    return source


def _untouched(_: Any, release: Any) -> Any:
    return release


def _unfinished(source: Any, release: Any) -> Any:
    """A correct notebook except for one task, which is not started."""
    notebook = copy.deepcopy(source)
    task = _left_out(notebook)
    for written, given in zip(_code(notebook, task), _code(release, task), strict=True):
        written.source = given.source
    return notebook


def _left_out(notebook: Any) -> Task:
    """Return the task that is not started: the second one, or the only one."""
    return _tested(notebook)[:2][-1]


def _meddled(_: Any, release: Any) -> Any:
    """Test cells that are skipped, worth more, duplicated or missing, and a different kernel."""
    notebook = copy.deepcopy(release)
    tested = [f"check-{task.id}" for task in _tested(notebook)]
    for name in tested:
        test = cell(notebook, name)
        test.metadata["tags"] = ["skip-execution"]
        test.metadata.nbgrader["points"] = 1000
        test.source = "1000.0"
    notebook.cells.append(copy.deepcopy(cell(notebook, tested[0])))
    notebook.cells.remove(cell(notebook, tested[-1]))
    notebook.metadata["kernelspec"] = {"name": "bash", "display_name": "x", "language": "bash"}
    return notebook


def _renamed(source: Any, _: Any) -> Any:
    """A correct notebook whose cells have lost their names."""
    notebook = copy.deepcopy(source)
    for each in notebook.cells:
        if each.cell_type == "code":
            each.metadata = {}
    return notebook


def _attacking(_: Any, release: Any) -> Any:
    notebook = copy.deepcopy(release)
    written = [each for task in _tested(notebook) for each in _code(notebook, task)]
    written[-1].source += FORGED
    written[0].source = ATTACK
    return notebook


def _broken(*_: Any) -> str:
    return '{"cells": [{'


STUDENTS: dict[str, Callable[[Any, Any], Any]] = {
    "right": _right,
    "untouched": _untouched,
    "unfinished": _unfinished,
    "meddled": _meddled,
    "renamed": _renamed,
    "attacking": _attacking,
    "broken": _broken,
}


def run(folder: Path | None) -> int:
    """Check the course, print one line per requirement, and return 1 if one is not met."""
    reason = why_no_marks()
    if reason:
        print(f"note  no sandbox ({reason}): student code runs with your rights here")
    elif why_no_pages():
        print(f"note  notebooks are not run for their feedback pages: {why_no_pages()}")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="course-") as scratch:
        place = folder or Path(scratch) / "course"
        if place.exists():
            raise UsageError(f"{place}: exists already. Name a new folder.")
        for source in sorted((COURSE / "source").glob("*/")):
            print(source.name)
            course = Scratch.make(place / source.name, UNCONFINED if reason else "", source.name)
            for promise, holds in _promises(course):
                print(f"{'ok' if holds else 'FAILED':<6}{promise}", flush=True)
                failed += not holds
    print("The course works." if not failed else f"{failed} requirements are not met.")
    return 1 if failed else 0


def _promises(course: Scratch) -> Iterator[tuple[str, bool]]:
    """Run the cycle step by step, and yield each requirement and whether it is met."""
    done = course.run("generate_assignment", course.assignment)
    yield "nbgrader generate_assignment", done.returncode == 0
    if done.returncode:
        print(done.stderr)
        return
    source, release = course.notebook("source"), course.notebook("release")
    yield "the release holds no solution and no marking guide", not _leaks(source, release)
    for student, make in STUDENTS.items():
        course.hand_in(student, make(source, release))
    yield "nbgrader autograde", course.run("autograde", course.assignment).returncode == 0
    course.run("export")
    points = {task.id: task.points for task in _tested(source)}
    yield from _marks(course.marks(), points, _left_out(source).id)
    course.hand_in("right", _broken())
    course.run("autograde", course.assignment, "--force", "--student", "right")
    course.run("export")
    row = course.marks()["right"]
    yield "  no mark stands once its file is broken", _needs_a_person(row, points)
    done = course.run("generate_feedback", course.assignment)
    yield "nbgrader generate_feedback", done.returncode == 0
    pages = {student: course.feedback(student) for student in STUDENTS}
    yield "every student has a feedback page", all(pages.values())
    secrets = [
        line for line in only_in_source(source) if line in pages["untouched"] + pages["broken"]
    ]
    yield "no feedback page shows what only the source holds", not secrets
    for name in ("CanvasCsv", "MoodleCsv"):
        done = course.run("export", "--exporter", f"grader.course.export.{name}")
        yield f"nbgrader export, {name}", done.returncode == 0


def _marks(
    rows: dict[str, Row], full: dict[str, float], left_out: str
) -> Iterator[tuple[str, bool]]:
    """Compare the marks with what the notebooks deserve."""
    found = {student: _points(rows.get(student, {}), full) for student in STUDENTS}
    nothing = dict.fromkeys(full, 0.0)
    yield "  a right notebook has full marks", found["right"] == full
    yield "  an untouched one has none", found["untouched"] == nothing
    yield (
        "  what is not written costs points in its own task only",
        found["unfinished"] == {**full, left_out: 0.0},
    )
    yield "  tags, points, copies and kernels do not make marks", found["meddled"] == nothing
    yield "  cells without a name are found", found["renamed"] == full
    yield "  attacks on the gradebook and forged checks do nothing", found["attacking"] == nothing
    yield "  a broken file needs manual grading", _needs_a_person(rows.get("broken", {}), full)


def _needs_a_person(row: Row, full: dict[str, float]) -> bool:
    return row.get("needs_manual_grade") == "yes" and not any(_points(row, full).values())


def _points(row: Row, full: dict[str, float]) -> dict[str, float]:
    return {task: float(row.get(task) or 0) for task in full}


def only_in_source(source: Any) -> Iterator[str]:
    """List the lines that only the source may contain: solutions and marking guides."""
    for each in source.cells:
        nbgrader = each.metadata.get("nbgrader", {})
        if each.cell_type == "markdown" and nbgrader.get("solution"):
            yield from (line for line in each.source.split("\n") if len(line) > 30)
        elif nbgrader.get("solution"):
            inside = False
            for line in each.source.split("\n"):
                inside = inside != ("SOLUTION" in line)
                if inside and len(line.strip()) > 30:
                    yield line.strip()


def _leaks(source: Any, release: Any) -> list[str]:
    text = "\n".join(each.source for each in release.cells)
    return [line for line in only_in_source(source) if line in text]
