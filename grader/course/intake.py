"""Reads a submitted notebook and repairs it, so that the next steps get a valid one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.api import Gradebook
from nbgrader.converters.base import NbGraderException
from nbgrader.preprocessors import NbGraderPreprocessor

from grader.base.errors import UsageError
from grader.course.folders import look_over, notebook_of, take_back
from grader.course.sandbox_policy import SandboxPolicy
from grader.intake import files, notebooks
from grader.intake.choice import refuse_other_content
from grader.intake.statements import defined

MISSING = "*This cell was missing from the submission; it was put back.*"


class SubmissionExporter(SandboxPolicy, NotebookExporter):
    """Reads a submission; an unreadable one becomes an empty notebook with the reason.

    Otherwise nbgrader would skip it and keep the marks of an earlier run.
    """

    def __init__(self, **options: Any) -> None:
        """Refuse to run without a sandbox, then check the submitted folders.

        nbgrader constructs this before it changes anything.

        Raises:
            NbGraderException: there is no sandbox, and the instructor did not allow that.
        """
        super().__init__(**options)
        if reason := self.refusal():
            self.log.error(reason)
            raise NbGraderException(reason)
        look_over(self.parent)

    def from_filename(self, filename: str, resources: Any = None, **options: Any) -> Any:
        """Read a notebook file and convert the notebook."""
        resources["metadata"] = {"name": Path(filename).stem, "path": str(Path(filename).parent)}
        told = resources["nbgrader"]
        if not getattr(self.parent, "_sanitizing", True):  # what it wrote itself before
            notebook = nbformat.read(filename, as_version=4)
            return self.from_notebook_node(notebook, resources, **options)
        try:
            notebook, told["notes"] = read(Path(filename))
        except UsageError as error:
            notebook = nbformat.v4.new_notebook()
            folder = f"{Path(filename).parent}{os.sep}"
            told["unreadable"] = str(error).replace(folder, "").rstrip(".")
        return self.from_notebook_node(notebook, resources, **options)


def read(path: Path) -> tuple[Any, list[str]]:
    """Read a notebook of any version; also return notes on how it was read.

    Raises:
        UsageError: it is none.
    """
    found = notebook_of(path)
    if found is None:
        raise UsageError(f"there is no {path.name}")
    data = files.read(found, notebooks.MAX_NOTEBOOK)
    notes = [] if found == path else [f"{found.name} was read as {path.name}."]
    refuse_other_content(data, found.parent.name, found.name)
    read = notebooks.read(data)
    cells = [_as_node(cell, number) for number, cell in enumerate(read.cells)]
    return nbformat.v4.new_notebook(cells=cells), [*notes, *read.notes]


def _as_node(cell: notebooks.NotebookCell, number: int) -> Any:
    metadata = {"nbgrader": {"grade_id": cell.claims}} if cell.claims else {}
    return nbformat.from_dict({"id": f"cell-{number}", **_cell(cell.kind, cell.source, metadata)})


@dataclass(frozen=True)
class Known:
    """A cell of the assignment, as stored in the gradebook."""

    name: str
    kind: str
    source: str
    metadata: dict[str, Any]

    @property
    def is_code_to_write(self) -> bool:
        """Whether students write code in this cell."""
        return self.kind == "code" and bool(self.metadata["solution"])


class TakeIn(NbGraderPreprocessor):
    """Makes a valid notebook of a submission, and removes the marks of earlier runs.

    It keeps the texts of the cells and their order. Cells of the assignment get their original
    metadata, read-only cells also their original text, and missing cells are restored. Everything
    else in the notebook (tags, outputs, changed points, a different kernel) is dropped.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Repair a notebook."""
        told = resources["nbgrader"]
        with Gradebook(told["db_url"]) as gradebook:
            take_back(gradebook, told["notebook"], told["assignment"], told["student"])
            known = known_cells(gradebook, told["notebook"], told["assignment"])
        cells = [_clean(cell) for cell in nb.cells if _is_cell(cell)]
        notes = [*told.get("notes", ()), *_name_cells(cells, known), *_put_back(cells, known)]
        for number, cell in enumerate(cells):
            cell["id"] = cell["metadata"].get("nbgrader", {}).get("grade_id", f"cell-{number}")
        clean = nbformat.v4.new_notebook(cells=[nbformat.from_dict(cell) for cell in cells])
        if "unreadable" in told:
            notes = [f"The file cannot be graded: {told['unreadable']}."]
            clean.metadata["unreadable"] = told["unreadable"]
        clean.metadata["notes"] = notes
        for note in notes:
            self.log.warning("%s: %s", told["student"], note)
        return clean, resources


def known_cells(gradebook: Any, notebook: str, assignment: str) -> list[Known]:
    """Return the cells of an assignment in order."""
    found = gradebook.find_notebook(notebook, assignment)
    points = {cell.name: cell.max_score for cell in found.grade_cells}
    to_write = {cell.name for cell in found.solution_cells}
    return [
        Known(
            cell.name,
            cell.cell_type,
            cell.source,
            {
                "grade": cell.name in points,
                "grade_id": cell.name,
                "locked": cell.locked,
                "points": points.get(cell.name, 0),
                "schema_version": 3,
                "solution": cell.name in to_write,
                "task": False,
                "cell_type": cell.cell_type,
                "checksum": cell.checksum,
            },
        )
        for cell in found.source_cells
    ]


def _is_cell(cell: Any) -> bool:
    return cell.get("cell_type") in ("code", "markdown", "raw") and type(cell.get("source")) is str


def _clean(cell: Any) -> dict[str, Any]:
    """Keep a cell's kind and text, and the name that it claims until it is checked."""
    metadata = cell.get("metadata")
    claims = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = claims.get("grade_id") if isinstance(claims, dict) else None
    return _cell(cell.cell_type, cell.source, {"claims": name})


