"""`python -m grader calibrate`: derives the marks for accuracy from recorded runs."""

from __future__ import annotations

import argparse

from grader.base.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--seeds", type=int, default=60, help="draws of the reference [60]")
    parser.add_argument("--few", type=int, default=8, help="draws of each accepted variant [8]")
    parser.add_argument(
        "--add", metavar="NAME", help="draw this new accepted variant alone, keep the other runs"
    )


def run(options: argparse.Namespace) -> int:
    """Do the runs and record them; returns the exit code."""
    from grader.base.files import written_whole
    from grader.grading.calibration import FILE, calibration
    from grader.maintain import calibrate
    from grader.maintain.submission_bank import BANK, REFERENCE

    if not REFERENCE or not BANK.is_dir():
        raise UsageError("solution/ and tests/submissions/ are not here: calibrate in the kit.")
    if options.seeds < 2 or options.few < 2:
        raise UsageError("--seeds and --few: give 2 or more, a spread needs two numbers.")
    if options.add is None:
        found = calibrate.calibrate(options.seeds, options.few)
    else:
        found = calibrate.add(options.add, calibration(), options.seeds, options.few)
    with written_whole(FILE) as stream:
        stream.write(calibrate.to_json(found).encode())
    calibrate.show(found)
    return 0
