"""Whatever a submission does, the grader gets data or a clear error in time, and continues."""

import contextlib
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from grader.base.errors import UsageError
from grader.base.paths import ROOT
from grader.sandbox import fork_server, launch, lines, worker_client
from grader.sandbox.launch import Limits
from grader.sandbox.tiers import LIMITS, Confinement, sandboxed
from grader.sandbox.worker_client import LocalWorker, ProcessWorker, TimeUp, Worker, WorkerLost
from grader.worker import wire
from grader.worker.wire import Frame, Opaque, Raised, TensorData

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX processes")
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

# A submission that does what it is told, and the operation that tells it.
RUNNER = """\
def run(code):
    exec(code, globals())
    return globals().get("value")
"""
OPERATION = """

def run(code: str) -> object:
    function = student.get("dataset", "run")
    with student.calling("run(code)"):
        return function(code)
"""
LOADS_NOTHING = """

PRELOADS = dict.fromkeys(PRELOADS, lambda: None)
"""
DEFAULT = Limits(seconds=3600)


@pytest.fixture(scope="module", autouse=True)
def _operation(tmp_path_factory: pytest.TempPathFactory, full: bool) -> Iterator[None]:
    """Run workers from a copy of their folder that has one more operation.

    In the quick suite the fork server loads no packages, because loading takes most of its start-up
    time and no worker here needs them.
    """
    copy = tmp_path_factory.mktemp("copy") / "worker"
    shutil.copytree(launch.WORKER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "operations" / "load.py").open("a", encoding="utf-8") as stream:
        stream.write(OPERATION)
    if not full:
        with (copy / "preload.py").open("a", encoding="utf-8") as stream:
            stream.write(LOADS_NOTHING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "WORKER", copy)
        yield


def files(sources: Mapping[str, str | bytes]) -> tuple[dict[str, bytes], dict[str, str]]:
    content = {n: s if isinstance(s, bytes) else s.encode() for n, s in sources.items()}
    return content, {name: f"exercise/{name}.py" for name in content}


@contextlib.contextmanager
def serving(
    dataset: str | bytes = RUNNER, limits: Limits = DEFAULT, **others: str | bytes
) -> Iterator[ProcessWorker]:
    worker = ProcessWorker(*files({"dataset": dataset, **others}), limits)
    try:
        yield worker
    finally:
        worker.close()


@pytest.fixture(scope="module")
def runner() -> Iterator[ProcessWorker]:
    """One worker for many hostile texts, restarted after a text killed it."""
    with serving() as worker:
        yield worker


def ignore(_news: dict[str, Any]) -> None:
    """Ignore reports."""


def run(worker: Worker, code: str, seconds: float = 30.0, report: Any = ignore) -> Any:
    """Run a text as student code and return its variable `value`."""
    return worker.call("load.run", {"code": code}, seconds, 0, report)


def load(worker: Worker, name: str = "dataset", *needs: str, seconds: float = 30.0) -> Any:
    return worker.call("load.module", {"name": name, "needs": [*needs]}, seconds, 0, ignore)


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Return whether a process ends soon; a zombie counts as gone."""
    psutil = pytest.importorskip("psutil")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# A process that ends, or has to be ended


ENDS = {
    "leaves": ("import os; os._exit(0)", "exited with status 0"),
    "leaves with a status": ("import os; os._exit(3)", "exited with status 3"),
    "kills itself": ("import os; os.kill(os.getpid(), 9)", "signal 9"),
    "kills its group": ("import os; os.killpg(0, 9)", "signal 9"),
    "aborts": ("import os; os.abort()", "signal 6"),
    "reads address 0": ("import ctypes; ctypes.string_at(0)", "signal 11"),
    "closes all files": (
        "import os; os.closerange(0, 99)",
        "closed its connection|exited with",
    ),
    "closes and stays": (
        "import os, time; os.closerange(0, 99); time.sleep(99)",
        "closed its connection",
    ),
    "breaks the worker": (
        "import sys; sys.modules['_worker.wire'].send = None",
        "exited with status 1",
    ),
    "replaces json": ("import json; json.dumps = lambda *_: 'x'", "answer is invalid"),
}


@posix
@pytest.mark.parametrize("name", ENDS)
def test_a_worker_that_ends_is_told_of_and_replaced(runner: ProcessWorker, name: str) -> None:
    code, what = ENDS[name]
    with pytest.raises(WorkerLost, match=what) as caught:
        run(runner, code)
    assert caught.value.status == "crashed"
    assert run(runner, "value = 5") == 5


def test_a_spare_worker_serves_the_next_submission_and_no_other() -> None:
    launch.prepare()
    (spare,) = launch._spare
    with serving() as first, serving() as second:
        assert run(first, "return 1 + 1") == run(second, "return 1 + 1")
        assert first.confined is spare
        assert second.confined is not spare


@pytest.mark.skipif(os.name != "posix", reason="signals end processes on POSIX systems")
@pytest.mark.parametrize(("seconds", "what"), [(2.0, "Timed out after 2 s"), (60.0, "signal 11")])
def test_a_crash_shortly_before_the_deadline_is_a_timeout(seconds: float, what: str) -> None:
    """The traceback that is written then may crash."""
    code = "import os, time; time.sleep(1.8); os.kill(os.getpid(), 11)"
    with serving() as worker, pytest.raises(WorkerLost, match=what):
        run(worker, code, seconds)


@pytest.mark.parametrize("alive", [True, False])
def test_a_spare_worker_that_is_not_needed_leaves_nothing(alive: bool) -> None:
    launch.prepare()
    (spare,) = launch._spare
    assert spare.folder is not None
    if alive:
        launch.discard()
    else:
        spare.process.kill()
        spare.process.wait()
        with serving() as worker:  # it is replaced
            run(worker, "return 1 + 1")
    assert spare.process.poll() is not None
    assert not spare.folder.exists()


def test_a_worker_that_ends_between_two_calls_is_replaced(runner: ProcessWorker) -> None:
    run(runner, "import os, threading; threading.Timer(0.1, os._exit, [0]).start()")
    assert runner.confined is not None
    runner.confined.process.wait(timeout=10)
    assert run(runner, "value = 5") == 5


@posix
def test_the_line_that_crashed_is_named() -> None:
    source = "import ctypes\ndef crash():\n    ctypes.string_at(0)\ncrash()\n"
    with serving(source) as worker, pytest.raises(WorkerLost) as caught:
        load(worker, "dataset", "crash")
    assert caught.value.where == "exercise/dataset.py, line 3, in crash"


LOOPS = {
    "python": "while True: pass",
    "sleeping": "import time; time.sleep(99)",
    "holding the lock": "pow(7, 10**8)",
    "deaf to SIGTERM": (
        "import signal, time\n"
        "for n in range(1, 65):\n"
        "    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "while True: time.sleep(1)"
    ),
    "catching everything": (
        "import time\n"
        "while True:\n"
        "    try: time.sleep(1)\n"
        "    except BaseException: pass"
    ),
    "stopped": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "waiting for requests": (
        "import os\nfor fd in range(3, 9):\n  try: os.read(fd, 1)\n  except OSError: pass"
    ),
    "in a repr": "class E:\n  def __repr__(self):\n    while True: pass\nvalue = E()",
    "in an exception's text": (
        "class E(Exception):\n  def __str__(self):\n    while True: pass\nraise E"
    ),
    "flooding stdout": "while True: print('x' * 1000)",
    "flooding stderr": "import sys\nwhile True: sys.stderr.write('x' * 1000)",
    "flooding from a thread": (
        "import os, threading, time\n"
        "def flood():\n"
        "    while True: os.write(2, b'x' * 4096)\n"
        "threading.Thread(target=flood).start()\n"
        "time.sleep(99)"
    ),
}  # fmt: skip


@posix
@pytest.mark.parametrize("name", LOOPS)
def test_what_does_not_end_is_ended_in_time(runner: ProcessWorker, name: str) -> None:
    assert run(runner, "value = 5") == 5  # started, so that the time is not spent on that
    start = time.monotonic()
    with pytest.raises(TimeUp, match=r"Timed out after 0\.3 s") as caught:
        run(runner, LOOPS[name], seconds=0.3)
    assert time.monotonic() - start < 5
    assert caught.value.status == "timeout"
    assert len(runner.output) <= DEFAULT.output
    assert run(runner, "value = 5") == 5


@pytest.mark.parametrize("noise", ["", "print('x' * 999)", "import os; os.write(2, b'x' * 9999)"])
def test_the_line_that_was_running_is_named_whatever_is_printed(noise: str) -> None:
    source = f"""\
