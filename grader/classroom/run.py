"""`python -m grader class FOLDER --out REPORT`: grades a class, and goes on where it stood."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from grader.base.console import plain_console
from grader.base.errors import UsageError
from grader.base.files import to_json, written_whole
from grader.base.paths import EXERCISE
from grader.classroom import engine, job
from grader.classroom.engine import Cluster, Engine, Job, Local
from grader.classroom.job import GradingConfig
from grader.classroom.journal import Entry, Journal
from grader.classroom.progress import VERDICTS, Watching, verdict
from grader.contract.results import Result
from grader.intake import lms_exports
from grader.intake.lms_exports import HandIn

JOURNAL, RESULTS = "journal.jsonl", "results.json"


@dataclass(frozen=True)
class RunOptions:
    """What a run is to do.

    Attributes:
        folder: the class.
        out: where the journal and the reports are.
        only: failed, error or changed; None for all that has no result of this setting yet.
        students: ids; none means all.
        workers: processes on this machine.
        cluster: the address of a Dask scheduler to use instead.
        setting: what marks are made with.
    """

    folder: Path
    out: Path
    only: str | None
    students: Sequence[str]
    workers: int
    cluster: str | None
    setting: GradingConfig


@dataclass(frozen=True)
class Candidate:
    """A submission of the class: what was handed in, its digest, or why it cannot be read."""

    handed: HandIn
    digest: str = ""
    fault: str = ""


def run(options: RunOptions) -> int:
    """Grade what is to be graded, write the reports; returns the exit code."""
    console = plain_console()
    assignment = options.setting.assignment or None
    modules = lms_exports.module_names(assignment)
    layout, handed, notes = lms_exports.find(options.folder, assignment)
    console.print(f"{options.folder}: {len(handed)} submissions ({layout})", soft_wrap=True)
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True)
    tasks = [_digest(each, modules, options.folder) for each in handed]
    with _journal(options.out) as journal:
        todo = _select(tasks, journal, options)
        if kept := len(tasks) - len(todo):
            console.print(f"{kept} as graded before, {len(todo)} to grade")
        interrupted = False
        try:
            _grade(todo, journal, options, console)
        except KeyboardInterrupt:
            interrupted = True
        return _report(tasks, layout, journal, options, console, interrupted)


@contextlib.contextmanager
def _journal(out: Path) -> Iterator[Journal]:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--out {out}: cannot be made ({error.strerror}). Give a folder that you may write to."
        ) from None
    journal = Journal(out / JOURNAL)
    try:
        yield journal
    finally:
        journal.close()


def _digest(handed: HandIn, modules: list[str], folder: Path) -> Candidate:
    """Read a submission once, for its digest."""
    try:
        return Candidate(handed, digest=lms_exports.read(handed, modules).digest)
    except Exception as error:
        return Candidate(handed, fault=_fault(error, folder))


def _fault(error: Exception, folder: Path) -> str:
    """Say why a submission cannot be read, without the path of the class's folder."""
    if not isinstance(error, UsageError):
        return f"It cannot be read: {error!r}. Ask for it again."
    return str(error).replace(f"{folder}{os.sep}", "")


def _select(tasks: list[Candidate], journal: Journal, options: RunOptions) -> list[Candidate]:
    """Choose what is to be graded.

    Raises:
        UsageError: a student was asked for who is not there.
    """
    known = {task.handed.student for task in tasks}
    for student in options.students:
        if student not in known:
            raise UsageError(
                f"--student {student}: nobody of that id is in {options.folder}. "
                f"Ids look like {min(known)}."
            )
    asked = [task for task in tasks if task.handed.student in (options.students or known)]
    return [task for task in asked if _is_to_do(task, journal, options)]


def _is_to_do(task: Candidate, journal: Journal, options: RunOptions) -> bool:
    before = journal.entries.get(task.handed.student)
    if options.only == "failed":
        return before is None or verdict(before.result) != "full marks"
    if options.only == "error":
        return before is None or before.result.faulty
    if before is None or task.fault or before.submission != task.digest:
        return True
    if options.only == "changed":
        return False
    return (
        bool(options.students) or before.result.faulty or before.setting != options.setting.digest
    )


