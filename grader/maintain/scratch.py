"""A scratch copy of the course, in which nbgrader's own commands are run."""

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
    """A course of one assignment in a folder of its own; `folder` is its root."""

    folder: Path
    assignment: str = ASSIGNMENT

    @classmethod
    def make(cls, folder: Path, settings: str = "", assignment: str = ASSIGNMENT) -> Scratch:
        """Copy an assignment of the course ("*": all), with more settings for its configuration.

        Raises:
            UsageError: the course is not here.
        """
        sources = [path for path in (COURSE / "source").glob(assignment) if path.is_dir()]
        if not sources:
            raise UsageError("assignments/source is not here: only its owner can check the course.")
        for source in sources:
            shutil.copytree(source, folder / "source" / source.name)
        config = (COURSE / "nbgrader_config.py").read_text(encoding="utf-8")
        (folder / "nbgrader_config.py").write_text(f"{config}{settings}\n", encoding="utf-8")
        return cls(folder, assignment)

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of nbgrader's."""
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
        """Return the assignment's notebook, as `source` or as `release`."""
        return nbformat.read(self.folder / step / self.assignment / self._file, 4)

    @property
    def _file(self) -> str:
        return f"{self.assignment}.ipynb"

    def hand_in(self, student: str, content: Any) -> Path:
        """Hand in a notebook, or any text in its place."""
        path = self.submitted(student)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else nbformat.v4.writes_json(content)
        path.write_text(text, encoding="utf-8")
        return path

    def submitted(self, student: str) -> Path:
        """Return where a student's notebook is."""
        return self.folder / "submitted" / student / self.assignment / self._file

    def feedback(self, student: str) -> str:
        """Return a student's feedback page, or nothing."""
        path = self.folder / "feedback" / student / self.assignment / f"{self.assignment}.html"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def marks(self) -> dict[str, dict[str, str]]:
        """Return the rows of the exported CSV by student."""
        with (self.folder / "marks.csv").open(encoding="utf-8", newline="") as stream:
            return {row["student_id"]: row for row in csv.DictReader(stream)}


def with_cells(notebook: Any, **sources: str) -> Any:
    """Return a copy of a notebook with other texts in some cells.

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
    """Return the cell of a grade id."""
    return next(each for each in notebook.cells if name_of(each) == name)


def name_of(each: Any) -> str | None:
    """Return a cell's grade id, if it has one."""
    return each.metadata.get("nbgrader", {}).get("grade_id")
