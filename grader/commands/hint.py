"""`python -m grader hint [TASK] [LEVEL]`: shows a hint for a task."""

from __future__ import annotations

import argparse

from grader.base.errors import UsageError
from grader.base.paths import EXERCISE
from grader.commands.arguments import add_assignment
from grader.contract.enums import Status
from grader.contract.tasks import Task, get_task, tasks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the task and the level of the hint."""
    parser.add_argument(
        "task", nargs="?", help=f"{', '.join(tasks())} [the first in exercise/ that is not done]"
    )
    parser.add_argument("level", type=int, nargs="?", help="1 to 3, from vague to explicit [1]")
    add_assignment(parser)


def run(options: argparse.Namespace) -> int:
    """Show the hint and return the exit code."""
    from grader.reports import board, hints

    if options.task is None:
        found = _first_open(options.assignment)
        if found is None:
            print("All done: no hint is needed.")
            return 0
        task, level = found
    else:
        task, level = get_task(options.task), options.level or 1
    if not 1 <= level <= len(task.hints):
        raise UsageError(f"Hint {level}: choose a level from 1 to {len(task.hints)}.")
    board.show_hint(task, level)
    if told := hints.record(EXERCISE, task.id, level):
        print(told)
    return 0


def _first_open(assignment: str | None) -> tuple[Task, int] | None:
    """Grade until a check does not pass; return its task and the hint level that it recommends."""
    from grader.grading.session import load, session

    with session(load(EXERCISE, assignment), assignment=assignment) as opened:
        for check in opened.planned:
            result = opened.run(check)
            if result.status not in (Status.PASSED, Status.HELD_BACK) and check.points:
                task = tasks()[check.task]
                return task, 1 if result.status is Status.NOT_STARTED else result.hint or 1
    return None
