"""CSV that is safe in spreadsheets: texts are quoted, and none becomes a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TextIO

from grader.reports.labels import safe

Value = str | float | None
Row = dict[str, Value]
DECIMALS = {"point": ",", "comma": ";"}  # what is between cells
NO_GRADE = "-"  # by which Moodle says that there is no grade
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


class Comma(float):
    """A number that is written with a decimal comma."""

    def __str__(self) -> str:
        """Return it as text."""
        return repr(float(self)).replace(".", ",")


def write(rows: Iterable[Row], stream: TextIO, decimal: str = "point") -> None:
    """Write a header with all columns, then the rows, each a dict from column to value.

    With the `decimal` "comma", numbers have commas, and semicolons are between cells: so do
    spreadsheets where people write numbers in that way.

    Each cell is one line. The stream must not translate line ends: open it with `newline=""`.
    """
    rows = list(rows)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, delimiter=DECIMALS[decimal])
    writer.writerow([escape_formula(safe(column)) for column in columns])
    for row in rows:
        cells = (escape_formula(safe(row.get(column))) for column in columns)
        writer.writerow([_number(cell, decimal) for cell in cells])


def _number(cell: str | float, decimal: str) -> str | float:
    return Comma(cell) if decimal == "comma" and isinstance(cell, float) else cell


def escape_formula(value: Value) -> str | float:
    """Return a value that no spreadsheet interprets as a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) and value != NO_GRADE else value
    return value
