"""Implements `python -m grader class`: grades a class and continues interrupted runs."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from grader.base.console import plain_console
from grader.base.errors import UsageError
from grader.base.files import to_json, written_whole
from grader.base.paths import EXERCISE
from grader.classroom import attempts, engine, job, matching
from grader.classroom.engine import Cluster, Engine, Job, Local
from grader.classroom.job import GradingConfig
from grader.classroom.journal import Entry, Journal
from grader.classroom.lateness import Lateness, lateness
from grader.classroom.progress import STYLES, Watching, verdict
from grader.contract import course, grades, held_back
from grader.contract.results import Result
from grader.contract.roster import Student
from grader.contract.tasks import MAIN
from grader.grading import keys
from grader.intake import lms_exports, reader, roster
from grader.intake.lms_exports import HandIn
from grader.reports.class_report import similarity

JOURNAL, RESULTS = "journal.jsonl", "results.json"
NOT_GRADED = "This is not graded yet. Run the same command again."


@dataclass(frozen=True)
class RunOptions:
    """The options of a run.

    Attributes:
        folder: the class.
        out: where the journal and the reports are.
        only: failed, error or changed; None grades all that have no result for this setting.
        students: ids of the students to grade; if empty, all.
        workers: processes on this machine.
        cluster: the address of a Dask scheduler, to use it instead of local processes.
        setting: what determines the marks.
        roster: a CSV file with the students of the course.
        deadline: when a hand-in is late, where the export does not mark it.
        column: what Canvas and Moodle call the assignment; its title if empty.
        decimal: "point" or "comma", in the CSV files.
    """

    folder: Path
    out: Path
    only: str | None
    students: Sequence[str]
    workers: int
    cluster: str | None
    setting: GradingConfig
    roster: Path | None = None
    deadline: datetime | None = None
    column: str = ""
    decimal: str = "point"


@dataclass(frozen=True)
class Class:
    """All that was handed in, how it was exported, and who is on the roster, if there is one."""

    handed: list[HandIn]
    layout: str
    students: list[Student] | None


def run(options: RunOptions) -> int:
    """Grade the selected submissions, write the reports and return the exit code."""
    console = plain_console()
    assignment = options.setting.assignment or None
    reader.module_names(assignment)  # refuses one that there is not
    layout, handed, notes = lms_exports.find(options.folder, assignment)
    console.print(f"{options.folder}: {len(handed)} submissions ({layout})", soft_wrap=True)
    students = None
    if options.roster is not None:
        students, more = roster.read(options.roster)
        notes += more
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True)
    with _journal(options.out) as journal:
        todo = _select(handed, journal, options)
        if kept := len(handed) - len(todo):
            console.print(f"{kept} as graded before, {len(todo)} to grade")
        interrupted = False
        try:
            _grade(todo, journal, options, console)
        except KeyboardInterrupt:
            interrupted = True
        found = Class(handed, layout, students)
        return _report(found, journal, options, console, interrupted)


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


def _fault(error: Exception, folder: Path) -> str:
    """Explain why a submission cannot be read, without the path of the class's folder."""
    if not isinstance(error, UsageError):
        return f"It cannot be read: {error!r}. Ask for it again."
    return str(error).replace(f"{folder}{os.sep}", "")


def _select(handed: list[HandIn], journal: Journal, options: RunOptions) -> list[HandIn]:
    """Select the submissions to grade.

    Raises:
        UsageError: a requested student has no submission.
    """
    known = {each.student for each in handed}
    for student in options.students:
        if student not in known:
            raise UsageError(
                f"--student {student}: no student with this id in {options.folder}. "
                f"Ids look like {min(known)}."
            )
    asked = [each for each in handed if each.student in (options.students or known)]
    return [each for each in asked if _is_to_do(each, journal, options)]


