"""Implements `python -m grader course init` and `course show`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from grader.base.errors import UsageError
from grader.base.files import write_whole
from grader.base.paths import COURSE, SOLUTION
from grader.contract import course, course_file, held_back
from grader.contract.policy import Course, written
from grader.contract.tasks import all_assignments, all_tasks, assignments
from grader.grading import calibration
from grader.maintain import notebooks

TEMPLATE = Path(__file__).with_name("course.toml")


def init(out: Path) -> int:
    """Write a file in which every setting is explained, and return the exit code.

    Raises:
        UsageError: there is a file already, or it cannot be written.
    """
    if out.exists():
        raise UsageError(f"{out} is there already. Change it, or name another with --out.")
    text = TEMPLATE.read_text(encoding="utf-8").replace("{points}", "\n".join(_points()))
    write_whole(out, text.encode())
    print(f"wrote {out}: every line is the default or an example, so nothing has changed yet")
    return 0


def _points() -> Iterator[str]:
    for assignment in all_assignments().values():
        yield f"# {assignment.id}"
        for task in assignment.tasks.values():
            yield f"# {task.id} = {task.points:g}"
            yield from (f"#   {check.id} = {check.points:g}" for check in task.checks)


def show() -> int:
    """Print what holds and where it comes from, and return the exit code.

    Raises:
        UsageError: the file of the course is not valid.
    """
    of = course.current()
    print(f"course: {of.place or 'no file, the defaults of the kit'}\n")
    for name, value, source in _settings(of):
        print(f"{name} = {value}   [{source}]")
    full, none = calibration.marks()
    print(f"\nfull marks from an accuracy of {full:g}, points from {none:g}")
    for assignment in assignments().values():
        print(f"\n{assignment.id}: {assignment.title}, {assignment.points:g} points")
        for task in assignment.tasks.values():
            before = all_tasks()[task.id].points
            own = "" if task.points == before else f", {before:g} in the kit"
            print(f"  {task.id:<20} {task.points:>5g}{' bonus' if task.bonus else ''}{own}")
    if of.roster_file and not of.roster_file.is_file():
        print(f"\nThe roster {of.roster_file} is not there yet.")
    if held := sorted(held_back.hidden()):
        print(f"\nHeld back until the deadline: {', '.join(held)}")
    outdated = [id_ for id_ in assignments() if _is_outdated(id_)]
    if outdated:
        print(f"\nThe notebooks of {', '.join(outdated)} differ: run `python -m grader build`.")
    return 0


def _is_outdated(assignment: str) -> bool:
    """Return whether the course's notebook is not what `build` would write, if that can be told."""
    if find_spec("jupytext") is None:
        return False
    script = COURSE / f"{assignment}.py"
    return bool(notebooks.check(script, SOLUTION, notebooks.place(assignment)))


def _settings(of: Course) -> Iterator[tuple[str, str, str]]:
    """Yield each setting, its value, and where it comes from."""
    defaults = {each.name: getattr(Course(), each.name) for each in fields(Course)}
    for name in course_file.SETTINGS:
        value: Any = getattr(of, name.replace(".", "_"))
        if name in of.lines:
            yield name, _shown(value), f"line {of.lines[name]}"
        else:
            yield name, _shown(defaults[name.replace(".", "_")]), "default"
    for name in of.values:
        if name.partition(".")[0] in course_file.TABLES:
            yield name, _shown(of.values[name]), f"line {of.lines[name]}"


def _shown(value: Any) -> str:
    return "not set" if value is None else written(value)
