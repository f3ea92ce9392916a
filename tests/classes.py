"""Test data: golden records of a few submissions, and classes made from them.

python -m tests.classes             grade the submissions again and write golden/
python -m tests.classes begun       only this one
"""

from __future__ import annotations

import functools
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from grader.base.paths import ROOT
from grader.contract.record import Record
from grader.contract.results import Result
from grader.contract.tasks import MAIN, assignments
from grader.grading.session import grade
from grader.intake.sources import Sources
from grader.maintain.submission_bank import REFERENCE, mutants

GOLDEN = ROOT / "tests" / "golden"
NAMES = ("right", "wrong", "begun", "stubs", "hostile")
STUBS = {path.stem: path.read_bytes() for path in (ROOT / "exercise").glob("*.py")}
MISTAKES = ("collate-targets-a-column", "model-first-token-only", "train-evaluate-swapped")
FORGOTTEN = "collate-time-first"
WRITE_AGAIN = "To write the golden records again: python -m tests.classes"
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
HOSTILE = (
    f"{EVIL} \x00\x1b[31m\u202e\ud800\ufffe ]]> `x` | ``` http://evil.example **b** {{{{ 7*7 }}}}"
)


@functools.cache
def graded() -> dict[str, Record]:
    """Golden records of a right submission, two wrong ones, stubs, and one with hostile text."""
    texts = {name: (GOLDEN / f"{name}.json").read_text(encoding="utf-8") for name in NAMES}
    return {name: Record.from_dict(json.loads(text)) for name, text in texts.items()}


def grade_again(name: str) -> Record:
    """Grade a submission of `graded`."""
    files = _submissions()[name]
    return grade(
        Sources(name, files, {stem: f"exercise/{stem}.py" for stem in files}), device="cpu"
    )


def _submissions() -> dict[str, dict[str, bytes]]:
    bank = {entry.id: entry for entry in mutants()}
    mistakes = {module: text for id_ in MISTAKES for module, text in bank[id_].changed.items()}
    raising = REFERENCE["dataset"] + f"\nraise ValueError({HOSTILE!r})\n".encode()
    return {
        "right": REFERENCE,
        "wrong": {**REFERENCE, **mistakes},
        "begun": {**STUBS, "dataset": REFERENCE["dataset"], **bank[FORGOTTEN].changed},
        "stubs": STUBS,
        "hostile": {**STUBS, "dataset": raising},
    }


def comparable(record: Record) -> dict[str, Any]:
    """Return a record as JSON data, without fields that differ between runs or machines.

    These are the submission's name and digest, times, versions, the confinement, and the
    accuracies, which depend on the machine's floating point arithmetic.
    """
    data: dict[str, Any] = json.loads(record.to_json())
    del data["submission"]["name"], data["submission"]["digest"]
    kept = ("seed", "device")
    data["environment"] = {
        name: value if name in kept else "" for name, value in data["environment"].items()
    }
    for check in data["checks"]:
        del check["seconds"]
    if found := data["accuracy"]:
        del found["value"], found["tries"]
        found["history"] = [sorted(epoch) for epoch in found["history"]]
    return data


def changed(record: Record, id_: str, **values: Any) -> Record:
    """Return a record with some values of one check changed."""
    checks = [replace(c, **values) if c.id == id_ else c for c in record.checks]
    return replace(record, checks=checks)


def a_class(size: int, seed: int = 0) -> list[Result]:
    """Generate results whose tasks come from different records of `graded`."""
    return list(_students(size, random.Random(seed)))


def _students(size: int, chance: random.Random) -> Iterator[Result]:
    known = list(graded().values())
    for number in range(size):
        source = {task: chance.choice(known) for task in assignments()[MAIN].tasks}
        checks = [c for task, record in source.items() for c in record.checks if c.task == task]
        accuracy = source["accuracy"].accuracy if "accuracy" in source else {}  # left out
        record = replace(known[0], checks=checks, accuracy=accuracy)
        yield Result(
            student=f"student{number}",
            name=f"Ann Number {number}",
            path=f"student{number}.zip",
            record=record,
            seconds=chance.uniform(8, 10),
            memory=chance.randrange(580, 620) << 20,
            fingerprints={module: f"{module}{number}" for module in assignments()[MAIN].modules},
        )


def main(names: list[str]) -> None:
    """Write the golden records."""
    for name in names or NAMES:
        record = grade_again(name)
        record = replace(record, environment=record.environment | {"platform": "Linux-x86_64"})
        (GOLDEN / f"{name}.json").write_text(record.to_json(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
