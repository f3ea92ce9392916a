"""The table of tasks, checks and points, from `tasks.toml`."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Check:
    """One row of a task: a promise of the contract.

    Attributes:
        id: `task.name`.
        task: the task's id.
        name: the function `test_<name>` in `checks/test_<task>.py`.
        points: what it is worth.
        hint: the hint level to ask for when it fails.
        needs: ids of the checks that must have passed before.
    """

    id: str
    task: str
    name: str
    points: float
    hint: int
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A task: `hints` are its three hint levels."""

    id: str
    title: str
    hints: tuple[str, str, str]
    checks: tuple[Check, ...]


def read_toml(name: str) -> dict[str, Any]:
    """Read a data file of the grader."""
    with open(Path(__file__).parent / name, "rb") as stream:
        data: dict[str, Any] = tomllib.load(stream)
    return data


@functools.cache
def tasks() -> dict[str, Task]:
    """Return all tasks by id, in order."""
    return {row["id"]: _task(row) for row in read_toml("tasks.toml")["task"]}


def _task(row: dict[str, Any]) -> Task:
    checks = tuple(
        Check(
            id=f"{row['id']}.{check['id']}",
            task=row["id"],
            name=check["id"],
            points=check["points"],
            hint=check["hint"],
            needs=tuple(f"{row['id']}.{name}" for name in check.get("needs", [])),
        )
        for check in row["checks"]
    )
    return Task(row["id"], row["title"], tuple(row["hints"]), checks)


def modules() -> list[str]:
    """Return the tasks that have a module of their own."""
    return [id_ for id_ in tasks() if id_ != "accuracy"]
