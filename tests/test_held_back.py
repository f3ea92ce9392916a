"""Checks that are held back until the deadline: what students have, and what they are shown."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from grader.base.errors import UsageError
from grader.base.paths import SOLUTION
from grader.commands import explain as explain_command
from grader.contract import course, course_file, grades, held_back
from grader.contract.enums import State, Status
from grader.contract.record import CheckResult, Record
from grader.contract.tasks import Check, assignments, tasks
from grader.grading import session
from grader.maintain import release
from grader.reports import board, exercism, feedback, github, gradescope, html, labels, prairielearn

ID = "recurrent-layers"


def text(days: float, more: str = "") -> str:
    at = datetime.now(timezone.utc) + timedelta(days=days)
    own = [next(each.id for each in tasks()["gru_cell"].checks[-1:]), "unroll.*"]
    return f"held_back = {json.dumps(own)}\n{more}\n[deadlines]\n{ID} = {at.isoformat()}\n"


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A course that is the test's own."""
    monkeypatch.setattr(course, "_used", [])
    course.use("")


def hold(days: float = 1, more: str = "") -> set[str]:
    """Hold back a check and all of a task; return the ids."""
    course.use(text(days, more))
    return {check.id for each in tasks().values() for check in each.checks if check.held_back}


def record(failed: set[str] = frozenset()) -> Record:  # type: ignore[assignment]
    checks = [
        CheckResult(
            check.id,
            check.task,
            Status.FAILED if check.id in failed else Status.PASSED,
            0.0 if check.id in failed else check.points,
            check.points,
            message="SECRET" if check.id in failed else "",
            hint=1 if check.id in failed else None,
            printed="PRINTED" if check.id in failed else "",
        )
        for check in assignments()[ID].checks
    ]
    return Record({"name": "x", "digest": "0" * 64, "assignment": ID}, checks, {})


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("held_back = 'pad'", 'held_back = "pad" is not a list of checks, as in ["pad.*"]'),
        ("held_back = ['padd']", 'held_back = "padd" is not a task, a check, or a pattern'),
        ("held_back = ['pad.shap']", "Did you mean pad.shape?"),
        ("held_back = [1]", "held_back = 1 is not a task"),
        ("held_back = ['pad.*']", "until the deadline of words-to-tensors, which has none"),
        ("held_back = ['*']\n[deadlines]\nbeyond = 2026-12-01", "deadline of news-classifier, wh"),
    ],
)
def test_what_cannot_be_held_back_is_said(setting: str, words: str) -> None:
    with pytest.raises(UsageError, match=r"line 1: held_back|line 1: \w+") as caught:
        course_file.parse(setting, "course.toml")
    assert words in str(caught.value)


def test_a_task_that_is_left_out_needs_no_deadline() -> None:
    left_out = [task.id for task in assignments()["beyond"].tasks.values()][1:]
    kept = next(iter(assignments()["beyond"].tasks))
    course.use(f"leave_out = {json.dumps(left_out)}\nheld_back = ['{left_out[0]}.*']")
    assert [*assignments()["beyond"].tasks] == [kept]


def test_before_the_deadline_students_see_nothing_of_it() -> None:
    held = hold(more='pass_mark = 50\nshow = "full"')
    whole = record({*held})
    shown = labels.for_students(whole)
    for check in shown.checks:
        assert (check.status is Status.HELD_BACK) == (check.id in held)
    assert shown.score == whole.score
    assert shown.held_back == sum(check.max_score for check in whole.checks if check.id in held)
    assert shown.full_marks
    assert next(task for task in shown.tasks if task.id == "unroll").state is State.HELD_BACK
    assert next(task for task in shown.tasks if task.id == "gru_cell").state is State.DONE
    mark = grades.mark(whole.score, whole.max_score)
    for page in (
        feedback.text(whole, mark=mark),
        board.text(shown),
        html.table(shown),
        json.dumps(prairielearn.to_dict(whole)),
        exercism.text(whole),
    ):
        assert "SECRET" not in page
        assert "PRINTED" not in page
        assert "raded after the deadline, 20" in page
        assert "assed</b>" not in page
    assert "All done that is checked here." in board.text(shown)
    assert json.loads(github.text(shown).split("report::")[1])["totalPoints"] == whole.score
    assert prairielearn.to_dict(whole)["gradable"]


def test_a_mark_does_not_tell_what_is_held_back() -> None:
    held = hold(more="[late]\npercent_per_day = 10\n[export]\ndigits = 0")
    good, bad = record(), record({*held})
    pages = [feedback.text(each, mark=grades.mark(each.score, 100)) for each in (good, bad)]
    assert pages[0] == pages[1]


def test_after_the_deadline_everything_is_shown() -> None:
    held = hold(days=-0.001, more="pass_mark = 50")
    assert held
    whole = record({*held})
    assert labels.for_students(whole).checks == labels.cleaned(whole).checks
    page = feedback.text(whole, mark=grades.mark(whole.score, whole.max_score))
    assert "SECRET" in page
    assert "after the deadline" not in page


