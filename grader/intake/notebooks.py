"""Reads a notebook, of any version, from bytes: its cells, and nothing that is not graded.

Outputs, attachments and the state of widgets are cut out of the text before it is parsed, so that
plots cost nothing; limits hold for what is left. All routes read notebooks here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from grader.base.errors import UsageError
from grader.contract.names import shown
from grader.intake.encodings import from_wide

MAX_NOTEBOOK = 64 << 20  # bytes, as handed in
MAX_LEFT = 8 << 20  # bytes, without outputs
MAX_TOKENS = 2_000_000  # strings and brackets
MAX_VALUES = 1_000_000  # of them, without outputs
CUT = (b'"outputs"', b'"attachments"', b'"widgets"')
TOKEN = re.compile(rb'["\[\]{}]')
CONFLICT = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)
AGAIN = "Open it in Jupyter, save it, and submit it again."
DOWNLOAD = "Download it again, check that Jupyter opens it, and submit that."


@dataclass(frozen=True)
class NotebookCell:
    """A cell: `kind` is code, markdown or raw; `claims` is the name in nbgrader's metadata."""

    kind: str
    source: str
    claims: str | None = None

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"the cell {self.claims}" if self.claims else "a cell of your own"


@dataclass(frozen=True)
class Notebook:
    """The cells, from the top to the bottom, and lines on how they were read."""

    cells: list[NotebookCell]
    notes: list[str] = field(default_factory=list)


def read(data: bytes) -> Notebook:
    """Read a notebook.

    Raises:
        UsageError: it is none, or too large without its outputs.
    """
    data, notes = from_wide(data, "The notebook")
    data = data.removeprefix(b"\xef\xbb\xbf")
    small = without_outputs(data)
    if len(small) > MAX_LEFT:
        raise UsageError(
            f"The notebook is larger than {MAX_LEFT >> 20} MiB without its outputs. "
            "Submit code only, without data in it."
        )
    text = small.decode("utf-8", "replace")
    if "\ufffd" in text and text.encode() != small:
        notes.append("The notebook is not saved as UTF-8; what cannot be read in it was replaced.")
    try:
        cells, more = _cells(json.loads(text))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise UsageError(_unreadable(data, text, error)) from None
    return Notebook(cells, [*notes, *more])


def _unreadable(data: bytes, text: str, error: Exception) -> str:
    if CONFLICT.search(data):
        return (
            "It is not a readable notebook: it contains the markers of a merge conflict "
            "(<<<<<<< and >>>>>>>). Resolve the conflict in Git, open the notebook in Jupyter, "
            "save it, and submit it again."
        )
    if not data.strip():
        return f"It is not a readable notebook: the file is empty. {AGAIN}"
    if isinstance(error, json.JSONDecodeError):
        ends = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        why = "the file ends too early" if ends else f"line {error.lineno} is not valid JSON"
        return f"It is not a readable notebook: {why}. {DOWNLOAD}"
    if isinstance(error, RecursionError):
        return f"It is not a readable notebook: it is nested too deeply. {AGAIN}"
    return f"It is not a readable notebook: it has no cells, or broken ones. {DOWNLOAD}"


def without_outputs(data: bytes) -> bytes:
    """Cut the values of outputs, attachments and widgets out of JSON text, in linear time.

    What is no JSON stays as it is, as far as that can be told.

    Raises:
        UsageError: there are too many values in it.
    """
    kept: list[bytes] = []
    start, depth, inside, left = 0, 0, 0, 0
    for count, (token, at, end) in enumerate(_tokens(data)):
        left += not inside
        if count > MAX_TOKENS or left > MAX_VALUES:
            raise UsageError(f"The notebook is too complex. {AGAIN}")
        if token == b'"':
            if not inside and data[at:end] in CUT and (value := _value(data, end)):
                kept.append(data[start:value])
                inside, start = depth + 1, value
        elif token in b"[{":
            depth += 1
        else:
            depth -= 1
            if inside and depth < inside:
                kept.append(b"[]" if token == b"]" else b"{}")
                inside, start = 0, end
    return b"".join([*kept, data[start:]])


def _value(data: bytes, end: int) -> int:
    """Return where the list or object behind a key begins; 0 if there is none."""
    found = re.compile(rb"\s*:\s*(?=[\[{])").match(data, end)
    return found.end() if found else 0


def _tokens(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """List the strings and brackets of JSON text: the first byte, begin and end of each."""
    end = 0
    while found := TOKEN.search(data, end):
        at, end = found.span()
        token = found[0]
        if token == b'"':
            end = _end_of_string(data, end)
            if not end:
                return
        yield token, at, end


def _end_of_string(data: bytes, start: int) -> int:
    """Return the index behind the quote that ends a string; 0 if none does."""
    while True:
        quote = data.find(b'"', start)
        if quote < 0:
            return 0
        before = data[start:quote]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            return quote + 1
        start = quote + 1


def _cells(content: Any) -> tuple[list[NotebookCell], list[str]]:
    """Return the cells of a notebook of any version."""
    if "worksheets" in content and "cells" not in content:
        cells = [cell for sheet in content["worksheets"] for cell in sheet["cells"]]
        version = content.get("nbformat") if content.get("nbformat") in (1, 2) else 3
        note = f"The notebook is of an old version (nbformat {version}); it was converted."
        return [_cell(cell, "input") for cell in cells], [note]
    if not isinstance(content["cells"], list):
        raise TypeError("cells")
    return [_cell(cell, "source") for cell in content["cells"]], []


def _cell(cell: Mapping[str, Any], key: str) -> NotebookCell:
    kind = cell["cell_type"]
    code = kind == "code"
    source = cell[key if code and key in cell else "source"]
    source = source if isinstance(source, str) else "".join(source)
    known = "code" if code else "raw" if kind == "raw" else "markdown"
    return NotebookCell(known, source, _claims(cell.get("metadata", {})))


def _claims(metadata: Any) -> str | None:
    """Return the name that a cell claims in nbgrader's metadata, as text that can be shown."""
    nbgrader = metadata.get("nbgrader", {}) if isinstance(metadata, dict) else {}
    name = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    return (shown(name) or None) if isinstance(name, str) else None
