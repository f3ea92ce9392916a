"""Turns the end of a check, whatever it is, into a verdict; fails closed."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grader.base.errors import UsageError
from grader.contract import signatures
from grader.contract.enums import Status
from grader.contract.messages import Blocked, Failure, clean, explain_raised
from grader.contract.mistakes import advice, mistakes
from grader.contract.record import PLACEHOLDER
from grader.contract.tasks import Check, tasks
from grader.grading.answers import StudentError
from grader.grading.environment_fault import environment_fault
from grader.grading.leniency import leniently
from grader.grading.submission import Submission
from grader.sandbox.worker_client import WorkerLost
from grader.worker.wire import Raised

Details = dict[str, Any]  # figures that a check adds to the record
Function = Callable[[Submission], Details | None]


@dataclass(frozen=True)
class Verdict:
    """How a check ended: status, fraction of the points earned, message, further figures.

    `local` says whether the checks that depend on it can still be judged, see `leniency`; `raised`
    is the exception that it ended with, if it was one.
    """

    status: Status
    share: float = 0.0
    message: str = ""
    mistake: str | None = None
    details: Details = field(default_factory=dict)
    local: bool = False
    raised: Raised | None = None


def judge(function: Function, submission: Submission, check: Check, failed: str = "") -> Verdict:
    """Call a check's function and turn whatever it raises into a verdict.

    `failed` is a check that this one needs, if that one failed and this one can be judged.
    """
    try:
        with leniently(failed):
            details = function(submission)
    except Failure as failure:
        return Verdict(
            Status.FAILED,
            failure.share,
            failure.advised(tasks()[check.task].module),
            failure.mistake,
            failure.details,
            failure.local,
            failure.raised,
        )
    except Blocked as blocked:
        return Verdict(blocked.status, message=str(blocked))
    except StudentError as error:
        if fault := environment_fault(error.raised, submission.worker):
            return Verdict(Status.ERROR, message=fault)
        verdict = _judge_raised(error, check, submission)
        return replace(verdict, local=error.local and verdict.status is Status.FAILED)
    except WorkerLost as lost:
        told = [lost.what, lost.where and f"  {lost.where}", lost.around]
        return Verdict(lost.status, message="\n".join(filter(None, told)))
    except UsageError as error:  # something is missing here, whatever the submission does
        return Verdict(Status.ERROR, message=str(error))
    except Exception as error:  # a fault of the grader, never the student's zero
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}, line {last.lineno}"
        return Verdict(Status.ERROR, message=f"The grader itself failed: {error!r} ({place}).")
    return Verdict(Status.PASSED, 1.0, details=details or {})


def _judge_raised(error: StudentError, check: Check, submission: Submission) -> Verdict:
    raised = error.raised
    if raised.type == "NotImplementedError" and raised.message.startswith("Task "):
        task = raised.message[len("Task ") :].partition(":")[0]
        if task != check.task and task in tasks():  # a function of this task calls one of that
            message = f"Not checked yet: finish the task {task} first."
            return Verdict(Status.BLOCKED, message=message)
        if raised.kind == "placeholder" and raised.frames:
            last = raised.frames[-1]
            message = (
                f"In progress: {clean(last.file)}, line {last.line} still raises the placeholder.\n"
                f"{mistakes()[PLACEHOLDER].explanation}"
            )
            return Verdict(Status.FAILED, message=message, mistake=PLACEHOLDER)
        return Verdict(Status.NOT_STARTED, message=raised.message)
    missing = raised.kind == "missing_module"
    module = raised.message if missing else submission.module(check.task)
    status = Status.MEMORY if raised.kind == "memory" else Status.FAILED
    return Verdict(
        status, message=explain_raised(raised, module, tasks()[check.task].module), raised=raised
    )


def compare_parameters(verdict: Verdict, task: str, submission: Submission) -> Verdict:
    """Explain a failure by parameters that differ from the exercise's, if they do."""
    if verdict.status is not Status.FAILED or not tasks()[task].module:
        return verdict
    raised = verdict.raised if verdict.raised and verdict.raised.type == "TypeError" else None
    message = clean(raised.message) if raised else ""
    line = raised.frames[-1].source if raised and raised.frames else ""
    try:
        own = submission.once(("signatures", task), lambda opened: opened.signatures(task))
    except (StudentError, WorkerLost):
        return verdict
    found = signatures.difference(task, own, message, line)
    if found is None:
        return verdict
    if found.mistake is None:
        return replace(verdict, message="\n".join([verdict.message, *found.lines]))
    known = verdict.mistake
    other = advice("TypeError", message, tasks()[task].module)
    general = mistakes()[known].explanation if known else other
    lines = [line for line in verdict.message.split("\n") if line != general]
    lines += [*found.lines, mistakes()[found.mistake].explanation]
    return replace(verdict, message="\n".join(lines), mistake=found.mistake)
