"""`python -m grader calibrate`: derives the accuracy marks from recorded training runs."""

from __future__ import annotations

import argparse

from grader.base.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define how many runs to make, and of what."""
    parser.add_argument("--seeds", type=int, default=60, help="runs of the reference [60]")
    parser.add_argument("--few", type=int, default=8, help="runs of each accepted variant [8]")
    parser.add_argument(
        "--add", metavar="NAME", help="run only this new accepted variant; keep the other runs"
    )


def run(options: argparse.Namespace) -> int:
    """Train, record the runs and return the exit code."""
    from grader.base.files import written_whole
    from grader.contract import course
    from grader.grading.calibration import FILE, calibration
    from grader.maintain import calibrate
    from grader.maintain.submission_bank import BANK, REFERENCE

    if not REFERENCE or not BANK.is_dir():
        raise UsageError("solution/ or tests/submissions/ is missing: calibrate in the full kit.")
    if course.current().data:
        raise UsageError("The course has news of its own: set full and none in [accuracy] instead.")
    if options.seeds < 2 or options.few < 2:
        raise UsageError("--seeds and --few must be at least 2: one run has no spread.")
    if options.add is None:
        found = calibrate.calibrate(options.seeds, options.few)
    else:
        found = calibrate.add(options.add, calibration(), options.seeds, options.few)
    with written_whole(FILE) as stream:
        stream.write(calibrate.to_json(found).encode())
    calibrate.show(found)
    return 0