def _grade(todo: list[Candidate], journal: Journal, options: RunOptions, console: Console) -> None:
    """Grade, and write each result into the journal as it comes."""
    by_student = {task.handed.student: task for task in todo}
    digests: dict[str, str] = {}
    modules = lms_exports.module_names(options.setting.assignment or None)

    def keep(result: Result) -> None:
        handed = by_student[result.student].handed
        whole = dataclasses.replace(result, name=handed.name, path=handed.path)
        digest = digests.get(result.student, "")
        journal.add(Entry(whole, digest, options.setting.digest))
        watching.show(whole)

    def jobs() -> Iterator[Job]:
        for task in todo:
            student = task.handed.student
            try:
                content = lms_exports.read(task.handed, modules)
            except Exception as error:
                keep(Result(student, fault=_fault(error, options.folder)))
                continue
            digests[student] = content.digest
            yield job.pack(student, content, options.setting)

    with Watching(console, len(todo)) as watching, _engine(options, len(todo)) as opened:
        for student, answer in engine.run(opened, jobs()):
            keep(_result(student, answer))


def _result(student: str, answer: str | Exception) -> Result:
    """Unpack an answer.

    Raises:
        UsageError: nothing can be graded where it comes from.
    """
    if isinstance(answer, Exception):
        return Result(
            student, fault=f"The process that graded it was lost twice ({answer}). Grade it again."
        )
    told = json.loads(answer)
    if "refused" in told:
        raise UsageError(told["refused"])
    return Result.from_dict(told["result"])


@contextlib.contextmanager
def _engine(options: RunOptions, jobs: int) -> Iterator[Engine]:
    opened: Engine
    if options.cluster is not None:
        opened = Cluster(options.cluster)
    else:
        opened = Local(max(1, min(options.workers, jobs)))
    at_once = True
    try:
        yield opened
        at_once = False
    finally:
        opened.close(at_once)


def _report(
    tasks: list[Candidate],
    layout: str,
    journal: Journal,
    options: RunOptions,
    console: Console,
    interrupted: bool,
) -> int:
    """Write the reports of all that has a result, and say what is in them."""
    entries = [journal.entries.get(task.handed.student) for task in tasks]
    there = [entry for entry in entries if entry is not None]
    results = [entry.result for entry in there]
    title = options.folder.resolve().name
    missing = write(results, options.out, title, layout, _code(tasks, options))
    counts = {name: sum(verdict(result) == name for result in results) for name in VERDICTS}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    console.print(f"{len(results)} of {len(tasks)}: {told or 'nothing graded'}")
    if other := sum(entry.setting != options.setting.digest for entry in there):
        console.print(
            f"note: {other} of them were graded with other checks, versions or options; "
            "leave --only out to grade them anew"
        )
    console.print(f"reports: {options.out}", soft_wrap=True)
    for report in missing:
        console.print(f"not written: {report}", soft_wrap=True)
    if interrupted:
        console.print("interrupted; the same command goes on from here")
        return 130
    if missing or len(results) < len(tasks) or any(result.faulty for result in results):
        return 2
    return 0 if all(verdict(result) == "full marks" for result in results) else 1


def _code(tasks: list[Candidate], options: RunOptions) -> dict[str, dict[str, bytes]] | None:
    """Return student to module to source, to look for similar code; None without `copydetect`."""
    if find_spec("copydetect") is None:
        return None
    assignment = options.setting.assignment or None
    modules = lms_exports.module_names(assignment)
    found = {}
    for task in tasks:
        student = task.handed.student
        with contextlib.suppress(Exception):  # who cannot be read is told without it
            content = lms_exports.read(task.handed, modules)
            found[student] = job.take_in(student, content, assignment).sources.files
    return found


def write(
    results: list[Result],
    out: Path,
    title: str,
    layout: str,
    code: dict[str, dict[str, bytes]] | None = None,
) -> list[str]:
    """Write all reports on a class into the folder `out`.

    `code` is student to module to source, to look for similar code. Returns a line on each report
    that could not be made; all others are written.

    Raises:
        UsageError: they cannot be written.
    """
    data = {"title": title, "results": [result.as_dict() for result in results]}
    try:
        with written_whole(out / RESULTS) as stream:
            stream.write(to_json(data, indent=1).encode())
        from grader.reports.class_report import page

        given = {path.stem: path.read_bytes() for path in EXERCISE.glob("*.py")}
        return page.write(results, out, title, layout=layout, code=code, given=given)
    except OSError as error:
        raise UsageError(
            f"--out {out}: a report cannot be written ({error.strerror}). What was graded is kept; "
            "make room, and run the same command again."
        ) from None
