"""`python -m grader new check|task|assignment NAME`: writes a skeleton to fill in."""

from __future__ import annotations

import argparse

from grader.base.errors import UsageError
from grader.base.paths import ROOT, SOLUTION
from grader.commands import build


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the kind, the name and the assignment."""
    parser.add_argument("kind", choices=["check", "task", "assignment"], help="what to write")
    parser.add_argument("name", metavar="NAME", help="its name; of a check TASK.NAME")
    parser.add_argument("--assignment", metavar="ID", help="the assignment of a new task")


def run(options: argparse.Namespace) -> int:
    """Write the skeleton, build, and return the exit code."""
    from grader.maintain import skeletons

    if not SOLUTION.is_dir():
        raise UsageError("solution/ is missing: this works only in an instructor's kit.")
    if (options.kind == "task") != bool(options.assignment):
        raise UsageError("--assignment ID says where a new task belongs; nothing else has it.")
    if options.kind == "task":
        changed = skeletons.new_task(options.name, options.assignment)
    elif options.kind == "check":
        changed = skeletons.new_check(options.name)
    else:
        changed = skeletons.new_assignment(options.name)
    for path in changed:
        print(f"wrote {path.relative_to(ROOT)}")
    return build.run(argparse.Namespace(check=False))