def _cell(kind: str, source: str, metadata: dict[str, Any]) -> dict[str, Any]:
    cell = {"cell_type": kind, "source": source, "metadata": metadata}
    return cell | {"outputs": [], "execution_count": None} if kind == "code" else cell


def _name_cells(cells: list[dict[str, Any]], known: list[Known]) -> list[str]:
    """Give known cells their original metadata, and return notes for the instructor.

    If several cells have the same name, the last one counts, as it does in a kernel. A cell that
    lost its name is recognised by its text or by the names it defines.
    """
    notes = []
    claimed: dict[str, list[int]] = {}
    for index, cell in enumerate(cells):
        claimed.setdefault(str(cell["metadata"].pop("claims")), []).append(index)
    for each in known:
        places = claimed.get(each.name, [])
        if len(places) > 1:
            notes.append(f"The cell {each.name} occurs {len(places)} times; the last one counts.")
        if not places:
            places = [index for index, cell in enumerate(cells) if _could_be(cell, each)]
            if places:
                notes.append(f"The cell {each.name} lost its name; it was recognised anyway.")
        if places:
            source = each.source if each.metadata["locked"] else cells[places[-1]]["source"]
            cells[places[-1]] = _cell(each.kind, source, {"nbgrader": dict(each.metadata)})
    return notes


def _could_be(cell: dict[str, Any], known: Known) -> bool:
    """Return whether a cell without a name has the text, or defines the names, of a known one."""
    if cell["metadata"] or cell["cell_type"] != known.kind:
        return False
    names = defined(known.source) if known.is_code_to_write else set()
    return cell["source"] == known.source or (bool(names) and names <= defined(cell["source"]))


def _put_back(cells: list[dict[str, Any]], known: list[Known]) -> list[str]:
    """Insert each missing cell after the one that precedes it in the assignment."""
    notes = []
    place = -1
    for each in known:
        names = [cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in cells]
        if each.name in names:
            place = names.index(each.name)
            continue
        place += 1
        is_answer = each.metadata["grade"] and each.metadata["solution"]
        source = MISSING if is_answer and each.kind == "markdown" else each.source
        cells.insert(place, _cell(each.kind, source, {"nbgrader": dict(each.metadata)}))
        notes.append(f"The cell {each.name} was missing; it was restored.")
    return notes
