"""Grades one submission in a process of an engine, on this machine or another one.

Jobs and answers are plain data: a submission travels as bytes, its result as JSON text.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from grader.base.errors import UsageError
from grader.base.files import to_json
from grader.base.packages import installed_version
from grader.base.paths import GRADER
from grader.contract import course, course_news
from grader.contract.enums import Status, Tier
from grader.contract.record import Record
from grader.contract.results import Result
from grader.grading import session
from grader.grading.pipeline import MODEL
from grader.intake import limited, reader
from grader.intake.choice import RawSubmission
from grader.intake.sources import Sources
from grader.sandbox import fork_server, tiers
from grader.sandbox.launch import Limits
from grader.sandbox.worker_client import ProcessWorker

NO_PART = {
    "classroom",
    "commands",
    "course",
    "maintain",
    "reports",
    "training",
}  # folders of the grader that do not affect marks
PACKAGES = ("torch", "spacy", MODEL, "numpy", "thinc")
FINGERPRINTS = "grader.reports.class_report.fingerprints:fingerprints"
TOKENS = "grader.reports.class_report.similarity:tokens"
JOB_SECONDS = 600.0  # wall time; limits of its parts end an honest or a hostile one long before
_one_at_a_time = threading.Lock()  # torch's random state is shared by the whole process


@dataclass(frozen=True)
class GradingConfig:
    """Everything that determines a mark besides the submission itself.

    Attributes:
        assignment: the assignment's id; empty to choose it by each submission's modules.
        device: one of `devices.DEVICES`.
        seed: seed of the generated inputs.
        confine: the weakest confinement to accept.
        memory: bytes that a student's worker may use.
        secret: the course's secret, which other machines need.
        versions: the versions of the grader and of its packages.
        course: what the course decides about points, see `Course.text`.
        news: the course's own news, as CSV; empty if it uses the kit's sample.
        data: other news for the task accuracy, as CSV.
    """

    assignment: str
    device: str
    seed: int
    confine: str
    memory: int
    secret: str
    versions: str
    course: str = ""
    news: str = ""
    data: str = ""

    @property
    def digest(self) -> str:
        """The SHA-256 digest of all settings."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


@functools.cache
def versions() -> str:
    """Return the versions that all machines must share; the grader's is a digest of its files."""
    total = hashlib.sha256()
    for path in sorted(GRADER.rglob("*")):
        inside = path.relative_to(GRADER)
        if path.suffix in (".py", ".toml", ".json") and inside.parts[0] not in NO_PART:
            total.update(f"{inside.as_posix()}\0".encode() + path.read_bytes() + b"\0")
    python = ".".join(platform.python_version_tuple()[:2])
    found = [f"grader {total.hexdigest()[:12]}", f"Python {python}"]
    for package in PACKAGES:
        found.append(f"{package} {installed_version(package) or 'missing'}")
    return ", ".join(found)


def pack(
    student: str, content: RawSubmission, setting: GradingConfig, compare: bool = False
) -> dict[str, Any]:
    """Pack a job from builtin types only, which any engine can copy.

    `compare`: the answer holds `tokens`, by which similar code is found.
    """
    return {
        "student": student,
        "content": asdict(content),
        "setting": asdict(setting),
        "compare": compare,
    }


