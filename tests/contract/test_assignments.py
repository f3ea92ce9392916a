"""Several assignments beside each other, and several tasks in one module."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from grader.__main__ import main
from grader.base.errors import UsageError
from grader.base.paths import ROOT
from grader.contract import tasks as contract_tasks
from grader.contract.record import Record
from grader.contract.tasks import MAIN, assignment_of, assignments, tasks
from grader.grading.session import load, session
from grader.intake.notebook_modules import extract_modules
from grader.intake.sources import Sources
from grader.intake.statements import Cell
from grader.maintain.stubs import BuildError, read, stub
from grader.maintain.submission_bank import REFERENCE, patched

RECURRENT = assignments()["recurrent-layers"]
RNN_CELL, UNROLL = (f"{part}\n\n" for part in REFERENCE["recurrent"].decode().split("\n\n\n")[1:3])
NOTHING = dict.fromkeys(RECURRENT.tasks, "not_started")
IMPORTS = REFERENCE["recurrent"].decode().split("\n\n\n")[0]


def graded(sources: Sources) -> Record:
    with session(sources, assignment=RECURRENT.id, device="cpu") as opened:
        for check in opened.planned:
            opened.run(check)
        return opened.record()


def of_file(text: str) -> Record:
    return graded(Sources("s", {"recurrent": text.encode()}, {"recurrent": "recurrent.py"}))


def states(record: Record) -> dict[str, str]:
    return {task.id: task.state for task in record.tasks}


# --- which assignment is meant ---------------------------------------------------------------


def test_a_submission_is_meant_for_the_assignment_that_its_modules_belong_to() -> None:
    assert assignment_of(REFERENCE).id == MAIN
    assert assignment_of({"collate": b"", "recurrent": b""}).id == MAIN
    assert assignment_of({"recurrent": b"", "helpers": b""}) == RECURRENT
    assert assignment_of({}).id == MAIN


def test_modules_of_several_other_assignments_ask_which_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = replace(RECURRENT.tasks["unroll"], id="other", module="other")
    other = contract_tasks.Assignment("others", "Others", {"other": row}, ())
    monkeypatch.setattr(contract_tasks, "assignments", lambda: {**assignments(), "others": other})
    with pytest.raises(UsageError, match="--assignment recurrent-layers or --assignment others"):
        assignment_of({"recurrent": b"", "other": b""})


def test_a_single_file_chooses_its_assignment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grade", str(ROOT / "solution" / "recurrent.py")]) == 0
    assert "All done: full marks." in capsys.readouterr().out


def test_one_folder_can_be_graded_as_another_assignment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["grade", str(ROOT / "solution"), "--assignment", "recurrent-layers"]
    assert main([*command, "--json", "-"]) == 0
    assert '"assignment": "recurrent-layers"' in capsys.readouterr().out
    assert main(["grade", str(ROOT / "solution"), "--assignment", "recurent"]) == 2
    told = capsys.readouterr().err
    assert "recurent: no such assignment. Did you mean recurrent-layers?" in told
    assert f"Choose from {', '.join(assignments())}." in told


def test_pytest_grades_an_assignment_that_is_named() -> None:
    command = [sys.executable, "-m", "pytest", "--assignment", "recurrent-layers"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for more, says in (
        ([], "rnn_cell       0/12  not started  write rnn_cell in recurrent.py"),
        (["-k", "rnn_cell", "--submission=solution"], "rnn_cell   12/12  done"),
        (["-k", "dataset"], "It is a task of --assignment news-classifier."),
    ):
        done = subprocess.run(
            [*command, *more],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert says in done.stdout
        assert "collate" not in done.stdout
        assert "Traceback" not in done.stdout + done.stderr


def test_pytest_finds_checks_by_the_module_that_students_write() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-k", "text"]
    done = subprocess.run(
        [*command, "--assignment", "words-to-tensors"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.count("::check_") == len(assignments()["words-to-tensors"].checks)


# --- several tasks in one module -------------------------------------------------------------


def test_the_reference_has_full_marks_and_the_stubs_have_none() -> None:
    assert graded(load(ROOT / "solution")).full_marks
    record = graded(load(ROOT / "exercise", RECURRENT.id))
    assert record.score == 0
    assert {check.status for check in record.checks} == {"not_started"}
    assert set(states(record).values()) == {"not_started"}


def test_what_is_not_written_costs_its_own_task_only() -> None:
    whole = REFERENCE["recurrent"].decode()
    written, stubs = (text.split("\n\n\n") for text in (whole, stub(whole, "recurrent")))
    for task in RECURRENT.tasks.values():
        beginnings = tuple(f"def {name}(" for name in task.names)
        parts = [
            empty if part.startswith(beginnings) else part
            for part, empty in zip(written, stubs, strict=True)
        ]
        found = states(of_file("\n\n\n".join(parts)))
        assert found == {**dict.fromkeys(RECURRENT.tasks, "done"), task.id: "not_started"}


def test_a_task_that_calls_one_that_is_not_written_waits_for_it() -> None:
    parts = stub(REFERENCE["recurrent"].decode(), "recurrent").split("\n\n\n")
    called = patched("recurrent", [["state = cell(step, state)", "state = rnn_cell(*[state] * 6)"]])
    parts[2] = called.decode().split("\n\n\n")[2]
    record = of_file("\n\n\n".join(parts))
    assert states(record) == {**NOTHING, "unroll": "blocked"}
    message = next(check.message for check in record.checks if check.id == "unroll.shape")
    assert message == "Not checked yet: finish the task rnn_cell first."


def test_a_definition_that_no_task_names_cannot_hold_a_region() -> None:
    source = read(ROOT / "solution" / "recurrent.py").replace("def unroll(", "def unrol(")
    with pytest.raises(BuildError, match=r"unrol has no task; name it in the table"):
        stub(source, "recurrent")


# --- in a notebook ---------------------------------------------------------------------------


def of_cells(*texts: str) -> Record:
    cells = [Cell(text, f"cell {number}") for number, text in enumerate(texts, 1)]
    taken = extract_modules("notebook", cells, RECURRENT)
    return graded(taken)


def test_the_tasks_of_a_notebook_are_apart_although_they_share_a_file() -> None:
    """Each is what its cells give at its check: no broken cell, no later name is in its way."""
    absent = dict.fromkeys(RECURRENT.tasks, "wrong")
    checks = 'check("rnn_cell", rnn_cell)', 'check("unroll", unroll)'
    right = of_cells(IMPORTS, RNN_CELL, checks[0], UNROLL, checks[1])
    assert states(right) == {**absent, "rnn_cell": "done", "unroll": "done"}
    broken = of_cells(IMPORTS, RNN_CELL + "    )", checks[0], UNROLL, checks[1])
    assert states(broken) == {**absent, "rnn_cell": "wrong", "unroll": "done"}
    assert "cell 2, line" in broken.checks[0].message
    again = of_cells(IMPORTS, RNN_CELL, checks[0], "torch = None", UNROLL, checks[1])
    assert states(again) == {**absent, "rnn_cell": "done", "unroll": "wrong"}


def test_a_name_that_is_missing_is_told_by_its_file() -> None:
    (first, *_) = of_file("def unroll(*_): pass").checks
    assert first.message.startswith("recurrent.py does not define rnn_cell.")


def test_every_worker_loads_what_the_tasks_of_its_modules_need() -> None:
    from grader.worker.preload import PRELOADS

    steps = {step for task in tasks().values() for step in task.preload}

    assert steps <= PRELOADS.keys()
