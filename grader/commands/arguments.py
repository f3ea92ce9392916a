"""Arguments and errors that several commands share."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from grader.base.devices import DEVICES
from grader.base.errors import UsageError
from grader.contract import course
from grader.contract.enums import Tier
from grader.contract.tasks import assignments
from news import read_csv

# Trained on whole texts, the reference reaches 0.56 to 0.61 with 3,600 rows of AG News, and only
# 0.42 to 0.53 with 1,200.
MIN_ROWS = 3600


def add_assignment(parser: argparse.ArgumentParser) -> None:
    """Add the option `--assignment`."""
    parser.add_argument(
        "--assignment",
        metavar="ID",
        help=f"{', '.join(assignments())} [recognised by the submitted files]",
    )


def add_grading(parser: argparse.ArgumentParser, confine: Tier | None = None) -> None:
    """Add `--device`, `--seed` and `--confine`, whose default is `confine`."""
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where models run [auto]")
    parser.add_argument(
        "--seed", type=_seed, default=0, help="seed of the generated inputs, 0 to 2**32 - 1 [0]"
    )
    parser.add_argument(
        "--confine",
        type=_tier,
        metavar=f"{{{','.join(Tier)}}}",
        default=confine,
        help="the weakest isolation to accept; the strongest available is always used",
    )


def _tier(text: str) -> Tier:
    if text not in [*Tier]:
        raise argparse.ArgumentTypeError(f"{text!r}: choose one of {', '.join(Tier)}")
    return Tier(text)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add `--data`; see `data_rows`."""
    parser.add_argument(
        "--data",
        metavar="sample|FILE.csv",
        default="sample",
        help="news for the task accuracy: those of the course, or a CSV file in AG News' layout",
    )


def data_rows(data: str) -> list[tuple[int, str]] | None:
    """Return the rows that `--data` gives; None if it gives none.

    Raises:
        UsageError: there are not enough rows.
        NewsError: the file cannot be read.
    """
    if data == "sample":
        return None
    rows = read_csv(data)
    if len(rows) < MIN_ROWS:
        raise UsageError(f"--data {data}: {len(rows)} rows. Give at least {MIN_ROWS}.")
    return rows


def add_csv(parser: argparse.ArgumentParser) -> None:
    """Add what the CSV files for other systems look like."""
    parser.add_argument(
        "--column",
        type=_column,
        metavar="NAME",
        help="what Canvas and Moodle call the assignment, as in 'News (4711)' [its title]",
    )
    parser.add_argument(
        "--decimal",
        choices=("point", "comma"),
        help="in CSV files; with comma, semicolons are between cells [as in course.toml, or point]",
    )


def add_roster(parser: argparse.ArgumentParser) -> None:
    """Add who is to be listed, and when a hand-in is late."""
    parser.add_argument(
        "--roster",
        type=Path,
        metavar="FILE.csv",
        help="the students: a list of Canvas, Moodle or Gradescope, or id, name, email, section "
        "[as in course.toml]",
    )
    parser.add_argument(
        "--deadline",
        type=_deadline,
        metavar="TIME",
        help="such as 2026-11-21T23:59 (this machine's time) or 2026-11-21T23:59+01:00 "
        "[as in course.toml]",
    )


def take_from_course(options: argparse.Namespace) -> None:
    """Set what `add_csv` and `add_roster` define and nobody gave to what the course says.

    Raises:
        UsageError: the course gives a column a title that Canvas cannot import.
    """
    own = course.current()
    check_columns()
    options.decimal = options.decimal or own.export_decimal
    if "roster" in options:
        options.roster = options.roster or own.roster_file


def check_columns() -> None:
    """See that Canvas can import the columns as the course calls them.

    Raises:
        UsageError: it cannot.
    """
    from grader.reports import marks

    own = course.current()
    for id_, title in own.columns.items():
        if reason := marks.refused_column(title):
            raise UsageError(f"{own.place}, line {own.lines[f'columns.{id_}']}: {reason}.")


def _column(text: str) -> str:
    from grader.reports import marks

    if reason := marks.refused_column(text):
        raise argparse.ArgumentTypeError(reason)
    return text


def _deadline(text: str) -> datetime:
    from grader.base.times import moment

    try:
        return moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 1 << 32:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 0 to 2**32 - 1")
    return int(text)
