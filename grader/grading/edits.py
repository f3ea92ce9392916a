"""Finds a small change of a student's code that makes a failed check pass.

It says where a mistake is that has no name. The worker makes the changes and runs the operations
that the check asks for; whether the results are right is judged here, by the check itself.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import time
from typing import Any

from grader.base.errors import UsageError
from grader.base.files import read_toml
from grader.base.paths import GRADER
from grader.contract.messages import clean, shorten
from grader.contract.tasks import Check, Task, tasks, written_in
from grader.grading.answers import structured
from grader.grading.submission import Submission
from grader.grading.trials import trial
from grader.sandbox.worker_client import ProcessWorker, Report, Worker, WorkerLost
from grader.worker.printed import Printed

# How many edits are tried, by the operation that a check asks for; with others there are none.
MOST = {
    "call.function": 900,
    "text.states": 300,
    "beyond.train_on_text": 200,
    "beyond.decode": 200,
    "train.evaluate": 900,
    "train.train": 800,
    "dataset.observe": 600,
    "collate.observe": 300,
    **dict.fromkeys(("model.build", "model.run", "model.run_elsewhere"), 500),
    **dict.fromkeys(("model.lstm_weights", "model.lstm_learns"), 500),
}
Told = tuple[str, int, str, str]  # kind, line, part and other of an edit
IF_CHANGED = "If that alone is changed, this check passes."
NOTHING = "got:      None"
LOST = (
    "in `{}`, {} returns None, because it changes an object instead of returning one. Call it on a "
    "line of its own, and go on with the object."
)
SECONDS = 5.0  # for an operation; the first that takes longer ends the search
MOST_SECONDS = 10.0  # for a search; most take one or two
MOST_IN_ALL = 30.0  # for the searches in one submission
MOST_SHOWN = 100  # characters of code in a message
MOST_ODD = 2  # lines of a message about odd lines


@functools.cache
def texts() -> dict[str, str]:
    """Read what students are told, by the kind of an edit."""
    return dict(read_toml(GRADER / "contract" / "edits.toml"))


class _TooDear(Exception):
    """A check asks for an operation that takes too long to be repeated."""


class _Edited:
    """A worker whose submission has an edit."""

    output = ""

    def __init__(self, worker: Worker, module: str, names: list[str], number: int) -> None:
        self.worker, self.module, self.names, self.number = worker, module, names, number
        self.confinement, self.layers = worker.confinement, worker.layers
        self.printed: Printed = []

    def use_modules(self, modules: frozenset[str], apart: str = "") -> None:
        """Do nothing: nothing is at stake that a process of its own protects."""

    def call(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report | None
    ) -> Any:
        """Run an operation on the edited submission."""
        if do == "load.module":
            return []
        if self.number >= MOST.get(do, 0):
            raise _TooDear
        given = {"module": self.module, "names": self.names, "number": self.number, "seed": seed}
        given |= {"do": do, "arguments": arguments}
        return self.worker.call("edited.run", given, min(seconds, SECONDS), seed, report)

    def close(self) -> None:
        """Do nothing: the worker is still in use."""


def lost_result(check: Check, message: str, submission: Submission) -> str:
    """Return where a result is used that is always None, if a failure's message speaks of None."""
    if NOTHING not in message and "NoneType" not in message:
        return ""
    module, names = submission.module(check.task), [*tasks()[check.task].names]
    try:
        submission.worker.use_modules(frozenset([module]), "edits")
        given = {"module": module, "names": names}
        seen = submission.worker.call("edited.nothing", given, SECONDS, submission.seed, None)
        found = structured(seen, list[tuple[int, str, str]])
    except (WorkerLost, UsageError):
        return ""
    for line, code, name in found[:1]:
        shown = [clean(shorten(each, MOST_SHOWN)) for each in (code, name)]
        return f"See {_place(submission, module, line)}: {LOST.format(*shown)}"
    return ""


