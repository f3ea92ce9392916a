"""A class is graded once, goes on after any end, and has the marks of grading one by one."""

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from grader.__main__ import main
from grader.base.errors import UsageError
from grader.base.paths import ROOT
from grader.checks.news_classifier import dataset
from grader.classroom import run
from grader.classroom.engine import Job
from grader.classroom.job import GradingConfig, grade, pack, versions
from grader.classroom.journal import Entry, Journal
from grader.classroom.progress import verdict
from grader.contract.enums import Status, Tier
from grader.contract.record import CheckResult, Record
from grader.contract.results import GradingStatus, Result
from grader.grading import session as grading_of_one
from grader.intake import files
from grader.intake.choice import RawSubmission
from grader.intake.sources import Sources
from grader.maintain.submission_bank import REFERENCE
from grader.reports import junit
from grader.reports.class_report import page
from grader.sandbox.fork_server import Unavailable
from grader.sandbox.tiers import Confinement
from tests.classes import graded as golden
from tests.sandbox.test_worker_client import gone

linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")
RIGHT = REFERENCE["dataset"]
WRONG = RIGHT.replace(b"label - 1", b"label")
ENDS = b"import os\nos._exit(3)\n"
SETTING = GradingConfig("", "cpu", 0, "sandbox", 6 << 30, "", versions())
NOTEBOOK = {"cells": [{"cell_type": "code", "source": RIGHT.decode(), "metadata": {}}]}
CLASS = {"right": RIGHT, "wrong": WRONG, "<b>": RIGHT, "ends": ENDS}


def make(folder: Path, submissions: dict[str, bytes]) -> Path:
    for student, source in submissions.items():
        (folder / student).mkdir(parents=True)
        (folder / student / "dataset.py").write_bytes(source)
    return folder


def read(out: Path) -> dict[str, Result]:
    data = json.loads((out / "results.json").read_text(encoding="utf-8"))
    return {each["student"]: Result.from_dict(each) for each in data["results"]}


def alone(name: str, files: dict[str, bytes]) -> Record:
    """Grade one submission in this process, as `grade` does."""
    sources = Sources(name, files, {module: f"{module}.py" for module in files})
    return grading_of_one.grade(sources, device="cpu", confine=Tier.SANDBOX)


def without_times(record: Record | None) -> Record:
    assert record is not None
    return replace(record, checks=[replace(check, seconds=0) for check in record.checks])


# --- a real run ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a class, and the reports on it, graded by two processes."""
    root = tmp_path_factory.mktemp("class")
    make(root / "class", CLASS)
    (root / "class" / "note.ipynb").write_text(json.dumps(NOTEBOOK), encoding="utf-8")
    (root / "class" / "broken.zip").write_bytes(b"PK")
    done = graded_by_command(root)
    assert done.returncode == 2, done.stderr
    assert "broken  error: broken.zip: not a readable zip" in done.stdout
    assert "5 in progress" not in done.stdout
    assert "6 of 6: 4 in progress, 1 no points, 1 error" in done.stdout
    return root


def command(root: Path, workers: int = 2) -> list[str]:
    paths = [str(root / "class"), "--out", str(root / "out")]
    return [sys.executable, "-m", "grader", "class", *paths, "--workers", str(workers)]


def graded_by_command(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(root), cwd=ROOT, capture_output=True, text=True, check=False)


@linux
@pytest.mark.parametrize("student", [*CLASS, "note"])
def test_marks_are_those_of_grading_one_by_one(student: str, graded: Path) -> None:
    result = read(graded / "out")[student]
    if student == "note":
        assert result.record is not None
        assert result.record.score == 15
    else:
        expected = without_times(alone(student, {"dataset": CLASS[student]}))
        assert without_times(result.record) == expected
    assert result.memory > 50 << 20
    assert result.seconds > 0


@linux
def test_equal_code_has_equal_fingerprints(graded: Path) -> None:
    results = read(graded / "out")
    assert results["right"].fingerprints == results["<b>"].fingerprints
    assert results["right"].fingerprints != results["wrong"].fingerprints
    assert results["right"].fingerprints["dataset"] == results["note"].fingerprints["dataset"]


