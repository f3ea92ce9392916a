"""Runs on Gradescope or PrairieLearn for each submission: `python -m grader.classroom.autograder`.

They show results/results.json in a root of theirs. If that file is missing, they report that the
autograder failed and give no mark.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grader.base.devices import DEVICES
from grader.base.errors import UsageError
from grader.base.files import to_json, written_whole
from grader.classroom.job import take_in
from grader.contract.enums import Status, Tier
from grader.contract.messages import clean
from grader.contract.record import Record
from grader.grading import requirements, session
from grader.grading.keys import course_secret
from grader.intake import lms_exports, reader
from grader.intake.sources import Sources
from grader.reports import gradescope, prairielearn


@dataclass(frozen=True)
class Service:
    """What the results of a service look like, and the folder in which it puts submissions."""

    submission: str
    results: Callable[[Record], dict[str, Any]]
    unreadable: Callable[[str], dict[str, Any]]


SERVICES = {
    "gradescope": Service("submission", gradescope.to_dict, gradescope.unreadable),
    "prairielearn": Service("student", prairielearn.to_dict, prairielearn.unreadable),
}


def autograde(root: Path, service: Service, *, assignment: str | None, **options: Any) -> int:
    """Grade the submission in `root` and return the exit code."""
    results = root / "results" / "results.json"
    submission = root / service.submission
    results.parent.mkdir(exist_ok=True)  # PrairieLearn does not make it
    results.unlink(missing_ok=True)
    try:
        taken = _taken(submission, assignment)
    except UsageError as error:
        reason = clean(str(error).replace(f"{submission}", "What you handed in"))
        _write(results, service.unreadable(reason))
        return 0
    try:
        for _ in range(2):
            record = session.grade(
                taken,
                on_progress=lambda partial: _write(results, service.results(partial)),
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
    parser = argparse.ArgumentParser(prog="python -m grader.classroom.autograder")
    parser.add_argument("root", type=Path)
    parser.add_argument("--service", choices=SERVICES, required=True)
    parser.add_argument("--assignment")
    parser.add_argument("--confine", choices=[*Tier], type=Tier, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--device", choices=DEVICES, required=True)
    options = vars(parser.parse_args())
    try:
        requirements.require("as an autograder")
        service = SERVICES[options.pop("service")]
        return autograde(options.pop("root"), service, **options)
    except UsageError as error:
        print(clean(f"grader: {error}"), file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