def explanation(check: Check, message: str, passed: set[str], submission: Submission) -> str:
    """Return what an edit says about a failed check, without using up the submission's time.

    The message begins with the call that went wrong: edits of this function come first.
    """
    start = time.monotonic()
    most = min(MOST_SECONDS, MOST_IN_ALL - submission.searched)
    try:
        names = sorted(tasks()[check.task].names, key=lambda name: f"`{name}(" not in message)
        return _search(check, names, passed, submission, start + most) if most > 0 else ""
    finally:
        taken = time.monotonic() - start
        submission.searched += taken
        if isinstance(submission.worker, ProcessWorker):
            submission.worker.ends += taken


def _search(
    check: Check, names: list[str], passed: set[str], submission: Submission, end: float
) -> str:
    """Return what an edit says about a failed check; empty if none makes it pass.

    With it, all checks pass. If none does that, because there is a second mistake, the checks that
    depend on this one must pass, and those that have passed already; and all such edits must be in
    the same line.

    Args:
        check: the check that failed.
        names: the functions of its task, the one that went wrong first.
        passed: the ids of the checks that passed.
        submission: the submission.
        end: when to stop, by `time.monotonic`.
    """
    task = tasks()[check.task]
    module, worker = submission.module(check.task), submission.worker
    given = {"module": module, "names": names, "most": max(MOST.values())}
    try:
        worker.use_modules(frozenset([module]), "edits")  # a process of its own, where it is cheap
        found = worker.call("edited.listed", given, SECONDS, submission.seed, None)
        listed = structured(found, list[Told])
    except (WorkerLost, UsageError):
        return ""
    others = [each for each in task.checks if each.id != check.id and not each.held_back]
    needed = [each for each in others if each.id in passed or _needs(task, each, check.id)]
    rest = [each for each in others if each not in needed]
    local: list[Told] = []
    for number, (kind, line, part, other) in enumerate(listed):
        edited = dataclasses.replace(
            submission,
            worker=_Edited(worker, module, names, number),
            printed=[],
            memo={},
            broken={},
        )
        try:
            if kind in texts() and all(_passes(each, edited) for each in (check, *needed)):
                local.append((kind, line, part, other))
                if all(_passes(each, edited) for each in rest):
                    return _text(submission, module, local[-1])
        except (_TooDear, WorkerLost, UsageError):
            break
        if time.monotonic() > end:
            return ""
    if len({line for _, line, *_ in local}) == 1:
        return _text(submission, module, local[0])
    return ""


def odd_lines(task: str, message: str, submission: Submission, *, weak: bool) -> list[str]:
    """Return lines of a task's code that do not do what they seem to do, at most `MOST_ODD`.

    Args:
        task: the task's id.
        message: what the student reads so far.
        submission: the submission.
        weak: also those that right code may have.
    """
    module = submission.module(task)
    skip = [name for each in written_in(module) if each.id != task for name in each.names]
    worker = submission.worker
    try:
        worker.use_modules(frozenset([module]), "edits")
        raising = [int(line) for line in re.findall(r", line (\d{1,7}), in ", message)]
        names = [*tasks()[task].names]
        given = {"module": module, "skip": skip, "raising": raising, "names": names}
        found = worker.call("load.odd_lines", given, SECONDS, submission.seed, None)
        listed = structured(found, list[tuple[int, str, bool]])
    except (WorkerLost, UsageError):
        return []
    shown = [(line, says) for line, says, is_weak in listed if weak or not is_weak]
    return [
        f"See {_place(submission, module, line)}: {clean(says)}" for line, says in shown[:MOST_ODD]
    ]


def _needs(task: Task, check: Check, id_: str) -> bool:
    """Return whether a check depends on another one, directly or not."""
    return any(need == id_ or _needs(task, task.check(need), id_) for need in check.needs)


def _passes(check: Check, submission: Submission) -> bool:
    try:
        with trial():
            check.load()(submission)
    except (_TooDear, WorkerLost, UsageError):
        raise
    except Exception:
        return False
    return True


def _text(submission: Submission, module: str, edit: Told) -> str:
    kind, line, part, other = edit
    shown = {"part": clean(shorten(part, MOST_SHOWN)), "other": clean(shorten(other, MOST_SHOWN))}
    place = _place(submission, module, line)
    return f"See {place}: {texts()[kind].format(**shown)} {IF_CHANGED}"


def _place(submission: Submission, module: str, line: int) -> str:
    return f"{submission.names.get(module, module)}, line {line}"
