"""What a notebook's test cells show and return."""

import os
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from IPython.core.formatters import DisplayFormatter
from nbgrader.utils import determine_grade
from nbgrader.validator import Validator
from traitlets.config import Config

from grader import notebook
from grader.base.errors import UsageError
from grader.base.paths import ROOT
from grader.contract.enums import Status
from grader.contract.record import CheckResult, Record
from grader.contract.tasks import tasks
from grader.grading import session
from grader.intake.sources import Sources
from grader.reports import board, html

SOURCE = ROOT / "assignments" / "source" / "news-classifier" / "news-classifier.ipynb"
DATASET = (ROOT / "solution" / "dataset.py").read_text(encoding="utf-8")
NewsDataset = type("NewsDataset", (), {})  # only the name counts


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """The records that were shown."""
    records: list[Record] = []
    monkeypatch.setattr(notebook, "_show", lambda record, _: records.append(record))
    return records


def ran(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    """Let a kernel have run these cells."""
    shell = SimpleNamespace(history_manager=SimpleNamespace(input_hist_raw=["", *texts]))
    monkeypatch.setattr(notebook, "_shell", lambda: shell)


def graded_as_file(source: str) -> Record:
    files = {"dataset": source.encode()}
    with session.session(Sources("s", files, {"dataset": "dataset.py"}, only="dataset")) as opened:
        for check in opened.planned:
            opened.run(check)
        return opened.record()


@pytest.mark.parametrize("mistake", ["label - 1", "label", "(label - 1) * 1.0"])
def test_a_check_says_and_gives_what_the_command_line_does(
    monkeypatch: pytest.MonkeyPatch, shown: list[Record], mistake: str
) -> None:
    monkeypatch.setattr(session, "input_seed", lambda *_: 1)  # inputs depend on the files' names
    source = DATASET.replace("label - 1 for", f"{mistake} for")
    ran(monkeypatch, "print('an earlier cell')", source, 'check("dataset", NewsDataset)')
    points = notebook.check("dataset", NewsDataset)
    expected = graded_as_file(source)
    assert isinstance(points, float)
    assert points == expected.score
    told = [(c.id, c.status, c.score, c.mistake, c.message, c.hint) for c in shown[0].checks]
    assert told == [
        (c.id, c.status, c.score, c.mistake, c.message, c.hint) for c in expected.checks
    ]


def test_an_untouched_task_gives_no_points(
    monkeypatch: pytest.MonkeyPatch, shown: list[Record]
) -> None:
    ran(monkeypatch, "class NewsDataset:\n    def __init__(self, x):\n        raise "
        'NotImplementedError("Task dataset: write it")')  # fmt: skip
    assert notebook.check("dataset", NewsDataset) == 0.0
    assert shown[0].tasks[0].state == "not_started"


def test_nothing_appears_on_stderr(
    monkeypatch: pytest.MonkeyPatch, shown: list[Record], capfd: pytest.CaptureFixture[str]
) -> None:
    def grade(task: str, _: object) -> Record:
        os.write(2, b"to the descriptor")
        print("to the stream", file=sys.stderr)
        warnings.warn("a warning", stacklevel=1)
        return Record({}, [CheckResult("dataset.texts", task, Status.PASSED, 2, 2)], {})

    ran(monkeypatch, DATASET)
    monkeypatch.setattr(notebook, "_grade", grade)
    assert notebook.check("dataset", NewsDataset) == 2.0
    assert len(shown) == 1
    assert capfd.readouterr().err == ""
    os.write(2, b"afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_a_notebook_does_not_echo_the_points_and_nbgrader_reads_them() -> None:
    formatter = DisplayFormatter()
    assert formatter.format(15.0)[0]
    data, _ = formatter.format(notebook.Points(3.0))
    assert data["text/html"] == "", "what a notebook shows"
    cell = nbformat.v4.new_code_cell(
        'check("collate", Collate)',
        metadata={"nbgrader": {"grade": True, "solution": False, "points": 20, "locked": True}},
        outputs=[nbformat.v4.new_output("execute_result", data=data)],
    )
    assert determine_grade(cell)[0] == 3, "what nbgrader reads in its default configuration"


@pytest.mark.parametrize(("score", "points"), [(7.0, 2.0), (-1.0, 0.0), (1, 1.0)])
def test_the_points_are_a_float_within_the_tasks_points(
    monkeypatch: pytest.MonkeyPatch, shown: list[Record], score: float, points: float
) -> None:
    record = Record({}, [CheckResult("dataset.texts", "dataset", Status.PASSED, score, 2)], {})
    ran(monkeypatch, DATASET)
    monkeypatch.setattr(notebook, "_grade", lambda *_: record)
    given = notebook.check("dataset", NewsDataset)
    assert isinstance(given, float)
    assert given == points
    assert shown == [record]


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([DATASET], "Checked: cell [1], as last run. Edited since? Run it first."),
        (["x = 1", DATASET, "x", DATASET], "Checked: cell [4], as last run. "),
        (
            [DATASET + "def f(): ...", "class NewsDataset: ..."],
            "Checked: cell [1] and cell [2], as",
        ),
        (["x = 1"], ""),
    ],
)
def test_the_table_says_which_version_of_the_code_was_checked(
    monkeypatch: pytest.MonkeyPatch, cells: list[str], says: str
) -> None:
    told: list[str] = []
    ran(monkeypatch, *cells)
    monkeypatch.setattr(notebook, "_grade", lambda *_: Record({}, [], {}))
    monkeypatch.setattr(notebook, "_show", lambda _, checked: told.append(checked))
    notebook.check("dataset", NewsDataset)
    assert told[0].startswith(says)
    assert bool(told[0]) == bool(says)