def _is_to_do(handed: HandIn, journal: Journal, options: RunOptions) -> bool:
    before = journal.entries.get(handed.student)
    if before is None:
        return True
    if options.only == "failed":
        return verdict(before.result) != "full marks"
    if options.only == "error":
        return before.result.faulty
    if options.only != "changed" and (
        options.students or before.result.faulty or before.setting != options.setting.digest
    ):
        return True
    return _has_changed(handed, before, options)


def _has_changed(handed: HandIn, before: Entry, options: RunOptions) -> bool:
    """Tell whether a submission is another one than was graded, or cannot be read."""
    try:
        content = lms_exports.read(handed, reader.module_names(options.setting.assignment or None))
    except Exception:
        return True
    return content.digest != before.submission


def _grade(todo: list[HandIn], journal: Journal, options: RunOptions, console: Console) -> None:
    """Grade, and append each result to the journal as it arrives."""
    by_student = {handed.student: handed for handed in todo}
    digests: dict[str, str] = {}
    modules = reader.module_names(options.setting.assignment or None)
    compare = len(journal.entries.keys() | by_student.keys()) > 1

    def keep(result: Result, tokens: dict[str, str]) -> None:
        handed = by_student[result.student]
        whole = dataclasses.replace(result, name=handed.name, path=handed.path)
        digest = digests.get(result.student, "")
        journal.add(Entry(whole, digest, options.setting.digest, tokens))
        watching.show(whole)

    def jobs() -> Iterator[Job]:
        for student, handed in by_student.items():
            try:
                content = lms_exports.read(handed, modules)
            except Exception as error:
                keep(Result(student, fault=_fault(error, options.folder)), {})
                continue
            digests[student] = content.digest
            yield job.pack(student, content, options.setting, compare)

    with Watching(console, len(todo)) as watching, _engine(options, len(todo)) as opened:
        for student, answer in engine.run(opened, jobs()):
            keep(*_result(student, answer))


def _result(student: str, answer: str | Exception) -> tuple[Result, dict[str, str]]:
    """Unpack the answer of a job: its result and its tokens.

    Raises:
        UsageError: the machine that answered cannot grade anything.
    """
    if isinstance(answer, Exception):
        fault = f"The process that graded it was lost twice ({answer}). Grade it again."
        return Result(student, fault=fault, grader_failed=True), {}
    told = json.loads(answer)
    if "refused" in told:
        raise UsageError(told["refused"])
    return Result.from_dict(told["result"]), told["tokens"]


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
    found: Class, journal: Journal, options: RunOptions, console: Console, interrupted: bool
) -> int:
    """Write the reports of all that was handed in, and say what is in them."""
    entries = [journal.entries.get(handed.student) for handed in found.handed]
    there = [entry for entry in entries if entry is not None]
    results, notes = _everybody(found, journal, options)
    title = options.folder.resolve().name
    if named := course.current().title:
        title = f"{named}: {title}"
    failures = write(
        results,
        options.out,
        title,
        found.layout,
        _tokens(found.handed, journal),
        column=options.column,
        decimal=options.decimal,
    )
    verdicts = [verdict(entry.result) for entry in there]
    told = ", ".join(f"{verdicts.count(name)} {name}" for name in STYLES if name in verdicts)
    console.print(f"{len(there)} of {len(found.handed)}: {told or 'nothing graded'}")
    for note in notes:
        console.print(note, soft_wrap=True, markup=False)
    if other := sum(entry.setting != options.setting.digest for entry in there):
        console.print(
            f"note: {other} of them were graded with different checks, versions or options; "
            "run without --only to grade them again"
        )
    if not options.setting.secret:
        console.print(f"note: {keys.without()}", soft_wrap=True)
    graded = {check.id for each in results if each.record for check in each.record.checks}
    if hidden := sorted(graded & held_back.hidden()):
        console.print(
            f"note: before the deadline, students' pages do not show {', '.join(hidden)}; "
            "the marks have their points",
            soft_wrap=True,
        )
    console.print(f"reports: {options.out}", soft_wrap=True)
    for failure in failures:
        console.print(f"not written: {failure}", soft_wrap=True)
    if interrupted:
        console.print("interrupted; run the same command again to continue")
        return 130
    if failures or any(result.faulty for result in results):
        return 2
    return 0 if all(verdict(result) == "full marks" for result in results) else 1