@linux
def test_what_was_graded_is_not_graded_again(graded: Path) -> None:
    before = read(graded / "out")
    done = graded_by_command(graded)
    assert "5 as graded before, 1 to grade" in done.stdout
    assert read(graded / "out")["right"] == before["right"]


@linux
def test_there_are_reports_and_one_file_of_results(graded: Path) -> None:
    assert {"results.json", "journal.jsonl"} <= {path.name for path in (graded / "out").iterdir()}


ENDINGS: dict[str, tuple[Callable[[psutil.Process], None], int]] = {
    "killed": (lambda main: main.kill(), -signal.SIGKILL),
    "ctrl-c": (lambda main: _signal_all(main, signal.SIGINT), 130),
    "a worker killed": (lambda main: _workers(main)[0].kill(), 1),  # and the run goes on
}


def _workers(main: psutil.Process) -> list[psutil.Process]:
    return [each for each in main.children() if "popen_loky" in " ".join(each.cmdline())]


def _signal_all(main: psutil.Process, number: int) -> None:
    """Do what a terminal does: signal the command and its workers."""
    for each in [*_workers(main), main]:
        each.send_signal(number)


def graded_and_ended(
    root: Path, end: Callable[[psutil.Process], None], workers: int
) -> tuple[int, str]:
    """Grade a class, end that after the first result; return the exit status and the output.

    Nothing may be left: no process, no file in the folder for temporary ones.
    """
    scratch = root / "scratch"
    scratch.mkdir(exist_ok=True)
    started = psutil.Popen(
        command(root, workers=workers),
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job's may be ignored
    )
    lines = []
    for line in started.stdout:
        lines.append(line)
        if line.startswith("1/"):
            break
    assert "15/100" in lines[-1]
    family = started.children(recursive=True)
    assert len(family) >= 2 * workers  # each has a fork server
    end(started)
    lines += started.stdout
    started.stdout.close()
    code = started.wait()
    assert all(gone(each.pid, seconds=20) for each in family)
    assert [*scratch.iterdir()] == []
    return code, "".join(lines)


@linux
def test_however_runs_end_nothing_is_left_and_the_next_one_goes_on(
    tmp_path: Path, noting: "Noting", full: bool
) -> None:
    """In the quick suite with one worker, and none is killed: see `test_classroom_engine.py`."""
    students = [f"s{n}" for n in range(9)]
    make(tmp_path / "class", {name: RIGHT + f"# {name}\n".encode() for name in students})
    kept = 0
    for ending in [*ENDINGS] if full else ["killed", "ctrl-c"]:
        end, expected = ENDINGS[ending]
        code, output = graded_and_ended(tmp_path, end, workers=2 if full else 1)
        assert code == expected, f"{ending}: {output}"
        if kept:
            assert f"{kept} as graded before, {len(students) - kept} to grade" in output, ending
        before, kept = kept, journaled(tmp_path)
        assert before < kept <= len(students), ending
    assert (kept == len(students)) is full
    rest = again(tmp_path, noting)
    assert len(rest) == len(students) - kept
    results = read(tmp_path / "out")
    assert results.keys() == set(students)
    scores = [result.record and result.record.score for result in results.values()]
    assert scores.count(15) == kept


def journaled(root: Path) -> int:
    """The number of lines in the journal."""
    return (root / "out" / "journal.jsonl").read_text(encoding="utf-8").count("\n")


# --- one job -----------------------------------------------------------------------------------


def job(setting: GradingConfig = SETTING) -> Job:
    return pack("ada", RawSubmission("ada", {"dataset": RIGHT}, {}, "dataset"), setting)


def test_a_job_is_made_of_builtin_types_only() -> None:
    def look(value: Any) -> None:
        assert type(value) in (dict, list, str, bytes, int, bool, type(None))
        if isinstance(value, dict | list):
            for each in value.values() if isinstance(value, dict) else value:
                look(each)

    look(job())


def test_a_machine_with_other_versions_grades_nothing() -> None:
    answer = grade(job(replace(SETTING, versions="grader of yesterday")))
    with pytest.raises(UsageError, match=r"this machine has grader of yesterday"):
        run._result("ada", answer)


