"""Notebooks as editors, services and accidents leave them; what is not graded costs nothing."""

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from grader.base.errors import UsageError
from grader.base.paths import ROOT, without_paths
from grader.contract.tasks import MAIN, assignment_of, assignments
from grader.course import intake
from grader.grading.session import session
from grader.intake import notebooks, reader
from grader.intake.notebook_modules import extract_modules, last_versions
from grader.intake.notebooks import NotebookCell, without_outputs
from grader.intake.sources import Sources
from grader.intake.statements import MAX_CELL, Cell
from grader.reports import board, labels

PART = "class Collate:\n    pass"


def cell(source: Any, kind: str = "code", **more: Any) -> dict[str, Any]:
    own: dict[str, Any] = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "source": source, "metadata": {}, **own, **more}


def notebook(*cells: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"cells": [*cells], "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}


def dump(content: Any, **options: Any) -> bytes:
    return json.dumps(content, **options).encode()


def sources(data: bytes) -> list[str]:
    return [each.source for each in notebooks.read(data).cells]


def plot(size: int) -> list[dict[str, Any]]:
    return [{"output_type": "display_data", "data": {"image/png": "iVBOR" * (size // 5)}}]


OUTPUTS: dict[str, Any] = {
    "a plot": plot(1000),
    "text with quotes": [{"text": ['say "outputs": [1, 2]\\', '"', '\\"', "}]"]}],
    "numbers": [{"data": {"application/vnd.plotly.v1+json": {"y": [[1.5, -2e9]] * 50}}}],
    "outputs in outputs": [{"outputs": [{"outputs": [[]]}], "attachments": {"a": {}}}],
    "nothing": [],
    "an object": {"a": [1]},
}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("case", OUTPUTS)
def test_outputs_are_cut_out_and_nothing_else(case: str, indent: int | None) -> None:
    source = 'x = {"outputs": [1], \'widgets\': {}}  # "attachments": {'
    image = {"image.png": {"image/png": "iVBOR" * 100}}
    whole = notebook(
        cell("before"),
        cell(source, outputs=OUTPUTS[case]),
        cell("# text", "markdown", attachments=image),
        cell("after", outputs=OUTPUTS[case]),
    )
    whole["metadata"]["widgets"] = {"state": {"a": {"model": [1, 2, {}]}}}
    data = dump(whole, indent=indent)
    small = json.loads(without_outputs(data))
    for each in whole["cells"]:
        if "outputs" in each:
            each["outputs"] = {} if isinstance(each["outputs"], dict) else []
        if "attachments" in each:
            each["attachments"] = {}
    whole["metadata"]["widgets"] = {}
    assert small == whole
    assert sources(data) == ["before", source, "# text", "after"]


@pytest.mark.parametrize(
    "data", [b"", b"{", b'{"outputs": [', b'"', b'"outputs": ]', b"]]]", b"[}"]
)
def test_what_is_no_json_is_left_to_the_parser(data: bytes) -> None:
    without_outputs(data)
    with pytest.raises(UsageError, match="not a readable notebook"):
        notebooks.read(data)


def test_thirty_megabytes_of_plots_cost_nothing() -> None:
    data = dump(notebook(cell("x = 1"), *[cell(PART, outputs=plot(3 << 20))] * 10))
    assert len(data) > 30 << 20
    start = time.process_time()
    assert sources(data) == ["x = 1", *[PART] * 10]
    assert time.process_time() - start < 3


@pytest.mark.parametrize("value", ['[1, {"a": []}],', "[[[[]]]],", '"x", ', '"\\\\\\"", ', "0,"])
def test_time_grows_with_the_length_of_the_outputs(value: str) -> None:
    def seconds(size: int) -> float:
        inner = value * (size // len(value))
        start = time.process_time()
        text = dump(notebook(cell("x", outputs="HERE"))).decode()
        with contextlib.suppress(UsageError):
            notebooks.read(text.replace('"HERE"', f"[{inner}0]").encode())
        return time.process_time() - start

    assert seconds(2 << 20) < 10 * seconds(1 << 19) + 1


def test_too_much_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda *_: pytest.fail("it was parsed"))
    for data in (b'{"cells": [' + b"[]," * 600_000, b'{"cells": "' + b"a" * (9 << 20)):
        with pytest.raises(UsageError, match=r"too complex|than 8 MiB without its outputs"):
            notebooks.read(data)


VERSION_3 = {
    "nbformat": 3,
    "metadata": {"name": ""},
    "worksheets": [
        {"cells": [{"cell_type": "heading", "level": 1, "source": ["News"], "metadata": {}}]},
        {
            "cells": [
                {"cell_type": "code", "input": ["x = 1\n", "y"], "language": "python",
                 "outputs": [{"output_type": "pyout", "png": "iVBOR"}], "prompt_number": 1},
                {"cell_type": "markdown", "source": "text"},
            ]
        },
    ],
}  # fmt: skip


def test_version_3_is_converted_and_a_note_says_so() -> None:
    found = notebooks.read(dump(VERSION_3))
    assert found.cells == [
        NotebookCell("markdown", "News"),
        NotebookCell("code", "x = 1\ny"),
        NotebookCell("markdown", "text"),
    ]
    assert found.notes == ["The notebook is of an old version (nbformat 3); it was converted."]
    older = notebooks.read(dump(VERSION_3 | {"nbformat": 2}))
    assert older.cells == found.cells
    assert "(nbformat 2)" in older.notes[0]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"", b"\n\n  "])
def test_marks_and_blanks_in_front_are_no_matter(mark: bytes) -> None:
    assert sources(mark + dump(notebook(cell(PART)))) == [PART]


@pytest.mark.parametrize(
    "metadata", [3, None, [], {"nbgrader": 3}, {"nbgrader": {"grade_id": {}}}, {"nbgrader": None}]
)
def test_odd_metadata_are_no_matter(metadata: Any) -> None:
    (found,) = notebooks.read(dump(notebook(cell(PART, metadata=metadata)))).cells
    assert (found.source, found.label) == (PART, "a cell of your own")


@pytest.mark.parametrize("name", ["\ud800", "A" * 1_000_000, "\x1b[31m", "\u202e", "a\nb", " "])
def test_the_names_of_cells_are_short_and_can_be_shown(name: str) -> None:
    (found,) = notebooks.read(
        dump(notebook(cell(PART, metadata={"nbgrader": {"grade_id": name}})))
    ).cells
    assert found.label.isprintable()
    assert found.label.encode()
    assert len(found.label) < 80


def test_a_merge_conflict_is_named() -> None:
    data = dump(notebook(cell(PART)), indent=1)
    line = b'   "metadata": {},\n'
    conflict = b"<<<<<<< HEAD\n" + line + b"=======\n" + line + b">>>>>>> main\n"
    with pytest.raises(UsageError, match=r"markers of a merge conflict.*Resolve the conflict"):
        notebooks.read(data.replace(line, conflict))


def test_letters_in_an_old_encoding_cost_nothing_else() -> None:
    text = json.dumps(notebook(cell(f"# Grüße\n{PART}")), ensure_ascii=False)
    found = notebooks.read(text.encode("cp1252"))
    assert found.cells[0].source == f"# Gr\ufffd\ufffde\n{PART}"
    assert found.notes == [
        "The notebook is not saved as UTF-8; what cannot be read in it was replaced."
    ]
    assert notebooks.read(text.replace("ü", "\ufffd").encode()).notes == []


WHOLE = dump(notebook(cell(PART)), indent=1)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the file is empty"),
        (WHOLE[:200], "the file ends too early"),
        (WHOLE[:-2], "the file ends too early"),
        (WHOLE.replace(b'"outputs"', b"outputs"), "line 7 is not valid JSON"),
        (b"{}", "it has no cells, or broken ones"),
        (b"null", "it has no cells, or broken ones"),
        (dump(notebook(cell(None))), "it has no cells, or broken ones"),
        (b"[" * 100_000 + b"]" * 100_000, "it is nested too deeply"),
    ],
    ids=range(8),
)
def test_what_is_wrong_with_a_notebook_is_said(data: bytes, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        notebooks.read(data)
    assert f"not a readable notebook: {why}." in str(caught.value)


@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_a_part_in_a_cell_that_is_no_code_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(dump(notebook(cell(PART, kind), cell("def train(): ..."))))
    taken = reader.load(path, reader.module_names(MAIN), MAIN)
    assert taken.notes == [f"Collate is in a {kind} cell, so it is not code."]
    path.write_bytes(dump(notebook(cell(PART, kind), cell(PART))))
    assert reader.load(path, reader.module_names(MAIN), MAIN).notes == []


def test_a_cell_of_the_assignment_that_became_text_still_counts(tmp_path: Path) -> None:
    named = {"nbgrader": {"grade_id": "collate-Collate"}}
    data = dump(notebook(cell(PART, "markdown", metadata=named), cell("# no code", "markdown")))
    (tmp_path / "a.ipynb").write_bytes(data)
    taken = reader.load(tmp_path / "a.ipynb", reader.module_names(MAIN), MAIN)
    assert taken.files["collate"].decode() == f"{PART}\n"
    assert taken.notes == ["The cell collate-Collate is a markdown cell; it was read as code."]


# --- every route --------------------------------------------------------------------------------

LONG = f"EMBEDDING = '{'a' * MAX_CELL}'"
ROUTES: dict[str, bytes] = {
    "plots": dump(notebook(cell("import torch"), cell(PART, outputs=plot(25 << 20)))),
    "a long cell": dump(notebook(cell(LONG), cell(PART))),
    "version 3": dump(VERSION_3).replace(b'"x = 1\\n", "y"', dump(PART)),
    "a mark": b"\xef\xbb\xbf" + dump(notebook(cell(PART))),
    "UTF-16": dump(notebook(cell(PART))).decode().encode("utf-16"),
    "below the check": dump(
        notebook(cell("class Collate: ..."), cell('check("collate", Collate)'), cell(PART))
    ),
    "carriage returns": dump(notebook(cell(PART.replace("\n", "\r\n")))),
    "lists of lines": dump(notebook(cell(PART.splitlines(keepends=True)))),
}


@pytest.mark.parametrize("case", ROUTES)
def test_every_route_reads_the_same_modules(case: str, tmp_path: Path) -> None:
    path = tmp_path / "news-classifier.ipynb"
    path.write_bytes(ROUTES[case])
    by_path = reader.load(path, reader.module_names(MAIN), MAIN)
    assert by_path.files["collate"].decode().replace("\r", "").endswith(f"{PART}\n")
    node, notes = intake.read(path)
    cells = [Cell(each.source) for each in node.cells if each.cell_type == "code"]
    by_nbgrader = extract_modules("ann", cells, assignments()[MAIN])
    assert by_nbgrader.files == by_path.files
    assert len([*notes, *by_nbgrader.notes]) == len(by_path.notes)
    history = [each.text for each in cells]
    by_kernel = extract_modules("a", last_versions([*history, *history]), assignments()[MAIN])
    assert by_kernel.files["collate"].decode().replace("\r", "").endswith(f"{PART}\n")


def test_the_assignment_of_a_notebook_is_that_of_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "work.ipynb"
    for id_, assignment in assignments().items():
        names = [name for task in assignment.tasks.values() for name in task.names]
        path.write_bytes(dump(notebook(*[cell(f"def {name}(): ...") for name in names])))
        assert assignment_of(reader.load(path, reader.module_names(None)).files).id == id_


def test_notes_reach_the_record(tmp_path: Path) -> None:
    (tmp_path / "Dataset.py").write_bytes(b"class NewsDataset: ...\n")
    taken = reader.load(tmp_path, reader.module_names(MAIN), MAIN)
    with session(taken, assignment=MAIN, in_process=True) as opened:
        record = opened.record()
    note = "Dataset.py was read as dataset.py."
    assert record.submission["notes"] == [note]
    assert note in labels.left_out(record)
    assert note in board.text(record)


def test_messages_hold_no_path_of_this_machine() -> None:
    for folder in {str(ROOT), sys.prefix, *[each for each in sys.path if len(each) > 3]}:
        said = without_paths(f"cannot import name 'x' from 'y' ({folder}/y/__init__.py)")
        assert said == "cannot import name 'x' from 'y' (y/__init__.py)"
    assert without_paths("'/tmp/grader-x1y2/best.pt'") == "'best.pt'"
    assert without_paths("'/data/news.csv' is not there") == "'/data/news.csv' is not there"


def test_sources_explain_nothing_that_they_do_not_know() -> None:
    plain = Sources("ann", {"model": b""}, {"model": "model.py"})
    assert plain.explain("model.py, line 3: name 'x' is not defined") == (
        "model.py, line 3: name 'x' is not defined"
    )
