"""Grades many submissions, each in its own process, one per core at a time.

The processes are forked from this one, which has loaded torch, spaCy and its model. The training
for the task accuracy depends only on model.py and train.py (or on the grader's replacements), so
submissions with the same ones share it. Submissions with the same code for a task also share other
slow operations.
"""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any

from grader.contract.enums import Status
from grader.contract.record import CheckResult
from grader.contract.tasks import MAIN, Check, assignments
from grader.grading.keys import input_seed
from grader.grading.pipeline import MODEL, UNUSED
from grader.grading.session import session
from grader.maintain.submission_bank import Variant, reference
from grader.sandbox.worker_client import Report, Worker
from grader.worker import preload, wire
from grader.worker.printed import Printed
from grader.worker.wire import Raised
from tests.matrix.code import code_of, helpers, own_checks
from tests.matrix.judge import Row, judge, not_graded

SECONDS = 300.0  # for one submission, on a busy machine
SLOW = {  # operations that are run only once for the same code of a task
    "collate.observe": "collate",
    "text.vectors": "token_vectors",
    "text.pipeline": "fast_pipeline",
    "text.calls": "fast_pipeline",
    "beyond.word_vectors": "word2vec",
}

Answers = dict[str, Any]


class Sharing:
    """A worker that reuses the answers of training runs and slow operations.

    Attributes:
        known: answers of `fit.fit`, `fit.predict` and slow operations, by all they depend on.
        new: answers that this worker added.
    """

    def __init__(self, worker: Worker, files: dict[str, bytes], known: Answers) -> None:
        """Wrap a worker that serves `files`; start from `known` answers."""
        self.worker, self.files, self.known = worker, files, known
        self.new: Answers = {}
        self.trained: dict[str, Any] = {}  # the last training run
        self.train_again: Callable[[], Any] | None = None  # if its answer was reused
        self.confinement, self.layers = worker.confinement, worker.layers
        self.output = ""
        self.printed: Printed = []

    def use_modules(self, modules: frozenset[str], apart: str = "") -> None:
        """Prepare for operations that use these modules of the submission."""
        self.worker.use_modules(modules, apart)

    def call(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report | None
    ) -> Any:
        """Run an operation, or reuse its answer."""
        if do in SLOW:
            used = code_of(SLOW[do], self.files)
        elif do == "fit.fit":
            used = self._parts(arguments)
        elif do == "fit.predict":
            used = self.trained
        else:
            return self.worker.call(do, arguments, seconds, seed, report)
        key = {"do": do, "used": used, "with": arguments, "seed": seed}

        def ask() -> Any:
            if do == "fit.predict" and self.train_again:
                self.train_again()
            self.train_again = None
            return self.worker.call(do, arguments, seconds, seed, report)

        if do == "fit.fit":
            self.trained, self.train_again = key, ask
        return self.once(key, ask)

    def once(self, key: dict[str, Any], ask: Callable[[], Any]) -> Any:
        """Return the known answer for a key, or compute it."""
        digest = _digest(key)
        if digest in self.known:
            return self.known[digest]
        answer = ask()
        if not _has_lines(answer):
            self.known[digest] = self.new[digest] = answer
        return answer

    def _parts(self, arguments: dict[str, Any]) -> dict[str, bytes]:
        """Return the files that a training run depends on: the student's parts and helpers."""
        replaced = arguments["replacements"]
        own = {"model": "model" not in replaced, "train": "loop" not in replaced}
        used = {name: self.files[name] for name, is_used in own.items() if is_used}
        return {**helpers(self.files), **used}

    def close(self) -> None:
        """Do nothing: it has no process of its own."""


def _digest(key: dict[str, Any]) -> str:
    total = hashlib.sha256()
    for part in wire.encode(key):
        total.update(part)
    return total.hexdigest()


def _has_lines(answer: Any) -> bool:
    """Return whether an answer holds an exception, whose line numbers depend on other code."""
    if isinstance(answer, dict):
        return any(map(_has_lines, answer.values()))
    if isinstance(answer, (list, tuple)):
        return any(map(_has_lines, answer))
    return isinstance(answer, Raised)


def load_modules() -> None:
    """Import everything that grading imports."""
    import torch._dynamo  # noqa: F401 - torch.optim loads it when it is first used

    import grader.worker.operations.call
    import grader.worker.operations.fit
    import grader.worker.operations.model  # noqa: F401

    for each in assignments().values():
        for check in each.checks:
            check.load()


