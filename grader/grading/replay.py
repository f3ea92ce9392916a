"""Judges one check of a submission again, and keeps what its worker was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grader.contract.record import CheckResult
from grader.contract.tasks import Check, tasks
from grader.grading.session import session
from grader.intake.sources import Sources


@dataclass(frozen=True)
class Operation:
    """An operation of the worker: its name, its arguments, and the answer if there was one."""

    name: str
    arguments: dict[str, Any]
    answer: Any = None


class Recorder:
    """A worker that keeps what it is asked."""

    def __init__(self, worker: Any) -> None:
        """Pass everything on to `worker`."""
        self.worker, self.operations = worker, list[Operation]()

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the worker."""
        return getattr(self.worker, name)

    def call(self, do: str, arguments: dict[str, Any], *others: Any) -> Any:
        """Run an operation."""
        answer = None
        try:
            answer = self.worker.call(do, arguments, *others)
        finally:
            if not do.startswith("load."):
                self.operations.append(Operation(do, arguments, answer))
        return answer


def replay(submitted: Sources, check: Check, **options: Any) -> tuple[CheckResult, list[Operation]]:
    """Judge a check again; return its result, and what the worker was asked for it.

    `options` are those of `session`. The inputs are the same as when the submission was graded with
    the same seed and secret.
    """
    with session(submitted, **options) as opened:
        siblings = {sibling.id: sibling for sibling in tasks()[check.task].checks}
        for need in check.needs:
            opened.run(siblings[need])
        submission = opened.submission
        loaded = {key: kept for key, kept in submission.memo.items() if isinstance(key, str)}
        submission.memo = loaded  # evidence that the other checks gathered is gathered again
        submission.worker = recorder = Recorder(submission.worker)
        return opened.run(check), recorder.operations
