"""`nbgrader export` with the kit's plugins."""

import csv
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook

from grader.__main__ import main
from grader.base.errors import UsageError
from grader.base.paths import COURSE
from grader.contract.course import chosen
from grader.course.export import CanvasCsv, MarksCsv, MoodleCsv
from grader.course.folders import record_file
from grader.course.marks import GRADER_FAILED, _score
from grader.reports.table import escape_formula


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two students of an assignment of two tasks and a question; one of them handed in."""
    file = tmp_path_factory.mktemp("gradebook") / "gradebook.db"
    programs = str(Path(sys.executable).parent)  # nbgrader runs alembic
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([programs, os.environ["PATH"]]))
        fill(Gradebook(f"sqlite:///{file}"))
    return file


def fill(gradebook: Any) -> None:
    with gradebook as book:
        book.add_assignment("news")
        book.add_notebook("news", "news")
        for name, points in {"check-dataset": 15, "check-model": 30, "question-why": 5}.items():
            book.add_grade_cell(name, "news", "news", max_score=points, cell_type="code")
        book.add_student("ann", first_name='=HYPERLINK("x")', last_name='O\'Hara, "Ann"')
        book.add_student("=1+1")
        book.add_submission("news", "ann")
        scores = {"check-dataset": 12.5, "check-model": 30.0, "question-why": 4.0}
        for name, score in scores.items():
            grade = book.find_grade(name, "news", "news", "ann")
            grade.auto_score, grade.needs_manual_grade = score, False
        book.db.commit()


@pytest.fixture
def gradebook(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A copy of its own for each test: to make one takes nbgrader two seconds.

    Its points are its own; no course adds to what a test says of marks.
    """
    monkeypatch.chdir(tmp_path)
    shutil.copy(filled, tmp_path)
    with chosen(Path(os.devnull)), Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as book:
        yield book


def exported(gradebook: Any, plugin: type[MarksCsv], path: Path) -> list[dict[str, str]]:
    plugin(to=str(path)).export(gradebook)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return sorted(rows, key=lambda row: "ann" not in row.values())  # she comes first


def test_the_plain_file_has_a_row_a_student_with_tasks_questions_and_total(
    gradebook: Any, tmp_path: Path
) -> None:
    ann, other = exported(gradebook, MarksCsv, tmp_path / "m.csv")
    assert ann["student_id"] == "ann"
    assert [ann[name] for name in ("dataset", "model", "question-why")] == ["12.5", "30.0", "4.0"]
    assert (ann["score"], ann["max_score"], ann["needs_manual_grade"]) == ("46.5", "50.0", "")
    assert (ann["status"], other["status"], other["score"]) == ("graded", "missing", "")
    assert (ann["timestamp"], other["timestamp"]) == ("", "")  # not "None"


def test_marks_of_checks_and_notes_come_from_the_record(gradebook: Any, tmp_path: Path) -> None:
    place = record_file("news", "ann")
    place.parent.mkdir(parents=True)
    told = {"left_out": ["@x was skipped."], "notes": ["news (1).ipynb was read as news.ipynb."]}
    place.write_text(
        json.dumps({"submission": told, "checks": [{"id": "dataset.texts", "score": 2.0}]})
    )
    ann, other = exported(gradebook, MarksCsv, tmp_path / "m.csv")
    assert (ann["dataset.texts"], other["dataset.texts"]) == ("2.0", "")
    assert ann["notes"] == "'@x was skipped. news (1).ipynb was read as news.ipynb."
    assert other["notes"] == ""


def test_no_cell_is_a_formula_and_every_text_is_quoted(gradebook: Any, tmp_path: Path) -> None:
    for plugin in (MarksCsv, CanvasCsv, MoodleCsv):
        path = tmp_path / "m.csv"
        for row in exported(gradebook, plugin, path):
            texts = [value for value in row.values() if value != "-"]
            assert not any(value.startswith(("=", "+", "-", "@")) for value in texts)
        text = path.read_text(encoding="utf-8")
        assert ",=" not in text
        assert '"\'=1+1"' in text


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1"])
def test_a_text_that_could_start_a_formula_is_marked_as_text(text: str) -> None:
    assert escape_formula(text) == f"'{text}"
    assert escape_formula(f"a{text}") == f"a{text}"
    assert escape_formula(-1.5) == -1.5


