"""The assignments with their tasks, checks and points (`assignments/<id>.toml`)."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from grader.base.errors import UsageError
from grader.base.files import read_toml
from grader.base.paths import GRADER
from grader.contract.names import did_you_mean

MAIN = "news-classifier"  # the default assignment
ASSIGNMENTS = GRADER / "contract" / "assignments"


@dataclass(frozen=True)
class Check:
    """A check of a task.

    Attributes:
        id: `task.name`.
        task: the task's id.
        name: the name within the task.
        points: the points it is worth.
        hint: the hint level to recommend if it fails.
        needs: ids of the checks that must pass first.
        package: the assignment's package in `grader.checks`.
    """

    id: str
    task: str
    name: str
    points: float
    hint: int
    needs: tuple[str, ...]
    package: str

    @property
    def module(self) -> str:
        """The module in `grader.checks` that defines the function."""
        return f"{self.package}.{self.task}"

    @property
    def function(self) -> str:
        """The name of the function that implements the check."""
        return f"check_{self.name}"

    def load(self) -> Callable[[Any], dict[str, Any] | None]:
        """Import the function that implements the check."""
        module = importlib.import_module(f"grader.checks.{self.module}")
        return getattr(module, self.function)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Task:
    """A task of an assignment.

    Attributes:
        id: unique across all assignments.
        assignment: the assignment's id.
        title: the topic.
        module: the module that students write; empty if the task has none of its own.
        names: the names that the module must define.
        preload: what a worker needs besides torch, see `worker/fork_server.py`.
        hints: three levels, from vague to explicit.
        checks: in the order in which a student reads about them.
    """

    id: str
    assignment: str
    title: str
    module: str
    names: tuple[str, ...]
    preload: tuple[str, ...]
    hints: tuple[str, str, str]
    checks: tuple[Check, ...]

    @property
    def points(self) -> float:
        """The points of all its checks."""
        return sum(check.points for check in self.checks)

    @property
    def shares_module(self) -> bool:
        """Whether another task uses the same module."""
        return self.module not in ("", self.id)


@dataclass(frozen=True)
class Assignment:
    """A set of tasks that is released, graded and marked together, worth 100 points.

    Attributes:
        id: its name on the command line.
        title: its heading.
        tasks: by id, in order.
        packages: what its modules may import besides Python's standard library.
    """

    id: str
    title: str
    tasks: dict[str, Task]
    packages: tuple[str, ...]

    @property
    def modules(self) -> list[str]:
        """The modules that students write, in the order of the tasks."""
        return list(dict.fromkeys(task.module for task in self.tasks.values() if task.module))

    @property
    def checks(self) -> list[Check]:
        """The checks of all tasks, in the order of the tasks."""
        return [check for task in self.tasks.values() for check in task.checks]

    @property
    def parts(self) -> dict[str, dict[str, list[str]]]:
        """The names that each task defines, for the modules that several tasks share."""
        found: dict[str, dict[str, list[str]]] = {}
        for task in self.tasks.values():
            if task.shares_module:
                found.setdefault(task.module, {})[task.id] = [*task.names]
        return found

    @property
    def points(self) -> float:
        """The points of all tasks."""
        return sum(task.points for task in self.tasks.values())


@functools.cache
def assignments() -> dict[str, Assignment]:
    """Return all assignments by id, the main one first."""
    ids = sorted(path.stem for path in ASSIGNMENTS.glob("*.toml"))
    ids.sort(key=lambda id_: id_ != MAIN)
    return {id_: _assignment(id_, read_toml(ASSIGNMENTS / f"{id_}.toml")) for id_ in ids}


@functools.cache
def tasks() -> dict[str, Task]:
    """Return the tasks of all assignments by id."""
    return {id_: task for each in assignments().values() for id_, task in each.tasks.items()}


def get_assignment(id_: str) -> Assignment:
    """Return the assignment with this id.

    Raises:
        UsageError: the id is unknown.
    """
    if id_ not in assignments():
        names = ", ".join(assignments())
        meant = did_you_mean(id_, assignments())
        raise UsageError(f"{id_}: no such assignment.{meant} Choose from {names}.")
    return assignments()[id_]


def get_task(id_: str) -> Task:
    """Return the task with this id.

    Raises:
        UsageError: the id is unknown.
    """
    if id_ not in tasks():
        meant = did_you_mean(id_, tasks()) or f" Choose from {', '.join(tasks())}."
        raise UsageError(f"{id_}: no such task.{meant}")
    return tasks()[id_]


def assignment_of(modules: Collection[str]) -> Assignment:
    """Return the assignment that these modules belong to.

    Modules made of a notebook's cells are named by their tasks.

    Raises:
        UsageError: they belong to several assignments.
    """
    fitting = [
        each for each in assignments().values() if {*each.modules, *each.tasks} & set(modules)
    ]
    if not fitting or fitting[0].id == MAIN:
        return assignments()[MAIN]
    if len(fitting) > 1:
        names = " or ".join(f"--assignment {each.id}" for each in fitting)
        raise UsageError(f"The submission has modules of several assignments. Add {names}.")
    return fitting[0]


def choose_assignment(id_: str | None, modules: Collection[str]) -> Assignment:
    """Return the assignment with this id; without one, that of the modules.

    Raises:
        UsageError: the id is unknown, or the modules belong to several assignments.
    """
    return get_assignment(id_) if id_ else assignment_of(modules)


def owner(module: str, name: str) -> Task | None:
    """Return the task that a definition in a module belongs to, or None."""
    found = [task for task in tasks().values() if task.module == module]
    if len(found) == 1:
        return found[0]
    return next((task for task in found if name in task.names), None)


def written_in(module: str) -> list[Task]:
    """Return the tasks of a module; a module extracted from a notebook is named after its task."""
    return [task for task in tasks().values() if module in (task.module, task.id)]


def _assignment(id_: str, table: dict[str, Any]) -> Assignment:
    found = [_task(id_, row) for row in table["task"]]
    return Assignment(
        id_, table["title"], {task.id: task for task in found}, tuple(table["packages"])
    )


def _task(assignment: str, row: dict[str, Any]) -> Task:
    id_, names = row["id"], tuple(row.get("names", []))
    module = row.get("module", id_) if names else ""
    checks = tuple(
        Check(
            id=f"{id_}.{check['id']}",
            task=id_,
            name=check["id"],
            points=check["points"],
            hint=check["hint"],
            needs=tuple(f"{id_}.{name}" for name in check.get("needs", [])),
            package=assignment.replace("-", "_"),
        )
        for check in row["checks"]
    )
    preload, hints = tuple(row.get("preload", [])), tuple(row["hints"])
    return Task(id_, assignment, row["title"], module, names, preload, hints, checks)
