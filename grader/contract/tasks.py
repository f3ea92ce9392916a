"""The assignments with their tasks, checks and points (`assignments/<id>.toml`).

`assignments` and `tasks` are those of the course: with its points, and without what it leaves out.
`all_tasks` are those of the kit.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from grader.base.errors import UsageError
from grader.contract import course, tables
from grader.contract.names import did_you_mean
from grader.contract.policy import Course
from grader.contract.tables import MAIN as MAIN
from grader.contract.tables import Table

KIT = Course()  # decides nothing


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
        held_back: whether students see its result only after the deadline.
    """

    id: str
    task: str
    name: str
    points: float
    hint: int
    needs: tuple[str, ...]
    package: str
    held_back: bool = False

    @property
    def module(self) -> str:
        """The module in `grader.checks` that defines the function."""
        return f"{self.package}.{self.task}"

    @property
    def function(self) -> str:
        """The name of the function that implements the check."""
        return f"check_{self.name}"

    def load(self) -> Callable[[Any], dict[str, Any] | None]:
        """Import the function that implements the check.

        Raises:
            UsageError: there is none.
        """
        if not self.is_here:
            place = f"grader/checks/{self.module.replace('.', '/')}.py"
            raise UsageError(f"{place}: the check {self.id} has no function {self.function}.")
        module = importlib.import_module(f"grader.checks.{self.module}")
        return getattr(module, self.function)  # type: ignore[no-any-return]

    @property
    def is_here(self) -> bool:
        """Whether this kit has the function; students get none of a check that is held back."""
        return hasattr(importlib.import_module(f"grader.checks.{self.module}"), self.function)


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
        bonus: whether its points count on top of the others.
    """

    id: str
    assignment: str
    title: str
    module: str
    names: tuple[str, ...]
    preload: tuple[str, ...]
    hints: tuple[str, str, str]
    checks: tuple[Check, ...]
    bonus: bool = False

    @property
    def points(self) -> float:
        """The points of all its checks."""
        return _plain(sum(check.points for check in self.checks))

    def check(self, id_: str) -> Check:
        """Return the check with this id."""
        return next(check for check in self.checks if check.id == id_)

    @property
    def shares_module(self) -> bool:
        """Whether another task uses the same module."""
        return self.module not in ("", self.id)


@dataclass(frozen=True)
class Assignment:
    """A set of tasks that is released, graded and marked together.

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
        """The points of all tasks but bonus ones."""
        return _plain(sum(task.points for task in self.tasks.values() if not task.bonus))


def assignments() -> dict[str, Assignment]:
    """Return the assignments of the course by id, the main one first.

    Raises:
        UsageError: the file of the course is not valid.
    """
    return _assignments(course.current())


def tasks() -> dict[str, Task]:
    """Return the tasks of all assignments of the course by id."""
    return _tasks(course.current())


def all_assignments() -> dict[str, Assignment]:
    """Return the assignments of the kit by id, whatever the course decides."""
    return _assignments(KIT)


def all_tasks() -> dict[str, Task]:
    """Return the tasks of the kit by id, whatever the course decides."""
    return _tasks(KIT)


def read_again() -> None:
    """Forget the tables, which have changed."""
    for cached in (tables.tables, tables.task_rows, tables.check_rows, _assignments, _tasks):
        cached.cache_clear()


@functools.cache
def _assignments(of: Course) -> dict[str, Assignment]:
    return {id_: _assignment(id_, table, of) for id_, table in tables.tables().items()}


@functools.cache
def _tasks(of: Course) -> dict[str, Task]:
    return {id_: task for each in _assignments(of).values() for id_, task in each.tasks.items()}


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
    """Return the task of the kit that a definition in a module belongs to, or None."""
    found = [task for task in all_tasks().values() if task.module == module]
    if len(found) == 1:
        return found[0]
    return next((task for task in found if name in task.names), None)


def written_in(module: str) -> list[Task]:
    """Return the tasks of a module; a module extracted from a notebook is named after its task."""
    return [task for task in tasks().values() if module in (task.module, task.id)]


def _assignment(id_: str, table: Table, of: Course) -> Assignment:
    rows = [row for row in table["task"] if row["id"] not in of.leave_out]
    found = {row["id"]: _task(id_, row, of) for row in rows}
    packages = dict.fromkeys((*table["packages"], *of.packages))
    return Assignment(id_, of.titles.get(id_, table["title"]), found, tuple(packages))


def _task(assignment: str, row: Table, of: Course) -> Task:
    id_, names = row["id"], tuple(row.get("names", []))
    module = str(row.get("module", id_)) if names else ""
    rows = [check for check in row["checks"] if not {*check.get("tasks", [])} & {*of.leave_out}]
    points = _points(id_, rows, of)
    checks = tuple(
        Check(
            id=f"{id_}.{check['id']}",
            task=id_,
            name=check["id"],
            points=points[check["id"]],
            hint=check["hint"],
            needs=tuple(f"{id_}.{name}" for name in check.get("needs", [])),
            package=assignment.replace("-", "_"),
            held_back=any(
                fnmatchcase(name, pattern)
                for name in (id_, f"{id_}.{check['id']}")
                for pattern in of.held_back
            ),
        )
        for check in rows
    )
    preload, hints, bonus = tuple(row.get("preload", [])), tuple(row["hints"]), id_ in of.bonus
    return Task(id_, assignment, row["title"], module, names, preload, hints, checks, bonus)


def _points(task: str, rows: list[Table], of: Course) -> dict[str, float]:
    """Return the points of a task's checks; those of a task are shared out as the kit's are."""
    points = {row["id"]: of.points.get(f"{task}.{row['id']}", row["points"]) for row in rows}
    if task not in of.points:
        return points
    most, whole = of.points[task], sum(points.values())
    shared = {name: _plain(_down(most * each / whole)) for name, each in points.items()}
    largest = max(shared, key=lambda name: points[name])
    shared[largest] = _plain(most - sum(shared.values()) + shared[largest])
    return shared


def _down(number: float) -> float:
    """Round down to hundredths, so that shares never exceed the whole."""
    return math.floor(number * 100 + 1e-6) / 100


def _plain(number: float) -> float:
    """Round to hundredths; a whole number has no decimals."""
    rounded = round(number, 2)
    return int(rounded) if rounded == int(rounded) else rounded