@pytest.mark.parametrize(("plugin", "none"), [(CanvasCsv, ""), (MoodleCsv, "-")])
def test_a_mark_that_a_person_still_has_to_give_is_none(
    gradebook: Any, tmp_path: Path, plugin: type[MarksCsv], none: str
) -> None:
    ann, *others = exported(gradebook, plugin, tmp_path / "m.csv")
    assert (ann["news"], others[-1]["news"]) == ("46.5", none)
    grade = gradebook.find_grade("question-why", "news", "news", "ann")
    grade.auto_score, grade.needs_manual_grade = None, True
    gradebook.db.commit()
    assert exported(gradebook, plugin, tmp_path / "m.csv")[0]["news"] == none
    row = exported(gradebook, MarksCsv, tmp_path / "m.csv")[0]
    assert (row["needs_manual_grade"], row["score"]) == ("yes", "42.5")


def test_canvas_has_its_columns_and_the_points_possible(gradebook: Any, tmp_path: Path) -> None:
    ann, *_ = exported(gradebook, CanvasCsv, tmp_path / "m.csv")
    assert list(ann) == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "news"]
    assert ann["SIS User ID"] == "ann"
    second = (tmp_path / "m.csv").read_text(encoding="utf-8").split("\n")[1]
    assert second == '"Points Possible","","","","",50.0'


def test_moodle_tells_the_points_of_each_task(gradebook: Any, tmp_path: Path) -> None:
    ann = exported(gradebook, MoodleCsv, tmp_path / "m.csv")[0]
    assert ann["news (feedback)"] == "dataset: 12.5; model: 30; question-why: 4"