def test_a_fault_of_the_grader_is_an_exception_and_so_no_points(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> Record:
        raise OSError("no space left")

    ran(monkeypatch, DATASET)
    monkeypatch.setattr(notebook, "_grade", fail)
    with pytest.raises(OSError, match="no space left"):
        notebook.check("dataset", NewsDataset)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("datasets", NewsDataset), "no such task"),
        (("dataset",), r'check\("dataset", NewsDataset\)'),
        (("dataset", int), r'check\("dataset", NewsDataset\)'),
        (("accuracy", NewsDataset), r'check\("accuracy"\)'),
    ],
)
def test_a_call_that_fits_no_task_is_refused_with_the_right_one(arguments: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        notebook.check(*arguments)


def test_outside_of_a_notebook_there_are_no_cells_to_look_at() -> None:
    with pytest.raises(UsageError, match="call it in a notebook") as caught:
        notebook.check("dataset", NewsDataset)
    [line] = caught.value._render_traceback_()  # all that a notebook shows
    assert line == f"UsageError: {caught.value}"


def test_the_table_shows_what_a_student_wrote_as_text() -> None:
    nasty = "<script>alert(1)</script>"
    result = CheckResult("collate.shape", "collate", Status.FAILED, 0, 4, message=nasty, hint=2)
    page = html.table(Record({}, [result], {}))
    assert nasty not in page
    assert "&lt;script&gt;" in page
    assert "<summary>Hint 2</summary>" in page


def test_a_wrapped_line_of_the_table_continues_below_its_text() -> None:
    message = "`f()`\n  got:      1\n  f.py, line 2, in f\n    return 1\nA text."
    result = CheckResult("collate.shape", "collate", Status.FAILED, 0, 4, message=message, hint=2)
    page = html.table(Record({}, [result], {}))
    columns = {"  got:      1": 12, "  f.py, line 2, in f": 4, "    return 1": 6}
    for line, width in columns.items():
        assert f'padding-left: {width}ch; text-indent: -{width}ch">{line}</div>' in page


def test_elsewhere_the_table_is_the_board_with_every_message() -> None:
    results = [
        CheckResult("collate.shape", "collate", Status.FAILED, 0, 4, message="first", hint=2),
        CheckResult("collate.padding", "collate", Status.FAILED, 0, 4, message="second", hint=2),
    ]
    table = notebook.Table(Record({}, results, {}), "Checked: cell [3]")
    text = repr(table)
    assert text.endswith("Checked: cell [3]")
    assert "Checked: cell [3]" in table._repr_html_()
    assert text.startswith("Task")
    assert "collate.padding  0/4 points\n  second" in text
    assert "\x1b" not in text


def test_a_comment_holds_no_word_of_the_student() -> None:
    result = CheckResult(
        "collate.one_sentence", "collate", Status.FAILED, 1, 4, message="<b>hi</b>"
    )
    record = Record({}, [result], {})
    line = board.line(record, record.tasks[0])
    assert line == "collate: 1/4 points, in progress, fix: one sentence."


def test_progress_gives_the_batches_and_counts_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []

    class Handle:
        def update(self, line: Any) -> None:
            lines.append(line.data)

    def display(line: Any, display_id: bool) -> Handle:
        assert display_id
        lines.append(line.data)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    batches = notebook.progress([1, 2, 3, 4], 2)
    assert len(batches) == 4
    assert [list(batches), list(batches)] == [[1, 2, 3, 4]] * 2
    assert lines[0].startswith("epoch 1 of 2  ░")
    assert lines[-1] == f"epoch 2 of 2  {'█' * 40}  4 of 4 batches"


# --- the Validate button ----------------------------------------------------------------------


def validated(path: Path) -> Any:
    config = Config({"Execute": {"timeout": 600}})
    return Validator(config=config).validate(str(path))


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notebook without the task collate, and without the try-it cells, to save time."""
    content = nbformat.read(SOURCE, 4)
    kept = ("imports", "lesson-05", "dataset-NewsDataset", "check-dataset", "collate-Collate")
    content.cells = [cell for cell in content.cells if cell.id in (*kept, "check-collate")]
    path = tmp_path_factory.mktemp("stub") / "stub.ipynb"
    collate = next(cell for cell in content.cells if cell.id == "collate-Collate")
    collate.source = "class Collate:\n    pass"
    nbformat.write(content, path)
    return path


def test_validate_names_the_cell_that_fails_and_no_other(stub: Path) -> None:
    failed = validated(stub)["failed"]
    assert [cell["source"] for cell in failed] == ['check("collate", Collate)']
    said = "collate: 0/20 points, wrong, fix: loads once, shape. Run the cell to read more."
    assert failed[0]["error"] == said


@pytest.mark.full
def test_validate_passes_the_solution() -> None:
    assert validated(SOURCE) == {}


def test_a_hint_is_printed_and_recorded_where_there_is_a_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hints.json").write_text("{}", encoding="utf-8")
    notebook.hint("collate", 2)
    out = capsys.readouterr().out
    assert out.startswith(tasks()["collate"].hints[1])
    assert 'More: hint("collate", 3)' in out
    assert out.endswith("your instructor may see which hints you asked for.\n")
    assert (tmp_path / "hints.json").read_text(encoding="utf-8") == '{"collate": [2]}'
    with pytest.raises(UsageError, match="choose a level from 1 to 3"):
        notebook.hint("collate", 4)