def grade(job: dict[str, Any]) -> str:
    """Grade a submission and return JSON text.

    The text holds `result` and `tokens` (see `similarity.tokens`), or `refused`, the reason why
    this machine cannot grade anything. Whatever the submission is, the process ends after
    `JOB_SECONDS`.
    """
    setting = GradingConfig(**job["setting"])
    with _one_at_a_time:
        if setting.versions != versions():
            return json.dumps(
                {
                    "refused": f"{platform.node()} has {versions()}; this machine has "
                    f"{setting.versions}. Install the same on all machines"
                }
            )
        course.use(setting.course, setting.news)
        _warm_up()
        start = time.monotonic()
        tokens: dict[str, str] = {}
        _set_alarm(JOB_SECONDS)
        try:
            taken = take_in(RawSubmission(**job["content"]), setting.assignment)
            record, memory = _graded(taken, setting)
        except CannotGradeHere as refused:
            return json.dumps({"refused": str(refused)})
        except UsageError as error:
            failed = isinstance(error, GraderFailed)
            result = Result(job["student"], fault=str(error), grader_failed=failed)
        except Exception as error:
            fault = f"The grader itself failed: {error!r}. Grade it again."
            result = Result(job["student"], fault=fault, grader_failed=True)
        else:
            prints, tokens = _prints(taken.files, job["compare"])
            result = Result(job["student"], record=record, memory=memory, fingerprints=prints)
        finally:
            _set_alarm(0)
        data = result.as_dict() | {"seconds": round(time.monotonic() - start, 3)}
    return to_json({"result": data, "tokens": tokens})


def _set_alarm(seconds: float) -> None:
    """Let the system end this process after so many seconds, whatever it does then; 0: never."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _prints(files: dict[str, bytes], compare: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Return fingerprints and tokens of modules; those that take too long to make are left out."""
    found: list[dict[str, str]] = []
    for place, is_wanted in ((FINGERPRINTS, True), (TOKENS, compare)):
        try:
            found.append(limited.call(place, files) if is_wanted else {})
        except (UsageError, limited.NotStarted):
            found.append({})
    return found[0], found[1]


@functools.cache
def _warm_up() -> None:
    """Start what every submission needs, once, so that it counts for none of them."""
    os.environ["OMP_NUM_THREADS"] = "1"  # as many processes as cores are at work
    fork_server.keep_pipeline_ready()
    with contextlib.suppress(fork_server.Unavailable):
        tiers.sandboxed("cpu")


class CannotGradeHere(UsageError):
    """No submission can be graded with this setting; the message says why."""


class GraderFailed(UsageError):
    """The grader could not do its work on a submission; the text says why."""


def take_in(content: RawSubmission, assignment: str | None) -> Sources:
    """Return the modules of a submission of a class.

    Raises:
        UsageError: it cannot be read.
    """
    modules = reader.module_names(assignment or None)
    taken = reader.extract_limited(content, modules, assignment or None)
    if taken.origins:
        return taken
    return replace(taken, names={module: f"{module}.py" for module in taken.files})


def _graded(taken: Sources, setting: GradingConfig) -> tuple[Record, int]:
    """Grade, and retry once if the grader failed; also return a worker's peak memory in bytes.

    Raises:
        GraderFailed: twice.
    """
    record, memory, fault = None, 0, ""
    for _ in range(2):
        try:
            with _session(taken, setting) as opened:
                for check in opened.planned:
                    opened.run(check)
                record = opened.record()
            if isinstance(worker := opened.submission.worker, ProcessWorker):
                memory = max(memory, worker.memory)
        except CannotGradeHere:
            raise
        except Exception as error:  # a failure of the grader is never a mark, and ends no run
            fault = f"The grader itself failed twice: {error!r}. Grade it again."
            continue
        if all(check.status is not Status.ERROR for check in record.checks):
            break
    if record is None:
        raise GraderFailed(fault)
    return record, memory


@contextlib.contextmanager
def _session(taken: Sources, setting: GradingConfig) -> Iterator[session.Session]:
    """Open a session.

    Raises:
        CannotGradeHere: no session can be opened with this setting.
    """
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(
                session.session(
                    taken,
                    assignment=setting.assignment or None,
                    device=setting.device,
                    seed=setting.seed,
                    confine=Tier(setting.confine),
                    secret=setting.secret,
                    rows=course_news.from_csv(setting.data) if setting.data else None,
                    limits=Limits(memory=setting.memory),
                )
            )
        except UsageError as error:
            raise CannotGradeHere(str(error)) from None
        yield opened
