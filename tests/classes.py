"""Results of a class for tests: a few submissions that are really graded, and mixtures of them."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from grader.bank import REFERENCE, mutants
from grader.classroom.results import Result
from grader.grading import grade
from grader.record import Record
from grader.sources import Sources
from grader.tasks import MAIN, assignments

ROOT = Path(__file__).parents[1]
STUBS = {path.stem: path.read_bytes() for path in (ROOT / "exercise").glob("*.py")}
MISTAKES = ("collate-targets-a-column", "model-first-token-only", "train-evaluate-swapped")
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
HOSTILE = (
    f"{EVIL} \x00\x1b[31m\u202e\ud800\ufffe ]]> `x` | ``` http://evil.example **b** {{{{ 7*7 }}}}"
)


@functools.cache
def graded() -> dict[str, Record]:
    """Records of a right submission, two wrong ones, stubs, and one that raises hostile text."""
    bank = {entry.id: entry for entry in mutants()}
    mistakes = {module: text for id_ in MISTAKES for module, text in bank[id_].changed.items()}
    raising = REFERENCE["dataset"] + f"\nraise ValueError({HOSTILE!r})\n".encode()
    submissions = {
        "right": REFERENCE,
        "wrong": {**REFERENCE, **mistakes},
        "begun": {**STUBS, "dataset": REFERENCE["dataset"], "collate": mistakes["collate"]},
        "stubs": STUBS,
        "hostile": {**STUBS, "dataset": raising},
    }
    return {name: _grade(name, files) for name, files in submissions.items()}


def _grade(name: str, files: dict[str, bytes]) -> Record:
    return grade(
        Sources(name, files, {stem: f"exercise/{stem}.py" for stem in files}), device="cpu"
    )


def changed(record: Record, id_: str, **values: Any) -> Record:
    """A record with one check as these values say."""
    checks = [replace(c, **values) if c.id == id_ else c for c in record.checks]
    return replace(record, checks=checks)


def a_class(size: int, seed: int = 0) -> list[Result]:
    """Results whose tasks come from different records of `graded`."""
    return list(_students(size, random.Random(seed)))


def _students(size: int, chance: random.Random) -> Iterator[Result]:
    known = list(graded().values())
    for number in range(size):
        source = {task: chance.choice(known) for task in assignments()[MAIN].tasks}
        checks = [c for task, record in source.items() for c in record.checks if c.task == task]
        record = replace(known[0], checks=checks, accuracy=source["accuracy"].accuracy)
        yield Result(
            student=f"student{number}",
            name=f"Ann Number {number}",
            path=f"student{number}.zip",
            record=record,
            seconds=chance.uniform(8, 10),
            memory=chance.randrange(580, 620) << 20,
            fingerprints={module: f"{module}{number}" for module in assignments()[MAIN].modules},
        )
