"""What a regrade changes: whose mark, by how much, and why."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.classroom.run import write
from grader.contract.enums import Status
from grader.contract.record import CheckResult, Record
from grader.contract.results import Result
from grader.contract.roster import Student

PASSED = CheckResult("model.shape", "model", Status.PASSED, 6.0, 6.0)
LOST = replace(
    PASSED, status=Status.FAILED, score=0.0, mistake="time-first", message="Called `f`.\nNo."
)
OTHER = CheckResult("model.reads", "model", Status.FAILED, 1.0, 4.0, None, "Called `g()`.\nNo.")
GONE = "The grader itself failed"


def record(*checks: CheckResult, digest: str = "d") -> Record:
    return Record({"name": "ada", "digest": digest}, [*checks], {})


def report(folder: Path, **records: Record | None) -> Path:
    folder.mkdir()
    results = [
        Result(student, record=each, fault="" if each else GONE)
        for student, each in records.items()
    ]
    write(results, folder, "class", "folders")
    return folder


def changes(
    old: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> dict[str, dict[str, object]]:
    code = main(["diff", str(old), str(new), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == (1 if found else 0)
    return {each["student"]: each for each in found}


def test_the_same_marks_are_no_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = report(tmp_path / "old", ada=record(PASSED, OTHER), bob=None)
    later = replace(OTHER, seconds=9.0, message="other words")
    new = report(tmp_path / "new", ada=record(PASSED, later, digest="e"), bob=None)
    assert changes(old, new, capsys) == {}
    assert main(["diff", str(old), str(new)]) == 0
    assert capsys.readouterr().out == "No mark changes; 2 submissions compared.\n"


def test_who_handed_in_nothing_is_no_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = report(tmp_path / "old", ada=record(PASSED))
    new = tmp_path / "new"
    new.mkdir()
    missing = Result("bob", roster=Student("bob", "Bob"))
    write([Result("ada", record=record(PASSED)), missing], new, "class", "folders")
    assert changes(old, new, capsys) == {}


CASES: dict[str, tuple[Record | None, Record | None, float | None, float | None, list[str]]] = {
    "lost": (
        record(PASSED, OTHER),
        record(LOST, OTHER),
        7.0,
        1.0,
        ["model.shape: 6/6 -> 0/6, passed -> failed (time-first)"],
    ),
    "gained by another submission": (
        record(LOST),
        record(PASSED, digest="e"),
        0.0,
        6.0,
        ["a different submission", "model.shape: 0/6 -> 6/6, failed -> passed"],
    ),
    "two that even out": (
        record(PASSED, replace(OTHER, score=0.0)),
        record(replace(LOST, score=2.0, mistake=None, message="m\nn"), replace(OTHER, score=4.0)),
        6.0,
        6.0,
        [
            "model.shape: 6/6 -> 2/6, passed -> failed (m)",
            "model.reads: 0/4 -> 4/4, failed -> failed (Called `g()`.)",
        ],
    ),
    "a new check": (
        record(PASSED), record(PASSED, OTHER), 6.0, 7.0,
        ["model.reads: new check, 1/4 (Called `g()`.)"],
    ),
    "a check gone": (
        record(PASSED, OTHER), record(PASSED), 7.0, 6.0, ["model.reads: check removed, was 1/4"],
    ),
    "other points": (
        record(PASSED), record(replace(PASSED, max_score=9.0, score=9.0)), 6.0, 9.0,
        ["model.shape: 6/6 -> 9/9, passed -> passed"],
    ),
    "a fault now": (record(PASSED), None, 6.0, None, [f"can no longer be graded: {GONE}"]),
    "a fault before": (None, record(PASSED), None, 6.0, [f"could not be graded before: {GONE}"]),
    "a fault in a check": (
        record(LOST), record(replace(LOST, status=Status.ERROR, mistake=None)), 0.0, 0.0,
        ["model.shape: 0/6 -> 0/6, failed -> error (Called `f`.)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_change_says_by_how_much_and_why(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, after, old, new, why = CASES[case]
    same = record(PASSED)
    both = (
        report(tmp_path / "old", ada=before, bob=same),
        report(tmp_path / "new", ada=after, bob=same),
    )
    expected = {"ada": {"student": "ada", "old": old, "new": new, "why": why}}
    assert changes(*both, capsys) == expected


def test_who_came_and_who_went_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = report(tmp_path / "old", ada=record(PASSED), bob=record(PASSED))
    new = report(tmp_path / "new", bob=record(PASSED), cyd=record(PASSED))
    found = changes(old, new, capsys)
    assert {student: each["why"] for student, each in found.items()} == {
        "ada": ["no longer submitted"],
        "cyd": ["new submission"],
    }


def test_the_table_has_a_row_a_student_the_largest_loss_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    same, lost = record(PASSED), record(LOST)
    half = record(replace(PASSED, score=3.0))
    old = report(tmp_path / "old", a=same, b=half, c=lost, d=same)
    new = report(tmp_path / "new", a=same, b=lost, c=same, d=lost)
    assert main(["diff", str(old), str(new)]) == 1
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split()[:4] for line in lines if "->" in line]
    assert rows == [["d", "6", "0", "-6"], ["b", "3", "0", "-3"], ["c", "0", "6", "+6"]]
    assert lines[-1] == "3 of 4 submissions change."


def test_two_records_of_other_names_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, each in {"old": record(PASSED), "new": record(LOST)}.items():
        text = replace(each, submission={"name": name, "digest": "d"}).to_json()
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    found = changes(tmp_path / "old.json", tmp_path / "new.json", capsys)
    assert [each["new"] for each in found.values()] == [0.0]


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"results": 3}', '{"results": [{}]}'])
def test_what_holds_no_results_is_told(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_text(text, encoding="utf-8")
    assert main(["diff", str(tmp_path / "x.json"), str(tmp_path)]) == 2
    assert "x.json: holds no results" in capsys.readouterr().err
    assert main(["diff", str(tmp_path), str(tmp_path)]) == 2
    assert "results.json: no such file" in capsys.readouterr().err
