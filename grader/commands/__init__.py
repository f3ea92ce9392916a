"""The commands of `python -m grader`, one module per command.

Each module defines `add_arguments(parser)` and `run(options)`. `run` returns the exit code; slow
imports belong inside it.
"""

from __future__ import annotations

import importlib
import keyword
from typing import Any

from grader.base.paths import GRADER

GROUPS = {
    "For students": {
        "watch": "grade on every save and show what to do next",
        "grade": "grade a submission and show its points",
        "hint": "show a hint for a task",
        "handin": "pack the exercise for handing in",
        "report": "show a record in another format",
        "train": "train a submission on news",
        "doctor": "check that everything needed is installed",
    },
    "For instructors": {
        "class": "grade a class; run it again to continue",
        "explain": "show everything behind the verdict of one check",
        "diff": "show whose mark changes between two runs, and why",
        "release": "build the archive for students, without the solution",
        "gradescope": "build an autograder for Gradescope",
        "course": "its policy; check the nbgrader course, export its marks",
    },
    "For maintainers": {
        "new": "write the skeleton of a check, a task or an assignment",
        "build": "generate exercise/ and the notebooks from solution/",
        "calibrate": "derive the accuracy marks from recorded training runs",
    },
}
STUDENTS, *_ = GROUPS


def is_whole() -> bool:
    """Return whether this copy of the kit is an instructor's, not a student's."""
    return (GRADER / "maintain").is_dir()


def groups() -> dict[str, dict[str, str]]:
    """Return the command groups in this copy of the kit; a student's copy has one."""
    return GROUPS if is_whole() else {STUDENTS: GROUPS[STUDENTS]}


def available() -> dict[str, str]:
    """Return the available commands with their descriptions."""
    return {name: help_ for group in groups().values() for name, help_ in group.items()}


def listed() -> str:
    """Format the available commands for `--help`, by group."""
    return "\n\n".join(
        "\n".join([f"{title}:", *(f"  {name:<12}{help_}" for name, help_ in group.items())])
        for title, group in groups().items()
    )


def load(name: str) -> Any:
    """Import the module that implements a command."""
    return importlib.import_module(f"grader.commands.{name}{'_' * keyword.iskeyword(name)}")