def test_students_and_assignments_can_be_chosen(gradebook: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    MarksCsv(to=str(path), student=["ann"]).export(gradebook)
    assert "=1+1" not in path.read_text(encoding="utf-8")
    MarksCsv(to=str(path), assignment=["other"]).export(gradebook)
    assert "ann" not in path.read_text(encoding="utf-8")


# --- who has no mark, and why ----------------------------------------------------------------


def hand_in(
    gradebook: Any, student: str, scores: Mapping[str, float | None], comment: str = ""
) -> None:
    """Add a submission; a score of None waits for a person."""
    gradebook.update_or_create_student(student)
    gradebook.add_submission("news", student)
    for name, score in scores.items():
        grade = gradebook.find_grade(name, "news", "news", student)
        grade.auto_score, grade.needs_manual_grade = score, score is None
    if comment:
        gradebook.find_comment("dataset-x", "news", "news", student).auto_comment = comment
    gradebook.db.commit()


NONE = {"check-dataset": None, "check-model": None, "question-why": 0.0}


def by_student(gradebook: Any, plugin: type[MarksCsv], path: Path, **options: Any) -> Any:
    plugin(to=str(path), **options).export(gradebook)
    with path.open(encoding="utf-8", newline="") as stream:
        delimiter = ";" if options.get("decimal") == "comma" else ","
        rows = list(csv.DictReader(stream, delimiter=delimiter))
    key = next(name for name in ("student_id", "SIS User ID", "ID number") if name in rows[0])
    return {row[key]: row for row in rows}


def test_every_student_has_a_status_and_an_absent_mark_is_empty(
    gradebook: Any, tmp_path: Path
) -> None:
    gradebook.add_solution_cell("dataset-x", "news", "news")
    hand_in(gradebook, "broken", NONE, "The file cannot be graded: it is no notebook.")
    hand_in(gradebook, "ill", NONE, f"{GRADER_FAILED} (ValueError). Your teacher will look at it.")
    hand_in(gradebook, "half", {**NONE, "check-dataset": 15.0})
    hand_in(gradebook, "answer", {"check-dataset": 15.0, "check-model": 0.0, "question-why": None})
    hand_in(gradebook, "zero", {"check-dataset": 0.0, "check-model": 0.0, "question-why": 0.0})
    rows = by_student(gradebook, MarksCsv, tmp_path / "m.csv")
    found = {id_: (row["status"], row["score"], row["dataset"]) for id_, row in rows.items()}
    assert found == {
        "ann": ("graded", "46.5", "12.5"),
        "'=1+1": ("missing", "", ""),
        "broken": ("unreadable", "", ""),
        "ill": ("error", "", ""),
        "half": ("error", "", "15.0"),
        "answer": ("graded", "15.0", "15.0"),
        "zero": ("graded", "0.0", "0.0"),
    }
    for plugin, none in ((CanvasCsv, ""), (MoodleCsv, "-")):
        marks = {
            id_: row["news"] for id_, row in by_student(gradebook, plugin, tmp_path / "x").items()
        }
        marks.pop("", None)
        final = {id_: mark for id_, mark in marks.items() if mark != none}
        assert final == {"ann": "46.5", "zero": "0.0"}
        assert len(marks) == len(found)


@pytest.mark.parametrize(
    ("guess", "points"), [("...", 0.0), ("(3, 6, 8)", 2.0), ('"no idea"', 2.0)]
)
def test_a_guess_earns_its_points_right_or_wrong(
    gradebook: Any, tmp_path: Path, guess: str, points: float
) -> None:
    cell = new_code_cell(f'predict("outputs-shape", {guess})')
    name = "predict-outputs-shape"
    worth = {"grade": True, "solution": True, "points": 2, "grade_id": name}
    cell.metadata["nbgrader"] = worth
    assert _score(cell, None) == points
    gradebook.add_grade_cell(name, "news", "news", max_score=2, cell_type="code")
    others = {"check-dataset": 15.0, "check-model": 0.5, "question-why": None}
    hand_in(gradebook, "ben", others | {name: points})
    row = by_student(gradebook, MarksCsv, tmp_path / "m.csv", written_answers=False)["ben"]
    assert (row["score"], row["max_score"]) == (str(15.5 + points), "47.0")
    assert row[name] == str(points)


def test_written_answers_can_be_left_out(gradebook: Any, tmp_path: Path) -> None:
    hand_in(gradebook, "answer", {"check-dataset": 15.0, "check-model": 0.5, "question-why": None})
    path = tmp_path / "m.csv"
    rows = by_student(gradebook, MarksCsv, path, written_answers=False)
    assert "question-why" not in rows["ann"]
    columns = ("score", "max_score", "needs_manual_grade")
    assert [tuple(rows[id_][name] for name in columns) for id_ in ("ann", "answer")] == [
        ("42.5", "45.0", ""), ("15.5", "45.0", ""),
    ]  # fmt: skip
    rows = by_student(gradebook, CanvasCsv, path, written_answers=False)
    assert (rows[""]["news"], rows["answer"]["news"]) == ("45.0", "15.5")
    assert by_student(gradebook, CanvasCsv, path)["answer"]["news"] == ""
    rows = by_student(gradebook, MoodleCsv, path, written_answers=False)
    assert rows["answer"]["news (feedback)"] == "dataset: 15; model: 0.5"


def test_late_is_what_came_after_the_deadline_or_nbgraders_due_date(
    gradebook: Any, tmp_path: Path
) -> None:
    path, scores = tmp_path / "m.csv", {"check-dataset": 1.0}
    hand_in(gradebook, "in-time", scores)
    hand_in(gradebook, "late", scores)
    hand_in(gradebook, "zone", scores)
    hand_in(gradebook, "extended", scores)
    hand_in(gradebook, "unknown", scores)
    when = datetime(2026, 11, 21, 23, 58)
    for student, minutes in (("in-time", 0), ("late", 2), ("zone", 58), ("extended", 30)):
        submission = gradebook.find_submission("news", student)
        submission.timestamp = when + timedelta(minutes=minutes)
    gradebook.find_submission("news", "extended").extension = timedelta(hours=1)
    gradebook.db.commit()
    place = tmp_path / "submitted" / "zone" / "news" / "timestamp.txt"
    place.parent.mkdir(parents=True)
    place.write_text("2026-11-22 00:30:00 +0100")  # which nbgrader takes for 23:28:20 plus a day
    expected = {"in-time": "no", "late": "yes", "zone": "no", "unknown": "", "ann": "", "'=1+1": ""}

    def told(**options: Any) -> dict[str, str]:
        rows = by_student(gradebook, MarksCsv, path, **options)
        return {id_: row["late"] for id_, row in rows.items()}

    assert set(told().values()) == {""}
    assert told(deadline="2026-11-21T23:59Z") == expected | {"extended": "no"}
    gradebook.find_assignment("news").duedate = datetime(2026, 11, 21, 23, 59)
    gradebook.db.commit()
    assert told() == expected | {"extended": "no"}
    with pytest.raises(UsageError, match="is no time"):
        told(deadline="tomorrow")


ROSTER = (
    "id;name;email;section\nann;Ann O'Hara;ann@uni.example;Monday\n"
    "s2;Ben;ben@uni.example;Tuesday\ns3;Cay;;Lab\n"
)


def test_every_student_of_the_roster_is_listed(gradebook: Any, tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text(ROSTER, encoding="utf-8")
    hand_in(
        gradebook, "ben@uni.example", {"check-dataset": 1.0, "check-model": 1, "question-why": 1}
    )
    options = {"roster": str(tmp_path / "roster.csv"), "column": "News (7)"}
    rows = by_student(gradebook, MarksCsv, tmp_path / "m.csv", **options)
    columns = ("roster_id", "section", "matched by", "status", "score")
    assert {id_: tuple(row[name] for name in columns) for id_, row in rows.items()} == {
        "ann": ("ann", "Monday", "id", "graded", "46.5"),
        "'=1+1": ("", "", "nobody", "missing", ""),
        "ben@uni.example": ("s2", "Tuesday", "e-mail", "graded", "3.0"),
        "s3": ("s3", "Lab", "", "missing", ""),
    }
    rows = by_student(gradebook, CanvasCsv, tmp_path / "m.csv", **options)
    assert {id_: row["News (7)"] for id_, row in rows.items()} == {
        "": "50.0", "ann": "46.5", "'=1+1": "", "s2": "3.0", "s3": "",
    }  # fmt: skip
    rows = by_student(gradebook, MoodleCsv, tmp_path / "m.csv", **options)
    assert {id_: row["News (7)"] for id_, row in rows.items()} == {
        "ann": "46.5", "s2": "3.0", "s3": "-",
    }  # fmt: skip


def test_one_name_is_for_one_assignment(gradebook: Any, tmp_path: Path) -> None:
    gradebook.add_assignment("other")
    with pytest.raises(UsageError, match="there are 2 assignments"):
        by_student(gradebook, CanvasCsv, tmp_path / "m.csv", column="News")


# --- the command -----------------------------------------------------------------------------


@pytest.fixture
def course(filled: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "course"
    folder.mkdir()
    shutil.copy(filled, folder)
    config = (COURSE / "nbgrader_config.py").read_text(encoding="utf-8")
    (folder / "nbgrader_config.py").write_text(config, encoding="utf-8")
    with chosen(Path(os.devnull)):  # as for `gradebook`
        yield folder


def test_the_command_exports_for_all_and_leaves_written_answers_out(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "roster.csv").write_text(ROSTER, encoding="utf-8")
    command = ["course", "export", "--course", course.name]
    options = ["--without-written-answers", "--decimal", "comma", "--roster", "roster.csv"]
    assert main([*command, "--as", "canvas", *options, "--column", "News (7)"]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'canvas.csv'}\n"
    header, possible, *rows = (tmp_path / "canvas.csv").read_text(encoding="utf-8").splitlines()
    assert header == '"Student";"ID";"SIS User ID";"SIS Login ID";"Section";"News (7)"'
    assert possible.endswith(";45,0")
    assert len(rows) == 4
    assert any('"ann"' in row and row.endswith(";42,5") for row in rows)
    assert main([*command, "--out", "all.csv", "--deadline", "2026-11-21"]) == 0
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as stream:
        found = {row["student_id"]: row for row in csv.DictReader(stream)}
    assert (found["ann"]["score"], found["'=1+1"]["score"]) == ("46.5", "")
    assert main([*command, "--as", "moodle", "--assignment", "news"]) == 0
    assert "46.5" in (tmp_path / "moodle.csv").read_text(encoding="utf-8")
    assert Path.cwd() == tmp_path


def test_the_configuration_of_the_course_can_leave_written_answers_out(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (course / "nbgrader_config.py").open("a", encoding="utf-8") as stream:
        stream.write("c.MarksCsv.written_answers = False\n")
    monkeypatch.chdir(course)
    assert main(["course", "export", "--as", "canvas"]) == 0
    assert "42.5" in (course / "canvas.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--course", "nowhere"], "nowhere/gradebook.db: there is no such file"),
        (["--course", "course", "--out", "nowhere/x.csv"], "it cannot be written"),
        (["--course", "course", "--roster", "none.csv"], "none.csv: cannot be read"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_line(
    arguments: list[str], says: str, course: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(course.parent)
    assert main(["course", "export", *arguments]) == 2
    [line] = [each for each in capsys.readouterr().err.splitlines() if "grader:" in each]
    assert says in line


COURSE_TOML = """
pass_mark = 60
bonus = ["dataset"]

[columns]
news-classifier = "News (4711)"

[deadlines]
news-classifier = 2026-11-21T23:59:00Z

[late]
grace_minutes = 5
percent_per_day = 10

[export]
digits = 0
"""


@pytest.mark.parametrize(
    ("when", "late", "penalty", "mark", "passed"),
    [
        ("2026-11-22 00:03:59 UTC", "no", 0.0, 47.0, "yes"),  # within the grace
        ("2026-11-22 00:05 UTC", "yes", 3.5, 43.0, "yes"),
        ("2026-11-29 00:05 UTC", "yes", 28.0, 19.0, "no"),
    ],
)
def test_the_policy_of_a_course_makes_marks_of_the_points(
    renamed: Any, when: str, late: str, penalty: float, mark: float, passed: str, tmp_path: Path
) -> None:
    folder = tmp_path / "submitted" / "ann" / "news-classifier"
    folder.mkdir(parents=True)
    (folder / "timestamp.txt").write_text(when)
    (tmp_path / "course.toml").write_text(COURSE_TOML)
    with chosen(tmp_path / "course.toml"):
        ann, _ = exported(renamed, MarksCsv, tmp_path / "m.csv")
        assert (ann["late"], ann["score"], ann["max_score"]) == (late, "46.5", "35.0")
        assert (float(ann["penalty"]), float(ann["mark"]), ann["passed"]) == (penalty, mark, passed)
        ann, other, *_ = exported(renamed, CanvasCsv, tmp_path / "c.csv")
        assert float(ann["News (4711)"]) == mark
        assert other["News (4711)"] == "35.0"  # the row of points possible
        ann, other = exported(renamed, MoodleCsv, tmp_path / "c.csv")
        assert (float(ann["News (4711)"]), other["News (4711)"]) == (mark, "-")


def test_a_course_without_written_answers_waits_for_none(renamed: Any, tmp_path: Path) -> None:
    (tmp_path / "course.toml").write_text("written_questions = false")
    with chosen(tmp_path / "course.toml"):
        ann, _ = exported(renamed, MarksCsv, tmp_path / "m.csv")
    assert (ann["score"], ann["max_score"]) == ("42.5", "45.0")


@pytest.fixture
def renamed(gradebook: Any) -> Any:
    """The gradebook with an assignment that a course can name."""
    gradebook.find_assignment("news").name = "news-classifier"
    gradebook.db.commit()
    return gradebook
