"""Every route under sample courses, and under the one in `assignments/course.toml`.

The five in `policies/` change points, leave out tasks, have bonus tasks, a strict late penalty, or
marks, titles and columns of their own.
"""

import builtins
import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from grader.__main__ import main
from grader.base.paths import COURSE, EXERCISE, ROOT, SOLUTION
from grader.contract import course
from grader.contract.enums import Status
from grader.contract.record import CheckResult, Record
from grader.contract.results import Result
from grader.contract.tasks import Assignment, all_tasks, assignments, tasks
from grader.grading import calibration, keys, session
from grader.maintain import course_cells, notebooks, release
from grader.reports import board, feedback, gradescope, marks
from grader.reports.class_report import page

POLICIES = sorted((ROOT / "tests" / "policies").glob("*.toml"))
OWN = [path for path in [COURSE / course.NAME] if path.is_file()]
SAMPLES = {path.stem: path for path in [*POLICIES, *OWN]}


@pytest.fixture(params=[*SAMPLES.values()], ids=[*SAMPLES])
def policy(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A course that holds in this process and those that it starts."""
    with course.chosen(request.param):
        yield request.param


def sample(name: str) -> Any:
    """A course that holds in a block."""
    return course.chosen(SAMPLES[name])


def record(assignment: Assignment, share: float = 1.0) -> Record:
    """A record with the same share of the points of every check."""
    checks = [
        CheckResult(
            check.id,
            check.task,
            Status.PASSED if share == 1 else Status.FAILED,
            round(share * check.points, 2),
            check.points,
            bonus=assignment.tasks[check.task].bonus,
        )
        for check in assignment.checks
    ]
    return Record({"name": "x", "digest": "0", "assignment": assignment.id}, checks, {})


def cells_of(id_: str) -> list[dict[str, Any]]:
    built = json.loads(notebooks.notebook(COURSE / f"{id_}.py", SOLUTION))
    cells: list[dict[str, Any]] = built["cells"]
    return cells


def rows(text: str) -> list[dict[str, str]]:
    """The rows of a CSV with the delimiter of the course."""
    delimiter = ";" if course.current().export_decimal == "comma" else ","
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def test_there_are_five_sample_courses_and_all_differ() -> None:
    assert len(POLICIES) == 5
    found = set()
    for path in POLICIES:
        with course.chosen(path):
            found.add(str(course.current().values))
    assert len(found) == 5


# --- grading ---------------------------------------------------------------------------------


def grade_both(id_: str) -> None:
    """The stubs get nothing and the reference everything, bonus on top."""
    assignment = assignments()[id_]
    bonus = sum(task.points for task in assignment.tasks.values() if task.bonus)
    for folder, share in ((EXERCISE, 0), (SOLUTION, 1)):
        found = session.grade(session.load(folder, id_), assignment=id_, in_process=True, many=True)
        assert found.max_score == assignment.points
        assert found.score == pytest.approx(share * (assignment.points + bonus))
        assert found.full_marks == bool(share)
        assert {check.task for check in found.checks} == {*assignment.tasks}


@pytest.mark.usefixtures("policy")
def test_the_reference_gets_all_points_and_the_stubs_none() -> None:
    grade_both("recurrent-layers")


@pytest.mark.full
@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize("id_", ["words-to-tensors", "beyond", "news-classifier"])
def test_so_in_every_other_assignment(id_: str) -> None:
    command = [sys.executable, "-m", "grader", "grade", "--assignment", id_, "--json", "-"]
    for folder, share in (("exercise", 0), ("solution", 1)):
        done = subprocess.run(
            [*command, folder], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1 - share, done.stderr
        found = json.loads(done.stdout)
        bonus = sum(task.points for task in assignments()[id_].tasks.values() if task.bonus)
        assert found["max_score"] == assignments()[id_].points
        assert found["score"] == pytest.approx(share * (found["max_score"] + bonus))


@pytest.mark.usefixtures("policy")
def test_the_board_and_pages_show_the_courses_points() -> None:
    for assignment in assignments().values():
        found = record(assignment)
        shown = board.text(found)
        for task in assignment.tasks.values():
            name = f"{task.id} (bonus)" if task.bonus else task.id
            assert re.search(rf"^{re.escape(name)} +{task.points:g}/{task.points:g}", shown, re.M)
        assert f"{found.score:g}/{assignment.points:g}" in shown
        assert "All done: full marks." in shown
        assert f"{found.score:g} of {assignment.points:g} points" in feedback.text(found)
        assert gradescope.to_dict(found)["score"] == found.score


# --- notebooks and what students get ---------------------------------------------------------


ONE_FULL = [
    pytest.param(id_, marks=[pytest.mark.full] * (id_ != "recurrent-layers"))
    for id_ in assignments()
]


@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize("id_", ONE_FULL)
def test_a_notebook_has_the_tasks_and_the_points_of_the_course(id_: str) -> None:
    cells, assignment = cells_of(id_), assignments()[id_]
    worth = {
        cell["id"].removeprefix("check-"): cell["metadata"]["nbgrader"]["points"]
        for cell in cells
        if cell["id"].startswith("check-")
    }
    assert worth == {task.id: task.points for task in assignment.tasks.values()}
    first = "".join(cells[0]["source"])
    guesses = [cell["metadata"] for cell in cells if cell["id"].startswith("predict-")]
    points = [each["nbgrader"]["points"] for each in guesses if "nbgrader" in each]
    assert points == [course.current().predictions] * len(points)
    assert len(points) == (len(guesses) if course.current().predictions else 0)
    script = (COURSE / f"{id_}.py").read_text(encoding="utf-8")
    for row, name in re.findall(r"^# (\|.*\{points:(\w+)\}.*)$", script, re.MULTILINE):
        task = assignment.tasks.get(name)
        shown = row.replace(f"{{points:{name}}}", "X")
        if task is not None:
            more = " (bonus)" if task.bonus else ""
            assert shown.replace("X", f"{task.points:g}{more}") in first
        elif name == "predictions" and (each := course.current().predictions):
            assert shown.replace("X", f"{each * len(guesses):g}") in first
        elif name != "questions":
            assert shown.split("X")[0] not in first
    assert f"| {assignment.points:g} |" in first
    questions = [cell for cell in cells if cell["id"].startswith("question-")]
    assert bool(questions) == course.current().written_questions
    text = "\n".join("".join(cell["source"]) for cell in cells)
    assert "{points" not in text
    assert ("### Question" in text) == course.current().written_questions
    assert "Before you hand in" in "".join(cells[-1]["source"])
    if title := course.current().titles.get(id_):
        assert first.startswith(f"# {title}\n")


def test_code_that_uses_what_is_left_out_is_left_out_too() -> None:
    for id_ in ("news-classifier", "recurrent-layers"):
        built = json.loads((COURSE / "source" / id_ / f"{id_}.ipynb").read_text("utf-8"))
        follows = following(built["cells"])
        with sample("left_out"):
            cells = cells_of(id_)
        bound = {*dir(builtins)}
        for cell in cells:
            if cell["cell_type"] == "code" and not cell["id"].startswith("predict-"):
                own, used = course_cells.bound_and_used("".join(cell["source"]))
                assert used <= bound, cell["id"]
                bound |= own
        assert following(cells).items() <= follows.items()
        text = "\n".join("".join(cell["source"]) for cell in cells)
        assert "Collate" not in text
        assert "def last_state" not in text
    assert "def sum_directions" in text  # of the same section


def following(cells: list[dict[str, Any]]) -> dict[str, str]:
    """The cell that each guess is about: the next one with code."""
    ids = [cell["id"] for cell in cells if cell["cell_type"] == "code"]
    code = [id_ for id_ in ids if not id_.startswith("predict-")]
    return {
        id_: next((each for each in ids[place:] if each in code), "")
        for place, id_ in enumerate(ids)
        if id_ not in code
    }


@pytest.mark.usefixtures("policy")
def test_students_get_what_they_need_of_the_course_and_nothing_else() -> None:
    told = release.course_file()["grader/contract/course.toml"].decode()
    for name in course.current().values:
        assert name.partition(".")[0] != "roster" or "students.csv" not in told
    for word in ("roster", "sections", "secret", "columns", "export", "SECRET"):
        assert word not in told
    before = {id_: (task.points, task.bonus) for id_, task in tasks().items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course, "_used", [])
        course.use(told)
        assert {id_: (task.points, task.bonus) for id_, task in tasks().items()} == before
        assert course.current().secret_variable == "GRADER_SECRET"


def test_stubs_of_tasks_that_are_left_out_are_not_handed_out() -> None:
    with sample("left_out"):
        found = release._exercise()
        assert not {name for name in found if "collate" in name}
        assert b"def fast_pipeline" not in found["exercise/text.py"]
        assert b"def unpack" in found["exercise/text.py"]
        assert found["exercise/model.py"] == (EXERCISE / "model.py").read_bytes()
        assert found["grader/stubs/text.py"] == found["exercise/text.py"]


@pytest.mark.full
def test_a_release_grades_as_the_course_does(policy: Path, tmp_path: Path) -> None:
    assert main(["release", str(tmp_path / "out.zip")]) == 0
    with zipfile.ZipFile(tmp_path / "out.zip") as opened:
        opened.extractall(tmp_path)
    root = tmp_path / release.FOLDER
    environment = os.environ | {"PYTHONPATH": str(root)}
    del environment[course.VARIABLE]
    for id_, assignment in assignments().items():
        done = subprocess.run(
            [sys.executable, "-m", "grader", "grade", "exercise", "--assignment", id_],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        total = rf"^Total +0/{assignment.points:g} "
        assert re.search(total, done.stdout, re.MULTILINE), (policy, done.stderr)


# --- a class ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("policy")
def test_reports_on_a_class_have_the_courses_marks(tmp_path: Path) -> None:
    of, assignment = course.current(), assignments()["words-to-tensors"]
    day = timedelta(days=1).total_seconds()
    results = [
        Result("full", record=record(assignment), late=False),
        Result("half", record=record(assignment, 0.5), late=False),
        Result("late", record=record(assignment), late=True, late_by=1.5 * day),
        Result("gone"),
    ]
    assert page.write(results, tmp_path, "News", decimal=of.export_decimal) == []
    found = {row["student"]: row for row in rows((tmp_path / "marks.csv").read_text("utf-8"))}
    most = assignment.points
    whole = record(assignment).score
    assert float(found["full"]["score"].replace(",", ".")) == whole
    passed = {"full": "yes", "half": "no" if (of.pass_mark or 0) > 50 else "yes", "gone": ""}
    for student, word in passed.items():
        assert found[student].get("passed", "") == (word if of.pass_mark is not None else "")
    final = whole - min(of.late_percent_per_day * 2, of.late_most_percent) / 100 * most
    final = round(final, of.export_digits) if final else final
    title = of.columns.get(assignment.id, assignment.title)
    possible, *people = rows((tmp_path / "canvas.csv").read_text("utf-8"))
    assert float(possible[title].replace(",", ".")) == most
    given = {row["SIS User ID"]: row[title].replace(",", ".") for row in people}
    assert float(given["late"]) == final
    assert given["gone"] == ""
    moodle = {row["ID number"]: row for row in rows((tmp_path / "moodle.csv").read_text("utf-8"))}
    assert float(moodle["late"][title].replace(",", ".")) == final
    shown = (tmp_path / "index.html").read_text("utf-8")
    assert ('"text">Passed</th>' in shown) == (of.pass_mark is not None)
    assert (">Mark</th>" in shown) == ("mark" in found["full"])


@pytest.mark.full
def test_a_class_is_graded_by_the_course(policy: Path, tmp_path: Path) -> None:
    for student, source in (("s1", SOLUTION), ("s2", SOLUTION), ("s4", EXERCISE)):
        folder = tmp_path / "class" / student
        folder.mkdir(parents=True)
        (folder / "text.py").write_bytes((source / "text.py").read_bytes())
        time = "2026-03-04 12:01" if student == "s2" else "2026-03-02 12:10"
        (folder / "timestamp.txt").write_text(f"{time}:00 UTC")
    out = tmp_path / "out"
    options = ["--workers", "1", "--assignment", "words-to-tensors"]
    assert main(["class", str(tmp_path / "class"), "--out", str(out), *options]) == 1, policy
    found = {row["student"]: row for row in rows((out / "marks.csv").read_text("utf-8"))}
    assignment = assignments()["words-to-tensors"]
    bonus = sum(task.points for task in assignment.tasks.values() if task.bonus)
    for student, points in (("s1", assignment.points + bonus), ("s4", 0.0)):
        assert float(found[student]["score"].replace(",", ".")) == pytest.approx(points)
        assert float(found[student]["max_score"].replace(",", ".")) == assignment.points
    if course.current().late_percent_per_day:
        assert (found["s1"]["late"], found["s2"]["late"]) == ("no", "yes")
        assert (found["s2"]["penalty"], found["s2"]["mark"]) == ("75.0", "25.0")
        assert (found["s2"]["passed"], found["s1"]["passed"]) == ("no", "yes")


# --- what single samples are for -------------------------------------------------------------


def test_points_of_a_task_are_shared_out_and_those_of_a_check_are_its_own() -> None:
    with sample("points"):
        before = [check.points for check in all_tasks()["pad"].checks]
        shared = [check.points for check in tasks()["pad"].checks]
        assert sum(shared) == 25
        for own, kits in zip(shared, before, strict=True):
            assert own == pytest.approx(25 * kits / sum(before), abs=0.02)
        assert tasks()["collate"].points == 22.5
        assert tasks()["model"].points == all_tasks()["model"].points - 3
        assert tasks()["bleu"].points == 7


def test_a_course_has_its_own_accuracy_marks_packages_and_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("READING_MACHINES_SECRET", "hush")
    assert keys.course_secret() == ""
    with sample("own_marks"):
        assert calibration.marks() == (0.5, 0.3)
        assert keys.course_secret() == "hush"
        assert all("sklearn" in each.packages for each in assignments().values())
    assert calibration.marks() != (0.5, 0.3)
    assert "sklearn" not in assignments()["beyond"].packages


def test_the_best_of_several_hand_ins_counts() -> None:
    from grader.classroom import attempts

    assignment = assignments()["beyond"]
    results = [
        Result("ada", record=record(assignment, 0.5)),
        Result("ada~2", record=record(assignment, 0.75)),
        Result("bob", fault="bob.zip: not a zip."),
        Result("bob~2", record=record(assignment)),
        Result("team~red", record=record(assignment, 0.5)),
        Result("team~blue", record=record(assignment, 0.25)),
    ]
    owners = {"ada": "ada", "ada~2": "ada", "bob": "bob", "bob~2": "bob"}
    assert attempts.counted(results, owners) == results
    with sample("bonus"):
        ada, *bobs = attempts.counted(results, owners)
    assert (ada.student, marks.final(ada.record)) == ("ada", 75.0)
    assert ada.notes == ["The best of 2 hand-ins counts; the other marks: 50."]
    assert bobs == results[2:]  # one of Bob's has no mark yet; two teams are two


def test_a_record_with_tasks_that_the_course_leaves_out_can_be_shown() -> None:
    whole = record(assignments()["news-classifier"])
    with sample("left_out"):
        assert "accuracy" not in tasks()
        for shown in (board.text(whole), feedback.text(whole), gradescope.to_dict(whole)["output"]):
            assert "train" in shown
