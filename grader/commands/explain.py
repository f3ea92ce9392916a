"""`python -m grader explain RECORD CHECK`: shows everything behind one verdict."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from grader.base.errors import UsageError
from grader.contract.enums import Status
from grader.contract.names import did_you_mean

if TYPE_CHECKING:
    from grader.contract.record import CheckResult, Record
    from grader.grading.replay import Operation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the record, the check and the submission."""
    parser.add_argument(
        "record", type=Path, metavar="RECORD", help="written by `grade --json`, or a class report"
    )
    parser.add_argument("check", metavar="CHECK", help="such as model.logits")
    parser.add_argument("--of", metavar="ID", help="the student, if RECORD is a class report")
    parser.add_argument(
        "--submission", type=Path, metavar="PATH", help="judge the check again, to show its inputs"
    )
    parser.add_argument(
        "--student", action="store_true", help="show only what the student may read"
    )


def run(options: argparse.Namespace) -> int:
    """Show the verdict and return the exit code."""
    from grader.contract import course
    from grader.reports import explain, labels

    record = _record(options.record, options.of)
    found = {check.id: check for check in record.checks}
    if options.check not in found:
        meant = did_you_mean(options.check, found) or f" Choose from {', '.join(found)}."
        raise UsageError(f"{options.check}: the record has no such check.{meant}")
    check = found[options.check]
    operations = _replayed(record, check, options.submission) if options.submission else []
    resembles = [] if options.student else _resembles(check)
    if options.student:
        shown = labels.for_students(record).checks
        check = next(each for each in shown if each.id == check.id)
        may = course.current().show == "full" and check.status is not Status.HELD_BACK
        operations = operations if may else []
    print(explain.text(record, check, operations, resembles, for_student=options.student), end="")
    return 0


def _record(path: Path, student: str | None) -> Record:
    from grader import reports
    from grader.classroom import diff
    from grader.reports.labels import cleaned

    if not path.is_dir():
        return reports.read(path)
    records = {id_: found.record for id_, found in diff.load(path).items() if found.record}
    if student not in records:
        raise UsageError(f"--of ID: name a student with a record, one of {', '.join(records)}.")
    return cleaned(records[student])


def _replayed(record: Record, check: CheckResult, path: Path) -> list[Operation]:
    """Judge the check again, as the record says that it was judged.

    Raises:
        UsageError: the submission or the secret is a different one, or the result is.
    """
    from grader.contract.tasks import tasks
    from grader.grading import keys
    from grader.grading.replay import replay
    from grader.grading.session import load

    about, environment = record.submission, record.environment
    rows = (row for task in tasks().values() for row in task.checks)
    row = next((row for row in rows if row.id == check.id), None)
    if row is None:
        raise UsageError(f"{check.id} is no longer in the table: this grader cannot judge it.")
    assignment = about.get("assignment") and str(about["assignment"])
    submitted = load(path, assignment)
    if submitted.digest != about.get("digest"):
        raise UsageError(f"{path} is not what was graded: its digest differs from the record's.")
    secret = keys.course_secret()
    if keys.kind(secret) != environment.get("secret"):
        raise UsageError(
            f"The record was made with the {environment.get('secret')} secret: set "
            f"{keys.variable()} to the one of then, or unset it."
        )
    again, operations = replay(
        submitted,
        row,
        assignment=assignment,
        seed=environment.get("seed", 0),
        secret=secret,
    )
    if (again.status, again.score, again.mistake) != (check.status, check.score, check.mistake):
        raise UsageError(
            f"Judged again, {check.id} is {again.status} with {again.score:g} points, not "
            f"{check.status} with {check.score:g}: another version of the grader, other news "
            "(--data) or other packages made the record. Grade the submission again.\n"
            f"{again.message}"
        )
    return operations


def _resembles(check: CheckResult) -> list[str]:
    """Return the known wrong submissions of which this check says the same."""
    from grader.maintain.submission_bank import BANK, mutants

    if check.status is not Status.FAILED or not BANK.is_dir():
        return []
    return [
        each.id
        for each in mutants()
        if each.expected["check"] == check.id
        and each.expected.get("mistake") == check.mistake
        and _says(each.expected.get("says", ""), check.message)
    ]


def _says(words: str, message: str) -> bool:
    """Return whether a message has these words; … is any text."""
    return bool(re.search(".*".join(map(re.escape, words.split("…"))), message, re.DOTALL))
