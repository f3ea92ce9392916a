"""Known mistakes: their names and explanations, from `mistakes.toml`."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from grader.tasks import read_toml


@dataclass(frozen=True)
class Mistake:
    """A known mistake: a short name, and what to tell the student who made it."""

    id: str
    title: str
    explanation: str


@functools.cache
def mistakes() -> dict[str, Mistake]:
    """Return all known mistakes by id."""
    return {id_: Mistake(id_, **row) for id_, row in read_toml("mistakes.toml").items()}
