"""`python -m grader build`: writes exercise/ and the notebooks from solution/."""

from __future__ import annotations

import argparse

from grader.base.errors import UsageError
from grader.base.paths import COURSE, EXERCISE, ROOT, SOLUTION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--check", action="store_true", help="only say whether it is up to date")


def run(options: argparse.Namespace) -> int:
    """Write, or compare, what is made from solution/; returns the exit code."""
    from grader.maintain import notebooks, stubs

    if not SOLUTION.is_dir():
        raise UsageError("solution/ is not here: only its owner can build the exercise from it.")
    lessons = {
        script: COURSE / "source" / script.stem / f"{script.stem}.ipynb"
        for script in sorted(COURSE.glob("*.py"))
        if script.name != "nbgrader_config.py"
    }
    if options.check:
        problems = stubs.check(SOLUTION, EXERCISE)
        for script, notebook in lessons.items():
            problems += notebooks.check(script, SOLUTION, notebook)
        print("\n".join(problems) or "exercise/ is what solution/ makes, and so are the notebooks.")
        return 1 if problems else 0
    try:
        written = stubs.build(SOLUTION, EXERCISE)
        for script, notebook in lessons.items():
            written += notebooks.build(script, SOLUTION, notebook)
    except (stubs.BuildError, OSError) as error:
        raise UsageError(str(error)) from None
    print("\n".join(f"wrote {path.relative_to(ROOT)}" for path in written) or "nothing to do")
    return 0
