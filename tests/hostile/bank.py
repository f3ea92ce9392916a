"""Reads the hostile submissions."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from grader.base.files import read_toml
from grader.base.paths import ROOT
from grader.contract.tasks import tasks
from grader.intake.sources import left_out
from grader.maintain.submission_bank import REFERENCE

BANK = ROOT / "tests" / "submissions" / "hostile"
BREACH = "BREACH"
PRELUDE = f"def breach(what): print({BREACH!r}, what, flush=True)\n"


@dataclass(frozen=True)
class Attack:
    """A hostile submission; the package's docstring explains the fields. `kind` is its file."""

    name: str
    kind: str
    marks: dict[str, float]
    module: str = "dataset"
    code: str = ""
    source: str | None = None
    replace: list[list[str]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    why: str = ""
    says: str = ""
    status: str | None = None
    seconds: float = 60.0
    limit: float = 240.0
    only: str | None = None
    unguarded: dict[str, float] | None = None
    sentinel: bool = False

    def earns(self, tier: str) -> dict[str, float]:
        """Return the points that its tasks must get in a tier."""
        return self.unguarded if tier == "limits" and self.unguarded else self.marks

    @property
    def is_partial(self) -> bool:
        """Return whether a task earns some but not all of its points."""
        return any(marks not in (0, tasks()[task].points) for task, marks in self.marks.items())

    def sources(self) -> dict[str, str]:
        """Return its modules; values that are known only in grading are placeholders."""
        files = {name: content.decode() for name, content in REFERENCE.items()}
        text = files[self.module] if self.source is None else self.source
        for old, new in self.replace:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {self.module}"
            text = text.replace(old, new)
        files[self.module] = f"{PRELUDE}{self.code.strip()}\n{text}"
        more = {name: PRELUDE + code for name, code in self.files.items() if not left_out(name)}
        return files | more


@functools.cache
def bank() -> dict[str, Attack]:
    """Return all entries by name."""
    rows: dict[str, dict[str, dict[str, Any]]] = {
        path.stem: read_toml(path) for path in sorted(BANK.glob("*.toml"))
    }
    entries = [Attack(name, kind, **row) for kind in rows for name, row in rows[kind].items()]
    assert len({entry.name for entry in entries}) == len(entries)
    return {entry.name: entry for entry in entries}