def warm_up() -> None:
    """Load what all submissions need, without starting threads."""
    import torch

    from grader.checks import _spacy
    from grader.checks.news_classifier._batches import draw_batches

    load_modules()
    torch.set_num_threads(1)
    seed = input_seed("", reference(MAIN).sources.digest, 0)
    for batch in vars(draw_batches(seed)).values():
        for text, _ in batch:
            _spacy.spacy_vectors(text)


PIPELINES: list[dict[str, Any]] = [  # what most submissions load, each as often as one loads it
    *[{"exclude": [*UNUSED]}] * 3,
    *[{}] * 2,
    {"enable": ["tok2vec"]},
]


def preload_pipelines() -> None:
    """Load pipelines before the fork, so that processes get an unused one each."""
    preload.keep_ready(MODEL, PIPELINES)


@dataclass(frozen=True)
class MatrixJob:
    """A submission to grade.

    Attributes:
        entry: the submission.
        checks: ids of the checks to run; the others get the reference's result and pass. None
            runs all.
    """

    entry: Variant
    checks: frozenset[str] | None = None

    @classmethod
    def own(cls, entry: Variant) -> MatrixJob:
        """Return a job for the tasks that the submission affects."""
        return cls(entry, frozenset(check.id for check in own_checks(entry)))


def grade(job: MatrixJob, known: Answers, answer: Connection) -> None:
    """Grade a submission in this process, and send its row and the new answers."""
    import torch

    torch.set_num_threads(1)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as long as the process lives
    entry = job.entry
    with session(
        entry.sources, assignment=entry.assignment, device="cpu", in_process=True
    ) as opened:
        opened.tries_edits = False  # a mutant's mistake has a name, or its `says` is enough
        worker = Sharing(opened.submission.worker, entry.sources.files, known)
        opened.submission.worker = worker
        if job.checks is not None:
            unchanged = [check for check in opened.planned if check.id not in job.checks]
            opened.results.update({check.id: _passed(check) for check in unchanged})
        results = [opened.run(check) for check in opened.planned]
    answer.send((judge(entry, results), worker.new))


def _passed(check: Check) -> CheckResult:
    return CheckResult(check.id, check.task, Status.PASSED, check.points, check.points)


@dataclass(frozen=True)
class Running:
    """A submission that is being graded, and its deadline."""

    entry: Variant
    process: BaseProcess
    ends: float


class Grader:
    """Grades submissions in processes that are forked from this one.

    On systems other than Linux each process loads everything, which is slow.
    """

    def __init__(self) -> None:
        """Load what all submissions need, once."""
        self.known: Answers = {}
        self.context: ForkContext | SpawnContext = multiprocessing.get_context("spawn")
        if sys.platform == "linux":
            self.context = multiprocessing.get_context("fork")
            warm_up()
            preload_pipelines()
            gc.freeze()  # no process looks for garbage in what all share

    def run(self, jobs: Iterable[MatrixJob], cores: int) -> Iterator[Row]:
        """Grade submissions, `cores` at a time, and yield rows as they finish."""
        waiting, running = list(jobs)[::-1], dict[Connection, Running]()
        while waiting or running:
            while waiting and len(running) < cores:
                receive, one = self._start(waiting.pop())
                running[receive] = one
            ready = wait(list(running), timeout=1)
            for receive in [r for r in running if r in ready]:
                yield self._received(running.pop(receive), receive)
            for receive in [r for r, one in running.items() if one.ends < time.monotonic()]:
                one = running.pop(receive)
                one.process.kill()
                yield not_graded(one.entry, f"not graded within {SECONDS:.0f} s")

    def _start(self, job: MatrixJob) -> tuple[Connection, Running]:
        receive, send = self.context.Pipe(duplex=False)
        process = self.context.Process(target=grade, args=(job, self.known, send), daemon=True)
        process.start()
        send.close()
        return receive, Running(job.entry, process, time.monotonic() + SECONDS)

    def _received(self, one: Running, receive: Connection) -> Row:
        try:
            row, new = receive.recv()
        except EOFError:
            one.process.join()
            return not_graded(one.entry, f"its process ended with {one.process.exitcode}")
        self.known.update(new)
        one.process.join()
        assert isinstance(row, Row)
        return row