def test_nothing_is_graded_with_less_confinement_than_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(_device: str) -> Confinement:
        raise Unavailable("no Landlock here")

    monkeypatch.setattr("grader.sandbox.tiers.sandboxed", none)
    with pytest.raises(
        UsageError, match=r"not available on this machine: no Landlock here.*--confine limits"
    ):
        run._result("ada", grade(job()))


@linux
def test_the_courses_secret_travels_with_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    check = dataset.check_texts

    def looking(submission: Any) -> None:
        seen.append(submission.secret)
        check(submission)

    monkeypatch.setattr(dataset, "check_texts", looking)
    monkeypatch.delenv("GRADER_SECRET", raising=False)
    grade(job(replace(SETTING, secret="s3cret")))
    assert seen == ["s3cret"]


@linux
@pytest.mark.parametrize("failures", [1, 2])
def test_a_fault_of_the_grader_is_tried_again_once_and_never_a_mark(
    failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([True] * failures + [False])
    check = dataset.check_texts

    def faulty(submission: Any) -> None:
        if next(left):
            raise RuntimeError("the grader is ill")
        check(submission)

    monkeypatch.setattr(dataset, "check_texts", faulty)
    result, _ = run._result("ada", grade(job()))
    assert result.faulty == (failures == 2)
    assert result.record is not None
    assert (result.record.score == 15) == (failures == 1)
    assert result.status is (GradingStatus.GRADED if failures == 1 else GradingStatus.ERROR)


def test_whose_fault_it_is_stands_in_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    unreadable = pack("ada", RawSubmission("ada", main=b"{", main_name="ada.ipynb"), SETTING)
    assert run._result("ada", grade(unreadable))[0].status is GradingStatus.UNREADABLE
    assert run._result("ada", Exception("lost"))[0].status is GradingStatus.ERROR

    def broken(*_arguments: Any) -> Any:
        raise RuntimeError("the grader is ill")

    monkeypatch.setattr("grader.classroom.job._session", broken)
    result, _ = run._result("ada", grade(job()))
    assert "The grader itself failed twice" in result.fault
    assert result.status is GradingStatus.ERROR


# --- what is to be graded ----------------------------------------------------------------------


class Noting:
    """An engine that answers at once, and notes whom it graded."""

    slots = 2

    def __init__(self) -> None:
        self.students: list[str] = []
        self.points: dict[str, float] = {}

    def submit(self, job: Job) -> Future[str]:
        self.students.append(job["student"])
        score = self.points.get(job["student"], 2.0)
        status = "error" if score < 0 else "passed" if score == 2 else "failed"
        check = CheckResult("dataset.texts", "dataset", Status(status), max(score, 0), 2.0)
        record = Record({"name": job["student"], "digest": ""}, [check], {})
        future: Future[str] = Future()
        result = Result(job["student"], record=record).as_dict()
        future.set_result(json.dumps({"result": result, "tokens": {}}))
        return future

    def renew(self) -> None: ...

    def close(self, at_once: bool) -> None: ...


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> Noting:
    engine = Noting()
    monkeypatch.setattr(run, "Local", lambda _workers: engine)
    return engine


def again(root: Path, noting: Noting, *options: str) -> list[str]:
    noting.students.clear()
    main(["class", str(root / "class"), "--out", str(root / "out"), *options])
    return sorted(noting.students)


def test_only_what_needs_it_is_graded(tmp_path: Path, noting: Noting) -> None:
    make(tmp_path / "class", dict.fromkeys("abcd", RIGHT))
    noting.points = {"a": 2.0, "b": 1.0, "c": -1.0}
    assert again(tmp_path, noting) == ["a", "b", "c", "d"]
    assert again(tmp_path, noting) == ["c"], "an error is never kept"
    assert again(tmp_path, noting, "--only", "failed") == ["b", "c"]
    assert again(tmp_path, noting, "--only", "error") == ["c"]
    assert again(tmp_path, noting, "--student", "a", "--student", "d") == ["a", "d"]
    (tmp_path / "class" / "d" / "dataset.py").write_bytes(WRONG)
    make(tmp_path / "class", {"e": RIGHT})
    assert again(tmp_path, noting, "--only", "changed", "--seed", "1") == ["d", "e"]
    assert again(tmp_path, noting, "--seed", "1") == ["a", "b", "c"]
    assert again(tmp_path, noting, "--seed", "1") == ["c"]


def test_each_submission_is_read_once(
    tmp_path: Path, noting: Noting, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "class", dict.fromkeys("abc", RIGHT))
    opened, read_file = [], files.read

    def noted(path: Path, most: int) -> bytes:
        opened.append(path)
        return read_file(path, most)

    monkeypatch.setattr(files, "read", noted)
    for graded in (["a", "b", "c"], []):
        opened.clear()
        assert again(tmp_path, noting) == graded
        assert len(opened) == 3


def test_other_options_and_another_secret_are_another_setting(
    tmp_path: Path, noting: Noting, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "class", {"a": RIGHT})
    for options in ([], ["--seed", "1"], ["--limit-memory", "3G"], ["--device", "cpu"]):
        assert again(tmp_path, noting, *options) == ["a"]
        assert again(tmp_path, noting, *options) == []
    monkeypatch.setenv("GRADER_SECRET", "x")
    assert again(tmp_path, noting) == ["a"]
    assert "GRADER" not in (tmp_path / "out" / "journal.jsonl").read_text(encoding="utf-8")


def test_results_of_another_setting_are_told(
    tmp_path: Path, noting: Noting, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "class", {"a": RIGHT, "b": RIGHT})
    again(tmp_path, noting)
    again(tmp_path, noting, "--student", "a", "--seed", "1")
    told = capsys.readouterr().out
    assert "1 of them were graded with different checks, versions or options" in told


@pytest.mark.parametrize(
    ("points", "code"), [({}, 0), ({"a": 1.0}, 1), ({"a": -1.0}, 2), ({"a": 0.0, "b": -1.0}, 2)]
)
def test_exit_codes(points: dict[str, float], code: int, tmp_path: Path, noting: Noting) -> None:
    make(tmp_path / "class", {"a": RIGHT, "b": RIGHT})
    noting.points = points
    assert main(["class", str(tmp_path / "class"), "--out", str(tmp_path / "out")]) == code


ROSTER = (
    "id;name;email;section\na;Ann;ann@uni.example;Monday\nb;Ben;;Monday\nc;Cay;;Lab\nd;Dee;;Lab\n"
)


def marks_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "marks.csv").open(encoding="utf-8", newline="") as stream:
        return {row["student"]: row for row in csv.DictReader(stream)}


