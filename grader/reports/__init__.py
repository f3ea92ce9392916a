"""Formats of a record; each is made from the record alone."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from grader.base.errors import UsageError
from grader.contract.record import SCHEMA_VERSION, Record

# name -> function, and whether it takes the results of many submissions
FORMATS = {
    "board": ("board.text", False),
    "markdown": ("markdown.text", False),
    "html": ("feedback.text", False),
    "gradescope": ("gradescope.text", False),
    "github": ("github.text", False),
    "exercism": ("exercism.text", False),
    "prairielearn": ("prairielearn.text", False),
    "junit": ("junit.text", True),
    "csv": ("marks.every_check", True),
    "canvas": ("marks.canvas", True),
    "moodle": ("marks.moodle", True),
}


def convert(
    paths: Sequence[Path], format_: str, *, column: str = "", decimal: str = "point"
) -> str:
    """Convert record files to one of `FORMATS`; a file's name is the student's id.

    `column` and `decimal` are for CSV, see `marks.py`.

    Raises:
        UsageError: the format is unknown or takes only one record, or a file is not a record.
    """
    from grader.contract.results import Result

    if format_ not in FORMATS:
        raise UsageError(f"--as {format_}: no such format. Choose from {', '.join(FORMATS)}.")
    place, many = FORMATS[format_]
    if not many and len(paths) > 1:
        raise UsageError(f"--as {format_}: takes a single record. Give one file.")
    module, name = place.split(".")
    function: Callable[..., str] = getattr(
        importlib.import_module(f"grader.reports.{module}"), name
    )
    found = [Result(path.stem, path=path.name, record=read(path)) for path in paths]
    if module == "marks":
        named = {} if name == "every_check" else {"title": column}
        return function(found, decimal=decimal, **named)
    return function(found if many else found[0].record)


def read(path: Path) -> Record:
    """Read a record written by `grade --json`.

    Raises:
        UsageError: the file is unreadable or not a record.
    """
    from grader.reports.labels import cleaned

    try:
        data = json.loads(path.read_bytes())
        if data["schema_version"] == SCHEMA_VERSION:
            return cleaned(Record.from_dict(data))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}).") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise UsageError(f"{path}: not a record of this grader. Give a file that grade --json wrote.")