def run(code):
    while code:
        {noise or "pass"}
"""
    with serving(source) as worker:
        assert load(worker) == []
        with pytest.raises(TimeUp) as caught:
            run(worker, "x", seconds=2.0)
    assert caught.value.where in [f"exercise/dataset.py, line {n}, in run" for n in (2, 3)]


def test_a_loop_at_import_and_in_a_file_of_an_odd_name_is_named() -> None:
    names = {"dataset": "Übung \"1\" 'π'/dataset.py", "model": "model.py"}
    sources = {"dataset": b"x = 1\nwhile x:\n    pass\n", "model": b""}
    worker = ProcessWorker(sources, names, DEFAULT)
    try:
        load(worker, "model")  # started, so that the time is not spent on that
        with pytest.raises(TimeUp) as caught:
            load(worker, "dataset", "x", seconds=1.0)
    finally:
        worker.close()
    assert caught.value.where in [f"{names['dataset']}, line {n}, in <module>" for n in (2, 3)]


def test_the_main_thread_is_named_before_others_and_the_crashed_one_before_it() -> None:
    names = {"a": "exercise/a.py", "b": "exercise/b.py"}
    other = 'Thread 0x1 (most recent call first):\n  File "/lib/x.py", line 1 in x\n'
    mine = 'hread 0x2 (most recent call first):\n  File "exercise/a.py", line 2 in <lambda>\n'
    main = 'Thread 0x3 (most recent call first):\n  File "exercise/b.py", line 3 in <module>\n'
    where = lines.place_of
    assert (
        where(f"Timeout!\n{other}\nT{mine}\n{main}", names) == "exercise/b.py, line 3, in <module>"
    )
    assert where(f"Fatal\n\nCurrent t{mine}\n{main}", names) == "exercise/a.py, line 2, in <lambda>"
    assert where(other, names) == where("", names) == ""


NESTED = """\
def f(items):
    for item in items:
        while item:
            if item:
                g(
                    item,
                )
    return [one for one in items]

x = 0
for y in range(3): x += y
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (3, "    while item:\nThe loop in this line"),
        (5, "    g(\n  in the loop of a.py, line 3\n    while item:\nThis loop"),
        (6, "    item,\n  in the loop of a.py, line 3\n"),
        (2, "    for item in items:\nThe loop in this line"),
        (8, "    return [one for one in items]"),
        (10, "    x = 0"),
        (11, "    for y in range(3): x += y\nThe loop in this line"),
        (99, ""),
    ],
)
def test_the_loop_around_a_line_is_shown(line: int, expected: str) -> None:
    found = lines.around(f"a.py, line {line}, in f", {"a": "a.py"}, {"a": NESTED.encode()})
    assert found.startswith(expected)
    assert ("loop" in found) == ("loop" in expected)


def test_no_loop_is_shown_for_another_file() -> None:
    assert lines.around("b.py, line 1, in f", {"a": "a.py"}, {"a": NESTED.encode()}) == ""
    assert lines.around("", {"a": "a.py"}, {"a": NESTED.encode()}) == ""


def test_a_line_from_an_earlier_call_is_not_named_again() -> None:
    with serving(RUNNER + "\ndef slow():\n    import time; time.sleep(0.9)\n") as worker:
        load(worker)
        assert run(worker, "slow(); value = 1", seconds=1.0) == 1  # after the trace was written
        with pytest.raises(WorkerLost) as caught:
            run(worker, "import os; os._exit(0)")
    assert caught.value.where == ""


def test_a_worker_that_does_not_read_cannot_hold_up_the_sending() -> None:
    with serving() as worker:
        load(worker)
        assert worker.confined is not None
        if os.name == "posix":
            os.kill(worker.confined.process.pid, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(TimeUp):
            run(worker, "#" * 3_000_000 + "\nimport time; time.sleep(99)", seconds=0.3)
        assert time.monotonic() - start < 5


def test_modules_that_have_timed_out_get_less_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_client, "SECONDS_AFTER_TIMEOUT", 0.2)
    separate = replace(LIMITS, one_process_per_module_set=True)
    worker = ProcessWorker(*files({"dataset": RUNNER, "model": ""}), DEFAULT, separate)
    try:
        for module, allowed in (("dataset", 0.3), ("dataset", 0.2), ("model", 0.3)):
            worker.use_modules(frozenset({module}))
            with pytest.raises(TimeUp, match=f"Timed out after {allowed} s"):
                run(worker, "while True: pass", seconds=0.3)
    finally:
        worker.close()