def test_every_hand_in_and_every_student_of_the_roster_is_listed(
    tmp_path: Path, noting: Noting, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "class", {"a": RIGHT, "Ben": RIGHT, "x": RIGHT})
    (tmp_path / "class" / "c.rar").write_bytes(b"Rar!")
    (tmp_path / "roster.csv").write_text(ROSTER, encoding="utf-8")
    noting.points = {"Ben": -1.0}
    out, roster = tmp_path / "out", ["--roster", str(tmp_path / "roster.csv")]
    command = ["class", str(tmp_path / "class"), "--out", str(out), *roster]
    assert main(command) == 2
    rows = marks_of(out)
    assert {id_: (row["name"], row["status"], row["score"]) for id_, row in rows.items()} == {
        "a": ("Ann", "graded", "2.0"),
        "b": ("Ben", "error", ""),
        "c": ("Cay", "unreadable", ""),
        "d": ("Dee", "missing", ""),
        "x": ("", "graded", "2.0"),
    }
    told = capsys.readouterr().out
    assert "roster: 4 students, 3 handed in (2 by id, 1 by name)" in told
    assert "x: fits nobody; it is listed as x" in told
    assert "handed in nothing, 1: Dee" in told
    page = (out / "index.html").read_text(encoding="utf-8")
    canvas = (out / "canvas.csv").read_text(encoding="utf-8")
    assert all(name in page for name in ("Ann", "Ben", "Cay", "Dee"))
    assert canvas.count("\n") == 2 + len(rows)
    assert all(f'"{name}"' in canvas for name in ("Ann", "Ben", "Cay", "Dee", "x"))
    moodle = (out / "moodle.csv").read_text(encoding="utf-8")
    assert '"x"' not in moodle
    assert moodle.count("\n") == 5
    assert (out / "junit.xml").read_text(encoding="utf-8").count("<testsuite ") == len(rows)
    assert read(out)["d"].status is GradingStatus.MISSING


