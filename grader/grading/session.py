"""Runs checks on a submission and records the results."""

from __future__ import annotations

import contextlib
import platform
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from grader.base.errors import UsageError
from grader.base.packages import installed_version
from grader.base.paths import without_paths
from grader.contract import course, course_news, held_back
from grader.contract.enums import State, Status, Tier
from grader.contract.messages import (
    MAX_SHOWN,
    RETURN,
    clean,
    shorten,
    waits_for,
)
from grader.contract.mistakes import advice, mistakes
from grader.contract.record import ACCURACY, CheckResult, Record, state_of
from grader.contract.tasks import (
    Assignment,
    Check,
    choose_assignment,
    tasks,
)
from grader.grading import apart, edits, keys, pipeline
from grader.grading.fixed_sizes import fixed_size
from grader.grading.keys import input_seed
from grader.grading.pipeline import MODEL
from grader.grading.submission import Submission
from grader.grading.verdict import Details, Verdict, compare_parameters, judge
from grader.intake import limited, reader
from grader.intake.sources import Sources
from grader.sandbox.launch import Limits
from grader.sandbox.tiers import choose
from grader.sandbox.worker_client import (
    LocalWorker,
    ProcessWorker,
    Worker,
)
from grader.worker.printed import Printed

LOGITS = "model.logits"