def test_the_time_of_the_whole_submission_is_limited() -> None:
    with serving(limits=Limits(seconds=0.4)) as worker:
        with pytest.raises(TimeUp, match="Timed out"):
            run(worker, "while True: pass")
        with pytest.raises(TimeUp, match="for the whole submission are used up"):
            run(worker, "value = 5")
        assert worker.confined is None


def test_an_answer_close_to_the_deadline_does_not_harm_the_next_call(runner: ProcessWorker) -> None:
    """The deadline varies around the time that the answer takes on this machine."""
    outcomes, seconds = [], 0.05
    for _ in range(16):
        assert run(runner, "value = 5") == 5
        try:
            outcomes.append(run(runner, "import time; time.sleep(0.05); value = 7", seconds))
            seconds /= 1.2
        except TimeUp:
            outcomes.append("late")
            seconds *= 1.4
        assert run(runner, "value = 6") == 6
    assert set(outcomes) == {7, "late"}


@posix
def test_a_worker_ends_itself_when_the_grader_is_gone() -> None:
    confined = launch.launch()
    content, names = files({"dataset": "while True: pass"})
    asked = {"name": "dataset", "needs": ["X"]}
    request = {"id": 1, "do": "load.module", "with": asked, "seed": 0}
    try:
        assert confined.process.stdin is not None
        wire.write(confined.process.stdin, {"files": content, "names": names, "memory": None})  # type: ignore[arg-type]
        wire.write(confined.process.stdin, {**request, "seconds": 0.1})  # type: ignore[arg-type]
        assert confined.process.wait(timeout=20) == -signal.SIGALRM
    finally:
        end(confined)


def end(confined: launch.RunningWorker) -> None:
    confined.kill()
    for stream in (confined.process.stdin, confined.process.stdout, confined.process.stderr):
        assert stream is not None
        stream.close()
    confined.clean_up()


# What the student's code starts


@posix
@pytest.mark.parametrize("how", ["close", "time is up", "leaves"])
def test_a_child_of_the_students_is_ended_too(how: str) -> None:
    start = "import subprocess; value = subprocess.Popen(['sleep', '600']).pid"
    with serving() as worker:
        pid = run(worker, start)
        assert not gone(pid, 0.1)
        if how == "time is up":
            with pytest.raises(TimeUp):
                run(worker, "while True: pass", seconds=0.2)
        elif how == "leaves":
            with pytest.raises(WorkerLost):
                run(worker, "import os; os._exit(0)")
        else:
            worker.close()
        assert gone(pid)


@posix
@pytest.mark.parametrize(
    ("child", "then"),
    [
        ("time.sleep(99)", "time.sleep(99)"),
        ("time.sleep(99)", "os._exit(0)"),
        ("time.sleep(99)", "value = 5"),
        ("[os.write(2, b'x' * 4096) for _ in iter(int, 1)]", "time.sleep(99)"),
    ],
)
def test_a_child_that_gets_away_cannot_hold_up_the_grader(
    tmp_path: Path, child: str, then: str
) -> None:
    file = tmp_path / "pid"
    code = f"""\
import os, time
if os.fork() == 0:
    os.setsid()
    open({str(file)!r} + "_", "w").write(str(os.getpid()))
    os.rename({str(file)!r} + "_", {str(file)!r})
    try: {child}
    finally: os._exit(0)
while not os.path.exists({str(file)!r}): time.sleep(0.01)
{then}
"""
    with serving() as worker:
        load(worker)
        start = time.monotonic()
        with contextlib.suppress(WorkerLost):
            run(worker, code, seconds=0.7)
        worker.close()
        assert time.monotonic() - start < 6
        pid = int(file.read_text())
        try:
            # Elsewhere it is only cut off: who floods a pipe that nobody reads is ended by that.
            assert gone(pid, 1) == (sys.platform == "linux" or "write" in child)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert run(worker, "value = 5") == 5


def held() -> tuple[int, int, set[Any]]:
    """Threads, descriptors and processes, once what earlier tests used has been cleared away."""
    psutil = pytest.importorskip("psutil")
    gc.collect()
    last = None
    for _ in range(50):
        children = {*psutil.Process().children(recursive=True)}
        found = (threading.active_count(), descriptors(), children)
        if found == last:
            return found
        last = found
        time.sleep(0.2)
    raise AssertionError("threads, descriptors and processes keep changing")


@linux
def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = held()
    workers = [ProcessWorker(*files({"dataset": RUNNER}), DEFAULT) for _ in range(3)]
    for worker in workers:
        assert run(worker, "value = 5") == 5
        with contextlib.suppress(WorkerLost):
            run(worker, "import os; os._exit(0)")
        with contextlib.suppress(WorkerLost):
            run(worker, "while True: print('x')", seconds=0.2)
        run(worker, "open('left', 'w').write('x'); import os; os.makedirs('a/b'); os.chmod('a', 0)")
        run(worker, "import tempfile; value = tempfile.mkdtemp()")
        assert len(list(tmp_path.iterdir())) == 1
        worker.close()
        worker.close()
        assert list(tmp_path.iterdir()) == []
    assert held() == before  # nor what has ended and was not waited for


def test_a_start_that_fails_leaves_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with serving() as worker, pytest.raises(FileNotFoundError):
        run(worker, "value = 5")
    assert list(tmp_path.iterdir()) == []


def test_cleaning_up_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine").chmod(0o755)
    (tmp_path / "mine" / "file").touch()
    with serving() as worker:
        run(worker, f"import os; os.symlink({str(tmp_path / 'mine')!r}, 'link')")
    assert (tmp_path / "mine" / "file").exists()
    if os.name == "posix":
        assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o755


# What student code raises


