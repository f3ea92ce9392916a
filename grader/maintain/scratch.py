"""A scratch copy of the course, for running nbgrader's own commands."""

from __future__ import annotations

import copy
import csv
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from grader.base.errors import UsageError
from grader.base.paths import COURSE

ASSIGNMENT = "news-classifier"


@dataclass(frozen=True)
class Scratch:
    """A copy of the course with one assignment; `folder` is its root."""

    folder: Path
    assignment: str = ASSIGNMENT

    @classmethod
    def make(cls, folder: Path, settings: str = "", assignment: str = ASSIGNMENT) -> Scratch:
        """Copy an assignment of the course ("*" copies all), with additional configuration.

        Raises:
            UsageError: the course is missing.
        """
        sources = [path for path in (COURSE / "source").glob(assignment) if path.is_dir()]
        if not sources:
            raise UsageError("assignments/source is missing: check the course in the full kit.")
        for source in sources:
            shutil.copytree(source, folder / "source" / source.name)
        config = (COURSE / "nbgrader_config.py").read_text(encoding="utf-8")
        (folder / "nbgrader_config.py").write_text(f"{config}{settings}\n", encoding="utf-8")
        return cls(folder, assignment)

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an nbgrader command."""
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, "-m", "nbgrader", command, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )

    def notebook(self, step: str) -> Any:
        """Read the assignment's notebook from `source` or `release`."""
        return nbformat.read(self.folder / step / self.assignment / self._file, 4)

    @property
    def _file(self) -> str:
        return f"{self.assignment}.ipynb"

    def hand_in(self, student: str, content: Any) -> Path:
        """Submit a notebook, or any text instead of one."""
        path = self.submitted(student)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else nbformat.v4.writes_json(content)
        path.write_text(text, encoding="utf-8")
        return path

    def submitted(self, student: str) -> Path:
        """Return the path of a student's notebook."""
        return self.folder / "submitted" / student / self.assignment / self._file

    def feedback(self, student: str) -> str:
        """Return a student's feedback page; empty if there is none."""
        path = self.folder / "feedback" / student / self.assignment / f"{self.assignment}.html"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def marks(self) -> dict[str, dict[str, str]]:
        """Read the rows of the exported CSV by student."""
        with (self.folder / "marks.csv").open(encoding="utf-8", newline="") as stream:
            return {row["student_id"]: row for row in csv.DictReader(stream)}


def with_cells(notebook: Any, **sources: str) -> Any:
    """Return a copy of a notebook with the texts of some cells replaced.

    Cells are named by their grade ids, with `_` for `-`.
    """
    changed = copy.deepcopy(notebook)
    left = {name.replace("_", "-"): text for name, text in sources.items()}
    for each in changed.cells:
        name = name_of(each)
        if name in left:
            each.source = left.pop(name)
    assert not left, f"no cells {sorted(left)}"
    return changed


def cell(notebook: Any, name: str) -> Any:
    """Return the cell with this grade id."""
    return next(each for each in notebook.cells if name_of(each) == name)


def name_of(each: Any) -> str | None:
    """Return a cell's grade id, or an empty text."""
    return each.metadata.get("nbgrader", {}).get("grade_id")
