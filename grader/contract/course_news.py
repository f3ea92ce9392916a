"""News of a course's own, `data` in `course.toml`: they take the place of the kit's sample."""

from __future__ import annotations

import csv
import functools
import io
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from grader.base.errors import UsageError
from grader.contract import course
from grader.contract.policy import STUDENTS, Course
from news.csv_file import read_csv
from news.rows import NewsError, Own, Row

NAME = "course.csv"  # in what students get, beside their `course.toml`
LEAST_ROWS = 1200  # as many as the sample has
LEAST_OF_CLASS = 30
MOST_ROWS = 4800  # that are used; of more, these are drawn


def own() -> Own | None:
    """Return the course's news, or None if it uses the kit's sample.

    Raises:
        UsageError: the file cannot be read, or has too few rows.
    """
    return _own(course.current())


def text() -> str:
    """Return the course's news as CSV, for other machines; empty if it uses the kit's sample."""
    found = own()
    return as_csv(found.rows) if found else ""


def as_csv(rows: Sequence[Row]) -> str:
    """Return rows in AG News' layout."""
    stream = io.StringIO()
    csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def from_csv(text: str) -> list[Row]:
    """Return the rows that `as_csv` wrote."""
    rows = csv.reader(io.StringIO(text))
    return [(int(label), said) for label, said in rows]


def few(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that are used: all, or `MOST_ROWS`, always the same."""
    return random.Random(0).sample(rows, MOST_ROWS) if len(rows) > MOST_ROWS else [*rows]


def released(*more: str) -> dict[str, bytes]:
    """Return the course's file as students get it, with `more` settings, and its news, by name."""
    own_course, files = course.current(), {}
    if news := text():
        own_course = replace(own_course, values={**own_course.values, "data": NAME})
        files[NAME] = news.encode()
    if told := own_course.text((*STUDENTS, *more)):
        files[course.NAME] = f"# What this course decides.\n\n{told}\n".encode()
    return files


@functools.lru_cache(maxsize=4)
def _own(of: Course) -> Own | None:
    if not of.data:
        return None
    if of.news:
        return Own(of.classes, from_csv(of.news))
    place = f"{of.place}, line {of.lines['data']}: data"
    try:
        rows = read_csv(of.folder / of.data, len(of.classes))
    except NewsError as error:
        raise UsageError(f"{place}: {error}") from None
    counts = Counter(label for label, _ in rows)
    fewest = min(range(1, len(of.classes) + 1), key=lambda label: counts[label])
    if len(rows) < LEAST_ROWS:
        raise UsageError(f"{place}: {of.data} has {len(rows)} rows; {LEAST_ROWS} are needed.")
    if counts[fewest] < LEAST_OF_CLASS:
        raise UsageError(
            f"{place}: {of.data} has {counts[fewest]} rows with the label {fewest} "
            f"({of.classes[fewest - 1]}); {LEAST_OF_CLASS} of each class are needed."
        )
    return Own(of.classes, few(rows))
