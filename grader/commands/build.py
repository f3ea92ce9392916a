"""`python -m grader build`: generates exercise/, the notebooks, and what own/ gives."""

from __future__ import annotations

import argparse
from pathlib import Path

from grader.base.errors import UsageError
from grader.base.paths import COURSE, EXERCISE, ROOT, SOLUTION


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define `--check`."""
    parser.add_argument("--check", action="store_true", help="report outdated files, write nothing")


def run(options: argparse.Namespace) -> int:
    """Write or check the generated files and return the exit code."""
    from grader.maintain import notebooks, one_file, predictions, signatures, stubs

    if not SOLUTION.is_dir():
        raise UsageError("solution/ is missing: the exercise can be built only where it exists.")
    if options.check:
        problems = [*one_file.check(), *stubs.check(SOLUTION, EXERCISE)]
        problems += signatures.check(SOLUTION)
        for script, notebook in _lessons().items():
            problems += notebooks.check(script, SOLUTION, notebook) + predictions.check(script)
        print("\n".join(problems) or "exercise/ and the notebooks are up to date.")
        return 1 if problems else 0
    try:
        written = [*one_file.build(), *stubs.build(SOLUTION, EXERCISE)]
        written += signatures.build(SOLUTION)
        for script, notebook in _lessons().items():
            written += notebooks.build(script, SOLUTION, notebook) + predictions.build(script)
    except (stubs.BuildError, OSError) as error:
        raise UsageError(str(error)) from None
    wrote = [
        f"wrote {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}" for path in written
    ]
    print("\n".join(wrote) or "Everything is up to date.")
    return 0


def _lessons() -> dict[Path, Path]:
    """Return the notebook of each lesson."""
    from grader.maintain import notebooks

    return {
        script: notebooks.place(script.stem)
        for script in sorted(COURSE.glob("*.py"))
        if script.name != "nbgrader_config.py"
    }
