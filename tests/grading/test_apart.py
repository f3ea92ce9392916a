"""A process of its own judges a single submission, and leaves no trace but the results."""

import dataclasses
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grader.base.paths import ROOT
from grader.checks.news_classifier import dataset
from grader.contract.record import CheckResult, Record
from grader.contract.tasks import Check
from grader.grading import apart, session
from grader.grading.answers import DatasetSeen
from grader.grading.session import Session
from grader.worker import wire
from grader.worker.wire import Raised

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
DATASET = """
print('hello')
class NewsDataset:
    def __init__(self, samples): print(1); 1 / 0
"""
WRONG = {
    "dataset.py": DATASET,
    "collate.py": "class Collate:\n    pass\n\nthis is no Python",
    "model.py": (ROOT / "solution" / "model.py").read_text(encoding="utf-8"),
}


@pytest.fixture
def submitted(tmp_path: Path) -> Path:
    for name, text in WRONG.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def graded(path: Path, **options: Any) -> tuple[Record, list[Record]]:
    """The record of a submission, without times, and the records on the way."""
    told: list[Record] = []
    taken = session.load(path, "news-classifier")
    options |= {"assignment": "news-classifier", "device": "cpu"}
    record = session.grade(taken, told.append, **options)
    checks = [dataclasses.replace(check, seconds=0.0) for check in record.checks]
    return dataclasses.replace(record, checks=checks), told


def test_a_record_does_not_depend_on_the_process_that_judges(submitted: Path) -> None:
    (alone, told), (here, _) = graded(submitted), graded(submitted, many=True)
    assert alone == here
    assert any(check.printed for check in alone.checks)
    assert {record.score for record in told} >= {0.0, alone.score}


def test_checks_that_a_lost_process_did_not_run_are_run_here(
    submitted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, here = graded(submitted, many=True)[0], os.getpid()
    run = Session.run

    def dying(opened: Session, check: Check) -> CheckResult:
        if os.getpid() != here and check.task == "model":
            os._exit(1)
        return run(opened, check)

    monkeypatch.setattr(Session, "run", dying)
    assert graded(submitted)[0] == expected


def test_nothing_is_forked_that_runs_student_code_itself(submitted: Path) -> None:
    taken = session.load(submitted, "news-classifier")
    with session.session(taken, assignment="news-classifier", in_process=True) as opened:
        assert not apart.is_possible(opened)


def test_all_that_came_of_a_check_is_taken_over(submitted: Path) -> None:
    taken = session.load(submitted, "news-classifier")
    with session.session(taken, assignment="news-classifier", in_process=True) as opened:
        check = next(check for check in opened.planned if check.task == "dataset")
        opened.run(check)
        opened._lenient.add(check.id)
        opened.submission.broken["model"] = Raised("exception", "ValueError", "no", "import model")
        sent = wire.encode(opened.outcome())
    with session.session(taken, assignment="news-classifier", in_process=True) as other:
        other.take(wire.read(io.BytesIO(b"".join(sent))))
    assert other.record() == opened.record()
    assert other._lenient == opened._lenient
    assert "does not run as a whole" in other.record().submission["notes"][0]


GRADE = """
import sys
from pathlib import Path
from grader.grading import session
taken = session.load(Path(sys.argv[1]), "news-classifier")
record = session.grade(taken, assignment="news-classifier", device="cpu")
print({task.id: task.score for task in record.tasks}["model"], {"torch", "spacy"} & {*sys.modules})
"""


def test_the_first_process_loads_neither_torch_nor_spacy(submitted: Path) -> None:
    command = [sys.executable, "-c", GRADE, str(submitted)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "30.0 set()\n", done.stderr


def test_a_dataset_is_judged_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of small hand-ins would wait for torch in each of its processes."""
    monkeypatch.setitem(sys.modules, "torch", None)

    def ints(*numbers: int, shape: tuple[int, ...] = ()) -> wire.TensorData:
        data = b"".join(number.to_bytes(8, "little") for number in numbers)
        return wire.TensorData("int64", shape, data)

    seen = DatasetSeen(["a", "b"], ints(3, 1, shape=(2,)), 2, 2, [])
    assert dataset._is_own(seen, 1, ("b", ints(1)))
    assert not dataset._is_own(seen, 1, ("b", ints(3)))