def test_a_roster_that_cannot_be_read_ends_the_command_before_anything_is_graded(
    tmp_path: Path, noting: Noting, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "class", {"a": RIGHT})
    assert again(tmp_path, noting, "--roster", str(tmp_path / "none.csv")) == []
    assert "none.csv: cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_somebody_missing_is_points_missing(tmp_path: Path, noting: Noting) -> None:
    make(tmp_path / "class", {"a": RIGHT})
    (tmp_path / "roster.csv").write_text("id\na\nb\n", encoding="utf-8")
    command = ["class", str(tmp_path / "class"), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert main([*command, "--roster", str(tmp_path / "roster.csv")]) == 1
    assert noting.students == ["a"]


def test_late_is_what_canvas_marks_or_what_came_after_the_deadline(
    tmp_path: Path, noting: Noting, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "class", {"a": RIGHT, "b": RIGHT})
    os.utime(tmp_path / "class" / "a" / "dataset.py", (1_700_000_000, 1_700_000_000))
    again(tmp_path, noting)
    assert {row["late"] for row in marks_of(tmp_path / "out").values()} == {""}
    capsys.readouterr()
    again(tmp_path, noting, "--deadline", "2024-01-01T12:00Z")
    assert {id_: row["late"] for id_, row in marks_of(tmp_path / "out").items()} == {
        "a": "no", "b": "yes",
    }  # fmt: skip
    assert "late by the times of files: 1" in capsys.readouterr().out
    assert {id_: row["notes"] for id_, row in marks_of(tmp_path / "out").items()} == {
        "a": "", "b": "Late by the times of files.",
    }  # fmt: skip
    shutil.rmtree(tmp_path)
    (tmp_path / "class").mkdir(parents=True)
    for name in ("lovelaceada_11_900_dataset.py", "hopperg_LATE_12_901_dataset.py"):
        (tmp_path / "class" / name).write_bytes(RIGHT)
    again(tmp_path, noting)
    assert {id_: row["late"] for id_, row in marks_of(tmp_path / "out").items()} == {
        "11": "no", "12": "yes",
    }  # fmt: skip


def test_what_is_not_graded_yet_is_listed_without_a_mark(tmp_path: Path, noting: Noting) -> None:
    make(tmp_path / "class", {"a": RIGHT, "b": RIGHT})
    assert again(tmp_path, noting, "--student", "a") == ["a"]
    row = marks_of(tmp_path / "out")["b"]
    assert (row["status"], row["score"], row["fault"]) == ("error", "", run.NOT_GRADED)
    assert again(tmp_path, noting) == ["b"]


def test_the_column_and_the_decimal_sign_are_as_asked_for(tmp_path: Path, noting: Noting) -> None:
    make(tmp_path / "class", {"a": RIGHT})
    noting.points = {"a": 1.5}
    again(tmp_path, noting, "--column", "News (4711)", "--decimal", "comma")
    header, possible, row = (tmp_path / "out" / "canvas.csv").read_text("utf-8").split("\n")[:3]
    assert header.rstrip().endswith(';"News (4711)"')
    assert possible.startswith('"Points Possible";')
    assert row.rstrip().endswith(";1,5")
    again(tmp_path, noting)
    assert '"News' not in (tmp_path / "out" / "canvas.csv").read_text("utf-8")


def test_a_column_that_canvas_skips_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "class", {"a": RIGHT})
    for options, says in (
        (["--column", "Final Grade"], "Canvas skips every column with 'Final Grade'"),
        (["--deadline", "tomorrow"], "'tomorrow' is no time as in 2026-11-21T23:59"),
    ):
        with pytest.raises(SystemExit):
            main(["class", str(tmp_path / "class"), "--out", str(tmp_path / "out"), *options])
        assert says in capsys.readouterr().err