RAISES = {
    "exit": ("import sys; sys.exit(0)", "exit", "SystemExit", "0"),
    "exit, subclassed": ("class E(SystemExit): pass\nraise E", "exit", "E", ""),
    "interrupt": ("raise KeyboardInterrupt", "exception", "KeyboardInterrupt", ""),
    "recursion": ("def f(): f()\nf()", "exception", "RecursionError", "maximum recursion"),
    "memory": ("raise MemoryError", "memory", "MemoryError", ""),
    "not an exception": ("raise 5", "exception", "TypeError", "exceptions must derive"),
    "no text": (
        "class E(Exception):\n  def __str__(self): raise ValueError\nraise E",
        "exception",
        "E",
        "<str raised ValueError>",
    ),
    "huge text": ("raise ValueError('x' * 10**8)", "exception", "ValueError", "x" * 2000),
    "text that is none": (
        "class E(Exception):\n  def __str__(self): return 5\nraise E",
        "exception",
        "E",
        "<str raised TypeError>",
    ),
    "text that exits": (
        "class E(Exception):\n  def __str__(self): raise SystemExit\nraise E",
        "exception",
        "E",
        "<str raised SystemExit>",
    ),
    "text that lies": (
        "class S(str):\n"
        "  def __getitem__(self, key): raise SystemExit\n"
        "class E(Exception):\n  def __str__(self): return S('lie')\nraise E",
        "exception",
        "E",
        "lie",
    ),
    "control characters": (
        "raise type('A\\x1b[2J', (Exception,), {})('a\\x1b[31m\\u202e\\ud800\\r\\nb')",
        "exception",
        "A?[2J",
        "a?[31m???\nb",
    ),
    "a metaclass": (
        "class M(type):\n"
        "  __name__ = property(lambda c: 1 / 0)\n"
        "  __eq__ = lambda a, b: True\n"
        "  __hash__ = lambda a: 1 / 0\n"
        "class E(Exception, metaclass=M):\n"
        "  __traceback__ = property(lambda e: 5, lambda e, new: None)\n"
        "  __class__ = property(lambda e: 1 / 0)\n"
        "raise E('text')",
        "exception",
        "E",
        "text",
    ),
    "a hostile SyntaxError": (
        "raise SyntaxError('m', ([], 'x', {}, 5))",
        "exception",
        "SyntaxError",
        "m",
    ),
    "the recursion limit": (
        "import sys\nsys.setrecursionlimit(10**4)\ndef f(n): return n and f(n - 1)\nf(10**5)",
        "exception",
        "RecursionError",
        "maximum recursion",
    ),
}


@pytest.mark.parametrize("name", RAISES)
def test_what_is_raised_is_described(runner: ProcessWorker, name: str) -> None:
    code, kind, type_, message = RAISES[name]
    got = run(runner, code)
    assert isinstance(got, Raised)
    assert (got.kind, got.type) == (kind, type_)
    assert got.message.startswith(message)
    assert message or not got.message
    assert len(got.message) <= wire.MAX_TEXT
    assert got.call == "run(code)"
    if type(got.frames) is tuple and name != "recursion":
        assert got.frames[0] == Frame("exercise/dataset.py", 2, "run", "exec(code, globals())")
    assert run(runner, "value = 5") == 5


@pytest.mark.skipif(
    sys.platform != "linux" or any(map(os.path.exists, ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))),
    reason="the address space is bounded on Linux without a GPU only",
)
@pytest.mark.parametrize(
    "code",
    [
        "value = bytearray(10**12)",
        "value = bytearray(2 * 10**9)",
        "value = []\nwhile True: value.append(bytearray(10**7))",
        "import mmap; value = [mmap.mmap(-1, 10**9) for _ in range(9)]",
    ],
)
def test_what_takes_too_much_memory_is_told_so_and_the_worker_goes_on(code: str) -> None:
    with serving(limits=Limits(memory=1 << 30)) as worker:
        load(worker)
        assert worker.confined is not None
        pid = worker.confined.process.pid
        got = run(worker, code)
        assert isinstance(got, Raised)
        assert got.kind == "memory" or got.type == "OSError"
        assert run(worker, "value = os.getpid()" if "os" in code else "value = 5")
        assert worker.confined is not None
        assert worker.confined.process.pid == pid


def test_a_traceback_shows_the_students_own_lines_only() -> None:
    helper = "import json\n\ndef read(text):\n    return json.loads(text)  # a comment\n"
    source = "from .helper import read\n\nclass NewsDataset:\n    x = read('{')\n"
    with serving(source, helper=helper) as worker:
        got = load(worker, "dataset", "NewsDataset")
    assert got.type == "JSONDecodeError"
    assert got.call == "from exercise.dataset import NewsDataset"
    assert got.frames == (
        Frame("exercise/dataset.py", 3, "<module>", "class NewsDataset:"),
        Frame("exercise/dataset.py", 4, "NewsDataset", "x = read('{')"),
        Frame("exercise/helper.py", 4, "read", "return json.loads(text)  # a comment"),
    )


def test_missing_modules_and_names_are_told() -> None:
    with serving("class Other: pass") as worker:
        assert load(worker, "model", "LSTMClassifier").kind == "missing_module"
        got = load(worker, "dataset", "NewsDataset")
        assert (got.kind, got.message) == ("missing_name", "NewsDataset")


# Source files


