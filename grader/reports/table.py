"""CSV that a spreadsheet takes for what it is: texts are quoted, and none becomes a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TextIO

from grader.reports.labels import safe

Value = str | float | None
Row = dict[str, Value]
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def write(rows: Iterable[Row], stream: TextIO) -> None:
    """Write rows, each from column to value, below a row of all columns; a cell is one line.

    The stream must not translate line ends: open it with `newline=""`.
    """
    rows = list(rows)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([escape_formula(safe(column)) for column in columns])
    for row in rows:
        writer.writerow([escape_formula(safe(row.get(column))) for column in columns])


def escape_formula(value: Value) -> str | float:
    """Return a value that a spreadsheet takes for what it is; a text never becomes a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return value