class Session:
    """One submission being graded: its handle and the results so far.

    Attributes:
        submitted: the submission's files.
        assignment: its assignment.
        seed: the seed that the user chose; the inputs are generated from `submission.seed`.
        planned: the checks that the record will contain.
        submission: the handle that checks use.
        results: results by check id.
        hold_back: whether what the course holds back until the deadline does not run.
        tries_edits: whether the first failure of a task is explained by lines of the code at once;
            see `look_closer`.
    """

    def __init__(
        self,
        submitted: Sources,
        assignment: Assignment,
        worker: Worker,
        *,
        device: str = "cpu",
        seed: int = 0,
        rows: list[tuple[int, str]] | None = None,
        secret: str = "",
    ) -> None:
        """Plan the checks of a submission whose modules `worker` has; see `session`."""
        self.hold_back, self.tries_edits = False, True
        self.submitted, self.assignment, self.seed = submitted, assignment, seed
        tasks_of_it = [*assignment.tasks.values()]
        self.planned = [
            check
            for task in tasks_of_it
            if submitted.only in (None, task.module)
            for check in task.checks
        ]
        self.submission = Submission(
            worker,
            input_seed(secret, submitted.digest, seed),
            device,
            rows=rows,
            secret=secret,
            digest=submitted.digest,
            names=submitted.names,
            modules={
                task.id: task.module if task.module in submitted.files else task.id
                for task in tasks_of_it
            },
            state=self._state,
            log_probabilities=self._log_probabilities,
        )
        self.results: dict[str, CheckResult] = {}
        self._details: dict[str, Details] = {}
        self._unexplained: dict[str, tuple[Check, Verdict]] = {}  # first failures by task
        self._lenient: set[str] = set()  # checks whose dependents are judged leniently

    def run(self, check: Check) -> CheckResult:
        """Run a check, after the checks it needs, unless they have run already."""
        if check.id not in self.results:
            start = time.monotonic()
            before, self.submission.printed = self.submission.printed, []
            verdict = self._judge(check)
            printed, self.submission.printed = self.submission.printed, before
            self._details[check.id] = verdict.details
            fixable = verdict.status not in (Status.PASSED, Status.ERROR, Status.HELD_BACK)
            self.results[check.id] = CheckResult(
                id=check.id,
                task=check.task,
                status=verdict.status,
                score=round(verdict.share * check.points, 2),
                max_score=check.points,
                mistake=verdict.mistake,
                message=without_paths(self.submitted.explain(verdict.message)),
                hint=check.hint if fixable else None,
                printed=_printed(printed, verdict) if verdict.status.is_broken else "",
                bonus=tasks()[check.task].bonus,
                seconds=round(time.monotonic() - start, 3),
            )
        return self.results[check.id]

    def _judge(self, check: Check) -> Verdict:
        if self._is_held_back(check):
            return Verdict(Status.HELD_BACK, message=held_back.message(check))
        siblings = {sibling.id: sibling for sibling in tasks()[check.task].checks}
        failed = ""
        for need in check.needs:
            status = self.run(siblings[need]).status
            if status is Status.NOT_STARTED:
                return Verdict(Status.NOT_STARTED)
            if need in self._lenient:
                failed = failed or need
            elif status not in (Status.PASSED, Status.HELD_BACK):
                return Verdict(Status.BLOCKED, message=str(waits_for(need)))
        verdict = judge(check.load(), self.submission, check, failed)
        verdict = compare_parameters(verdict, check.task, self.submission)
        if self._is_first_failure(check, verdict):
            if self.tries_edits:
                verdict = self._with_lines(check, verdict)
            else:
                self._unexplained[check.task] = check, verdict
        if verdict.local or (failed and verdict.status is Status.PASSED):
            self._lenient.add(check.id)
        return verdict

    def _is_first_failure(self, check: Check, verdict: Verdict) -> bool:
        """Return whether a check is the first to fail in its task, by the student's own code."""
        task = tasks()[check.task]
        others = [self.results.get(each.id) for each in task.checks]
        is_first = not any(each and each.status.is_broken for each in others)
        return bool(task.module) and verdict.status is Status.FAILED and is_first

    def look_closer(self, task: str) -> bool:
        """Look for lines that explain the first failure of a task, which takes seconds.

        Returns whether there are any; they are in its result then.
        """
        check, verdict = self._unexplained.pop(task, (None, None))
        if check is None or verdict is None:
            return False
        message = without_paths(self.submitted.explain(self._with_lines(check, verdict).message))
        found = message != self.results[check.id].message
        self.results[check.id] = replace(self.results[check.id], message=message)
        return found

    def _with_lines(self, check: Check, verdict: Verdict) -> Verdict:
        """Add to a message the lines of the code that explain it, if there are any."""
        explained = verdict.mistake and not mistakes()[verdict.mistake].is_general
        message = verdict.message
        line = fixed_size(check.task, message, self.submission)
        if line and verdict.raised and not explained:  # what is said of the exception is general
            raised, module = verdict.raised, tasks()[check.task].module
            general = advice(raised.type, raised.message, module)
            message = "\n".join(each for each in message.split("\n") if each != general)
        elif not explained and not line:
            passed = {id_ for id_, each in self.results.items() if each.status is Status.PASSED}
            lost = edits.lost_result(check, message, self.submission)
            line = lost or edits.explanation(check, message, passed, self.submission)
        told = [each for each in message.split("\n") if not line or each != RETURN]
        odd = edits.odd_lines(check.task, message, self.submission, weak=not explained and not line)
        return replace(verdict, message="\n".join([*told, *filter(None, [line]), *odd]))

    def _is_held_back(self, check: Check) -> bool:
        if not check.held_back:
            return False
        return (self.hold_back and held_back.is_hidden(check)) or not check.is_here

    def _state(self, task: str) -> State:
        """Return the state of a task; a model and a loop that agree on log-probabilities fit."""
        results = [self.run(check) for check in tasks()[task].checks]
        agree = task == "model" and self._log_probabilities()
        return state_of([each for each in results if not (agree and each.id == LOGITS)])

    def _log_probabilities(self) -> bool:
        loop = self.submitted.files.get("train", b"").lower()
        logits = {check.id: check for check in self.assignment.checks}.get(LOGITS)
        if logits is None or b"nll" not in loop:
            return False
        return self.run(logits).mistake == "log-softmax"

    def _broken(self) -> Iterator[str]:
        """Yield a line per module that does not run as a whole."""
        for module, raised in self.submission.broken.items():
            place = f", line {raised.frames[-1].line}" if raised.frames else ""
            said = re.sub(r" \([^()]*, line \d+\)$", "", clean(raised.message))
            error = f"{raised.type}: {shorten(said, MAX_SHOWN)}"
            line = (
                f"{self.submitted.names.get(module, module)}{place}: {error}. The file does not "
                "run as a whole: the task with this line gets no points, the others were graded."
            )
            yield without_paths(self.submitted.explain(line).replace("\n", " "))

    def outcome(self) -> dict[str, Any]:
        """Return what came of the checks so far as plain data, for `take`."""
        return {
            "results": [
                result.as_dict() | {"status": result.status.value}
                for result in self.results.values()
            ],
            "lenient": [*self._lenient],
            "broken": self.submission.broken,
        }

    def take(self, outcome: dict[str, Any]) -> None:
        """Take over what came of checks that another process of the grader ran."""
        for result in outcome["results"]:
            found = CheckResult.from_dict(result)
            self.results[found.id] = found
        self._lenient |= {*outcome["lenient"]}
        self.submission.broken.update(outcome["broken"])

    def record(self) -> Record:
        """Return the record; planned checks that did not run are in it, without points."""
        submission: dict[str, Any] = {
            "name": self.submitted.name,
            "digest": self.submitted.digest,
            "assignment": self.assignment.id,
        }
        if self.submitted.left_out:
            submission["left_out"] = [*self.submitted.left_out.values()]
        if notes := [*self.submitted.notes, *self._broken()]:
            submission["notes"] = notes
        return Record(
            submission=submission,
            checks=[self.results.get(check.id) or _not_run(check) for check in self.planned],
            environment=environment(self.submission, self.seed),
            accuracy=self._details.get(ACCURACY, {}),
        )


