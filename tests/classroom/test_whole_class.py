"""A class that nothing stops, from which nobody is missing, and one mark on every route.

The run of a class is killed in the middle, run again on a disk that gets full, and run again. Then
the same hand-ins go through nbgrader and through Gradescope's runner. The quick suite does that
with a few of them.
"""

import contextlib
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from grader.base.paths import ROOT
from grader.classroom.autograder import SERVICES, autograde
from grader.classroom.journal import Entry, Journal
from grader.contract.enums import Tier
from grader.course.sandbox_policy import why_no_marks
from grader.maintain.scratch import ASSIGNMENT, Scratch
from tests.classroom import whole_class
from tests.classroom.test_availability import REPORTS, cell, notebook
from tests.classroom.whole_class import ANY, REASON, HandIn

pytestmark = pytest.mark.skipif(bool(why_no_marks()), reason=why_no_marks() or "")
ROOM = 16 << 10  # bytes that are free on a disk before it is full
SECONDS = 300.0  # in which a run must have its next result
ON_A_DISK = 'mount -t tmpfs -o size="$1" class "$2" && cp -a "$3"/. "$2" && shift 3 && "$@"'
Row = dict[str, str]


@dataclass(frozen=True)
class Run:
    """What came of a run that ended: its exit code, its output, and the journal after it."""

    code: int
    output: str
    journal: dict[str, Entry]


@dataclass(frozen=True)
class Graded:
    """A class that was graded in three runs.

    Attributes:
        hand_ins: by the student's id.
        ids: of the roster.
        killed: the first run.
        full: the second one.
        done: the third one.
        rows: of `marks.csv`, by the student's id.
        out: the folder of the reports.
    """

    hand_ins: dict[str, HandIn]
    ids: list[str]
    killed: Run
    full: Run
    done: Run
    rows: dict[str, Row]
    out: Path


