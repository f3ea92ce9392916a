"""Writes the reports on a class: an HTML page, marks for other systems, and feedback files."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import re
import statistics
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from grader.base.files import written_whole
from grader.contract import course, grades
from grader.contract.enums import State
from grader.contract.names import file_name
from grader.contract.record import Record
from grader.contract.results import GradingStatus, Match, Result
from grader.contract.roster import Student
from grader.grading import keys
from grader.reports import feedback, junit, marks, pages
from grader.reports import markdown as markdown_format
from grader.reports.class_report import analysis, returned, similarity
from grader.reports.labels import cleaned, one_line, safe

ALIKE = (
    *("device", "torch", "spacy", "model", "python", "platform", "confinement", "seed", "secret"),
    "data",
)
MOST_PAIRS = 100  # pairs of similar code to show


def write(
    results: Sequence[Result],
    out: Path,
    title: str,
    *,
    layout: str = "",
    markdown: bool = False,
    tokens: similarity.Tokens | None = None,
    given: Mapping[str, bytes] | None = None,
    column: str = "",
    decimal: str = "point",
) -> list[str]:
    """Write all reports on a class.

    Args:
        results: what came of each submission, and of students who handed in nothing.
        out: the folder; it is made if it is not there. It gets index.html, marks.csv, canvas.csv,
            moodle.csv, junit.xml, feedback/<student>.html for each record, and feedback.zip, which
            returns these pages, if the submissions come from Canvas or Moodle.
        title: the heading of the page.
        layout: "canvas" or "moodle" if the ids of students come from an export of theirs.
        markdown: write feedback/<student>.md, too.
        tokens: student to module to tokens, to look for similar code.
        given: the modules that were handed out.
        column: what Canvas and Moodle call the assignment; its title if empty.
        decimal: "point" or "comma", in CSV.

    Returns:
        One line per report or page that could not be written: which, whose, and why. All others
        are written. An old version of a failed one is removed.

    Raises:
        OSError: the folder cannot be written to.
    """
    failures = Failures()
    ordered = sorted((_shown(result, failures) for result in results), key=_natural)
    (out / "feedback").mkdir(parents=True, exist_ok=True)
    pairs = None
    if tokens:
        with failures.noted("similar code in index.html"):
            pairs = similarity.pairs(tokens, given or {})
    without = _write_feedback(ordered, out, failures, markdown=markdown)
    reports: dict[str, Callable[[], str]] = {
        "marks.csv": lambda: marks.every_check(ordered, decimal),
        "canvas.csv": lambda: marks.canvas(ordered, column, layout, decimal),
        "moodle.csv": lambda: marks.moodle(ordered, column, layout, decimal),
        "junit.xml": lambda: junit.text(ordered),
        "index.html": lambda: page(ordered, title, pairs, without, decimal),
    }
    for name, text in reports.items():
        _write(out / name, text, failures, name)
    with failures.noted(returned.NAME):
        returned.write(ordered, out, layout, without)
    return failures.lines


def _write_feedback(
    results: Sequence[Result], out: Path, failures: Failures, *, markdown: bool
) -> set[str]:
    """Write what students get; returns who has no page of it."""
    without = set()
    for result in results:
        if result.record is None:
            without.add(result.student)
            continue
        place, who = f"feedback/{file_name(result.student)}", result.shown_name
        faces: dict[str, Callable[..., str]] = {
            "html": functools.partial(feedback.text, mark=marks.mark(result))
        }
        if markdown:
            faces["md"] = markdown_format.text
        for suffix, face in faces.items():
            text, name = functools.partial(face, result.record, who), f"{place}.{suffix}"
            if not _write(out / name, text, failures, f"{name} ({who})"):
                without.add(result.student)
    return without


def _write(path: Path, text: Callable[[], str], failures: Failures, what: str) -> bool:
    """Write a report; if that fails, remove the version of an earlier run."""
    content = None
    with failures.noted(what):
        content = text().encode()
    if content is None:
        path.unlink(missing_ok=True)
        return False
    with written_whole(path) as stream:
        stream.write(content)
    return True


class Failures:
    """Collects the reports that could not be written.

    Attributes:
        lines: one line per failure.
    """

    def __init__(self) -> None:
        """Start with no failures."""
        self.lines: list[str] = []

    @contextlib.contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Record an exception in the block as a failure of `what`, and continue."""
        try:
            yield
        except Exception as error:
            self.lines.append(one_line(f"{what}: {type(error).__name__}: {error}"))


def page(
    results: Sequence[Result],
    title: str,
    pairs: Iterable[similarity.Pair] | None = None,
    without: Collection[str] = (),
    decimal: str = "point",
) -> str:
    """Return the class report as one HTML page, with a section per student.

    `pairs` are pairs of similar code; None if they were not computed. The students in `without`
    have no file of feedback to link to.
    """
    found = analysis.records(results)
    again, outliers = analysis.to_grade_again(results), analysis.outliers(results)
    alike = analysis.alike(results)
    points = [record.score for record in found]
    by_task = _states(found)
    most = max((record.max_score for record in found), default=0)
    bins = analysis.histogram(points, most) if points else []
    script = pages.template_source("class.js")
    flagged = {each.result.student for each in outliers}
    flagged |= {result.student for each in alike if not each.common for result in each.by}
    return pages.render(
        "class.html",
        heading=one_line(title),
        results=results,
        **_people(results, without),
        **_marks(results),
        decimal=decimal,
        anchor={result.student: f"s{place}" for place, result in enumerate(results, 1)},
        kinds={result.student: _kinds(result, flagged) for result in results},
        again=again,
        mixed={k: v for k, v in analysis.settings(results).items() if k in ALIKE and len(v) > 1},
        without_secret=sum(each.environment.get("secret") == keys.PUBLISHED for each in found),
        advice=keys.without(),
        made_with=_made_with(results),
        marks=points,
        median=f"{statistics.median(points):g}" if points else "-",
        mean=f"{statistics.fmean(points):.1f}" if points else "-",
        full=sum(record.full_marks for record in found),
        nothing=sum(not mark for mark in points),
        bins=bins,
        states=[state for state in State if any(c[state] for c in by_task.values())],
        by_task=by_task,
        found=len(found),
        items=analysis.hardest_first(analysis.items(found)),
        enough=analysis.ENOUGH,
        made=analysis.mistakes_made(results),
        outliers=outliers,
        alike=alike,
        similar=None if pairs is None else [*islice(_similar(results, pairs), MOST_PAIRS)],
        similar_from=similarity.FROM,
        script=script,
        script_digest=_digest(script),
    )


