"""`python -m grader course check`: runs the nbgrader course's whole cycle in a scratch copy."""

from __future__ import annotations

import argparse
from pathlib import Path

from grader.commands.arguments import not_installed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = commands.add_parser("check", help="run the whole cycle in a scratch copy")
    check.add_argument("--keep", type=Path, metavar="FOLDER", help="make the copy here, keep it")


def run(options: argparse.Namespace) -> int:
    """Check the course; returns the exit code."""
    try:
        from grader.maintain import course_check
    except ModuleNotFoundError as error:
        raise not_installed(error, "course") from None
    return course_check.run(options.keep)