BROKEN = {
    "syntax": (b"x = 1\ndef f(:\n", 2, "syntax", "def f(:"),
    "indent": (b"def f():\nx = 1\n", 2, "indented block", "x = 1"),
    "not utf-8": (b"x = 1\ny = '\xe9'\n", 2, "can't decode byte 0xe9", "y = '\ufffd'"),
    "null bytes": (b"x = 1\ny = '\0'\n", 2, "null bytes: save it as UTF-8", None),
    "utf-16": ("x = 1\n".encode("utf-16"), 1, "null bytes: save it as UTF-8", None),
    "unknown cookie": (b"# coding: klingon\nx = 1\n", 1, "unknown encoding", "# coding: klingon"),
    "cookie of no text": (b"# coding: rot13\nk = 1\n", 1, "not a text encoding", None),
    "cookie against BOM": (b"\xef\xbb\xbf# coding: latin-1\n", 1, "encoding problem", None),
    "too deep": (b"x = " + b"-" * 200_000 + b"1", 1, "too complex", None),
    "too many brackets": (b"x = " + b"(" * 5000 + b")" * 5000, 1, "too many nested", None),
    "huge number": (b"x = " + b"9" * 5000, 1, "Exceeds the limit", None),
    "return": (b"\n\nreturn 1\n", 3, "outside function", "return 1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_source_that_is_none_is_one_clear_error(name: str) -> None:
    source, line, message, text = BROKEN[name]
    with serving(source, model="class LSTMClassifier: pass") as worker:
        got = load(worker, "dataset", "NewsDataset")
        assert load(worker, "model", "LSTMClassifier") == []
    assert isinstance(got, Raised)
    assert (got.kind, got.type) in [
        ("exception", kind) for kind in ("SyntaxError", "IndentationError")
    ]
    assert message in got.message
    assert [(frame.file, frame.line) for frame in got.frames] == [("exercise/dataset.py", line)]
    if text is not None:
        assert got.frames[0].source == text


@pytest.mark.parametrize(
    "source",
    [
        b"\xef\xbb\xbfvalue = '\xc3\xa9'\n",
        b"# -*- coding: latin-1 -*-\nvalue = '\xe9'\n",
        "# coding: utf-8\r\nvalue = 'é'\r\n".encode(),
        b"\xef\xbb\xbf# coding: utf-8\nvalue = '\xc3\xa9'",
    ],
)
def test_a_source_may_declare_its_encoding(source: bytes) -> None:
    with serving(helper=source) as worker:
        assert run(worker, "from helper import value") == "é"


# Imports


def test_helper_modules_can_be_imported_in_three_ways_and_run_once() -> None:
    source = """\
import helper
from .helper import x
from exercise.helper import x as y
from exercise import helper as again
import exercise.helper
value = [x, y, helper is again is exercise.helper, len(helper.runs)]
"""
    helper = "import builtins\nruns = vars(builtins).setdefault('r', [])\nruns.append(1)\nx = 7\n"
    with serving(RUNNER + source, helper=helper) as worker:
        assert run(worker, "") == [7, 7, True, 1]


def test_modules_may_import_each_other_by_their_bare_names() -> None:
    with serving(
        RUNNER + "import model", model="import dataset\nfrom train import x", train="x = 3"
    ) as worker:
        assert run(worker, "import model; value = model.x") == 3


def test_a_helper_is_found_whatever_else_is_installed_under_its_name() -> None:
    """Modules that would shadow required packages are skipped before, see `sources.left_out`."""
    with serving(psutil="x = 'own'", wire="x = 'own'") as worker:
        assert run(worker, "import psutil; value = psutil.x") == "own"
        assert run(worker, "import wire; value = wire.x") == "own"


def test_nothing_but_the_tasks_is_imported_unasked() -> None:
    bad = "import os; os._exit(1)"
    extra = ("conftest", "sitecustomize", "usercustomize", "test_it", "setup", "__main__")
    with serving(RUNNER, DEFAULT, **dict.fromkeys(extra, bad)) as worker:
        assert load(worker) == []
        assert run(worker, "value = 5") == 5


@pytest.mark.parametrize(
    "name",
    [
        "grader",
        "grader.sandbox.worker_client",
        "grader.contract.tasks",
        "solution",
        "solution.model",
    ],
)
def test_the_kit_cannot_be_imported(runner: ProcessWorker, name: str) -> None:
    got = run(runner, f"import {name}")
    assert isinstance(got, Raised), "it was imported"
    assert got.type == "ModuleNotFoundError"


def test_a_helper_may_be_called_as_the_kits_packages_are() -> None:
    with serving(solution="x = 3") as worker:
        assert run(worker, "import solution; value = solution.x") == 3


def test_the_package_is_the_submissions_own() -> None:
    with serving() as worker:
        got = run(
            worker,
            "import exercise, sys; value = [list(exercise.__path__), sys.path, "
            "[n for n in sys.modules if n.startswith('grader')]]",
        )
        root = str(ROOT)
        assert got[0] == []
        assert not [entry for entry in got[1] if entry in ("", ".", root, str(launch.WORKER))]
        assert got[2] == []


# Surroundings


def test_the_environment_holds_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONSTARTUP", "x")
    own = {"MPLBACKEND", "OMP_WAIT_POLICY", "HOME", "USERPROFILE"}
    own |= {"TMPDIR", "TEMP", "TMP", "LC_CTYPE", "NEWS_GRADING", "TORCH_COMPILE_DISABLE"}
    with serving() as worker:
        seen = run(worker, "import os; value = dict(os.environ)")
    assert {*seen} <= {*launch.PASSED_ON} | own
    assert "hunter2" not in str(seen)


@pytest.mark.parametrize(("said", "threads"), [(None, 1), ("2", 2)])
def test_a_model_trains_in_one_thread_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, said: str | None, threads: int
) -> None:
    for library in ("OMP", "MKL", "OPENBLAS"):
        monkeypatch.delenv(f"{library}_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    with serving() as worker:
        assert run(worker, "import torch; value = torch.get_num_threads()") == threads


def test_a_worker_runs_in_an_empty_folder_of_its_own() -> None:
    code = """\
import os, sys, tempfile
value = [os.getcwd(), os.listdir(), tempfile.gettempdir(), sys.argv]
"""
    with serving() as worker:
        place, content, temporary, arguments = run(worker, code)
        assert content == []
        assert Path(place).exists()
        assert os.path.samefile(place, temporary)
        assert not Path.cwd().is_relative_to(place)
        assert len(arguments) == 1
    assert not Path(place).exists()


def test_what_is_printed_is_kept_up_to_a_limit() -> None:
    with serving(limits=Limits(output=1000)) as worker:
        run(worker, "import os, sys; print('out é'); print('err', file=sys.stderr)")
        run(worker, "print('\\ud800', end=''); os.write(1, b'raw'); os.system('echo child')")
        worker.close()
        for word in ("out é", "err", "\\ud800", "raw", "child"):
            assert word in worker.output
        run(worker, "print('x' * 10**6)")
        worker.close()
        assert len(worker.kept) == 1000


@linux
def test_the_graders_memory_stays_bounded_under_a_flood() -> None:
    psutil = pytest.importorskip("psutil")
    with serving() as worker:
        load(worker)
        before = psutil.Process().memory_info().rss
        with pytest.raises(TimeUp):
            run(worker, LOOPS["flooding stdout"], seconds=1.0)
        assert psutil.Process().memory_info().rss - before < 20 << 20


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.stdout = None",
        "import sys; sys.stdout = sys.stderr = sys.stdin = 5",
        "import sys; sys.stdout.close()",
        "import sys; sys.__stdout__.close()",
        "import sys; sys.stdout.flush = lambda: 1 / 0",
        "class W:\n  def write(self, text): raise SystemExit\nimport sys; sys.stdout = W()",
        "import builtins; builtins.print = None; del builtins.open",
        "import sys; sys.modules.clear; sys.argv = None; sys.excepthook = 5",
        "import sys; sys.modules[__name__] = 5",
        "import random; random.seed = lambda *_: None",
        "import warnings; warnings.showwarning = 5",
        "import faulthandler; faulthandler.disable()",
    ],
)
def test_what_a_module_replaces_does_no_harm(code: str) -> None:
    with serving() as worker:
        assert run(worker, f"{code}\nvalue = 5") == 5
        with contextlib.suppress(WorkerLost):
            run(worker, "value = 5")
        assert load(worker) == []


# What comes back


def forged(header: object, length: int | None = None) -> str:
    """Return code that writes a forged frame to the pipe of the answers.

    It finds the number of the current request and inserts it for "ID".
    """
    return f"""\
import json, os, struct, sys
frame = sys._getframe()
while "number" not in frame.f_locals: frame = frame.f_back
text = json.dumps({header!r}).replace('"ID"', str(frame.f_locals["number"])).encode()
for fd in range(3, 12):
    try: os.write(fd, struct.pack("!I", {"len(text)" if length is None else length}) + text)
    except OSError: pass
"""