def _printed(printed: Printed, verdict: Verdict) -> str:
    """Return what student code printed in the call that failed, or in all calls of a check."""
    first = verdict.message.partition("\n")[0]
    own = [text for call, text in printed if call and f"`{call}" in first]
    return "".join(own or [text for _, text in printed])


def _not_run(check: Check) -> CheckResult:
    bonus = tasks()[check.task].bonus
    return CheckResult.not_run(check.id, check.task, check.points, bonus=bonus)


@contextlib.contextmanager
def session(
    submitted: Sources,
    *,
    assignment: str | None = None,
    device: str = "auto",
    seed: int = 0,
    rows: list[tuple[int, str]] | None = None,
    secret: str = "",
    in_process: bool = False,
    confine: Tier | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Iterator[Session]:
    """Open a submission for grading, and close its worker afterwards.

    Args:
        submitted: the submission.
        assignment: the assignment's id; None chooses it by the submission's modules.
        device: one of `devices.DEVICES`.
        seed: the inputs are generated from this number, the secret and the submission.
        rows: labelled news for the task accuracy; None means the sample.
        secret: the course's secret; empty for the published one.
        in_process: run the submission in this process, without limits.
        confine: the weakest confinement to accept; the strongest available one is always used.
        limits: the resources that it may use.

    Raises:
        UsageError: the assignment is unknown or ambiguous, or the device or the confinement is
            not available.
    """
    chosen = choose_assignment(assignment, submitted.files)
    course_news.own()  # what is wrong with it is said before anything is graded
    worker: Worker
    if not in_process:
        confined_by = choose(confine, device)
        worker = ProcessWorker(
            submitted.files, submitted.names, limits, confined_by, chosen.packages, chosen.parts
        )
    elif confine in (None, Tier.NONE):
        worker = LocalWorker(submitted.files, submitted.names, chosen.packages, chosen.parts)
    else:
        raise UsageError(f"--in-process --confine {confine}: choose one; in-process has none.")
    opened = Session(submitted, chosen, worker, device=device, seed=seed, rows=rows, secret=secret)
    try:
        if device != "auto":
            _ = opened.submission.device  # an unavailable device is an error before grading starts
        yield opened
    finally:
        worker.close()


def load(path: Path, assignment: str | None = None) -> Sources:
    """Read the submission at `path`, for a given assignment or for any.

    Raises:
        UsageError: the path holds no valid submission, or the assignment is unknown.
    """
    return reader.load(path, reader.module_names(assignment), assignment)


def grade(
    submitted: Sources,
    on_progress: Callable[[Record], None] = lambda _record: None,
    *,
    many: bool = False,
    **options: Any,
) -> Record:
    """Grade a submission; the options are those of `session`, and `many` if more will follow.

    A process that grades a single one ends what it no longer needs, and so takes less memory.

    `on_progress` is called with the current record before the first check and after each check. So
    if grading is interrupted, nothing is lost, and an old record is not mistaken for this one.
    """
    with session(submitted, **options) as opened:
        if not many:
            limited.close()  # what has read the submission
            _run_apart(opened, on_progress)
        for check in opened.planned:
            on_progress(opened.record())
            opened.run(check)
        if not many:
            pipeline.close()
        record = opened.record()
        on_progress(record)
        return record


def _run_apart(opened: Session, on_progress: Callable[[Record], None]) -> None:
    """Run the checks of the tasks that have a module in another process, if others follow."""
    own = [check for check in opened.planned if tasks()[check.task].module]
    if own and own != opened.planned and apart.is_possible(opened):
        on_progress(opened.record())
        for _ in apart.run(opened, own):
            on_progress(opened.record())


def environment(submission: Submission, seed: int) -> dict[str, Any]:
    """Return the versions and settings that the marks depend on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "torch": installed_version("torch") or "missing",
        "spacy": installed_version("spacy") or "missing",
        "model": f"{MODEL} {installed_version(MODEL) or 'missing'}",
        "device": submission.__dict__.get("device", submission.wanted_device),
        "confinement": submission.worker.confinement,
        "confinement_layers": list(submission.worker.layers),
        "seed": seed,
        "secret": keys.kind(submission.secret),
        "data": _data(submission.rows),
    }


def _data(rows: list[tuple[int, str]] | None) -> str:
    """Say which news the task accuracy uses."""
    if rows is None:
        return "course" if course.current().data else "sample"
    return f"{len(rows)} rows"
