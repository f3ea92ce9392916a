"""Reads a submission, whatever it was handed in as: from the disk as bytes, from bytes as modules.

`read` and `read_single` look at names and read files, and parse nothing. `extract` takes apart
what they read; it is a function of its arguments alone, and all that it takes and returns is plain
data, so it can run in another process.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from grader.base.errors import UsageError
from grader.base.paths import EXERCISE
from grader.contract.names import shown
from grader.contract.tasks import assignments, get_assignment, tasks
from grader.intake import archives, file_names, files, limited, notebooks
from grader.intake.choice import RawSubmission, choose, choose_single, refuse_other_content
from grader.intake.files import plain
from grader.intake.notebook_modules import assignment_of_cells, extract_modules
from grader.intake.notebooks import Notebook
from grader.intake.sources import Sources, bounded
from grader.intake.statements import Cell, defined

MAX_NESTED = 3  # archives in archives


def module_names(assignment: str | None) -> list[str]:
    """Return the modules that are looked for: an assignment's, or those of all.

    Raises:
        UsageError: there is no such assignment.
    """
    named = [get_assignment(assignment)] if assignment else assignments().values()
    return [module for each in named for module in each.modules]


def load(path: Path, modules: Sequence[str], assignment: str | None = None) -> Sources:
    """Read the submission at `path`, of which `modules` are the tasks' modules.

    Raises:
        UsageError: it is no submission, or it holds what no submission may hold.
    """
    return extract_limited(read(path, modules), modules, assignment)


def _meant(path: Path) -> str:
    """Say what a path may mean that leads nowhere."""
    names = [each.name for each in EXERCISE.glob("*.py")]
    if path.name in tasks() and f"{path.name}.py" not in names:
        return f" It is a task: `pytest -k {path.name}` grades it."
    if close := get_close_matches(path.name, names, n=1):
        near = EXERCISE / close[0]
        shown = os.path.relpath(near) if Path.cwd() in near.parents else near
        return f" Did you mean {plain(str(shown))}?"
    return " Give the path of a submission."


def read(path: Path, modules: Sequence[str], file: str = "") -> RawSubmission:
    """Read what was handed in at `path`; `file` is what the student called it, if that is another.

    Raises:
        UsageError: it cannot be read, or there is nothing in it that could be graded.
    """
    label = plain(path)
    try:
        if path.is_symlink():
            raise UsageError(
                f"{label}: a symbolic link. Submit the file or folder that it points to."
            )
        if path.is_dir():
            return choose(files.walk(path, modules), modules, label)
        if not path.exists():
            raise UsageError(f"{label}: no such file or folder.{_meant(path)}")
        return choose_single(files.single(path, file), modules, label)
    except (OSError, ValueError) as error:  # a path may be too long, or hold a null byte
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{label}: cannot be read ({reason}). Check its permissions.") from None


def extract(
    raw: RawSubmission, modules: Sequence[str], assignment: str | None = None, depth: int = 0
) -> Sources:
    """Return the modules of a submission, and notes on how it was read.

    Raises:
        UsageError: it holds nothing that can be read.
    """
    if not raw.main_name:
        return _sources(raw)
    suffix = "" if archives.is_archive(raw.main) else file_names.suffix(raw.main_name)
    if suffix == ".ipynb":
        refuse_other_content(raw.main, raw.name, raw.main_name)
        notebook = notebooks.read(raw.main)
        return _extracted(raw, *code_cells(notebook), assignment)
    if suffix == ".py":
        script = Cell(raw.main.decode("utf-8", "replace"), shown(raw.main_name))
        return _extracted(
            raw, [script], [f"All parts were read from {shown(raw.main_name)}."], assignment
        )
    return _unpacked(raw, modules, assignment, depth)


def extract_limited(
    raw: RawSubmission, modules: Sequence[str], assignment: str | None = None
) -> Sources:
    """Do what `extract` does, in the process with limits if there is anything to parse.

    Raises:
        UsageError: it holds nothing that can be read, or reading it exceeds a limit.
    """
    if not raw.main_name:
        return extract(raw, modules, assignment)
    place = f"{extract_data.__module__}:{extract_data.__name__}"
    found = limited.call(place, dataclasses.asdict(raw), list(modules), assignment)
    return Sources(**found)


def extract_data(
    raw: dict[str, Any], modules: Sequence[str], assignment: str | None = None
) -> dict[str, Any]:
    """Do what `extract` does on the fields of a submission; return those of its sources.

    Raises:
        UsageError: it holds nothing that can be read.
    """
    return dataclasses.asdict(extract(RawSubmission(**raw), modules, assignment))


def _unpacked(
    raw: RawSubmission, modules: Sequence[str], assignment: str | None, depth: int
) -> Sources:
    label = raw.name if raw.name.endswith(raw.main_name) else shown(raw.main_name)
    if depth >= MAX_NESTED:
        raise UsageError(f"{label}: archives inside archives inside archives. Pack the files once.")
    kind = file_names.kind_by_content(raw.main)
    if kind is not None:
        raise UsageError(
            f"{label}: not a submission; by its content it is {kind.what}, which the grader cannot "
            f"read. Submit {kind.ask}."
        )
    items, notes = archives.unpack(raw.main, label)
    inner = choose(items, modules, label)
    notes = [*raw.notes, *_packed(raw.main_name, depth), *notes, *inner.notes]
    return extract(
        dataclasses.replace(inner, name=raw.name, notes=notes), modules, assignment, depth + 1
    )


def _packed(name: str, depth: int) -> list[str]:
    """Say so if it was packed in another way than as a zip."""
    if depth:
        return [f"{shown(name)} is an archive inside an archive; its files were read."]
    return [] if name.lower().endswith(".zip") else [f"{shown(name)} was read as an archive."]


def _sources(raw: RawSubmission) -> Sources:
    return Sources(raw.name, raw.files, raw.names, raw.only, raw.left_out, notes=bounded(raw.notes))


def _extracted(
    raw: RawSubmission, cells: list[Cell], notes: list[str], assignment: str | None
) -> Sources:
    chosen = assignments()[assignment] if assignment else assignment_of_cells(cells)
    found = extract_modules(raw.name, cells, chosen, raw.files)
    notes = bounded([*raw.notes, *_name_note(raw.main_name), *notes, *found.notes])
    return dataclasses.replace(found, left_out=raw.left_out, notes=notes)


def _name_note(name: str) -> list[str]:
    """Say so if a notebook has the name of a copy."""
    stem = PurePosixPath(name).stem
    plain_stem = file_names.plain_stem(name)
    if file_names.suffix(name) == ".ipynb" and plain_stem in assignments() and stem != plain_stem:
        return [f"{shown(name)} was read as {plain_stem}.ipynb."]
    return []


def code_cells(notebook: Notebook) -> tuple[list[Cell], list[str]]:
    """Return the code cells of a notebook, and notes.

    A cell of the assignment that was turned into text by a slip still counts.
    """
    tasks = [task for each in assignments().values() for task in each.tasks.values()]
    names = {f"{task.id}-{name}" for task in tasks for name in task.names}
    parts = {name for task in tasks for name in task.names}
    cells, notes = [], [*notebook.notes]
    for cell in notebook.cells:
        if cell.kind == "code" or cell.claims in names:
            cells.append(Cell(cell.source, cell.label))
            if cell.kind != "code":
                notes.append(f"The cell {cell.claims} is a {cell.kind} cell; it was read as code.")
    in_code = {name for cell in cells for name in defined(cell.text)}
    for cell in notebook.cells:
        if cell.kind != "code" and cell.claims not in names:
            lost = defined(cell.source) & parts - in_code
            notes += [
                f"{name} is in a {cell.kind} cell, so it is not code." for name in sorted(lost)
            ]
    return cells, notes
