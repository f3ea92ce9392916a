"""`python -m grader report RECORD.json`: shows a record in another format."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grader.base.errors import UsageError
from grader.base.files import written_whole
from grader.commands.arguments import add_csv, take_from_course
from grader.reports import FORMATS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the records, the format and the output."""
    parser.add_argument(
        "records", type=Path, nargs="+", metavar="RECORD.json", help="written by `grade --json`"
    )
    parser.add_argument(
        "--as",
        dest="format",
        metavar="FORMAT",
        default="board",
        help=f"{', '.join(FORMATS)} [board]",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write [stdout]")
    add_csv(parser)


def run(options: argparse.Namespace) -> int:
    """Convert records and return the exit code."""
    from grader import reports
    from grader.grading import requirements

    take_from_course(options)
    if options.format == "html":
        requirements.require("report --as html")
    text = reports.convert(
        options.records, options.format, column=options.column or "", decimal=options.decimal
    )
    if options.out is None:
        sys.stdout.buffer.write(text.encode())
        return 0
    try:
        with written_whole(options.out) as stream:
            stream.write(text.encode())
    except OSError as error:
        raise UsageError(
            f"--out {options.out}: cannot be written ({error.strerror}). Name another file."
        ) from None
    return 0
