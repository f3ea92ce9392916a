"""The commands of `python -m grader`, one module each.

A module has `add_arguments(parser)`, and `run(options)`, which returns the exit code and imports
what is slow to load.
"""

from __future__ import annotations

import importlib
import keyword
from typing import Any

from grader.base.paths import GRADER

GROUPS = {
    "For students": {
        "grade": "grade a submission and show the board",
        "hint": "read a hint for a task",
        "report": "show a record in another format",
        "train": "train a submission on news",
        "doctor": "check that everything needed is installed",
    },
    "For instructors": {
        "class": "grade a class; run it again to continue",
        "diff": "show whose mark changes between two runs, and why",
        "release": "make what students get, without the solution",
        "gradescope": "make an autograder for Gradescope",
        "course": "check the nbgrader course, export its marks",
    },
    "For maintainers": {
        "build": "write exercise/ and the notebooks from solution/",
        "calibrate": "derive the marks for accuracy from recorded runs",
    },
}
STUDENTS, *_ = GROUPS


def groups() -> dict[str, dict[str, str]]:
    """Return the groups of commands that this copy of the kit has; a student's has one."""
    is_whole = (GRADER / "maintain").is_dir()
    return GROUPS if is_whole else {STUDENTS: GROUPS[STUDENTS]}


def available() -> dict[str, str]:
    """Return the commands with what each does."""
    return {name: help_ for group in groups().values() for name, help_ in group.items()}


def listed() -> str:
    """Return the commands as `--help` lists them."""
    return "\n\n".join(
        "\n".join([f"{title}:", *(f"  {name:<12}{help_}" for name, help_ in group.items())])
        for title, group in groups().items()
    )


def load(name: str) -> Any:
    """Import the module of a command."""
    return importlib.import_module(f"grader.commands.{name}{'_' * keyword.iskeyword(name)}")
