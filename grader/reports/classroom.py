"""The reports on a class, into a folder: a page to open, marks for other systems, feedback."""

from __future__ import annotations

import base64
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

from grader.classroom.names import file_name
from grader.classroom.results import Result
from grader.files import written_whole
from grader.record import Record
from grader.reports import analysis, charts, feedback, junit, marks, pages, similar
from grader.reports import markdown as markdown_face
from grader.reports.words import cleaned, one_line

ALIKE = ("device", "torch", "spacy", "model", "python", "platform", "confinement", "seed", "data")
MOST_PAIRS = 100  # of similar code that are shown


def write(
    results: Sequence[Result],
    out: Path,
    title: str,
    *,
    layout: str = "",
    markdown: bool = False,
    code: similar.Code | None = None,
    given: Mapping[str, bytes] | None = None,
) -> None:
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

    Raises:
        OSError: the folder cannot be written to.
    """
    ordered = sorted(map(_cleaned, results), key=_natural)
    (out / "feedback").mkdir(parents=True, exist_ok=True)
    pairs = similar.pairs(code, given or {}) if code else None
    faces: dict[str, Callable[[], str]] = {
        "marks.csv": lambda: marks.every_check(ordered),
        "canvas.csv": lambda: marks.canvas(ordered, title, layout),
        "moodle.csv": lambda: marks.moodle(ordered, title, layout),
        "junit.xml": lambda: junit.text(ordered),
        "index.html": lambda: page(ordered, title, pairs),
    }
    for result in ordered:
        if (record := result.record) is not None:
            place, who = f"feedback/{file_name(result.student)}", result.name or result.student
            faces[f"{place}.html"] = functools.partial(feedback.text, record, who)
            if markdown:
                faces[f"{place}.md"] = functools.partial(markdown_face.text, record, who)
    for name, text in faces.items():
        with written_whole(out / name) as stream:
            stream.write(text().encode())


def page(results: Sequence[Result], title: str, pairs: Iterable[similar.Pair] | None = None) -> str:
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
    script = pages.own("class.js")
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
        marks_chart=charts.marks(bins) if points else "",
        states=[state for state in charts.STATES if any(c[state] for c in by_task.values())],
        by_task=by_task,
        tasks_chart=charts.tasks(by_task) if points else "",
        items=analysis.items(found),
        enough=analysis.ENOUGH,
        made=analysis.mistakes_made(results),
        outliers=outliers,
        alike=alike,
        similar=None if pairs is None else [*islice(_similar(results, pairs), MOST_PAIRS)],
        similar_from=similar.FROM,
        script=script,
        script_digest=_digest(script),
    )


def _similar(
    results: Sequence[Result], pairs: Iterable[similar.Pair]
) -> Iterator[tuple[similar.Pair, list[Result]]]:
    """Find who the pairs are, and leave out those whose code is equal: that is told already."""
    by_student = {result.student: result for result in results}
    for pair in pairs:
        two = [by_student[student] for student in pair.students if student in by_student]
        digests = {result.fingerprints.get(pair.module) for result in two}
        if len(two) == 2 and (len(digests) == 2 or None in digests):
            yield pair, two


def _cleaned(result: Result) -> Result:
    return replace(
        result,
        name=one_line(result.name),
        path=one_line(result.path),
        fault=one_line(result.fault),
        record=result.record and cleaned(result.record),
    )


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
    return (
        f"Python {usual['python']}, torch {usual['torch']}, spaCy {usual['spacy']}; "
        f"confinement: {usual['confinement']}; seed {usual['seed']}."
    )


def _digest(script: str) -> str:
    """Return the name of a script in a content security policy."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