def message(**content: Any) -> dict[str, Any]:
    """Return a frame's header for a dict."""
    return {"dict": [[name, value] for name, value in content.items()]}


@pytest.mark.parametrize(
    "code",
    [
        forged(5),
        forged([]),
        forged(message()),
        forged(message(id="ID", answer=1, progress=2)),
        forged(message(id="ID", progress=1)),
        forged(message(id="ID", verdict="pass")),
        forged(message(answer=1)),
        forged(message(id=5, answer=1)),
        forged(message(id="5", answer=1)),
        forged(message(id={"list": []}, answer=1)),
        forged({}, length=(1 << 32) - 1),
        forged({"bytes": 1 << 40}),
        forged(message(id="ID", answer={"pickle": "x"})),
        forged("garbage", length=3),
    ],
)
def test_nonsense_in_place_of_an_answer_is_told_so(runner: ProcessWorker, code: str) -> None:
    with pytest.raises(WorkerLost, match=r"The answer is invalid: .*") as caught:
        run(runner, code)
    assert caught.value.status == "crashed"
    assert run(runner, "value = 5") == 5


def test_half_a_frame_cannot_hold_up_the_grader(runner: ProcessWorker) -> None:
    load(runner)
    with pytest.raises(TimeUp):
        run(runner, forged({}, length=4000) + "import time; time.sleep(99)", seconds=0.3)
    assert run(runner, "value = 5") == 5


def test_a_report_that_fails_ends_the_worker_so_that_it_is_not_out_of_step(
    runner: ProcessWorker,
) -> None:
    seen = []

    def report(news: dict[str, Any]) -> None:
        seen.append(news)
        if len(seen) == 2:
            raise BrokenPipeError("the grader's own")

    code = forged(message(id="ID", progress=message(batch=0)))
    assert run(runner, code + "value = 5", report=report) == 5
    with pytest.raises(BrokenPipeError, match="the grader's own"):
        run(runner, code + "value = 5", report=report)
    assert seen == [{"batch": 0}] * 2
    assert runner.confined is None
    assert run(runner, "value = 6") == 6


LEFT = {  # what a module leaves to those that come after it in the same process
    "an answer": forged(message(id="ID", answer=4)),
    "an answer to nothing": "AFTER" + forged(message(id=9, answer=4)),
    "progress": "AFTER" + forged(message(id="ID", progress=message(batch=1))),
    "half a frame": "AFTER" + forged({}, length=4000),
    "garbage": "AFTER" + forged("garbage", length=3),
}


def leave(worker: Worker, what: str) -> None:
    """Make student code leave something in the pipe, after the answer to this request."""
    if what.startswith("AFTER"):  # the answer goes first, as a forged one
        what = forged(message(id="ID", answer=4)) + what.removeprefix("AFTER")
    assert run(worker, f"{what}\nvalue = 5") == 4
    assert isinstance(worker, ProcessWorker)
    assert worker.confined is not None
    end = time.monotonic() + 30
    while os.name == "posix" and not worker_client._unread(worker.confined):
        assert time.monotonic() < end, "nothing was left"
        time.sleep(0.01)


@pytest.mark.parametrize("seen_before", [True, False])
@pytest.mark.parametrize("what", LEFT)
def test_what_is_left_in_the_pipe_is_not_taken_for_the_next_answer(
    monkeypatch: pytest.MonkeyPatch, what: str, seen_before: bool
) -> None:
    if what == "half a frame" and not seen_before:
        pytest.skip("what is not seen to be left is waited for until the time is up")
    with serving() as worker:
        leave(worker, LEFT[what])
        if not seen_before:  # as on Windows, or because it comes a little later
            monkeypatch.setattr(worker_client, "_unread", lambda _confined: False)
        with pytest.raises(WorkerLost, match="answer is invalid") as caught:
            run(worker, "value = 6")
        assert caught.value.status == "crashed"
        assert run(worker, "value = 7") == 7


