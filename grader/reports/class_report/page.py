"""The reports on a class, into a folder: a page to open, marks for other systems, feedback."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from grader.base.files import written_whole
from grader.contract.enums import State
from grader.contract.names import file_name
from grader.contract.record import Record
from grader.contract.results import Result
from grader.reports import feedback, junit, marks, pages
from grader.reports import markdown as markdown_format
from grader.reports.class_report import analysis, similarity
from grader.reports.labels import cleaned, one_line, safe

ALIKE = ("device", "torch", "spacy", "model", "python", "platform", "confinement", "seed", "data")
MOST_PAIRS = 100  # of similar code that are shown


def write(
    results: Sequence[Result],
    out: Path,
    title: str,
    *,
    layout: str = "",
    markdown: bool = False,
    code: similarity.Code | None = None,
    given: Mapping[str, bytes] | None = None,
) -> list[str]:
    """Write all reports on a class.

    Args:
        results: what came of each submission; a student has one.
        out: the folder; it is made if it is not there. It gets index.html, marks.csv, canvas.csv,
            moodle.csv, junit.xml, and feedback/<student>.html for each record.
        title: what the assignment is called; Canvas and Moodle get it as a column.
        layout: "canvas" or "moodle" if the ids of students come from an export of theirs.
        markdown: write feedback/<student>.md, too.
        code: student to module to source, to look for similar code.
        given: the modules that were handed out.

    Returns:
        A line on each report or page that could not be made: which, whose, and why. All others
        are written, and none of an earlier run is left in its place.

    Raises:
        OSError: the folder cannot be written to.
    """
    failures = Failures()
    ordered = sorted((_shown(result, failures) for result in results), key=_natural)
    (out / "feedback").mkdir(parents=True, exist_ok=True)
    pairs = None
    if code:
        with failures.noted("similar code in index.html"):
            pairs = similarity.pairs(code, given or {})
    reports: dict[str, Callable[[], str]] = {
        "marks.csv": lambda: marks.every_check(ordered),
        "canvas.csv": lambda: marks.canvas(ordered, title, layout),
        "moodle.csv": lambda: marks.moodle(ordered, title, layout),
        "junit.xml": lambda: junit.text(ordered),
        "index.html": lambda: page(ordered, title, pairs),
    }
    for name, text in reports.items():
        _write(out / name, text, failures, name)
    formats = {"html": feedback.text} | ({"md": markdown_format.text} if markdown else {})
    for result in ordered:
        if result.record is not None:
            place, who = f"feedback/{file_name(result.student)}", result.name or result.student
            for suffix, face in formats.items():
                text, name = functools.partial(face, result.record, who), f"{place}.{suffix}"
                _write(out / name, text, failures, f"{name} ({who})")
    return failures.lines


def _write(path: Path, text: Callable[[], str], failures: Failures, what: str) -> None:
    """Write a report; where it cannot be made, none of an earlier run is left."""
    content = None
    with failures.noted(what):
        content = text().encode()
    if content is None:
        path.unlink(missing_ok=True)
        return
    with written_whole(path) as stream:
        stream.write(content)


class Failures:
    """What could not be made of a class's reports.

    Attributes:
        lines: one for each.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.lines: list[str] = []

    @contextlib.contextmanager
    def noted(self, what: str) -> Iterator[None]:
        """Note an exception of the block as a failure of `what`, and go on."""
        try:
            yield
        except Exception as error:
            self.lines.append(one_line(f"{what}: {type(error).__name__}: {error}"))


def page(
    results: Sequence[Result], title: str, pairs: Iterable[similarity.Pair] | None = None
) -> str:
    """Return the class report as one HTML page, with a page a student in it.

    `pairs` are of similar code; None if nobody looked for it.
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
        anchor={result.student: f"s{place}" for place, result in enumerate(results, 1)},
        kinds={result.student: _kinds(result, flagged) for result in results},
        again=again,
        mixed={k: v for k, v in analysis.settings(results).items() if k in ALIKE and len(v) > 1},
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
        items=analysis.items(found),
        enough=analysis.ENOUGH,
        made=analysis.mistakes_made(results),
        outliers=outliers,
        alike=alike,
        similar=None if pairs is None else [*islice(_similar(results, pairs), MOST_PAIRS)],
        similar_from=similarity.FROM,
        script=script,
        script_digest=_digest(script),
    )


def _similar(
    results: Sequence[Result], pairs: Iterable[similarity.Pair]
) -> Iterator[tuple[similarity.Pair, list[Result]]]:
    """Find who the pairs are, and leave out those whose code is equal: that is told already."""
    by_student = {result.student: result for result in results}
    for pair in pairs:
        two = [by_student[student] for student in pair.students if student in by_student]
        digests = {result.fingerprints.get(pair.module) for result in two}
        if len(two) == 2 and (len(digests) == 2 or None in digests):
            yield pair, two


def _shown(result: Result, failures: Failures) -> Result:
    """Clean a result; one whose record is none that can be shown goes on without it."""
    plain = replace(
        result,
        name=one_line(result.name),
        path=one_line(result.path),
        fault=one_line(result.fault),
        seconds=safe(result.seconds),
        memory=safe(result.memory),
        fingerprints=safe(result.fingerprints),
        record=None,
    )
    with failures.noted(f"the record of {plain.name or plain.student}"):
        return replace(plain, record=result.record and cleaned(result.record))
    return replace(plain, fault="Its record cannot be shown. Grade it again.")


def _natural(result: Result) -> list[tuple[int, str]]:
    """Order by name, and numbers in it as numbers."""
    parts = re.split(r"([0-9]+)", (result.name or result.student).lower())
    return [(int(part) if place % 2 else 0, part) for place, part in enumerate(parts)]


def _states(found: Sequence[Record]) -> dict[str, Counter[str]]:
    """Count the states of each task."""
    counts: dict[str, Counter[str]] = {}
    for record in found:
        for task in record.tasks:
            counts.setdefault(task.id, Counter())[task.state] += 1
    return counts


def _kinds(result: Result, flagged: set[str]) -> list[str]:
    """Return what a student can be filtered by."""
    if marks.final(result.record) is None:
        return ["again"]
    assert result.record is not None
    kinds = {
        "full": result.record.full_marks,
        "none": not result.record.score,
        "flag": result.student in flagged,
    }
    return [kind for kind, holds in kinds.items() if holds]


def _made_with(results: Sequence[Result]) -> str:
    """Say what most marks were made with."""
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
    """Return the name of a script in a content security policy."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
