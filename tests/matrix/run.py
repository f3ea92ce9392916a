"""Grades many submissions, each in a process of its own, as many at a time as there are cores.

The processes are forked from this one, which has loaded torch, spaCy and its model. What the task
accuracy trains depends on model.py and train.py alone (or on the grader's own parts in their
place), so a training run is done once and shared by all submissions that have the same ones; what
else takes seconds is shared by those with the same code of its task.
"""

from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from grader.bank import Entry, definitions
from grader.grading import session
from grader.process import Report, Worker
from grader.submission import Race, Submission
from grader.tasks import assignments, tasks, written_in
from grader.worker import wire
from grader.worker.wire import Raised
from tests.matrix.judge import Row, judge, lost

SECONDS = 300.0  # for one submission, on a machine that has other work
SLOW = {  # operations that are done once for the same code of a task
    "collate.observe": "collate",
    "text.vectors": "token_vectors",
    "text.pipeline": "fast_pipeline",
    "beyond.word_vectors": "word2vec",
}

Answers = dict[str, Any]


class Sharing:
    """A worker that does not train again what was trained before.

    Attributes:
        known: answers to `fit.fit` and to slow operations, by all that they depend on.
        new: those that this worker added.
    """

    def __init__(self, worker: Worker, files: dict[str, bytes], known: Answers) -> None:
        """Put `known` answers before a worker that serves `files`."""
        self.worker, self.files, self.known = worker, files, known
        self.new: Answers = {}
        self.confinement, self.layers = worker.confinement, worker.layers
        self.output = ""

    def turn_to(self, modules: frozenset[str]) -> None:
        """Make ready for operations that use these modules of the submission."""
        self.worker.turn_to(modules)

    def call(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report | None
    ) -> Any:
        """Do one operation, or look its answer up."""
        if do in SLOW:
            used = self.code(SLOW[do])
        elif do == "fit.fit":
            used = self._parts(arguments)
        else:
            return self.worker.call(do, arguments, seconds, seed, report)
        key = {"do": do, "used": used, "with": arguments, "seed": seed}
        return self.once(key, lambda: self.worker.call(do, arguments, seconds, seed, report))

    def once(self, told: dict[str, Any], ask: Callable[[], Any]) -> Any:
        """Look an answer up that depends on what is `told`, or ask for it."""
        key = _digest(told)
        if key in self.known:
            return self.known[key]
        answer = ask()
        if not _tells_lines(answer):
            self.known[key] = self.new[key] = answer
        return answer

    def code(self, task: str) -> dict[str, bytes]:
        """Return the module of a task without what belongs to other tasks, and helpers."""
        module = tasks()[task].module
        text = self.files[module].decode()
        others = {name for each in written_in(module) if each.id != task for name in each.names}
        with contextlib.suppress(SyntaxError):
            for name, definition in definitions(text).items():
                text = text.replace(definition, "") if name in others else text
        return {**self._helpers(), task: text.encode()}

    def _parts(self, arguments: dict[str, Any]) -> dict[str, bytes]:
        """Return the files that a training run uses: own parts, and helpers."""
        own = {"model": arguments["own_model"], "train": arguments["own_loop"]}
        used = {name: self.files[name] for name, is_used in own.items() if is_used}
        return {**self._helpers(), **used}

    def _helpers(self) -> dict[str, bytes]:
        """Return the modules that belong to no assignment."""
        own = {name for each in assignments().values() for name in each.modules}
        return {name: self.files[name] for name in sorted(self.files.keys() - own)}

    def close(self) -> None:
        """Nothing of its own to end."""


def _digest(told: dict[str, Any]) -> str:
    total = hashlib.sha256()
    for part in wire.encode(told):
        total.update(part)
    return total.hexdigest()


def _tells_lines(answer: Any) -> bool:
    """Tell whether an answer holds an exception, whose lines depend on what stands above."""
    if isinstance(answer, dict):
        return any(map(_tells_lines, answer.values()))
    if isinstance(answer, (list, tuple)):
        return any(map(_tells_lines, answer))
    return isinstance(answer, Raised)


def warm_up() -> None:
    """Load what all submissions need; nothing that starts threads."""
    import torch
    import torch._dynamo  # which torch.optim loads when it is first used

    import grader.worker.operations.call
    import grader.worker.operations.fit
    import grader.worker.operations.model  # noqa: F401
    from grader import grading
    from grader.checks import test_collate

    for each in assignments().values():
        for check in each.checks:
            grading.function(check)
    torch.set_num_threads(1)
    test_collate.right("One sentence.")


def grade(entry: Entry, known: Answers, answer: Connection) -> None:
    """Grade a submission in this process; send its row and the new answers."""
    import torch

    torch.set_num_threads(1)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as long as the process lives
    with session(
        entry.sources, assignment=entry.assignment, device="cpu", in_process=True
    ) as opened:
        worker = Sharing(opened.submission.worker, entry.sources.files, known)
        opened.submission.worker = worker
        _share_race(opened.submission, worker)
        results = [opened.run(check) for check in opened.planned]
    answer.send((judge(entry, results), worker.new))


def _share_race(submission: Submission, sharing: Sharing) -> None:
    """Let the same code run one race, as its seconds have to be those of one run."""
    race = submission.race_of_pipelines

    def shared(task: str, batches: list[list[str]], batch_size: int) -> Race:
        told = {"race": batches, "used": sharing.code(task)}
        found: Race = sharing.once(told, lambda: race(task, batches, batch_size))
        return found

    setattr(submission, race.__name__, shared)


@dataclass(frozen=True)
class Running:
    """A submission that is being graded, and when its time is up."""

    entry: Entry
    process: BaseProcess
    ends: float


def run(entries: list[Entry], cores: int) -> Iterator[Row]:
    """Grade submissions, so many at a time; gives the rows as they come."""
    forks = sys.platform == "linux"
    context = multiprocessing.get_context("fork") if forks else multiprocessing.get_context("spawn")
    if forks:
        warm_up()
    known: Answers = {}
    waiting, running = list(reversed(entries)), dict[Connection, Running]()
    while waiting or running:
        while waiting and len(running) < cores:
            entry = waiting.pop()
            receive, send = context.Pipe(duplex=False)
            process = context.Process(target=grade, args=(entry, known, send), daemon=True)
            process.start()
            send.close()
            running[receive] = Running(entry, process, time.monotonic() + SECONDS)
        ready = wait(list(running), timeout=1)
        for receive in [r for r in running if r in ready]:
            yield _received(running.pop(receive), receive, known)
        for receive in [r for r, one in running.items() if one.ends < time.monotonic()]:
            one = running.pop(receive)
            one.process.kill()
            yield lost(one.entry, f"not graded within {SECONDS:.0f} s")


def _received(one: Running, receive: Connection, known: Answers) -> Row:
    try:
        row, new = receive.recv()
    except EOFError:
        one.process.join()
        return lost(one.entry, f"its process ended with {one.process.exitcode}")
    known.update(new)
    one.process.join()
    assert isinstance(row, Row)
    return row
