"""The tables of all assignments, as `assignments/<id>.toml` has them; see `tasks.py`."""

from __future__ import annotations

import functools
from typing import Any

from grader.base.errors import UsageError
from grader.base.files import read_toml
from grader.base.paths import GRADER

MAIN = "news-classifier"  # the default assignment
HINTS = 3  # of a task
ASSIGNMENTS = GRADER / "contract" / "assignments"
Table = dict[str, Any]


@functools.cache
def tables() -> dict[str, Table]:
    """Read the tables by the assignment's id, the main one first.

    Raises:
        UsageError: one is not TOML, or lacks something, or an id is in it twice.
    """
    ids = sorted(path.stem for path in ASSIGNMENTS.glob("*.toml"))
    ids.sort(key=lambda id_: id_ != MAIN)
    found: dict[str, Table] = {}
    for id_ in ids:
        place = f"grader/contract/assignments/{id_}.toml"
        try:
            found[id_] = read_toml(ASSIGNMENTS / f"{id_}.toml")
        except ValueError as error:
            raise UsageError(f"{place}: not TOML ({error}).") from None
        if problem := _problem(found):
            raise UsageError(f"{place}: {problem}.")
    return found


def _problem(found: dict[str, Table]) -> str:
    """Say what is wrong with the table read last; empty if nothing is."""
    *before, table = found.values()
    if lacking := [key for key in ("title", "packages", "task") if key not in table]:
        return f"there is no {lacking[0]}"
    ids = [row.get("id") for each in before for row in each["task"]]
    for row in table["task"]:
        name = row.get("id", "a task without an id")
        if lacking := [key for key in ("id", "title", "hints", "checks") if key not in row]:
            return f"{name} has no {lacking[0]}"
        if name in ids:
            return f"there are two tasks {name}"
        ids.append(name)
        if not (isinstance(row["hints"], list) and len(row["hints"]) == HINTS):
            return f"{name} has not {HINTS} hints"
        if problem := _check_problem(name, row["checks"]):
            return problem
    return ""


def _check_problem(task: str, checks: list[Table]) -> str:
    known: list[str] = []
    for row in checks:
        name = f"{task}.{row.get('id', '?')}"
        if lacking := [key for key in ("id", "points", "hint") if key not in row]:
            return f"the check {name} has no {lacking[0]}"
        if row["id"] in known:
            return f"there are two checks {name}"
        if type(row["points"]) not in (int, float) or row["points"] < 0:
            return f"the points of {name} are {row['points']!r}, not a number from 0"
        if row["hint"] not in range(1, HINTS + 1):
            return f"the hint of {name} is {row['hint']!r}, not 1 to {HINTS}"
        if later := [need for need in row.get("needs", ()) if need not in known]:
            return f"{name} needs {later[0]}, which is no check before it"
        known.append(row["id"])
    return ""


@functools.cache
def task_rows() -> dict[str, Table]:
    """Return the rows of all tasks by id."""
    return {row["id"]: row for table in tables().values() for row in table["task"]}


@functools.cache
def check_rows() -> dict[str, Table]:
    """Return the rows of all checks by id."""
    rows = task_rows()
    return {f"{id_}.{row['id']}": row for id_ in rows for row in rows[id_]["checks"]}
