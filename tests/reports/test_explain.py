"""`explain`: everything behind a verdict, and inputs that can be pasted."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from grader.__main__ import main
from grader.contract import course
from grader.contract.record import Record
from grader.contract.tasks import tasks
from grader.grading import replay as replaying
from grader.grading.replay import Operation, replay
from grader.grading.session import session
from grader.intake.sources import Sources
from grader.maintain.submission_bank import mutants
from grader.reports import explain, feedback, markdown

GOLDEN = Path(__file__).parents[1] / "golden"
PEEPHOLES = next(each for each in mutants() if each.id == "lstm_cell-peepholes")
CHECK = next(each for each in tasks()["lstm_cell"].checks if each.name == "cell_state")
SUBMITTED = Sources("s", PEEPHOLES.changed, {"recurrent": "recurrent.py"})
OPTIONS: dict[str, Any] = {"assignment": "recurrent-layers", "in_process": True}


@pytest.fixture(scope="module")
def graded() -> tuple[Record, list[Operation]]:
    """The record of a mutant, and what a worker is asked when its check is judged again."""
    with session(SUBMITTED, **OPTIONS) as opened:
        for check in tasks()["lstm_cell"].checks:
            opened.run(check)
        record = opened.record()
    return record, replay(SUBMITTED, CHECK, **OPTIONS)[1]


def sections(text: str) -> dict[str, str]:
    parts = (part.partition("\n") for part in text.split("\n\n"))
    return {heading: body for heading, _, body in parts}


def test_a_verdict_is_explained(graded: tuple[Record, list[Operation]]) -> None:
    record, operations = graded
    check = next(each for each in record.checks if each.id == CHECK.id)
    found = sections(explain.text(record, check, operations, ["lstm_cell-peepholes"]))
    assert [*found] == [
        "lstm_cell.cell_state: failed, 0 of 6 points",
        "Requires",
        "Message",
        "Mistake",
        "Like the known wrong submissions",
        "Hint 2",
        "Needs",
        "Inputs",
        "Graded",
    ]
    assert "got:" in found["Message"]
    assert "expected:" in found["Message"]
    assert "(gates-read-the-cell-state)" in found["Mistake"]
    assert found["Needs"] == "  lstm_cell.shape: passed"
    assert SUBMITTED.digest in found["Graded"]
    assert "grade SUBMISSION --assignment recurrent-layers --seed 0" in found["Graded"]


def test_the_inputs_can_be_pasted_and_give_the_same(graded: tuple[Record, list[Operation]]) -> None:
    record, operations = graded
    check = next(each for each in record.checks if each.id == CHECK.id)
    body = sections(explain.text(record, check, operations))["Inputs"]
    lines = [line[2:] for line in body.split("\n")]
    assert lines[0] == "from exercise.recurrent import lstm_cell"
    names: dict[str, Any] = {}
    exec(PEEPHOLES.changed["recurrent"].decode(), names)
    calls = [line for line in lines if line.startswith("lstm_cell(")]
    (operation,) = operations
    assert len(calls) == len(operation.answer)
    for call, answer in zip(calls, operation.answer, strict=True):
        for own, sent in zip(eval(call, names), answer["result"], strict=True):
            assert torch.allclose(own, sent.torch() if hasattr(sent, "torch") else sent)


def test_arguments_become_python() -> None:
    layer = {
        "make": "torch.nn.Linear",
        "args": [2, 1],
        "kwargs": {"bias": False},
        "state": {"weight": torch.ones(1, 2)},
    }
    calls = [{"text": "", "args": [layer, (1,), [None, "a"], torch.zeros(0, 2)], "kwargs": {}}]
    asked = Operation("call.function", {"name": "pad", "calls": calls}, [{"result": 3}])
    lines = [*explain._inputs("pad", [asked])]
    assert lines[-2:] == [
        "pad(with_weights(torch.nn.Linear(2, 1, bias=False), "
        "{'weight': torch.tensor([[1.0, 1.0]], dtype=torch.float32)}), (1,), [None, 'a'], "
        "torch.zeros((0, 2), dtype=torch.float32))",
        "# returned 3",
    ]
    names: dict[str, Any] = {"pad": lambda layer, *_: layer(torch.ones(2)).item()}
    exec("\n".join(line for line in lines[:-2] if not line.startswith("from ")), names)
    assert eval(lines[-2], names) == 2


def test_students_do_not_see_the_environment_nor_the_graders_failures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = json.loads((GOLDEN / "wrong.json").read_text(encoding="utf-8"))
    own = (check for check in record["checks"] if check["task"] in tasks())  # in any course
    failed = next(check for check in own if check["status"] == "failed")
    assert main(["explain", str(GOLDEN / "wrong.json"), failed["id"]]) == 0
    whole = sections(capsys.readouterr().out)
    assert "landlock" in whole["Graded"]
    assert "Like the known wrong submissions" in whole
    assert main(["explain", str(GOLDEN / "wrong.json"), failed["id"], "--student"]) == 0
    shown = sections(capsys.readouterr().out)
    assert shown["Message"] == whole["Message"]
    assert "Like the known wrong submissions" not in shown
    for word in ("secret", "landlock", "torch"):
        assert word not in shown["Graded"]


def test_a_class_report_needs_the_student(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads((GOLDEN / "wrong.json").read_text(encoding="utf-8"))
    rows = [{"student": "ada", "record": record}, {"student": "bob", "record": None}]
    (tmp_path / "results.json").write_text(json.dumps({"results": rows}), encoding="utf-8")
    assert main(["explain", str(tmp_path), "dataset.texts", "--of", "ada"]) == 0
    assert "dataset.texts: passed, 2 of 2 points" in capsys.readouterr().out
    assert main(["explain", str(tmp_path), "dataset.texts", "--of", "bob"]) == 2
    assert "name a student with a record, one of ada" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "is not what was graded"),
        ({"digest": SUBMITTED.digest, "secret": "course"}, "set GRADER_SECRET"),
        ({"digest": SUBMITTED.digest, "status": "passed"}, "Judged again"),
    ],
)
@pytest.mark.usefixtures("kits_course")
def test_another_submission_secret_or_verdict_is_told(
    change: dict[str, str],
    says: str,
    graded: tuple[Record, list[Operation]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(replaying, "session", lambda *args, **_: session(*args, **OPTIONS))
    data = graded[0].as_dict()
    data["submission"]["digest"] = change.get("digest", "another")
    data["environment"]["secret"] = change.get("secret", "published")
    check = next(each for each in data["checks"] if each["id"] == CHECK.id)
    check["status"] = change.get("status", "failed")
    (tmp_path / "r.json").write_text(json.dumps(data), encoding="utf-8")
    (tmp_path / "recurrent.py").write_bytes(PEEPHOLES.changed["recurrent"])
    command = ["explain", str(tmp_path / "r.json"), CHECK.id, "--submission"]
    assert main([*command, str(tmp_path / "recurrent.py")]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (["submission"], None),
        (["environment"], "secret"),
        (["submission", "assignment"], 3),
        (["checks", 0, "id"], [1]),
        (["checks", 0, "task"], {"a": 1}),
        (["checks", 0, "task"], "../../model"),
        (["checks", 0], 3),
        (["checks", 0, "score"], "all"),
        (["checks", 0, "mistake"], {}),
    ],
)
def test_a_record_that_no_grader_wrote_is_told(
    place: list[Any],
    value: object,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = json.loads((GOLDEN / "wrong.json").read_text(encoding="utf-8"))
    *before, last = place
    part = record
    for key in before:
        part = part[key]
    part[last] = value
    (tmp_path / "record.json").write_text(json.dumps(record), encoding="utf-8")
    rows = {"results": [{"student": "ada", "record": record}, 3]}
    (tmp_path / "results.json").write_text(json.dumps(rows), encoding="utf-8")
    replayed = ["--submission", str(tmp_path)]
    for path, *more in (
        [str(tmp_path / "record.json"), *replayed],
        [str(tmp_path), "--of", "ada", *replayed],
    ):
        assert main(["explain", path, "dataset.texts", *more]) == 2
        assert "itself failed" not in capsys.readouterr().err


def test_a_file_of_nothing_but_brackets_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.json").write_text("[" * 100_000, encoding="utf-8")
    for path in (tmp_path, tmp_path / "results.json"):
        assert main(["explain", str(path), "dataset.texts", "--of", "ada"]) == 2
        assert "itself failed" not in capsys.readouterr().err


def test_what_grades_again_names_the_courses_variable(
    graded: tuple[Record, list[Operation]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "_used", [])
    course.use('secret_variable = "MY_SECRET"')
    record = replace(graded[0], environment=graded[0].environment | {"secret": "course"})
    found = sections(explain.text(record, record.checks[0]))
    assert "again       MY_SECRET=... python -m grader grade" in found["Graded"]


def test_an_unknown_check_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(GOLDEN / "wrong.json"), "dataset.text"]) == 2
    assert "Did you mean dataset.texts?" in capsys.readouterr().err


# --- what a course shows of a failure ---------------------------------------------------------

FULL = ["got:", "expected:", "gates", "lstm_cell(", "MY PRINT"]


@pytest.mark.parametrize(
    ("show", "kept"), [("full", FULL), ("message", ["gates", "lstm_cell("]), ("none", [])]
)
def test_a_course_decides_what_students_read_of_a_failure(
    show: str, kept: list[str], graded: tuple[Record, list[Operation]], tmp_path: Path
) -> None:
    failed = next(each for each in graded[0].checks if each.id == CHECK.id)
    record = replace(graded[0], checks=[replace(failed, printed="MY PRINT")])
    (tmp_path / "course.toml").write_text(f'show = "{show}"', encoding="utf-8")
    with course.chosen(tmp_path / "course.toml"):
        for text in (feedback.text(record), markdown.text(record)):
            assert [word for word in FULL if word in text] == kept
            assert ("The course does not show more." in text) is (show == "none")