BREAKS = {
    **LEFT,
    "ends the process": "import os; os._exit(0)",
    "breaks the worker": "import sys; sys.modules['_worker.wire'].send = None",
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_a_module_leaves_costs_no_other_module(what: str) -> None:
    with serving(model="class LSTMClassifier: pass") as worker:
        worker.use_modules(frozenset(["dataset"]))
        if what in LEFT:
            leave(worker, LEFT[what])
        else:  # as soon as the next one is served
            meddling = f"def meddle(*_):\n    {BREAKS[what]}\n"
            run(worker, f"{meddling}\nimport sys\nsys.modules['_worker.serve'].settle = meddle")
        worker.use_modules(frozenset(["model"]))
        assert load(worker, "model", "LSTMClassifier") == []


def test_a_module_that_breaks_the_worker_itself_is_tried_twice_and_pays() -> None:
    with serving(model="import os; print('here', flush=True); os._exit(0)") as worker:
        worker.use_modules(frozenset(["dataset"]))
        assert run(worker, "value = 5") == 5
        worker.use_modules(frozenset(["model"]))
        with pytest.raises(WorkerLost, match="exited with status 0"):
            load(worker, "model", "LSTMClassifier")
        worker.close()
        assert worker.output.split() == ["here", "here"]


def test_numbers_of_requests_do_not_come_again() -> None:
    code = "import sys; frame = sys._getframe()\n"
    code += "while 'number' not in frame.f_locals: frame = frame.f_back\n"
    with serving() as worker:
        numbers = {run(worker, code + "value = frame.f_locals['number']") for _ in range(5)}
    assert len(numbers) == 5


VALUES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "nan": ("float('nan')", lambda got: got != got),
    "infinity": ("[float('inf'), -float('inf')]", lambda got: got == [float("inf"), -float("inf")]),
    "huge int": ("10**5000", lambda got: got == Opaque("int", "<repr raised ValueError>")),
    "surrogate": ("'\\ud800'", lambda got: got == "\ud800"),
    "itself": ("[]; value.append(value)", lambda got: type(got) is list and len(got) == 1),
    "deep": ("[]\nfor _ in range(10**5): value = [value]", lambda got: type(got) is list),
    "odd keys": ("{(1, 2): 3, None: 4}", lambda got: got == {"(1, 2)": 3, None: 4}),
    "too many": ("[0] * 10**6", lambda got: got.type == "TooLargeError"),
    "too long": ("'x' * 10**7", lambda got: got.type == "TooLargeError"),
    "too many bytes": ("bytes(65 << 20)", lambda got: got.type == "TooLargeError"),
    "exponential": ("[]; value += [value] * 9", lambda got: got.type == "TooLargeError"),
    "changing": (
        "{}\n"
        "class K:\n"
        "  def __repr__(self): value.clear(); value.update(x=1, y=2); return 'k'\n"
        "value[1] = K()",
        lambda got: got.type == "RuntimeError" or type(got) is dict,
    ),
    "a forged description": (
        "__import__('sys').modules['_worker.wire'].Raised(5, 5, 5, 5, 5)",
        lambda got: got is None,
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_odd_values_come_back_as_plain_data_or_one_error(runner: ProcessWorker, name: str) -> None:
    code, right = VALUES[name]
    try:
        got = run(runner, f"value = {code}")
    except WorkerLost as lost:
        assert "answer is invalid" in lost.what  # noqa: PT017
        got = None
    assert right(got), got
    assert run(runner, "value = 5") == 5


def test_hostile_tensors_come_back_as_tensors_or_descriptions() -> None:
    pytest.importorskip("torch")
    code = """\
import torch
class Hostile(torch.Tensor):
    shape = property(lambda self: (1 << 60,))
    dtype = device = property(lambda self: 1 / 0)
    def detach(self): raise SystemExit
    numpy = cpu = contiguous = tolist = detach
    @classmethod
    def __torch_function__(cls, *args): raise KeyboardInterrupt
value = [torch.ones(2).as_subclass(Hostile), torch.zeros(1).expand(10**12), torch.ones(3)]
"""
    with serving() as worker:
        got = run(worker, code)
        assert [type(part) for part in got] == [TensorData, Opaque, TensorData]
        assert got[0].tolist() == [1, 1]
        assert got[2].tolist() == [1, 1, 1]
        if sys.platform == "linux":
            got = run(worker, "import torch; value = torch.zeros(10**12)")
            assert got.kind == "memory"


# In the grader's own process


def test_in_process_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from grader.worker.operations import load as operations
    from grader.worker.student import student

    def told(code: str) -> Any:
        return student.get("dataset", "run")(code)

    monkeypatch.setattr(operations, "run", told, raising=False)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    modules = {n: m for n, m in sys.modules.items() if n.split(".")[0] != "exercise"}
    shadow = "raise RuntimeError('shadow')"
    try:
        worker = LocalWorker(*files({"dataset": RUNNER, "random": shadow, "json": shadow}))
        assert {name: sys.modules.get(name) for name in modules} == modules
        assert run(worker, "value = [5, {1}]") == [5, Opaque("set", "{1}")]
        assert run(worker, "value = [0] * 10**6").type == "TooLargeError"
        assert run(worker, "import sys; sys.exit(3)").kind == "exit"
        worker = LocalWorker(*files({"dataset": RUNNER + "other = 1"}))
        assert run(worker, "value = other") == 1
        worker.close()
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "exercise"]:
            del sys.modules[name]


@pytest.mark.parametrize("name", ["exercise.dataset", "exercise"])
def test_another_package_of_the_same_name_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from grader.worker.student import student

    (tmp_path / "exercise").mkdir()
    (tmp_path / "exercise" / "__init__.py").write_text("x = 'another'")
    (tmp_path / "exercise" / "dataset.py").write_text("x = 'another'")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    try:
        LocalWorker(*files({"__init__": "x = 'own'", "dataset": "from exercise import x"}))
        assert student.get("dataset", "x") == "own"
        assert sys.modules[name].x == "own"
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "exercise"]:
            del sys.modules[name]


# Limits: each is in force in the tier of that name


@posix
def test_a_file_has_a_largest_size() -> None:
    with serving() as worker:
        code = "stream = open('big', 'wb')\nstream.truncate({size})\nvalue = stream.tell()"
        got = run(worker, code.format(size=(1 << 30) + 1))
        assert (got.type, "File too large" in got.message) == ("OSError", True)
        assert run(worker, code.format(size=1 << 30)) == 0


@posix
def test_so_many_files_may_be_open() -> None:
    code = "import os\nvalue = [os.dup(2) for _ in range({count})]"
    with serving() as worker:
        got = run(worker, code.format(count=600))
        assert (got.type, "Too many open files" in got.message) == ("OSError", True)
    with serving() as worker:
        assert len(run(worker, code.format(count=400))) == 400


@posix
def test_processor_time_is_limited_whatever_the_clock_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Limits, "processor_seconds", property(lambda _limits: 0.0))
    with serving() as worker:
        with pytest.raises(WorkerLost, match="killed by signal") as caught:
            run(worker, "while True: pass", seconds=300)
        assert caught.value.status == "crashed"


@posix
def test_processor_time_is_what_all_cores_give_in_the_time_of_a_submission() -> None:
    with serving(limits=Limits(seconds=50)) as worker:
        code = "import os, resource; value = [os.cpu_count(), *resource.getrlimit({what})]"
        cores, soft, hard = run(worker, code.format(what="resource.RLIMIT_CPU"))
        assert soft == hard == 50 * cores + 1
        assert run(worker, code.format(what="resource.RLIMIT_CORE"))[1:] == [0, 0]


@posix
def test_the_only_descriptors_are_those_of_the_worker() -> None:
    """Not even descriptors that the grader's other children would inherit."""
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    os.set_inheritable(reading, True)
    code = """\
import os, stat
value = []
for fd in range(200):
    try: found = os.fstat(fd)
    except OSError: continue
    value.append([fd, stat.S_ISFIFO(found.st_mode), found.st_ino])
"""
    try:
        with serving() as worker:
            found = run(worker, code)
        pipes = [inode for fd, is_pipe, inode in found if is_pipe and fd > 2]
        assert os.fstat(writing).st_ino not in [inode for _, _, inode in found]
        assert len(pipes) == 2, "requests and answers"
        assert len(found) == 6, "those, the trace, and the standard streams"
    finally:
        os.close(reading)
        os.close(writing)


@linux
@pytest.mark.parametrize("hides", ["", "os.chdir('/')", "env.clear()"])
def test_a_child_that_left_the_group_is_found_by_its_folder_or_by_home(hides: str) -> None:
    code = f"""\
import os, subprocess, sys
env = dict(os.environ)
{hides}
child = subprocess.Popen(
    [sys.executable, "-S", "-c", "import time; print(1, flush=True); time.sleep(600)"],
    stdout=subprocess.PIPE, start_new_session=True, env=env,
)
child.stdout.read(1)
value = child.pid
"""
    with serving() as worker:
        pid = run(worker, code)
        assert not gone(pid, 0.1)
        worker.close()
        assert gone(pid)


