"""`python -m grader grade PATH`: grades a submission and shows its points."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grader.base.errors import UsageError
from grader.base.files import written_whole
from grader.base.paths import EXERCISE
from grader.commands.arguments import add_assignment, add_data, add_grading, data_rows
from grader.contract import course
from grader.contract.enums import Status
from grader.contract.record import Record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "path",
        type=Path,
        nargs="?",
        default=EXERCISE,
        help="a folder, an archive, a notebook or a .py file [exercise]",
    )
    add_assignment(parser)
    parser.add_argument(
        "--json", metavar="FILE", help="write the record to FILE; - prints nothing but the record"
    )
    add_data(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="show every message")
    add_grading(parser)


def run(options: argparse.Namespace) -> int:
    """Grade a submission and return the exit code."""
    from grader.grading.keys import course_secret
    from grader.grading.session import grade, load
    from grader.reports import board

    if options.json not in (None, "-"):
        file = Path(options.json)
        if file.is_dir() or not file.absolute().parent.is_dir():
            raise UsageError(
                f"--json {file}: cannot be written. Name a file in an existing folder."
            )
    course.refuse_handed_in(options.path)
    rows = data_rows(options.data)
    taken = load(options.path, options.assignment)
    _tell_if_unconfined(options)
    record = grade(
        taken,
        assignment=options.assignment,
        on_progress=lambda partial: _keep(partial, options.json),
        device=options.device,
        seed=options.seed,
        rows=rows,
        secret=course_secret(),
        confine=options.confine,
    )
    if options.json == "-":
        print(record.to_json(), end="")
    else:
        board.show(record, verbose=options.verbose)
    if any(check.status is Status.ERROR for check in record.checks):
        return 2
    return 0 if record.full_marks else 1


def _tell_if_unconfined(options: argparse.Namespace) -> None:
    """Warn that there is no sandbox, unless `--confine` was given."""
    from grader.sandbox.tiers import choose

    if options.confine is None and (missing := choose(None, options.device).missing):
        print(
            f"grader: no sandbox, only limits: {missing}. "
            "Grade only your own code and that of people you trust. See docs/instructor.md.",
            file=sys.stderr,
        )


def _keep(record: Record, file: str | None) -> None:
    """Write a record to the file given by `--json`, completely or not at all."""
    if file is None or file == "-":
        return
    try:
        with written_whole(Path(file)) as stream:
            stream.write(record.to_json().encode())
    except OSError as error:
        raise UsageError(
            f"--json {file}: cannot be written ({error.strerror}). "
            "The file holds the last record that could be written. Make room, and grade again."
        ) from None