def _marks(results: Sequence[Result]) -> dict[str, Any]:
    """Return what the course makes of the points."""
    found = {result.student: marks.mark(result) for result in results}
    return {
        "marks_of": found,
        "tells_mark": grades.changes_marks(),
        "tells_passed": course.current().pass_mark is not None,
        "passed": sum(bool(each and each.passed) for each in found.values()),
        "passed_words": marks.PASSED,
    }


def _people(results: Sequence[Result], without: Collection[str]) -> dict[str, Any]:
    """Return what the page says of who handed in, when, and who they are."""
    return {
        "handed_in": sum(not result.missing for result in results),
        "missing": [result for result in results if result.missing],
        "statuses": [status.value for status in GradingStatus],
        "tells_late": any(result.late is not None for result in results),
        "late": sum(bool(result.late) for result in results),
        "sections": _sections(results),
        "strangers": analysis.strangers(results),
        "twice": analysis.twice(results),
        "feedback": {
            result.student: f"feedback/{file_name(result.student)}.html"
            for result in results
            if result.record is not None and result.student not in without
        },
    }


def _similar(
    results: Sequence[Result], pairs: Iterable[similarity.Pair]
) -> Iterator[tuple[similarity.Pair, list[Result]]]:
    """Look up the students of each pair, and skip pairs that are listed as equal code."""
    by_student = {result.student: result for result in results}
    for pair in pairs:
        two = [by_student[student] for student in pair.students if student in by_student]
        digests = {result.fingerprints.get(pair.module) for result in two}
        if len(two) == 2 and (len(digests) == 2 or None in digests):
            yield pair, two


def _shown(result: Result, failures: Failures) -> Result:
    """Clean a result for display; a record that cannot be shown is replaced by a fault."""
    plain = replace(
        result,
        name=one_line(result.name),
        path=one_line(result.path),
        fault=one_line(result.fault),
        roster=result.roster and Student(**safe(vars(result.roster))),
        seconds=safe(result.seconds),
        memory=safe(result.memory),
        fingerprints=safe(result.fingerprints),
        notes=safe(result.notes),
        record=None,
    )
    with failures.noted(f"the record of {plain.shown_name}"):
        return replace(plain, record=result.record and cleaned(result.record))
    fault = "Its record cannot be shown. Grade it again."
    return replace(plain, fault=fault, grader_failed=True)


def _natural(result: Result) -> list[tuple[int, str]]:
    """Return a sort key that orders names with numbers numerically."""
    parts = re.split(r"([0-9]+)", result.shown_name.lower())
    return [(int(part) if place % 2 else 0, part) for place, part in enumerate(parts)]


def _states(found: Sequence[Record]) -> dict[str, Counter[str]]:
    """Count the states of each task in the class."""
    counts: dict[str, Counter[str]] = {}
    for record in found:
        for task in record.tasks:
            counts.setdefault(task.id, Counter())[task.state] += 1
    return counts


def _sections(results: Sequence[Result]) -> list[str]:
    """Return the sections of the roster."""
    told = (result.roster.section for result in results if result.roster)
    return sorted({section for each in told for section in each.split(", ")} - {""})


def _kinds(result: Result, flagged: set[str]) -> list[str]:
    """Return the filters that apply to each student."""
    is_final = marks.final(result.record) is not None
    kinds = {
        result.status.value: True,
        "late": bool(result.late),
        "again": not is_final and not result.missing,
        "full": is_final and result.record is not None and result.record.full_marks,
        "none": is_final and result.record is not None and not result.record.score,
        "flag": is_final and result.student in flagged,
        "nobody": result.match is Match.NOBODY,
        **_passed(result),
    }
    return [kind for kind, holds in kinds.items() if holds]


def _passed(result: Result) -> dict[str, bool]:
    found = marks.mark(result)
    passed = found.passed if found else None
    return {"passed": passed is True, "not-passed": passed is False}


def _made_with(results: Sequence[Result]) -> str:
    """Describe the settings of most of the marks."""
    seen = analysis.settings(results)
    usual: dict[str, Any] = {name: values.most_common(1)[0][0] for name, values in seen.items()}
    if not usual:
        return ""
    names = ("python", "torch", "spacy", "confinement", "seed")
    python, torch, spacy, confinement, seed = (usual.get(name, "?") for name in names)
    return (
        f"Python {python}, torch {torch}, spaCy {spacy}; confinement: {confinement}; seed {seed}."
    )


def _digest(script: str) -> str:
    """Return the digest of a script for a content security policy."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
