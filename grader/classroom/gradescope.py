"""Runs on Gradescope for each submission: `python -m grader.classroom.gradescope`.

Gradescope shows /autograder/results/results.json. If that file is missing, it reports that the
autograder failed and gives no mark.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from grader.base.devices import DEVICES
from grader.base.errors import UsageError
from grader.base.files import to_json, written_whole
from grader.classroom.job import take_in
from grader.contract.enums import Status, Tier
from grader.contract.messages import clean
from grader.grading import requirements, session
from grader.grading.keys import course_secret
from grader.intake import lms_exports, reader
from grader.intake.sources import Sources
from grader.reports.gradescope import to_dict


def autograde(root: Path, *, assignment: str | None, **options: Any) -> int:
    """Grade the folder `submission` in `root` and return the exit code."""
    results = root / "results" / "results.json"
    results.unlink(missing_ok=True)
    try:
        taken = _taken(root / "submission", assignment)
    except UsageError as error:
        reason = str(error).replace(f"{root / 'submission'}", "What you handed in")
        _write(results, {"score": 0, "output": reason, "output_format": "text"})
        return 0
    try:
        for _ in range(2):
            record = session.grade(
                taken,
                on_progress=lambda partial: _write(results, to_dict(partial)),
                assignment=assignment,
                secret=course_secret(),
                **options,
            )
            faults = [check.message for check in record.checks if check.status is Status.ERROR]
            if not faults:
                return 0
    except Exception as error:
        faults = [str(error) if isinstance(error, UsageError) else repr(error)]
    results.unlink(missing_ok=True)  # no mark is better than one that the student did not earn
    print(f"grader: {faults[0]}", file=sys.stderr)
    return 2


def _taken(folder: Path, assignment: str | None) -> Sources:
    """Read a submission: modules, an archive, or a notebook.

    Raises:
        UsageError: it cannot be read.
    """
    handed = lms_exports.HandIn("submission", "", "", (lms_exports.HandInFile(folder),))
    content = lms_exports.read(handed, reader.module_names(assignment))
    return take_in(content, assignment)


def _write(results: Path, content: dict[str, Any]) -> None:
    with written_whole(results) as stream:
        stream.write(to_json(content, allow_nan=False).encode())


def main() -> int:
    """Parse the arguments, grade, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m grader.classroom.gradescope")
    parser.add_argument("root", type=Path)
    parser.add_argument("--assignment")
    parser.add_argument("--confine", choices=[*Tier], type=Tier, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--device", choices=DEVICES, required=True)
    options = vars(parser.parse_args())
    try:
        requirements.require("at Gradescope")
        return autograde(options.pop("root"), **options)
    except UsageError as error:
        print(clean(f"grader: {error}"), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