def test_a_report_that_cannot_be_made_is_told_and_the_others_are_written(
    tmp_path: Path,
    noting: Noting,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path / "class", {"a": RIGHT, "b": RIGHT})

    def broken(*_arguments: Any) -> str:
        raise ValueError("no page")

    with monkeypatch.context() as patch:
        patch.setattr(junit, "text", broken)
        assert main(["class", str(tmp_path / "class"), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().out.splitlines()
    assert told[-2:] == [
        f"reports: {tmp_path / 'out'}", "not written: junit.xml: ValueError: no page",
    ]  # fmt: skip
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"index.html", "marks.csv", "results.json", "feedback"} <= files
    assert "junit.xml" not in files
    assert again(tmp_path, noting) == [], "what was graded is kept"
    assert (tmp_path / "out" / "junit.xml").is_file()


@pytest.mark.usefixtures("noting")
def test_a_full_disk_is_told_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path / "class", {"a": RIGHT})

    def full(_path: Path) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(page, "written_whole", full)
    assert main(["class", str(tmp_path / "class"), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "a report cannot be written (No space left on device). The results are kept" in told
    assert told.count("\n") == 1


BAD = {
    "no folder": (["class", "nowhere", "--out", "out"], "nowhere: cannot be read"),
    "out is a file": (
        ["class", "class", "--out", "class/a/dataset.py"],
        "--out class/a/dataset.py",
    ),
    "an unknown student": (
        ["class", "class", "--out", "out", "--student", "x"],
        "--student x: no student with this id in class. Ids look like a.",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_2(
    case: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path / "class", {"a": RIGHT})
    monkeypatch.chdir(tmp_path)
    arguments, says = BAD[case]
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_a_package_that_reports_need_is_missed_before_a_class_is_graded(tmp_path: Path) -> None:
    make(tmp_path / "class", {"a": RIGHT})
    code = (
        "from importlib import metadata; version = metadata.version\n"
        "def without(name):\n"
        "    if name == 'jinja2': raise metadata.PackageNotFoundError(name)\n"
        "    return version(name)\n"
        "metadata.version = without\n"
        "import sys; from grader.__main__ import main;"
        "sys.exit(main(['class', 'class', '--out', 'out']))"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert told.returncode == 2
    assert (
        b"jinja2 is not installed. Install it from the kit's folder: python -m pip" in told.stderr
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", ["6", "0G", "1K", "999M", "x"])
def test_an_invalid_size_is_refused(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["class", "x", "--out", "y", "--limit-memory", size])
    assert f"{size!r} is not a size of at least 1G" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "expected"),
    [("right", "full marks"), ("wrong", "in progress"), ("stubs", "not started")],
)
def test_a_verdict_sums_up_a_record(name: str, expected: str) -> None:
    assert verdict(Result("a", record=golden()[name])) == expected


def test_a_submission_that_earns_nothing_is_not_called_not_started() -> None:
    failed = [replace(check, status=Status.FAILED, score=0) for check in golden()["stubs"].checks]
    record = replace(golden()["stubs"], checks=failed)
    assert verdict(Result("a", record=record)) == "no points"


# --- the journal -------------------------------------------------------------------------------


def entry(student: str, seconds: float = 0.0) -> Entry:
    return Entry(Result(student, fault="?", seconds=seconds), "digest", "setting")


def test_a_line_that_was_cut_short_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for each in (entry("a", 1), entry("a", 2), entry("é\u2028")):
        journal.add(each)
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 4])
    journal = Journal(path)
    assert journal.entries == {"a": entry("a", 2), "é\u2028": entry("é\u2028")}
    journal.add(entry("b"))
    journal.close()
    again = Journal(path)
    again.close()
    assert again.entries.keys() == {"a", "é\u2028", "b"}


@pytest.mark.parametrize("line", [b"null", b"{}", b"\xff", b'{"result": {"x": 1}}', b"[1]"])
def test_an_invalid_line_is_skipped(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(line + b"\n")
    journal = Journal(path)
    journal.close()
    assert journal.entries == {}