def _everybody(
    found: Class, journal: Journal, options: RunOptions
) -> tuple[list[Result], list[str]]:
    """Return a result for each hand-in and each student of the roster, and lines about them."""
    results: dict[str, Result] = {}
    sources: dict[str, int] = {}
    for handed in found.handed:
        entry = journal.entries.get(handed.student)
        waiting = Result(
            handed.student, handed.name, handed.path, fault=NOT_GRADED, grader_failed=True
        )
        result = entry.result if entry else waiting
        told = lateness(handed, found.layout, _deadline(result, options))
        notes = [*handed.notes, *_late_notes(told)]
        by = told.by.total_seconds() if told.by else None
        results[handed.student] = dataclasses.replace(
            result, late=told.late, late_by=by, notes=notes
        )
        if told.source:
            sources[told.source] = sources.get(told.source, 0) + bool(told.late)
    lines = [f"late by {source}: {count}" for source, count in sources.items()]
    has_deadline = options.deadline or course.current().deadlines
    if has_deadline and any(result.late is None for result in results.values()):
        unknown = sum(result.late is None for result in results.values())
        lines.append(f"unknown whether late: {unknown}")
    owners = {handed.student: handed.owner for handed in found.handed}
    if found.students is None:
        return attempts.counted(list(results.values()), owners), lines
    assigned, more = matching.assign(
        results, found.handed, matching.Roster(found.students, found.layout)
    )
    return attempts.counted(assigned, owners), [*more, *lines]


def _deadline(result: Result, options: RunOptions) -> datetime | None:
    """Return the deadline of the run, or that of the course for the result's assignment."""
    told = result.record.submission.get("assignment", "") if result.record else ""
    id_ = told or options.setting.assignment or MAIN
    return options.deadline or course.current().deadlines.get(id_)


def _late_notes(told: Lateness) -> list[str]:
    if not told.late:
        return []
    if told.by is None and grades.has_penalty():
        return [f"Late by {told.source}, which do not say by how much: deduct the points by hand."]
    return [f"Late by {told.source}."]


def _tokens(handed: list[HandIn], journal: Journal) -> similarity.Tokens | None:
    """Return each student's tokens by module, or None if `copydetect` is not installed."""
    if find_spec("copydetect") is None:
        return None
    students = [each.student for each in handed if each.student in journal.entries]
    return {student: journal.entries[student].tokens for student in students}


def write(
    results: list[Result],
    out: Path,
    title: str,
    layout: str,
    tokens: similarity.Tokens | None = None,
    *,
    column: str = "",
    decimal: str = "point",
) -> list[str]:
    """Write all reports on a class to the folder `out`.

    `tokens` is student to module to tokens, to look for similar code; `column` and `decimal` are
    those of `RunOptions`. Returns a line on each report that could not be made; all others are
    written.

    Raises:
        UsageError: the folder cannot be written to.
    """
    data = {"title": title, "results": [result.as_dict() for result in results]}
    try:
        with written_whole(out / RESULTS) as stream:
            stream.write(to_json(data, indent=1).encode())
        from grader.reports.class_report import page

        given = {path.stem: path.read_bytes() for path in EXERCISE.glob("*.py")}
        return page.write(
            results,
            out,
            title,
            layout=layout,
            tokens=tokens,
            given=given,
            column=column,
            decimal=decimal,
        )
    except OSError as error:
        raise UsageError(
            f"--out {out}: a report cannot be written ({error.strerror}). The results are kept: "
            "make room and run the same command again."
        ) from None
