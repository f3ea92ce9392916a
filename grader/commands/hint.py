"""`python -m grader hint TASK [LEVEL]`: shows a hint for a task."""

from __future__ import annotations

import argparse

from grader.base.errors import UsageError
from grader.contract.tasks import tasks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the task and the level of the hint."""
    parser.add_argument("task", help=", ".join(tasks()))
    parser.add_argument(
        "level", type=int, nargs="?", default=1, help="1 to 3, from vague to explicit [1]"
    )


def run(options: argparse.Namespace) -> int:
    """Show the hint and return the exit code."""
    task = tasks().get(options.task)
    if task is None:
        raise UsageError(f"{options.task}: no such task. Choose from {', '.join(tasks())}.")
    if not 1 <= options.level <= len(task.hints):
        raise UsageError(f"Hint {options.level}: choose a level from 1 to {len(task.hints)}.")
    from grader.reports import board

    board.show_hint(task, options.level)
    return 0
