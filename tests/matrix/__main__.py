"""Grades mutants and accepted variants, and writes the kill matrix: `python -m tests.matrix`.

It writes docs/kill_matrix.md, or only the rows of the selected entries. It prints one line per
problem, and exits with 1 if there is one. The page is not changed while a submission has a problem.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from grader.base.errors import UsageError
from grader.base.files import written_whole
from grader.contract import course
from grader.maintain.submission_bank import Variant, all_entries
from tests.matrix import changed, page
from tests.matrix.judge import Row, problems_of_the_whole
from tests.matrix.run import Grader, MatrixJob


@course.chosen(Path(os.devnull))  # the kit's own tasks, whatever a course leaves out
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = parser().parse_args(arguments)
    start = time.monotonic()
    entries = all_entries()
    old = page.parse(page.PAGE.read_text(encoding="utf-8")) if page.PAGE.exists() else []
    rows = {row.id: row for row in old}
    if options.only:
        jobs = [MatrixJob(entry) for entry in entries if entry.id in options.only]
        if unknown := {*options.only} - {entry.id for entry in entries}:
            parser().error(f"no such entry: {', '.join(sorted(unknown))}")
    elif options.changed:
        jobs = changed_jobs(entries, rows.keys())
    else:
        jobs, rows = [MatrixJob(entry) for entry in entries], {}
    graded = grade(jobs)
    problems = [problem for row in graded for problem in row.problems]
    if not problems:
        rows |= {row.id: row for row in graded}
        problems = update(entries, rows, write=not options.check)
    seconds = time.monotonic() - start
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{len(jobs)} submissions, {len(problems)} problems, {seconds:.0f} s")
    return 1 if problems else 0


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command line."""
    top = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    part = top.add_mutually_exclusive_group()
    part.add_argument("--only", nargs="+", metavar="ID", help="grade these entries, over all tasks")
    part.add_argument(
        "--changed",
        action="store_true",
        help="grade the entries whose task changed since git's HEAD, over the tasks they change",
    )
    top.add_argument("--check", action="store_true", help="write nothing, compare the page")
    return top


def changed_jobs(entries: list[Variant], on_page: Iterable[str]) -> list[MatrixJob]:
    """Return jobs for what changed or has no row; print shared code that changed."""
    files = changed.changed_files()
    for path in changed.shared(files):
        print(f"{path} changed: python -m tests.matrix grades all")
    found = changed.changes(files)
    missing = {entry.id for entry in entries} - {*on_page}
    return changed.jobs(entries, replace(found, entries=found.entries | missing))


def grade(jobs: list[MatrixJob]) -> list[Row]:
    """Grade on all cores with a progress bar."""
    if not jobs:
        return []
    return list(tqdm(Grader().run(jobs, cores()), "matrix", len(jobs), unit="graded"))


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def update(entries: list[Variant], rows: dict[str, Row], write: bool) -> list[str]:
    """Write or compare the page; return the problems of the whole matrix."""
    listed = [rows[entry.id] for entry in entries if entry.id in rows]
    problems = [
        f"{entry.id} has no row: python -m tests.matrix --changed"
        for entry in entries
        if entry.id not in rows
    ]
    problems += problems_of_the_whole(listed)
    text = page.render(listed)
    if write:
        with written_whole(page.PAGE) as stream:
            stream.write(text.encode())
    elif not page.PAGE.exists() or page.PAGE.read_text(encoding="utf-8") != text:
        problems.append("docs/kill_matrix.md differs: run this without --check")
    return problems


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UsageError as error:
        sys.exit(str(error))
