"""Known mistakes (`mistakes.toml`) and advice on exceptions (`advice.toml`)."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from grader.base.files import read_toml
from grader.base.paths import GRADER

TABLES = GRADER / "contract"


@dataclass(frozen=True)
class Mistake:
    """A known mistake: its title, and the explanation for the student who made it."""

    id: str
    title: str
    explanation: str


@functools.cache
def mistakes() -> dict[str, Mistake]:
    """Return all known mistakes by id."""
    return {id_: Mistake(id_, **row) for id_, row in read_toml(TABLES / "mistakes.toml").items()}


@dataclass(frozen=True)
class Advice:
    """Advice on exceptions of the types `raises` whose message matches the pattern `says`."""

    raises: tuple[str, ...]
    says: str
    advice: str


@functools.cache
def rows() -> tuple[Advice, ...]:
    """Read the table of advice."""
    table = read_toml(TABLES / "advice.toml")["row"]
    return tuple(Advice(tuple(row["raises"]), row["says"], row["advice"]) for row in table)


def advice(type_: str, message: str) -> str | None:
    """Return the advice on an exception, or an empty text."""
    fitting = (row for row in rows() if type_ in row.raises and re.search(row.says, message))
    return next((row.advice for row in fitting), None)
