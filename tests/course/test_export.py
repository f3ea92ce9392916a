"""`nbgrader export` with the kit's plugins."""

import csv
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook

from grader.course.export import CanvasCsv, MarksCsv, MoodleCsv
from grader.course.folders import record_file
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
    """A copy of its own for each test: to make one takes nbgrader two seconds."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(filled, tmp_path)
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as book:
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
    assert other["score"] == "0.0"
    assert (ann["timestamp"], other["timestamp"]) == ("", "")  # not "None"


def test_the_marks_of_checks_come_from_the_record(gradebook: Any, tmp_path: Path) -> None:
    place = record_file("news", "ann")
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"checks": [{"id": "dataset.texts", "score": 2.0}]}))
    ann, other = exported(gradebook, MarksCsv, tmp_path / "m.csv")
    assert (ann["dataset.texts"], other["dataset.texts"]) == ("2.0", "")


def test_no_cell_is_a_formula_and_every_text_is_quoted(gradebook: Any, tmp_path: Path) -> None:
    for plugin in (MarksCsv, CanvasCsv, MoodleCsv):
        path = tmp_path / "m.csv"
        for row in exported(gradebook, plugin, path):
            assert not any(value.startswith(("=", "+", "-", "@")) for value in row.values())
        text = path.read_text(encoding="utf-8")
        assert ",=" not in text
        assert '"\'=1+1"' in text


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1"])
def test_a_text_that_could_start_a_formula_is_marked_as_text(text: str) -> None:
    assert escape_formula(text) == f"'{text}"
    assert escape_formula(f"a{text}") == f"a{text}"
    assert escape_formula(-1.5) == -1.5


@pytest.mark.parametrize("plugin", [CanvasCsv, MoodleCsv])
def test_a_mark_that_a_person_still_has_to_give_is_left_empty(
    gradebook: Any, tmp_path: Path, plugin: type[MarksCsv]
) -> None:
    ann, *others = exported(gradebook, plugin, tmp_path / "m.csv")
    assert (ann["news"], others[-1]["news"]) == ("46.5", "")
    grade = gradebook.find_grade("question-why", "news", "news", "ann")
    grade.auto_score, grade.needs_manual_grade = None, True
    gradebook.db.commit()
    assert exported(gradebook, plugin, tmp_path / "m.csv")[0]["news"] == ""
    row = exported(gradebook, MarksCsv, tmp_path / "m.csv")[0]
    assert (row["needs_manual_grade"], row["score"]) == ("yes", "42.5")


def test_canvas_has_its_columns_and_the_points_possible(gradebook: Any, tmp_path: Path) -> None:
    ann, *_ = exported(gradebook, CanvasCsv, tmp_path / "m.csv")
    assert list(ann) == ["Student", "ID", "SIS User ID", "Section", "news"]
    assert ann["SIS User ID"] == "ann"
    second = (tmp_path / "m.csv").read_text(encoding="utf-8").split("\n")[1]
    assert second == '"Points Possible","","","",50.0'


def test_moodle_tells_the_points_of_each_task(gradebook: Any, tmp_path: Path) -> None:
    ann = exported(gradebook, MoodleCsv, tmp_path / "m.csv")[0]
    assert ann["news (feedback)"] == "dataset: 12.5; model: 30; question-why: 4"


def test_students_and_assignments_can_be_chosen(gradebook: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    MarksCsv(to=str(path), student=["ann"]).export(gradebook)
    assert "=1+1" not in path.read_text(encoding="utf-8")
    MarksCsv(to=str(path), assignment=["other"]).export(gradebook)
    assert "ann" not in path.read_text(encoding="utf-8")
