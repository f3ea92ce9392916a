"""The command line: what it prints, what it writes, how it exits."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import psutil  # type: ignore[import-untyped]
import pytest

from grader.__main__ import main
from grader.base.errors import UsageError
from grader.base.paths import ROOT
from grader.commands import doctor
from grader.contract import course
from grader.contract.tasks import Check, tasks
from grader.grading import session
from grader.grading.submission import Submission

SCHEMA = json.loads(
    (ROOT / "grader" / "contract" / "record.schema.json").read_text(encoding="utf-8")
)
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")


@pytest.fixture
def dataset_only(tmp_path: Path) -> Path:
    """A submission of one right file: quick to grade."""
    path = tmp_path / "dataset.py"
    path.write_bytes((ROOT / "solution" / "dataset.py").read_bytes())
    return path


# --- grade -----------------------------------------------------------------------------------


def test_one_file_grades_its_task_alone_and_full_marks_exit_with_0(
    dataset_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grade", str(dataset_only), "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "dataset   15/15  done" in out
    assert "model" not in out


def test_missing_points_exit_with_1(dataset_only: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = dataset_only.read_text(encoding="utf-8").replace("label - 1", "label")
    dataset_only.write_text(text, encoding="utf-8")
    assert main(["grade", str(dataset_only)]) == 1
    out = capsys.readouterr().out
    assert "targets still count from 1" in out
    assert "python -m grader hint dataset 1" in out


def test_json_to_stdout_is_the_record_alone(
    dataset_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grade", str(dataset_only), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["score"] == 15


def test_json_to_a_file_comes_beside_the_board(
    dataset_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["grade", str(dataset_only), "--json", str(tmp_path / "r.json")]) == 0
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["max_score"] == 15
    assert "15/15" in capsys.readouterr().out


def test_a_zip_and_its_folder_have_the_same_marks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "exercise"
    folder.mkdir()
    for name in ("dataset", "train"):
        data = (ROOT / "solution" / f"{name}.py").read_bytes()
        (folder / f"{name}.py").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"handed-in/exercise/{path.name}")
    records = []
    for path in (folder, tmp_path / "s.zip"):
        main(["grade", str(path), "--json", "-"])
        records.append(json.loads(capsys.readouterr().out))
    assert records[0]["score"] == records[1]["score"] > 30
    assert records[0]["submission"]["digest"] == records[1]["submission"]["digest"]


BAD = {
    "no such path": (["grade", "nowhere"], "nowhere: no such file or folder"),
    "a task of a module": (["grade", "dataset"], "dataset: no such file or folder. Did you mean "),
    "a task": (["grade", "lstm_cell"], "lstm_cell: no such file or folder. It is a task: `pytest"),
    "a misspelt module": (["handin", "colate.py"], "collate.py?"),
    "a folder without modules": (["grade", "empty"], "empty: it has none of dataset.py"),
    "json into no folder": (["grade", "d/dataset.py", "--json", "no/where.json"], "no/where.json"),
    "json onto a folder": (["grade", "d/dataset.py", "--json", "empty"], "--json empty"),
    "data that is not there": (["grade", "d/dataset.py", "--data", "x.csv"], "x.csv"),
    "unknown command": (["wach"], "wach: no such command. Did you mean watch? Choose from w"),
    "a path that is too long": (
        ["grade", "d/dataset.py", "--json", "x" * 5000],
        "path is too long",
    ),
    "a class that is too long": (["class", "x" * 5000, "--out", "empty"], "path is too long"),
    "a course that is too long": (["grade", "d", "--course", "x" * 5000], "there is no such file"),
    "unknown task": (["hint", "modle"], "modle: no such task"),
    "unknown hint": (["hint", "model", "4"], "Hint 4: choose a level from 1 to 3"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_2(
    case: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "dataset.py").write_text("x = 1\n", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    arguments, says = BAD[case]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert says in captured.err
    assert captured.out == ""
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["grade", "solution", "--device", "gpu"], "invalid choice: 'gpu'"),
        (["grade", "solution", "--seed", "-1"], "'-1' is not an integer from 0 to 2**32 - 1"),
        (["grade", "solution", "--seed", "x"], "'x' is not an integer from 0 to 2**32 - 1"),
        (["hint", "model", "x"], "invalid int value: 'x'"),
    ],
)
def test_arguments_that_do_not_fit_are_one_line_and_exit_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_cuda_where_there_is_none_is_one_line_and_exit_2(
    dataset_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    assert main(["grade", str(dataset_only), "--device", "cuda"]) == 2
    assert "Use --device cpu" in capsys.readouterr().err


# --- nothing is lost -------------------------------------------------------------------------


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    """A right dataset.py beside a collate.py that never comes back."""
    folder = tmp_path / "ann"
    folder.mkdir()
    (folder / "dataset.py").write_bytes((ROOT / "solution" / "dataset.py").read_bytes())
    (folder / "collate.py").write_text("while True: pass\n", encoding="utf-8")
    return folder


@contextlib.contextmanager
def grading_of(path: Path, file: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a real `grade PATH --json FILE` in the background."""
    command = [sys.executable, "-m", "grader", "grade", str(path), "--json", str(file)]
    process = subprocess.Popen(
        [*command, "--device", "cpu"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts what runs in the background with Ctrl-C ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def when(file: Path, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until a record is there of which something holds; whatever is there, is whole."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if file.exists():
            record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if holds(record):
                return record
        time.sleep(0.02)
    raise AssertionError("the record did not come")


def statuses(record: dict[str, Any], task: str) -> set[str]:
    return {check["status"] for check in record["checks"] if check["task"] == task}


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_was_graded_is_kept_when_grading_is_cut_short(
    hanging: Path, tmp_path: Path, number: signal.Signals
) -> None:
    file = tmp_path / "records" / "ann.json"
    file.parent.mkdir()
    with grading_of(hanging, file) as process:
        when(file, lambda record: statuses(record, "dataset") == {"passed"})
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert (process.returncode, told) == (130, "\ngrader: interrupted\n")
    record = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.validate(record, SCHEMA)
    assert record["score"] == 15
    for task in ("collate", "model", "train", "accuracy"):
        assert statuses(record, task) == {"not_run"}
    assert [path.name for path in file.parent.iterdir()] == ["ann.json"]
    assert psutil.wait_procs(family, timeout=30)[1] == []


@posix
def test_an_older_record_does_not_pass_for_the_one_that_is_being_made(
    hanging: Path, tmp_path: Path
) -> None:
    file = tmp_path / "ann.json"
    assert main(["grade", str(hanging / "dataset.py"), "--json", str(file)]) == 0
    assert json.loads(file.read_text(encoding="utf-8"))["score"] == 15
    (hanging / "dataset.py").write_text("while True: pass\n", encoding="utf-8")
    digest = session.load(hanging).digest
    with grading_of(hanging, file) as process:
        when(file, lambda record: record["submission"]["digest"] == digest)
        process.kill()
        process.wait()
    record = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.validate(record, SCHEMA)
    assert record["score"] == 0
    assert {check["status"] for check in record["checks"]} == {"not_run"}


@posix
@pytest.mark.parametrize("room", [0, 500])
def test_a_full_disk_is_told_and_leaves_the_last_whole_record(
    dataset_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], room: int
) -> None:
    """There is room for `room` bytes more than the first record takes, or for none at all."""
    import resource

    dataset_only.write_text("class NewsDataset:\n    " + "long_name = 1 / 0\n", encoding="utf-8")
    file = tmp_path / "records" / "ann.json"
    file.parent.mkdir()
    file.write_text("an earlier record\n", encoding="utf-8")
    with session.session(session.load(dataset_only), device="cpu") as opened:
        first = opened.record().to_json()
    largest = len(first.encode()) + room if room else 100
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        code = main(["grade", str(dataset_only), "--json", str(file), "--device", "cpu"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    told = capsys.readouterr().err
    assert code == 2
    assert f"--json {file}: cannot be written (File too large)" in told
    assert "Make room, and grade again" in told
    text = file.read_text(encoding="utf-8")
    if room:
        assert statuses(json.loads(text), "dataset") == {"failed", "not_run"}
    else:
        assert text == "an earlier record\n"
    assert [path.name for path in file.parent.iterdir()] == ["ann.json"]


def test_a_fault_of_the_grader_exits_with_2_and_is_no_zero(
    dataset_only: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def faulty(_submission: Submission) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(Check, "load", lambda _check: faulty)
    file = tmp_path / "r.json"
    assert main(["grade", str(dataset_only), "--json", str(file), "--device", "cpu"]) == 2
    record = json.loads(file.read_text(encoding="utf-8"))
    assert [task["state"] for task in record["tasks"]] == ["error"]
    assert "not your fault: the grader could not judge this" in capsys.readouterr().out


# --- confinement -----------------------------------------------------------------------------


@posix
def test_grade_says_in_a_line_that_there_is_no_sandbox_unless_limits_were_asked_for(
    dataset_only: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    arguments = ["grade", str(dataset_only), "--device", "cpu"]
    assert main(arguments) == 0
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith("grader: no sandbox, only limits: it needs Linux. ")
    assert main([*arguments, "--confine", "limits"]) == 0
    assert capsys.readouterr().err == ""
    assert main([*arguments, "--confine", "sandbox"]) == 2
    assert (
        "--confine sandbox: not available on this machine: it needs Linux"
        in capsys.readouterr().err
    )


# --- skipped files --------------------------------------------------------------------------


def test_a_file_that_is_not_taken_is_told_where_it_is_missed_and_on_the_board(
    dataset_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = dataset_only.read_text(encoding="utf-8")
    line = "random.py was skipped: Python already has a module with this name. Rename it."
    (dataset_only.parent / "random.py").write_text("def own(): pass\n", encoding="utf-8")
    for code in ("from .random import own", "from random import own", "import random\nrandom.own"):
        dataset_only.write_text(f"{text}\n{code}\n", encoding="utf-8")
        assert main(["grade", str(dataset_only.parent), "--json", "-", "--device", "cpu"]) == 1
        record = json.loads(capsys.readouterr().out)
        jsonschema.validate(record, SCHEMA)
        assert record["submission"]["left_out"] == [line]
        assert record["checks"][0]["message"].endswith(line), record["checks"][0]["message"]
    assert main(["grade", str(dataset_only.parent), "--device", "cpu"]) == 1
    assert line in capsys.readouterr().out.split("\nNext:")[0].splitlines()[-1]


def test_a_submission_is_only_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "ann"
    folder.mkdir()
    (folder / "dataset.py").write_bytes((ROOT / "solution" / "dataset.py").read_bytes())
    planted = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    for name in ("conftest", "sitecustomize", "usercustomize", "test_it", "torch", "json"):
        (folder / f"{name}.py").write_text(planted, encoding="utf-8")
    (folder / "a.pth").write_text(f"import sys; {planted}", encoding="utf-8")
    for name in ("pytest.ini", "tox.ini"):
        (folder / name).write_text("[pytest]\naddopts = --collect-only\n", encoding="utf-8")
    for path in folder.iterdir():
        path.chmod(0o444)
        os.utime(path, ns=(10**18, 10**18))
    folder.chmod(0o555)
    before = [(p.name, p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(folder.iterdir())]
    changed = folder.stat().st_mtime_ns
    try:
        assert main(["grade", str(folder), "--device", "cpu"]) == 1
        assert "dataset    15/15  done" in capsys.readouterr().out
        tested = run_pytest("-k", "dataset", f"--submission={folder}")
        assert tested.returncode == 0
        assert "dataset   15/15  done" in tested.stdout
        assert "\ncollate" not in tested.stdout
    finally:
        folder.chmod(0o755)
    after = [(p.name, p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(folder.iterdir())]
    assert (after, folder.stat().st_mtime_ns) == (before, changed)
    assert not (tmp_path / "ran").exists()


# --- hint, build, doctor ---------------------------------------------------------------------


@pytest.mark.parametrize("task", tasks())
def test_every_task_gives_its_hints(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    texts = set()
    for level in (1, 2, 3):
        assert main(["hint", task, str(level)]) == 0
        texts.add(capsys.readouterr().out)
    assert len(texts) == 3


def test_hints_are_recorded_only_where_the_course_asks_for_it_and_the_student_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("grader.commands.hint.EXERCISE", tmp_path)
    assert main(["hint", "collate", "2"]) == 0
    assert "Recorded" not in capsys.readouterr().out
    assert [*tmp_path.iterdir()] == []
    recorded = tmp_path / "hints.json"
    recorded.write_text("{}", encoding="utf-8")
    for task, level in (("collate", "2"), ("collate", "1"), ("collate", "2"), ("model", "3")):
        assert main(["hint", task, level]) == 0
    out = capsys.readouterr().out
    assert out.count("Recorded in hints.json: your instructor may see") == 4
    assert json.loads(recorded.read_text(encoding="utf-8")) == {"collate": [1, 2], "model": [3]}
    recorded.write_text("[]", encoding="utf-8")
    assert main(["hint", "collate"]) == 0
    assert "Not recorded: hints.json cannot be used" in capsys.readouterr().out


def test_hint_alone_is_for_the_first_task_that_is_not_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, source in (("dataset", "solution"), ("collate", "exercise")):
        (tmp_path / f"{name}.py").write_bytes((ROOT / source / f"{name}.py").read_bytes())
    monkeypatch.setattr("grader.commands.hint.EXERCISE", tmp_path)
    assert main(["hint"]) == 0
    assert capsys.readouterr().out.startswith("collate: ")
    (tmp_path / "recurrent.py").write_bytes((ROOT / "exercise" / "recurrent.py").read_bytes())
    assert main(["hint", "--assignment", "recurrent-layers"]) == 0
    assert capsys.readouterr().out.startswith("rnn_cell: ")


def test_a_misspelt_name_is_told_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, meant in (
        (["hint", "lstm"], "Did you mean lstm_cell?"),
        (["hint", "Collate"], "Did you mean collate?"),
        (["grade", str(ROOT / "exercise"), "--assignment", "recurrent"], "recurrent-layers?"),
        (["hint", "xyz"], "Choose from dataset, "),
    ):
        assert main(arguments) == 2
        assert meant in capsys.readouterr().err


# --- handin ----------------------------------------------------------------------------------


def test_what_handin_packs_is_graded_like_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "exercise", tmp_path / "out.zip"
    folder.mkdir()
    for name in ("dataset", "train", "recurrent"):
        (folder / f"{name}.py").write_bytes((ROOT / "solution" / f"{name}.py").read_bytes())
    (folder / "my_helpers.py").write_text("x = 1\n", encoding="utf-8")
    assert main(["handin", str(folder), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "dataset.py, my_helpers.py, train.py. Hand in this file." in told
    assert "Not in it" in told
    assert "collate.py, model.py" in told
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == ["dataset.py", "my_helpers.py", "train.py"]
        for name in archive.namelist():
            assert archive.read(name) == (folder / name).read_bytes()
    assert session.load(out, "news-classifier").files.keys() == {"dataset", "my_helpers", "train"}
    assert main(["handin", str(folder), "--assignment", "recurrent-layers", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "recurrent.py. Hand in this file." in told
    assert "still to be written" not in told


def test_handin_says_what_is_not_written_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.zip"
    shutil.copytree(ROOT / "exercise", tmp_path / "exercise")
    assert main(["handin", str(tmp_path / "exercise"), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "still to be written in dataset.py, collate.py, model.py, train.py." in told
    assert "recurrent-layers" in told  # what somebody may have meant
    dataset = (ROOT / "solution" / "dataset.py").read_bytes()
    (tmp_path / "exercise" / "dataset.py").write_bytes(dataset)
    assert main(["handin", str(tmp_path / "exercise"), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "still to be written in collate.py, model.py, train.py." in told
    assert "--assignment" not in told


def test_the_committed_stubs_are_what_the_reference_makes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["build", "--check"]) == 0
    assert "exercise/ and the notebooks are up to date" in capsys.readouterr().out


def test_the_doctor_finds_this_environment_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("ok")][:4] == [
        "Python", "torch", "spaCy", "model",
    ]  # fmt: skip


def test_the_doctor_of_a_students_copy_leaves_the_sandbox_to_verbose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("grader.commands.doctor.commands.is_whole", lambda: False)
    looks = ("_python", "_torch", "_spacy", "_model", "_torchtext", "_data", "_exercise")
    for name in looks:  # what they find is tested above
        monkeypatch.setattr(doctor, name, lambda: doctor.Line("seen", ""))
    told = [{line.what for line in doctor.examine(verbose)} for verbose in (False, True)]
    assert ["sandbox" in each for each in told] == [False, True]


def test_the_doctor_gives_the_command_for_a_missing_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("grader.grading.pipeline.MODEL", "en_core_web_xx")
    assert main(["doctor"]) == 1
    assert "./packages/en_core_web_sm" in capsys.readouterr().out


def test_no_module_of_the_current_folder_is_imported(tmp_path: Path) -> None:
    """It may be a submission: its files would run without a sandbox."""
    for name in ("argparse", "difflib", "tomllib", "tomli", "news"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} ran')")
    done = subprocess.run(
        [sys.executable, "-m", "grader", "hint", "dataset"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "dataset" in done.stdout


@pytest.mark.parametrize("named", [False, True])
def test_a_course_that_was_handed_in_decides_on_no_points(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "course.toml").write_text('[points]\n"dataset.length" = 50\n')
    (tmp_path / "nbgrader_config.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(course.VARIABLE, raising=False)
    with course.chosen(tmp_path if named else None):
        for path in (Path(), tmp_path, tmp_path.parent):
            if named:
                course.refuse_handed_in(path)
                continue
            with pytest.raises(UsageError, match="whoever handed that in decides on the points"):
                course.refuse_handed_in(path)
        course.refuse_handed_in(tmp_path / "alice")


def test_it_runs_from_the_kits_folder_without_being_installed() -> None:
    """`-S` leaves site-packages out: whatever is imported comes from the folder."""
    code = "import grader.__main__ as m; print(m.parser([]).prog)"
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "python -m grader" in done.stdout


def test_without_a_command_it_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "  watch " in capsys.readouterr().err


def test_the_folders_name_works_in_place_of_the_modules(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", str(ROOT / "grader"), "wach"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.stderr.startswith("grader: wach: no such command. Did you mean watch?")


def test_without_the_kits_environment_it_says_how_to_activate_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ModuleNotFoundError("No module named 'rich'", name="rich")

    monkeypatch.setattr("grader.__main__.check_environment", fail)
    monkeypatch.setattr("grader.base.environment.FOLDER", tmp_path)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert main(["hint"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        f"grader: rich is not installed for {sys.executable}. Activate the kit's"
    )
    assert str(tmp_path / ("Scripts" if os.name == "nt" else "bin") / "activate") in said
    monkeypatch.setattr("grader.base.environment.FOLDER", tmp_path / "none")
    main(["hint"])
    assert "Install the kit, as README.md says." in capsys.readouterr().err


# --- pytest ----------------------------------------------------------------------------------


def run_pytest(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.full
def test_pytest_grades_the_stubs_and_ends_with_the_board() -> None:
    done = run_pytest()
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    for task, worth in [("dataset", 15), ("collate", 20), ("model", 30), ("train", 20)]:
        (line,) = [line for line in lines if line.startswith(f"{task} ")]
        assert f" 0/{worth}  not started  write {task}.py" in line
    assert "31 not started" in lines[-1]
    assert "Traceback" not in done.stdout + done.stderr
    assert "error" not in done.stdout.lower()


@pytest.mark.full
def test_pytest_k_grades_one_task_of_a_submission(dataset_only: Path) -> None:
    done = run_pytest("-k", "dataset", f"--submission={dataset_only}")
    assert done.returncode == 0
    assert "dataset   15/15  done" in done.stdout
    assert "\ncollate" not in done.stdout


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("colate", "Did you mean collate?"),
        ("lstm", "Did you mean lstm_cell?"),
        pytest.param("zzz", "Tasks of news-classifier: dataset, ", marks=pytest.mark.full),
    ],
)
def test_pytest_k_with_a_name_that_no_check_has_says_what_was_meant(word: str, says: str) -> None:
    done = run_pytest("-k", word)
    assert done.returncode == 5
    assert f"-k {word}: no task or check has this name. {says}" in done.stdout


def test_pytest_k_finds_a_task_of_another_assignment_and_its_counts_agree(tmp_path: Path) -> None:
    for name in ("dataset", "recurrent"):  # both assignments could be meant
        (tmp_path / f"{name}.py").write_bytes((ROOT / "exercise" / f"{name}.py").read_bytes())
    done = run_pytest("-k", "rnn_cell", f"--submission={tmp_path}")
    count, rest = len(tasks()["rnn_cell"].checks), 27 - len(tasks()["rnn_cell"].checks)
    assert f"collected 27 items / {rest} deselected / {count} selected" in done.stdout
    assert f"{rest} deselected, {count} not started" in done.stdout
    assert "rnn_cell" in done.stdout.split("Task ")[1]


@pytest.mark.parametrize("arguments", [["-k", "dataset"], ["dataset.py"], ["./dataset.py"]])
def test_pytest_grades_where_students_write(dataset_only: Path, arguments: list[str]) -> None:
    """Started in the folder of the files, or given one: without their own settings and plugins."""
    folder = dataset_only.parent
    (folder / "conftest.py").write_text("raise SystemExit('it ran')\n", encoding="utf-8")
    done = run_pytest(*arguments, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dataset   15/15  done" in done.stdout
    assert done.stdout.rstrip().splitlines()[-3] == "dataset done. Next: collate."


def test_pytest_on_a_task_grades_it_and_says_what_a_misspelt_file_may_mean(tmp_path: Path) -> None:
    done = run_pytest("dataset", cwd=tmp_path)
    assert done.returncode == 1
    assert "24 deselected, 7 not started" in done.stdout
    done = run_pytest("exercise/colate.py", cwd=tmp_path)
    assert done.returncode == 4
    assert "exercise/colate.py: no such file or task. Did you mean collate?" in done.stderr


def test_pytest_in_a_wrong_folder_says_where_to_run_it(tmp_path: Path) -> None:
    done = run_pytest(cwd=tmp_path)
    assert f"run pytest in the kit's folder: cd {ROOT}" in done.stdout


def test_pytest_on_a_bad_path_says_so_in_one_line() -> None:
    done = run_pytest("--submission=nowhere")
    assert done.returncode == 2
    assert "nowhere: no such file or folder" in done.stdout


@pytest.mark.parametrize(
    ("form", "inside"),
    [
        ("--submission={}", True),
        ("--submission {}", False),
        pytest.param("--submission={}", False, marks=pytest.mark.full),
        pytest.param("--submission {}", True, marks=pytest.mark.full),
    ],
)
def test_pytest_never_runs_under_a_submissions_own_settings(
    tmp_path: Path, form: str, inside: bool
) -> None:
    (tmp_path / "dataset.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text("open('ran', 'w').close()\n", encoding="utf-8")
    options = [part.format(tmp_path) for part in form.split()]
    graded = run_pytest("-k", "dataset", *options, cwd=tmp_path if inside else ROOT)
    assert graded.returncode == 1
    assert "does not define NewsDataset" in graded.stdout
    assert not (tmp_path / "ran").exists()
    assert not (ROOT / "ran").exists()


def test_a_breakpoint_works_in_process(tmp_path: Path) -> None:
    text = (ROOT / "solution" / "dataset.py").read_text(encoding="utf-8")
    text = text.replace("pairs = list(samples)", "pairs = list(samples); breakpoint()")
    (tmp_path / "dataset.py").write_text(text, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    submission = f"--submission={tmp_path / 'dataset.py'}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-k", "texts", "--in-process", submission],
        cwd=ROOT,
        env=environment,
        input="p 'here', len(pairs)\n" + "c\n" * 20,  # it may be made more than once
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"\('here', [5-9]\)", done.stdout)
    assert "dataset     2/2  done" in done.stdout