@pytest.fixture(scope="module", params=["small", pytest.param("whole", marks=pytest.mark.full)])
def graded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Graded:
    here = tmp_path_factory.mktemp("class")
    hand_ins = getattr(whole_class, request.param)()
    whole_class.lay_out(hand_ins, here / "class")
    ids = whole_class.roster(here / "roster.csv")
    killed = kill_in_the_middle(here, results=len(hand_ins) // 3)
    full = fill_the_disk(here)
    return Graded(
        hand_ins, ids, killed, full, run(here), rows(here / "out" / "marks.csv"), here / "out"
    )


def command(here: Path, out: Path) -> list[str]:
    given = [str(here / "class"), "--out", str(out), "--roster", str(here / "roster.csv")]
    return [sys.executable, "-m", "grader", "class", *given, "--workers", "2"]


def journal(out: Path) -> dict[str, Entry]:
    kept = Journal(out / "journal.jsonl")
    kept.close()
    return kept.entries


def run(here: Path, *before: str, out: Path | None = None) -> Run:
    out = out or here / "out"
    done = subprocess.run(
        [*before, *command(here, out)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return Run(done.returncode, done.stdout + done.stderr, journal(here / "out"))


def kill_in_the_middle(here: Path, results: int) -> Run:
    """Run a class, and end all of its processes at once after so many results."""
    kept, scratch = here / "out" / "journal.jsonl", here / "scratch"
    scratch.mkdir()
    with (here / "log").open("w+", encoding="utf-8") as log:
        started = psutil.Popen(
            command(here, here / "out"),
            cwd=ROOT,
            env=os.environ | {"TMPDIR": str(scratch)},
            stdout=log,
            stderr=log,
        )
        until = time.monotonic() + SECONDS
        while not kept.exists() or kept.read_bytes().count(b"\n") < results:
            assert started.poll() is None, (here / "log").read_text("utf-8")
            assert time.monotonic() < until
            time.sleep(0.05)
        family = [started, *started.children(recursive=True)]
        for end in (psutil.Process.suspend, psutil.Process.kill):
            for each in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    end(each)
        code = started.wait()
        log.seek(0)
        return Run(code, log.read(), journal(here / "out"))


def fill_the_disk(here: Path) -> Run:
    """Run the class on a disk that gets full; where none can be mounted, files have a limit.

    The disk holds what was there before, and what was written to it is copied back.
    """
    out = here / "out"
    used = (out / "journal.jsonl").stat().st_size
    disk = here / "disk"
    disk.mkdir()
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    try_it = ["sh", "-c", 'exec "$@"', "sh", *namespace, "mount", "-t", "tmpfs", "x", str(disk)]
    if subprocess.run(try_it, capture_output=True, check=False).returncode:
        limit = ["sh", "-c", f'ulimit -f {(used + ROOM) // 512}; exec "$@"', "sh"]
        return run(here, *limit)
    script = f'{ON_A_DISK}; code=$?; cp "$0"/journal.jsonl {out}; exit $code'
    return run(
        here,
        *namespace,
        *("sh", "-c", script, str(disk), str(used + ROOM), str(disk), str(out)),
        out=disk,
    )


def rows(file: Path) -> dict[str, Row]:
    with file.open(encoding="utf-8", newline="") as stream:
        return {row["student"]: row for row in csv.DictReader(stream)}


# --- killed, on a full disk, and done ---------------------------------------------------------


def test_a_killed_run_and_a_full_disk_lose_nothing(graded: Graded) -> None:
    assert graded.killed.code == -9
    assert 0 < len(graded.killed.journal) < len(graded.hand_ins)
    assert graded.full.code == 2
    last = graded.full.output.splitlines()[-1]
    assert "journal.jsonl: cannot be written" in last
    assert "run the same command again: it continues where it stopped" in last
    assert graded.killed.journal.keys() <= graded.full.journal.keys()
    assert len(graded.full.journal) < len(graded.hand_ins)
    for before, after in ((graded.killed, graded.full), (graded.full, graded.done)):
        for student, entry in before.journal.items():
            if not entry.result.faulty:  # what could not be read is read again
                assert after.journal[student] == entry
        kept = sum(not entry.result.faulty for entry in before.journal.values())
        assert f"{kept} as graded before, {len(graded.hand_ins) - kept} to grade" in after.output


def test_every_student_of_the_roster_has_a_mark_or_a_reason(graded: Graded) -> None:
    assert graded.done.code in (1, 2)
    assert {path.name for path in graded.out.iterdir()} >= REPORTS
    assert [*graded.rows] == graded.ids
    assert not any(path.name.startswith(".") for path in graded.out.iterdir())
    for id_, row in graded.rows.items():
        hand_in = graded.hand_ins.get(id_)
        if hand_in is None:
            assert (row["status"], row["score"], row["submission"]) == ("missing", "", "")
            continue
        assert row["matched by"] == "id"
        assert row["status"] in ("graded", "unreadable"), row
        assert (row["score"] != "") is (row["status"] == "graded"), row
        assert bool(row["fault"]) is (row["status"] == "unreadable"), row
        if hand_in.mark is REASON:
            assert row["status"] == "unreadable", row
        elif hand_in.mark is not ANY:
            assert (row["status"], row["score"]) == ("graded", str(hand_in.mark)), row


# --- the same marks on every route -----------------------------------------------------------


@pytest.fixture(scope="module")
def by_nbgrader(graded: Graded, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    """The same hand-ins through `nbgrader autograde` and `course export`."""
    course = Scratch.make(tmp_path_factory.mktemp("course"))
    assert course.run("generate_assignment", ASSIGNMENT).returncode == 0
    for id_, hand_in in graded.hand_ins.items():
        folder = course.folder / "submitted" / id_ / ASSIGNMENT
        folder.mkdir(parents=True)
        lay_out_as_notebook(hand_in, folder, id_)
    done = course.run("autograde", ASSIGNMENT, "--no-execute")
    assert done.returncode == 0, done.stderr
    whole_class.roster(course.folder / "roster.csv")
    line = [sys.executable, "-m", "grader", "course", "export", "--roster", "roster.csv"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        line, cwd=course.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return course.marks()


def lay_out_as_notebook(hand_in: HandIn, folder: Path, id_: str) -> None:
    """Write what a student of a course would: right modules become cells of a notebook."""
    content = hand_in.content
    if isinstance(content, bytes):
        (folder / hand_in.name.format(id_)).write_bytes(content)
    elif callable(content) or hand_in.mark in (ANY, REASON) or any("ipynb" in n for n in content):
        shutil.rmtree(folder)
        whole_class.place(hand_in, folder)
    else:
        modules = [data for name, data in content.items() if "test" not in name]
        texts = [
            data.decode("utf-16" if data[:2] == b"\xff\xfe" else "utf-8-sig") for data in modules
        ]
        (folder / f"{ASSIGNMENT}.ipynb").write_bytes(notebook(*map(cell, texts)))


@pytest.fixture(scope="module")
def by_gradescope(
    graded: Graded, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, object]]:
    """The same hand-ins, each through Gradescope's runner."""
    found = {}
    for id_, hand_in in graded.hand_ins.items():
        root = tmp_path_factory.mktemp("gradescope")
        (root / "results").mkdir()
        name = hand_in.name.format(id_)
        is_file = isinstance(hand_in.content, bytes)
        whole_class.place(hand_in, root / "submission" / name if is_file else root / "submission")
        service = SERVICES["gradescope"]
        code = autograde(root, service, assignment=None, confine=Tier.SANDBOX, seed=0, device="cpu")
        assert code == 0, id_
        found[id_] = json.loads((root / "results" / "results.json").read_text("utf-8"))
    return found


def test_gradescope_gives_the_marks_of_the_class(
    graded: Graded, by_gradescope: dict[str, dict[str, object]]
) -> None:
    differ = {}
    for id_, found in by_gradescope.items():
        row = graded.rows[id_]
        # It has no way to give no mark: a hand-in that cannot be read has 0 and the reason.
        told = str(found["score"]) if "tests" in found else ""
        if (row["score"] or "") != (told and str(float(told))):
            differ[graded.hand_ins[id_].name] = (row["score"], row["fault"], found)
        if not told:
            assert found["score"] == 0
            assert len(str(found["output"])) > 20
    assert differ == {}


def test_nbgrader_gives_the_marks_of_the_class(graded: Graded, by_nbgrader: dict[str, Row]) -> None:
    differ = {}
    for id_, hand_in in graded.hand_ins.items():
        here, there = graded.rows[id_], by_nbgrader[id_]
        if there["status"] == "graded":
            if float(there["score"]) != float(here["score"] or -1):
                differ[hand_in.name] = (here, there)
        else:
            assert (there["status"], there["score"]) == ("unreadable", ""), there
            assert len(there["problem"]) > 20, there
            reason = here["fault"].removeprefix(f"{Path(here['submission']).stem}: ").rstrip(".")
            is_file_of_this_kind = "there is no" not in there["problem"]
            if is_file_of_this_kind and (not reason or reason not in there["problem"]):
                differ[hand_in.name] = (here, there)
    assert differ == {}
    missing = [by_nbgrader[id_] for id_ in graded.ids if id_ not in graded.hand_ins]
    assert {(row["status"], row["score"]) for row in missing} == {("missing", "")}
    assert len(by_nbgrader) == len(graded.ids)
