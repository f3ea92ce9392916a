"""Grades both banks and writes the matrix: `python -m tests.matrix`.

Writes docs/kill_matrix.md and docs/matrix.json, names each problem in a line, and exits with 1 if
there is one.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tqdm import tqdm

from grader.bank import Entry, accepted_variants, mutants
from grader.files import written_whole
from tests.matrix import page
from tests.matrix.judge import Matrix
from tests.matrix.run import run


def make(entries: list[Entry], cores: int) -> Matrix:
    """Grade the entries, with a progress bar."""
    start = time.monotonic()
    rows = {row.id: row for row in tqdm(run(entries, cores), "matrix", len(entries), unit="graded")}
    ordered = [rows[entry.id] for entry in entries]
    return Matrix(ordered, round(time.monotonic() - start, 1), cores)


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    top.add_argument("--only", nargs="+", metavar="ID", help="grade these entries alone")
    top.add_argument("--check", action="store_true", help="write nothing, compare the page")
    top.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE alone")
    return top


def main() -> int:
    """Run the command; returns its exit status."""
    options = parser().parse_args()
    entries = {entry.id: entry for entry in [*mutants(), *accepted_variants()]}
    if unknown := set(options.only or []) - entries.keys():
        parser().error(f"no such entry: {', '.join(sorted(unknown))}")
    matrix = make([entries[id_] for id_ in options.only or entries], cores())
    problems = matrix.problems
    if options.only:
        problems = [problem for row in matrix.rows for problem in row.problems]
    elif options.check and not page.same(page.PAGE, matrix):
        problems.append("docs/kill_matrix.md is not of this run: python -m tests.matrix writes it")
    if options.json:
        write(options.json, matrix.to_json())
    elif not options.only and not options.check:
        write(page.PAGE, page.render(matrix))
        write(page.DATA, matrix.to_json())
    print(
        *problems,
        f"{len(matrix.rows)} submissions, {len(problems)} problems, {matrix.seconds:.0f} s",
        sep="\n",
    )
    return 1 if problems else 0


def write(path: Path, text: str) -> None:
    """Write a file whole."""
    with written_whole(path) as stream:
        stream.write(text.encode())


if __name__ == "__main__":
    sys.exit(main())
