"""`watch` grades on every save, in a terminal and in a pipe, and leaves nothing behind."""

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pexpect  # type: ignore[import-untyped]
import psutil  # type: ignore[import-untyped]
import pytest

from grader.base.console import plain_console
from grader.base.errors import UsageError
from grader.base.paths import ROOT
from grader.contract.enums import Status
from grader.contract.record import CheckResult, Record
from grader.contract.tasks import MAIN, assignments, tasks
from grader.reports import board
from grader.sandbox import fork_server
from grader.watch import loop, screen
from grader.watch.files import Saves
from grader.watch.job import Graded
from grader.watch.reset import reset

posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX terminal")
LIMIT = 120  # seconds for anything to happen on a busy machine
ENDLESS = "while True:\n    pass\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the stubs of the main assignment."""
    for module in assignments()[MAIN].modules:
        shutil.copy(ROOT / "exercise" / f"{module}.py", tmp_path)
    return tmp_path


def save(folder: Path, module: str) -> None:
    """Save a right module as most editors do: under another name first."""
    new = folder / f"{module}.py.new"
    shutil.copy(ROOT / "solution" / f"{module}.py", new)
    new.replace(folder / f"{module}.py")


# --- in a terminal ---------------------------------------------------------------------------


class Terminal:
    """`watch` in a terminal of 80 x 24; `more` are variables of its environment."""

    def __init__(self, folder: Path, **more: str) -> None:
        command = ["-m", "grader", "watch", str(folder)]
        environment: Any = {**os.environ, "TERM": "xterm", **more}
        for name in ("COLUMNS", "LINES"):  # where they are set, a new size goes unnoticed
            environment.pop(name, None)
        self.process = pexpect.spawn(
            sys.executable,
            command,
            cwd=str(ROOT),
            dimensions=(24, 80),
            timeout=1,
            encoding="utf-8",
            env=environment,
        )
        self.output = ""

    @property
    def frame(self) -> str:
        """What was written since the screen was cleared, without colours."""
        last = self.output.rpartition("\x1b[2J")[2]
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", last).replace("\r", "")

    def wait_for(self, *texts: str) -> str:
        """Wait until all texts are on the screen; return the screen."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            with contextlib.suppress(pexpect.TIMEOUT):
                self.output += self.process.read_nonblocking(1 << 16, 0.1)
            if all(text in self.frame for text in texts):
                return self.frame
        raise AssertionError(f"{texts} did not appear on the screen:\n{self.frame}")


@pytest.fixture
def started(folder: Path) -> Iterator[Terminal]:
    terminal = Terminal(folder)
    yield terminal
    terminal.process.close(force=True)


@posix
def test_a_session_in_a_terminal(folder: Path, started: Terminal) -> None:
    """From untouched stubs on, with what happens to beginners in between."""
    started.wait_for("dataset: ", "0/15  not started", "Write dataset.py.")
    started.process.send("h")
    started.wait_for("Hint 1 of 3", tasks()["dataset"].hints[0][:30])

    (folder / "dataset.py").write_text("class NewsDataset(:\n")
    started.wait_for("SyntaxError", "class NewsDataset(:")
    (folder / "dataset.py").write_text(ENDLESS)  # it is interrupted by the next save
    started.wait_for("Saved at", "grading ...")
    began = time.monotonic()
    save(folder, "dataset")
    started.wait_for("dataset done. Next: collate.", "collate: ")
    assert time.monotonic() - began < LIMIT / 2

    (folder / "collate.py").unlink()
    started.wait_for("collate.py is missing")
    frame = started.wait_for("collate.py is missing", screen.KEYS)
    assert len(frame.split("\n")) <= 24

    started.process.send("l")
    started.wait_for("> collate", "dataset     15/15  done")
    started.process.send("p")
    started.wait_for("dataset: ", "15/15  done")
    started.process.send("n")
    started.wait_for("collate: ", "collate.py is missing", screen.KEYS)
    started.process.send("n")
    started.wait_for("model: ", "0/30  not started", screen.KEYS)
    started.process.send("a")
    started.wait_for("dataset    15/15  done", "Total     15/100", screen.KEYS)
    started.process.send("p")
    started.wait_for("collate: ", "collate.py is missing", screen.KEYS)
    started.process.send("p")
    started.wait_for("dataset: ", "15/15  done", screen.KEYS)
    started.process.send("r")
    started.wait_for("Reset dataset to its stub?")
    started.process.send("y")
    started.wait_for("0/15  not started", "Your file is kept")
    (copy,) = (folder / ".copies").glob("dataset-*.py")
    assert copy.read_bytes() == (ROOT / "solution" / "dataset.py").read_bytes()
    assert (folder / "dataset.py").read_bytes() == (ROOT / "exercise" / "dataset.py").read_bytes()

    started.process.setwinsize(15, 60)
    end, lines = time.monotonic() + LIMIT, [" " * 80]
    while max(map(len, lines)) > 60 and time.monotonic() < end:  # until it is drawn again
        lines = started.wait_for(screen.KEYS).split("\n")
    assert max(map(len, lines)) <= 60
    assert len(lines) <= 15
    os.kill(started.process.pid, signal.SIGSTOP)
    started.output = ""
    os.kill(started.process.pid, signal.SIGCONT)  # as `fg` does after Ctrl-Z
    started.wait_for("dataset: ", "h hint")

    children = psutil.Process(started.process.pid).children(recursive=True)
    assert children
    started.process.send("q")
    assert started.process.wait() == 0
    assert_gone(children)


@posix
@pytest.mark.parametrize("end", ["SIGINT", "SIGHUP"])
def test_an_end_in_an_endless_loop_leaves_no_process_and_no_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, end: str
) -> None:
    scratch = tmp_path_factory.mktemp("scratch")
    started = Terminal(folder, TMPDIR=str(scratch))
    (folder / "dataset.py").write_text(ENDLESS)
    started.wait_for("dataset: ", "grading ...")
    time.sleep(1)
    children = psutil.Process(started.process.pid).children(recursive=True)
    assert [*scratch.iterdir()]
    if end == "SIGINT":
        started.process.sendintr()
    else:  # the window was closed
        os.kill(started.process.pid, getattr(signal, end))
    assert started.process.wait() == 130
    assert_gone(children)
    assert not [*scratch.iterdir()]


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive


@posix
@pytest.mark.full
def test_a_terminal_that_cannot_be_cleared_gets_a_line_per_result_and_what_keys_ask_for(
    folder: Path,
) -> None:
    terminal = Terminal(folder, TERM="dumb")
    terminal.wait_for("dataset: 0/15 points, not started.", "train: 0/20 points, not started.")
    assert terminal.frame.count("dataset:") == 1
    assert "grading ..." not in terminal.frame
    terminal.process.send("h")
    terminal.wait_for("Hint 1 of 3", tasks()["dataset"].hints[0][:30])
    terminal.process.close(force=True)


# --- in a pipe -------------------------------------------------------------------------------


@posix
def test_a_pipe_gets_one_line_per_result(folder: Path) -> None:
    command = [sys.executable, "-m", "grader", "watch", str(folder), "--task", "train"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "train: 0/20 points, not started.\n"
        (folder / "train.py").write_text("def train(:\n")
        lines = iter(process.stdout.readline, "")
        found = next(line for line in lines if line.startswith("train:"))
        assert found.startswith("train: 0/20 points, wrong, fix: evaluate")
        assert "\x1b" not in found
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 130


def test_a_wrong_path_or_task_is_one_line(tmp_path: Path) -> None:
    for arguments, said in (
        ([str(tmp_path / "none")], "no such file or folder"),
        (["--task", "colate"], "no such task"),
        (["colate"], "Did you mean exercise/collate.py?"),
        (["--assignment", "beyond", "--task", "collate"], "--assignment news-classifier"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "grader", "watch", *arguments],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


# --- saves -----------------------------------------------------------------------------------


def test_a_save_counts_once_and_only_when_the_file_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "dataset.py"
    file.write_text("a = 1\n")
    saves = Saves(tmp_path)
    assert not saves.settled()
    file.write_text("a =")  # an editor that writes in pieces
    assert not saves.settled()
    file.write_text("a = 22\n")
    assert [saves.settled() for _ in range(3)] == [False, True, False]
    (tmp_path / "new").write_text("a = 33\n")  # an editor that renames
    (tmp_path / "new").replace(file)
    assert [saves.settled() for _ in range(3)] == [False, True, False]
    file.unlink()
    assert [saves.settled() for _ in range(3)] == [False, True, False]
    file.write_text("a = 4\n")
    (tmp_path / ".~dataset.py").write_text("a = 3\n")  # Jupyter's copy while it saves
    (tmp_path / ".#dataset.py").symlink_to("me@here.4711")  # the lock of Emacs, which leads nowhere
    assert [saves.settled() for _ in range(3)] == [False, True, False]
    (tmp_path / ".~dataset.py").unlink()
    (tmp_path / ".#dataset.py").unlink()
    (tmp_path / "notes.txt").write_text("no code")
    assert [saves.settled() for _ in range(3)] == [False, False, False]


def test_a_task_saved_before_its_stub_was_graded_is_said_to_be_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "Job", mock.Mock())
    stream = io.StringIO()
    assignment, task = assignments()[MAIN], tasks()["collate"]
    watch = loop.Watch(folder, assignment, task, {}, plain_console(file=stream))
    watch._saved("Saved.")
    checks = [
        CheckResult(check.id, "collate", Status.PASSED, check.points, check.points)
        for check in task.checks
    ]
    watch._graded(Graded(mock.Mock(), "collate", Record({}, checks, {})))
    assert watch._notice == "collate done. Next: model."
    assert watch.task.id == "model"


def test_a_save_while_packages_load_is_on_the_screen_before_that_ends(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    console = plain_console(file=stream, width=80, height=24, force_terminal=True)
    watch = loop.Watch(folder, assignments()[MAIN], tasks()["dataset"], {}, console)
    shown: list[str] = []

    job = mock.Mock(current=None)  # `cancel` returns when nothing is loaded any more
    job.cancel.side_effect = lambda: shown.append(stream.getvalue().rpartition("\x1b[2J")[2])
    monkeypatch.setattr(loop, "Job", mock.Mock(return_value=job))
    watch._saved("Saved at 10:00:00.")
    monkeypatch.setattr(fork_server, "loading", lambda: "spacy")
    watch._saved("Saved at 10:00:01.")
    assert "Saved at 10:00:01." in shown[-1]
    assert "loading spaCy, then grading" in shown[-1]


# --- reset -----------------------------------------------------------------------------------


def test_a_task_that_shares_its_file_is_reset_alone(tmp_path: Path) -> None:
    file = tmp_path / "recurrent.py"
    solved = (ROOT / "solution" / "recurrent.py").read_text(encoding="utf-8")
    stub = (ROOT / "exercise" / "recurrent.py").read_text(encoding="utf-8")
    file.write_text(solved, encoding="utf-8")
    copy = reset(file, stub, tasks()["lstm_cell"])
    assert copy.read_text(encoding="utf-8") == solved
    left = re.findall(r'NotImplementedError\("Task (\w+):', file.read_text(encoding="utf-8"))
    assert left == ["lstm_cell"]
    compile(file.read_text(encoding="utf-8"), "recurrent.py", "exec")


def test_a_reset_that_would_lose_other_work_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "recurrent.py"
    for text, said in (
        ("def rnn_cell(:\n", "Line 1 has a syntax error"),
        ("x = 1\n", "no lstm_cell"),
    ):
        file.write_text(text)
        with pytest.raises(UsageError, match=said):
            reset(file, "def lstm_cell(): ...\n", tasks()["lstm_cell"])
        assert file.read_text() == text


# --- the screen ------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 12), (200, 90)])
def test_the_screen_fits_the_terminal(width: int, height: int) -> None:
    message = "\n".join(
        f"line {number} of a long message, as student code can make it" for number in range(60)
    )
    checks = [
        CheckResult(check.id, "collate", Status.FAILED, 0, check.points, message=message)
        for check in tasks()["collate"].checks
    ]
    stream = io.StringIO()
    console = plain_console(file=stream, width=width, height=height, force_terminal=True)
    view = screen.View("here", 100, tasks()["collate"], Record({}, checks, {}), "Saved.", True)
    screen.show(view, console)
    lines = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", stream.getvalue()).split("\n")
    assert len(lines) <= height
    assert max(map(len, lines)) <= min(width, board.WIDTH)
    assert lines[-1].startswith("h hint")
    assert any(screen.CUT.strip() in line for line in lines) == (height < 90)