@pytest.mark.parametrize("days", [-1, 1])
def test_gradescope_shows_it_after_its_own_due_date(days: int) -> None:
    held = hold(days)
    whole = record({*held})
    found = gradescope.to_dict(whole)
    names = {f"{labels.title(each.task)}: {labels.name(each)}": each for each in whole.checks}
    for test in found["tests"]:
        check = names[test["name"]]
        assert test.get("visibility") == ("after_due_date" if check.id in held else None)
        assert ("SECRET" in test["output"]) == (check.id in held)
    assert found["score"] == whole.score
    assert "SECRET" not in found["output"]
    assert "after the deadline" in found["output"]


def test_an_explanation_for_the_student_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = sorted(hold())
    path = tmp_path / "record.json"
    path.write_text(record({*held}).to_json())
    options = {"record": path, "check": held[0], "of": None, "submission": None}
    for student in (False, True):
        explain_command.run(Namespace(**options, student=student))
        assert ("SECRET" in capsys.readouterr().out) != student


def graded(**attributes: Any) -> Record:
    submitted = session.load(SOLUTION / "recurrent.py", ID)
    with session.session(submitted, assignment=ID, in_process=True) as opened:
        vars(opened).update(attributes)
        for check in opened.planned:
            opened.run(check)
        return opened.record()


def test_checks_are_graded_where_the_kit_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    held = hold()
    assert graded().score == graded().max_score
    own = graded(hold_back=True)  # as `check(...)` in a notebook
    assert {check.id for check in own.checks if check.status is Status.HELD_BACK} == held
    assert own.full_marks
    assert own.score == own.max_score - own.held_back
    monkeypatch.setattr(Check, "is_here", property(lambda check: check.id not in held))
    assert [each.status for each in graded().checks] == [each.status for each in own.checks]
    hold(days=-1)
    assert graded().held_back == own.held_back  # students' kits get no more after the deadline


def test_a_release_lacks_the_functions_and_the_autograder_does_not() -> None:
    held = hold()
    kit = release.kit()
    given = release.without_held_back(kit)
    changed = {name for name in kit if kit[name] != given[name]}
    assert changed == {
        f"grader/checks/recurrent_layers/{task}.py" for task in ("gru_cell", "unroll")
    }
    for name in changed:
        left = compile(given[name], name, "exec").co_names
        whole = compile(kit[name], name, "exec").co_names
        gone = {each for each in whole if each.startswith("check_")} - {*left}
        assert {f"{Path(name).stem}.{each.removeprefix('check_')}" for each in gone} <= held
    count = sum(data.count(b"def check_") for data in kit.values())
    assert count - sum(data.count(b"def check_") for data in given.values()) == len(held)
    assert b"held_back = " in given["grader/contract/course.toml"]


@pytest.mark.full
def test_a_student_with_a_release_is_told_when_it_is_graded(tmp_path: Path) -> None:
    held = hold()
    for name, data in release.without_held_back(release.kit()).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "exercise").mkdir()
    (tmp_path / "exercise" / "recurrent.py").write_bytes((SOLUTION / "recurrent.py").read_bytes())
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    del environment[course.VARIABLE]
    for command in (["-m", "grader", "grade", "exercise"], ["-m", "pytest"]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "graded after the deadline, 20" in " ".join(done.stdout.split())
        points = sum(check.points for check in assignments()[ID].checks if check.id in held)
        assert f"All done that is checked here. {points:g} points" in done.stdout
    assert held_back.hidden() == held


def test_nbgraders_feedback_shows_what_the_course_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbformat import v4

    from grader.course import configure
    from grader.course.feedback import ShowToStudents
    from grader.course.folders import record_file

    held = hold()
    whole = record({*held, "rnn_cell.values"})
    monkeypatch.chdir(tmp_path)
    place = record_file(ID, "ada")
    place.parent.mkdir(parents=True)
    place.write_text(whole.to_json())
    plain = {"grade": False, "locked": False, "solution": False, "task": False, "schema_version": 3}
    cells = []
    for task in whole.tasks:
        comment = f"A note. {board.line(whole, task)}"
        part = {**plain, "solution": True, "grade_id": f"{task.id}-code", "comment": comment}
        cells.append(v4.new_code_cell("", metadata={"nbgrader": part}))
        check = {**plain, "grade": True, "grade_id": f"check-{task.id}", "score": task.score}
        cells.append(v4.new_code_cell("", metadata={"nbgrader": check}))
    told = {"assignment": ID, "student": "ada", "score": whole.score}
    notebook = v4.new_notebook(cells=cells)
    for show, seen in (("full", True), ("none", False)):
        hold(more=f'show = "{show}"')
        shown, resources = ShowToStudents().preprocess(notebook, {"nbgrader": told})
        outputs = json.dumps([cell.outputs for cell in shown.cells])
        assert ("SECRET" in outputs, "PRINTED" in outputs) == (seen, seen)
        assert outputs.count("after the deadline") >= len(held)
    assert resources["nbgrader"]["score"] == labels.for_students(whole).score
    comments = {cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader for cell in shown.cells}
    assert "fix: values" in comments["rnn_cell-code"].comment
    assert all("fix" not in comments[f"{task}-code"].comment for task in ("gru_cell", "unroll"))
    assert comments["check-unroll"].score == 0
    config = Config()
    configure(config)
    assert f"{ShowToStudents.__module__}.ShowToStudents" in config.GenerateFeedback.preprocessors
