"""Grades hostile submissions in this process and records the outcomes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

from grader.contract.record import CheckResult
from grader.contract.tasks import get_assignment, tasks
from grader.grading import pipeline
from grader.grading.session import Session
from grader.intake.sources import Sources
from grader.maintain.submission_bank import REFERENCE
from grader.sandbox import fork_server
from grader.sandbox.launch import Limits
from grader.sandbox.tiers import LIMITS, Confinement, sandboxed
from grader.sandbox.worker_client import ProcessWorker
from tests.hostile.bank import BREACH, Attack
from tests.hostile.scene import SECRET, Scene, family, scene

MEMORY = 2 << 30
LATE = 0.5  # seconds to wait for effects of what was left behind
HARM = {
    "reported": "the submission says that it got through",
    "read": "it read what it must not",
    "wrote": "it changed files",
    "connected": "it reached the network",
    "left": "it left a process behind",
    "neighbours": "it changed a neighbour's marks",
    "preload": "it ended the fork server",
}


@dataclass(frozen=True)
class Outcome:
    """The outcome of an entry in a set-up.

    Attributes:
        name: the entry's name.
        tier: the tier of the confinement, with its `layers`.
        marks: points by task.
        statuses: the statuses of all checks.
        status: the status of the first check of the entry's module that did not pass, with its
            `message`.
        harm: keys of `HARM`.
        printed: the end of its output.
        seconds: the wall time.
    """

    name: str
    tier: str
    layers: tuple[str, ...]
    marks: dict[str, float]
    statuses: list[str]
    status: str
    message: str
    harm: list[str]
    printed: str
    seconds: float

    def forged(self, entry: Attack) -> list[str]:
        """Return the tasks that got more points than their honest parts earn."""
        earned = entry.earns(self.tier)
        return [task for task, points in self.marks.items() if points > earned[task]]

    def problems(self, entry: Attack) -> list[str]:
        """Return one sentence per problem."""
        found = [f"{HARM[kind]}: {self.printed!r}" for kind in self.harm]
        if (earned := entry.earns(self.tier)) != self.marks:
            found.append(f"it has the marks {self.marks}, its honest parts earn {earned}")
        if entry.says not in self.message:
            found.append(f"its message does not say {entry.says!r}: {self.message!r}")
        if entry.status not in (None, self.status):
            found.append(f"its status is {self.status}, not {entry.status}: {self.message!r}")
        if "error" in self.statuses:
            found.append(f"the grader failed: {self.message!r}")
        if self.seconds > entry.seconds:
            found.append(f"it took {self.seconds:.0f} s, longer than {entry.seconds:.0f} s")
        return found


def attack(entry: Attack, here: Scene, confined_by: Confinement) -> Outcome:
    """Grade an entry beside an honest submission, and another honest one after it."""
    if confined_by.tier == "sandbox" and entry.module in ("collate", "text"):
        pipeline.tokens("the grader's own worker stays from here on")
    here.lay_out()
    before, processes = here.state(), family()
    warm_before = fork_server.running() if confined_by.tier == "sandbox" else None
    neighbours: list[float] = []

    def be_neighbour() -> None:
        results, _ = grade(REFERENCE, ["dataset"], confined_by)
        neighbours.append(sum(result.score for result in results["dataset"]))

    files = {name: here.fill(text).encode() for name, text in entry.sources().items()}
    beside = threading.Thread(target=be_neighbour)
    beside.start()
    start = time.monotonic()
    results, printed = grade(files, list(entry.marks), confined_by, entry.limit)
    seconds = time.monotonic() - start
    beside.join()
    be_neighbour()
    if any(word in entry.code for word in ("fork", "atexit", "Thread")):
        time.sleep(LATE)
    left = [process for pid, process in family().items() if pid not in processes]
    asked = [r for task in results if tasks()[task].module == entry.module for r in results[task]]
    told = [r for r in asked if r.status not in ("passed", "blocked")]
    text = printed + "".join(r.message for rows in results.values() for r in rows)
    harm = {
        "reported": BREACH in printed,
        "read": SECRET in text,
        "wrote": here.state() != before,
        "connected": bool(here.heard),
        "left": bool(left),
        "neighbours": neighbours != [15.0, 15.0],
        "preload": warm_before is not None and fork_server.running() is not warm_before,
    }
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return Outcome(
        name=entry.name,
        tier=confined_by.tier,
        layers=confined_by.layers,
        marks={task: round(sum(r.score for r in rows), 2) for task, rows in results.items()},
        statuses=sorted({r.status for rows in results.values() for r in rows}),
        status=told[0].status if told else "passed",
        message=told[0].message if told else "",
        harm=[kind for kind, done in harm.items() if done],
        printed=printed[-400:],
        seconds=round(seconds, 2),
    )


def grade(
    files: dict[str, bytes], names: list[str], confined_by: Confinement, seconds: float = 240.0
) -> tuple[dict[str, list[CheckResult]], str]:
    """Grade some tasks of a submission; return their results and the output."""
    shown = {name: f"exercise/{name}.py" for name in files}
    assignment = get_assignment(tasks()[names[0]].assignment)
    limits = Limits(seconds, MEMORY)
    worker = ProcessWorker(files, shown, limits, confined_by, assignment.packages)
    try:
        session = Session(Sources("hostile", files, shown), assignment, worker)
        results = {name: [session.run(check) for check in tasks()[name].checks] for name in names}
    finally:
        worker.close()
    return results, worker.output


def run(entries: Iterable[Attack], tier: str) -> Iterator[Outcome]:
    """Grade entries one after the other, skipping those that must not run in the tier."""
    confined_by = LIMITS if tier == "limits" else sandboxed("cpu")
    with scene() as here:
        for entry in entries:
            if entry.only in (None, tier):
                yield attack(entry, here, confined_by)
