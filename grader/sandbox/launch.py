"""Starts and limits worker processes: fresh ones, or ones forked by the fork server."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from grader.base.paths import GRADER
from grader.worker import scratch
from grader.worker.preload import PRELOADS

WORKER = GRADER / "worker"
POSIX = os.name == "posix"
# Environment variables passed on to a worker: paths of programs, locale, thread counts, GPUs;
# nothing that may hold a secret.
PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES"),
)
STREAMS = ("stdin", "stdout", "stderr")
REAP_TIMEOUT = 30.0  # seconds within which the fork server reports how a worker ended


@dataclass(frozen=True)
class Limits:
    """The resources that a submission may use.

    Attributes:
        seconds: wall time of the whole submission.
        memory: bytes of address space of the worker (Linux without a GPU), or None for no limit.
        output: bytes of output to keep.
    """

    seconds: float = 240.0
    memory: int | None = 6 << 30
    output: int = 64 << 10

    @property
    def processor_seconds(self) -> float:
        """CPU time of the worker: `seconds` on every core."""
        return self.seconds * (os.cpu_count() or 1)


class Forked:
    """A worker forked by the fork server, with the interface of `subprocess.Popen`.

    Attributes:
        orphaned: whether it ended and the fork server, which is gone, could not report how.
        killed_for: what it used too much of, if it was killed for that.
    """

    def __init__(self, streams: dict[str, BinaryIO], status: int, handle: int) -> None:
        """Take the streams, the pipe with the exit status, and the process (a pidfd)."""
        self.stdin, self.stdout, self.stderr = (streams[name] for name in STREAMS)
        self.status, self.handle = status, handle
        self.returncode: int | None = None
        self.memory = 0  # peak bytes, known once it has ended
        self.orphaned = False
        self.killed_for = ""

    @property
    def pid(self) -> int:
        """The process id in the grader's namespace; -1 once it has ended."""
        return process_id(self.handle)

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None if it is running."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(timeout=0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code.

        Raises:
            TimeoutExpired: the worker is still running.
        """
        if self.returncode is None:
            if not _readable(self.handle, timeout):
                raise subprocess.TimeoutExpired("worker", timeout or 0)
            # The fork server reports as soon as it can; if it is gone, nothing does.
            told = os.read(self.status, 12) if _readable(self.status, REAP_TIMEOUT) else b""
            self.orphaned = not told
            ended = struct.unpack("=iq", told) if told else (-signal.SIGKILL, 0)
            self.returncode, self.memory = ended
            os.close(self.handle)
            os.close(self.status)
        return self.returncode

    def kill(self) -> None:
        """Send SIGKILL."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)


def process_id(handle: int) -> int:
    """Return the id of a process (a pidfd); -1 once it has ended."""
    with open(f"/proc/self/fdinfo/{handle}", encoding="ascii") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith("Pid:"))


def _readable(handle: int, seconds: float | None) -> bool:
    watch = select.poll()
    watch.register(handle, select.POLLIN)
    return bool(watch.poll(None if seconds is None else 1000 * seconds))


@dataclass(frozen=True)
class RunningWorker:
    """A worker process.

    Attributes:
        process: its stdin takes requests, its stdout gives answers, and its stderr has the output
            of student code; the streams are unbuffered.
        trace: the file that it writes tracebacks to.
        folder: its private folder, if it may write; it runs in the subfolder `home`.
    """

    process: subprocess.Popen[bytes] | Forked
    trace: BinaryIO
    folder: Path | None = None

    @property
    def memory(self) -> int:
        """Peak memory in bytes, once it has ended; 0 if unknown."""
        return self.process.memory if isinstance(self.process, Forked) else 0

    def stop(self) -> None:
        """Kill it and its group, and do not wait for its end."""
        if isinstance(self.process, Forked):
            self.process.kill()
        elif POSIX:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        elif self.process.poll() is None:
            tree = ["taskkill", "/F", "/T", "/PID", str(self.process.pid)]
            subprocess.run(tree, capture_output=True, check=False)
            self.process.kill()

    def kill(self) -> None:
        """Kill it and all processes it started: its group and, on Linux, those that left it."""
        self.stop()
        self.process.wait()
        if sys.platform == "linux" and self.folder is not None:
            _end_strays(str(self.folder / "home"))

    def clean_up(self) -> None:
        """Remove its folder, including files without permissions."""
        self.trace.close()
        if self.folder is not None:
            scratch.remove(str(self.folder))


def _end_strays(home: str) -> None:
    """Kill processes that run in `home` or have it as HOME; others cannot be found."""
    for _ in range(10):  # a process may start another during the search
        found = [pid for pid in os.listdir("/proc") if pid.isdecimal() and _is_stray(pid, home)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(pid), signal.SIGKILL)
        if not found:
            return


def _is_stray(pid: str, home: str) -> bool:
    with contextlib.suppress(OSError):
        if os.readlink(f"/proc/{pid}/cwd").startswith(home):
            return True
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as stream:
        return b"HOME=" + os.fsencode(home) in stream.read().split(b"\0")
    return False


def environment(home: Path) -> dict[str, str]:
    """Return the environment variables of a worker that runs in `home`."""
    own = ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP")
    # No home of whoever grades; Windows finds its libraries by PATH.
    programs = {"PATH": "/usr/bin:/bin"} if POSIX else {}
    return {
        # Batches are small: with more threads a model trains more slowly, and its results differ.
        "OMP_NUM_THREADS": "1",
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        **programs,
        **dict.fromkeys(own, str(home)),
        "MPLBACKEND": "agg",
        "NEWS_GRADING": "1",  # the package `news` has no data there, see `news/rows.py`
        "OMP_WAIT_POLICY": "PASSIVE",
        "TORCH_COMPILE_DISABLE": "1",  # it needs a C++ compiler; models run without it
    }


def command() -> list[str]:
    """Return the command that starts Python for a worker, in isolated mode."""
    return [sys.executable, "-I", "-X", "utf8", "-W", "ignore", str(WORKER)]


_spare: list[RunningWorker] = []  # at most one


def launch() -> RunningWorker:
    """Return a fresh worker process, without the fork server: the spare one, if there is one."""
    while _spare:
        worker = _spare.pop()
        if worker.process.poll() is None:
            return worker
        worker.clean_up()
    return _start()


def prepare() -> None:
    """Start a spare worker for the next `launch`; meanwhile it loads what submissions need."""
    if not _spare:
        _spare.append(_start(*PRELOADS))


def discard() -> None:
    """End the spare worker, if there is one."""
    while _spare:
        worker = _spare.pop()
        worker.kill()
        worker.clean_up()


def _start(*preload: str) -> RunningWorker:
    folder = Path(tempfile.mkdtemp(prefix="grader-"))
    home, trace = folder / "home", folder / "trace"
    home.mkdir()
    written = trace.open("w+b")
    try:
        process = subprocess.Popen(
            [*command(), str(trace), *preload],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=home,
            env=environment(home),
            start_new_session=POSIX,
        )
    except BaseException:
        written.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return RunningWorker(process, written, folder)
