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
    """A known mistake: its title, and the explanation for the student who made it.

    It `is_general` if the explanation says what is required, not what is wrong.
    """

    id: str
    title: str
    explanation: str
    is_general: bool = False


@functools.cache
def mistakes() -> dict[str, Mistake]:
    """Return all known mistakes by id."""
    return {id_: Mistake(id_, **row) for id_, row in read_toml(TABLES / "mistakes.toml").items()}


@dataclass(frozen=True)
class Advice:
    """Advice on exceptions of the types `raises` whose message matches the pattern `says`.

    If there are `modules`, it is only for code of these.
    """

    raises: tuple[str, ...]
    says: str
    advice: str
    modules: tuple[str, ...] = ()

    def fits(self, type_: str, message: str, module: str) -> bool:
        """Return whether an exception in a module is one of those that this is about."""
        if self.modules and module not in self.modules:
            return False
        return type_ in self.raises and re.search(self.says, message) is not None


@functools.cache
def rows() -> tuple[Advice, ...]:
    """Read the table of advice."""
    table = read_toml(TABLES / "advice.toml")["row"]
    return tuple(
        Advice(tuple(row["raises"]), row["says"], row["advice"], tuple(row.get("modules", ())))
        for row in table
    )


def advice(type_: str, message: str, module: str = "") -> str | None:
    """Return the advice on an exception in a module of the exercise, if there is any."""
    return next((row.advice for row in rows() if row.fits(type_, message, module)), None)
