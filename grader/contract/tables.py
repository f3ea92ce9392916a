"""The tables of all assignments, as `assignments/<id>.toml` has them; see `tasks.py`."""

from __future__ import annotations

import functools
from typing import Any

from grader.base.files import read_toml
from grader.base.paths import GRADER

MAIN = "news-classifier"  # the default assignment
ASSIGNMENTS = GRADER / "contract" / "assignments"
Table = dict[str, Any]


@functools.cache
def tables() -> dict[str, Table]:
    """Read the tables by the assignment's id, the main one first."""
    ids = sorted(path.stem for path in ASSIGNMENTS.glob("*.toml"))
    ids.sort(key=lambda id_: id_ != MAIN)
    return {id_: read_toml(ASSIGNMENTS / f"{id_}.toml") for id_ in ids}


@functools.cache
def task_rows() -> dict[str, Table]:
    """Return the rows of all tasks by id."""
    return {row["id"]: row for table in tables().values() for row in table["task"]}


@functools.cache
def check_rows() -> dict[str, Table]:
    """Return the rows of all checks by id."""
    rows = task_rows()
    return {f"{id_}.{row['id']}": row for id_ in rows for row in rows[id_]["checks"]}
