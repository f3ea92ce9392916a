"""Grades tasks of a submission in a thread, so that a save or a key can interrupt it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader.base.errors import UsageError
from grader.contract.enums import Tier
from grader.contract.record import CheckResult, Record
from grader.contract.tasks import Assignment, Task
from grader.grading.keys import course_secret
from grader.grading.session import Session, session
from grader.intake.sources import Sources
from grader.sandbox import launch
from grader.sandbox.worker_client import ProcessWorker

AGAIN = 0.05  # seconds between two attempts to interrupt a check


@dataclass(frozen=True)
class Graded:
    """A task was graded; `record` has the results so far, those of earlier runs included.

    It came `again` if a message is longer now.
    """

    job: Job
    task: str
    record: Record
    again: bool = False


@dataclass(frozen=True)
class Ended:
    """A job has come to its end; `fault` says in one line why it could not grade."""

    job: Job
    fault: str = ""


class Job(threading.Thread):
    """Grades tasks one after the other and reports each.

    Attributes:
        current: the task that is being graded.
    """

    def __init__(
        self,
        submitted: Sources,
        assignment: Assignment,
        plan: Sequence[Task],
        known: Mapping[str, CheckResult],
        report: Callable[[Graded | Ended], Any],
    ) -> None:
        """Plan to grade some tasks.

        Args:
            submitted: the submission.
            assignment: its assignment.
            plan: the tasks to grade, in this order.
            known: results of other checks that still hold, by the check's id.
            report: called from the thread, with each result and at the end.
        """
        super().__init__(daemon=True)
        self.submitted, self.assignment = submitted, assignment
        self.plan, self.known, self.report = plan, known, report
        self.current: Task | None = None
        self.cancelled = False
        self._session: Session | None = None

    def run(self) -> None:
        """Grade, and report what happened."""
        try:
            self._grade()
            self._prepare()
        except UsageError as error:
            self.report(Ended(self, str(error)))
        except OSError as error:  # such as a full disk
            self.report(Ended(self, f"{error.strerror or error}. Then save again."))
        except Exception as error:
            self.report(Ended(self, f"The grader itself failed: {error!r}"))
        else:
            self.report(Ended(self))

    def _prepare(self) -> None:
        """Where there is no fork server, start a worker that loads packages for the next job."""
        worker = self._session and self._session.submission.worker
        if isinstance(worker, ProcessWorker) and worker.confinement is Tier.LIMITS:
            launch.prepare()

    def _grade(self) -> None:
        secret = course_secret()
        with session(self.submitted, assignment=self.assignment.id, secret=secret) as opened:
            self._session = opened
            opened.tries_edits = False  # at first: a result comes at once
            opened.results.update(self.known)
            for task in self.plan:
                self.current = task
                for check in task.checks:
                    if self.cancelled:
                        return
                    opened.run(check)
                self.report(Graded(self, task.id, opened.record()))
                if opened.look_closer(task.id):
                    self.report(Graded(self, task.id, opened.record(), again=True))

    def cancel(self) -> None:
        """Interrupt the check that is running, and wait for the end of the thread."""
        self.cancelled = True
        while self.is_alive():
            worker = self._session and self._session.submission.worker
            if isinstance(worker, ProcessWorker):
                worker.interrupt()
            self.join(AGAIN)