# Forked by the fork server


@pytest.fixture
def forked() -> Iterator[Confinement]:
    """The tier sandbox, with a fork server for this test only."""
    fork_server.close()
    try:
        yield sandboxed("cpu")
    except fork_server.Unavailable as error:
        pytest.skip(str(error))
    finally:
        fork_server.close()


def test_a_process_that_was_replaced_ends_and_its_memory_counts(forked: Confinement) -> None:
    worker = ProcessWorker(*files({"dataset": RUNNER}), DEFAULT, forked)
    try:
        run(worker, "import time; held = b'x' * (150 << 20)")
        replaced = worker.confined
        assert replaced is not None
        worker.use_modules(frozenset(["dataset"]), "apart")
        replaced.process.wait(timeout=5)
        assert run(worker, "value = 5") == 5
        assert worker.confined is not replaced
    finally:
        worker.close()
    assert replaced.trace.closed
    assert worker.memory > 150 << 20


@pytest.mark.parametrize("used", ["the spare", "a new one, it is dead", "a new one, other limits"])
def test_a_spare_worker_is_forked_while_another_runs(
    forked: Confinement, monkeypatch: pytest.MonkeyPatch, used: str
) -> None:
    monkeypatch.setattr(fork_server, "_ahead", [True])
    worker = ProcessWorker(*files({"dataset": RUNNER}), DEFAULT, forked)
    try:
        run(worker, "left = 5")
        spare = fork_server.running().spare
        assert spare is not None
        spare.join()
        assert spare.worker is not None
        if "dead" in used:
            spare.worker.process.kill()
            spare.worker.process.wait()
        if "limits" in used:
            worker.limits = replace(DEFAULT, memory=1 << 31)
        worker.use_modules(frozenset(["dataset"]), "apart")
        assert run(worker, "value = globals().get('left', 'nothing')") == "nothing"
        assert (worker.confined is spare.worker) == (used == "the spare")
        assert (spare.worker.process.poll() is None) == (used == "the spare")
    finally:
        worker.close()


def test_the_spare_worker_is_for_the_modules_that_are_expected(
    forked: Confinement, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_server.close()
    fork_server.expect(frozenset(["train"]))  # nothing is started for that
    assert not fork_server.is_running()
    monkeypatch.setattr(fork_server, "_ahead", [True])
    worker = ProcessWorker(*files({"dataset": RUNNER}), Limits(), forked)
    try:
        run(worker, "value = 5")
        before = fork_server.running().spare
        assert before is not None
        fork_server.expect(frozenset(["dataset"]))
        assert fork_server.running().spare is before
        fork_server.expect(frozenset(["train"]))
        spare = fork_server.running().spare
        assert spare is not None
        spare.join()
        assert spare.request["preload"] == ["training"]
        assert spare.worker is not None
        assert spare.worker.process.poll() is None
        assert before.worker is not None
        assert before.worker.process.poll() is not None
    finally:
        worker.close()


def kill_warm_process() -> None:
    psutil = pytest.importorskip("psutil")
    started = fork_server.running().process
    root = psutil.Process(started.pid)
    family = [*root.children(recursive=True), root]
    for relative in family:
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended with the one before it
            relative.kill()
    started.wait()
    assert all(gone(relative.pid, 60) for relative in family)


class Unlucky(ProcessWorker):
    """A worker that loses its fork server just before the first request, `times` times."""

    times = 1

    def _start(self) -> list[bytes | memoryview]:
        parts = super()._start()
        if self.times:
            self.times -= 1
            kill_warm_process()
        return parts


def test_a_lost_warm_process_costs_a_second_try(forked: Confinement) -> None:
    worker = Unlucky(*files({"dataset": RUNNER}), DEFAULT, forked)
    first = fork_server.running()
    try:
        assert run(worker, "value = 5") == 5
        assert worker.times == 0
        assert fork_server.running() is not first
        kill_warm_process()  # between two calls
        assert run(worker, "value = 6") == 6
    finally:
        worker.close()


def test_a_warm_process_that_is_lost_again_is_the_graders_fault(forked: Confinement) -> None:
    worker = Unlucky(*files({"dataset": RUNNER}), DEFAULT, forked)
    worker.times = 2
    try:
        with pytest.raises(UsageError, match=r"which starts workers, was killed\. Grade again\."):
            run(worker, "value = 5")
        assert run(worker, "value = 5") == 5
    finally:
        worker.close()


def test_what_was_reported_is_not_done_again(forked: Confinement) -> None:
    worker = ProcessWorker(*files({"dataset": RUNNER}), DEFAULT, forked)
    code = forged(message(id="ID", progress=message(batch=0))) + "import time; time.sleep(99)"
    seen = []

    def report(news: dict[str, Any]) -> None:
        seen.append(news)
        kill_warm_process()

    try:
        with pytest.raises(UsageError, match="Grade again"):
            run(worker, code, report=report)
    finally:
        worker.close()
    assert seen == [{"batch": 0}]


def test_a_worker_killed_by_itself_is_not_taken_for_a_lost_warm_process(
    forked: Confinement,
) -> None:
    worker = ProcessWorker(*files({"dataset": RUNNER}), DEFAULT, forked)
    try:
        for code, what in [("os.kill(os.getpid(), 9)", "signal 9"), ("os._exit(0)", "status 0")]:
            with pytest.raises(WorkerLost, match=what):
                run(worker, f"import os; {code}")
    finally:
        worker.close()


# The way it is started


def test_a_worker_is_started_in_isolation() -> None:
    confined = launch.launch()
    try:
        assert isinstance(confined.process, subprocess.Popen)
        arguments = confined.process.args
        assert isinstance(arguments, list)
        assert arguments[:2] == [sys.executable, "-I"]
    finally:
        end(confined)


def test_a_worker_needs_nothing_but_its_folder(tmp_path: Path) -> None:
    folder = Path(wire.__file__).parent
    shutil.copytree(folder, tmp_path / "alone", ignore=shutil.ignore_patterns("__pycache__"))
    content, names = files({"dataset": "class NewsDataset: pass"})
    asked = {"name": "dataset", "needs": list[str]()}
    request = {"id": 7, "do": "load.module", "with": asked, "seed": 0}
    first = {"files": content, "names": names, "memory": None}
    sent = b"".join(wire.encode(first) + wire.encode({**request, "seconds": 9.0}))
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "alone"), str(tmp_path / "trace")],
        input=sent,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == b"".join(wire.encode({"id": 7, "printed": [], "answer": []}))
    assert done.stderr == b""
