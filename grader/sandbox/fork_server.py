"""The trusted end of the fork server, which forks a confined worker within milliseconds.

The fork server has torch and other requested packages loaded; see `grader/worker/fork_server.py`.
It is a new process with a clean environment, not a fork, so it shares no memory with the grader.
If bubblewrap works, it runs in its own namespaces, where only Python and its packages are visible.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from grader.base.errors import UsageError
from grader.base.paths import NEWS
from grader.contract.tasks import written_in
from grader.sandbox import bubblewrap, launch
from grader.sandbox.launch import STREAMS, Forked, Limits, RunningWorker
from grader.worker import scratch
from grader.worker.layers import AROUND, LAYERS

SECONDS = 120.0  # within which the fork server must answer; most of it is for loading packages
CACHES = ("MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR")  # read when a package is imported
THREADS = 1000  # limit per worker; the kernel has no such limit that holds for root
WATCH = 0.05  # seconds between two looks at a worker
# modules of the grader's that workers run, and what they need
OWN = {"embedding": ("spacy", "short_pipeline")}
PIPELINES = ("pipeline", "short_pipeline")  # steps that save time if many workers follow
SCRATCH = 512 << 20  # bytes of the folder that bubblewrap creates, for the folders of all workers


@dataclass(frozen=True)
class Watched:
    """A worker whose use of threads and disk space is watched.

    Attributes:
        handle: a pidfd of its own, so that the worker can be killed at any time.
        process: the worker, which is told why it was killed.
        folder: the name of the folder that it may write to.
    """

    handle: int
    process: Forked
    folder: str


class Unavailable(Exception):
    """There is no fork server; the message says why."""


class ForkServer:
    """A running fork server and the connection to it.

    Attributes:
        layers: the layers that confine its workers.
        missing: why bubblewrap is not among the layers; empty if it is.
        loading: what the next worker waits for: a name in `preload.PRELOADS`; else empty.
    """

    def __init__(self, missing: str = "") -> None:
        """Start it, inside bubblewrap unless `missing` says why not. It loads torch on its own.

        Raises:
            Unavailable: the fork server cannot be started, or its workers cannot be confined.
        """
        self.owner, self.is_adopted = os.getpid(), False
        self.lock = threading.Lock()
        self.folder = tempfile.mkdtemp(prefix="grader-")
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(SECONDS)
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as it lives
        home = Path(self.folder) if missing else bubblewrap.HOME
        command, environment = launch.command(), _environment(home)
        if not missing:
            command = bubblewrap.command(command, environment, more=_own(), scratch=SCRATCH)
        with theirs:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                cwd=self.folder,
                env=environment,
                start_new_session=True,
            )
        self.layers = (*LAYERS, *(() if missing else AROUND))
        self.missing = missing
        self.loading, self.loaded = "", set[str]()
        self.spare: _Spare | None = None
        self._start_watching()
        try:
            self._ask({"readable": readable()})
        except BaseException:
            self.close()
            raise

    def _start_watching(self) -> None:
        self.watched: list[Watched] = []
        self.closed = threading.Event()
        self.watch = threading.Thread(target=self._watch, daemon=True)
        self.watch.start()

    def adopt(self) -> None:
        """Let this process, a fork of the one that started the fork server, use it."""
        self.owner, self.is_adopted, self.lock = os.getpid(), True, threading.Lock()
        self._start_watching()

    def _ask(self, request: dict[str, Any], handles: list[int] | None = None) -> list[int]:
        """Send a request and return the descriptors in the answer.

        Raises:
            Unavailable: the fork server is gone, or the request failed.
        """
        try:
            socket.send_fds(self.control, [json.dumps(request).encode()], handles or [])
            content, received, _, _ = socket.recv_fds(self.control, 1 << 12, 1)
        except OSError as error:
            raise Unavailable(self._last_words() or str(error)) from None
        answer = json.loads(content) if content else {"error": self._last_words()}
        if "error" in answer:
            raise Unavailable(answer["error"] or "the fork server ended")
        return received

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=1)
        self.errors.seek(0)
        lines = self.errors.read(1 << 14).decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""

    def fork(self, limits: Limits, modules: frozenset[str]) -> RunningWorker:
        """Fork a worker for these modules of a submission.

        Raises:
            Unavailable: the fork server is gone.
        """
        request = _request(limits, modules)
        if not _ahead:
            return self._fork(request)
        worker = self._take_spare(request) or self._fork(request)
        self._keep_spare(request)
        return worker

    def expect(self, limits: Limits, modules: frozenset[str]) -> None:
        """Keep a spare worker for these modules, if one is kept at all; it loads what they need."""
        request = _request(limits, modules)
        if self.spare is not None and self.spare.request != request:
            self._take_spare(request)
            self._keep_spare(request)

    def _keep_spare(self, request: dict[str, Any]) -> None:
        self.spare = _Spare(self, request)
        self.spare.start()

    def _take_spare(self, request: dict[str, Any]) -> RunningWorker | None:
        """Return the spare worker if it is alive and what is requested; otherwise end it."""
        spare, self.spare = self.spare, None
        if spare is None:
            return None
        spare.join()
        if spare.worker is None or spare.worker.process.poll() is not None:
            return None
        if spare.request == request:
            return spare.worker
        spare.worker.kill()
        return None

    def _fork(self, request: dict[str, Any]) -> RunningWorker:
        steps = request["preload"]
        self.loading = next((step for step in ("torch", *steps) if step not in self.loaded), "")
        folder = secrets.token_hex(8)  # a name that no other worker can guess
        ours, theirs = zip(*(_ends(name) for name in STREAMS), strict=True)
        status, told = os.pipe()
        trace, written = _trace(self.folder)
        handed = [*theirs, written, told]
        try:
            with self.lock:
                (handle,) = self._ask(request | {"folder": folder}, handed)
            self.loaded.update(("torch", *steps))
        except BaseException:
            for stream in (*ours, trace):
                stream.close()
            os.close(status)
            raise
        finally:
            self.loading = ""
            for number in handed:
                os.close(number)
        process = Forked(dict(zip(STREAMS, ours, strict=True)), status, handle)
        self.watched.append(Watched(os.dup(handle), process, folder))
        return RunningWorker(process, trace)

    def _watch(self) -> None:
        """Kill workers that start too many threads, or write too many files."""
        while not self.closed.wait(WATCH):
            for each in [*self.watched]:
                try:
                    if too_much := self._excess(each):
                        each.process.killed_for = too_much
                        signal.pidfd_send_signal(each.handle, signal.SIGKILL)
                except (FileNotFoundError, ProcessLookupError):  # the process has ended
                    self.watched.remove(each)
                    os.close(each.handle)

    def _excess(self, worker: Watched) -> str:
        """Return what a worker uses too much of, so that nothing is left for others; or "".

        Raises:
            FileNotFoundError: the worker has ended.
        """
        pid = launch.process_id(worker.handle)
        if os.stat(f"/proc/{pid}/task").st_nlink > THREADS:
            return f"more than {THREADS:,} threads"
        home = self.folder if self.missing else f"/proc/{pid}/root{bubblewrap.HOME}"
        if too_much := scratch.excess(f"{home}/{worker.folder}", pid):
            return f"{too_much} in its working folder"
        return ""

    def close(self) -> None:
        """Kill the fork server and its workers."""
        if os.getpid() != self.owner:
            return
        self.control.close()
        self.closed.set()
        self.watch.join()
        for each in self.watched:
            os.close(each.handle)
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # the fork server is loading packages
            self.process.kill()
            self.process.wait()
        self.errors.close()
        scratch.remove(self.folder)


def _request(limits: Limits, modules: frozenset[str]) -> dict[str, Any]:
    """Return the request for a worker for these modules, without its folder."""
    users = [task for module in sorted(modules) for task in written_in(module)]
    steps = [step for task in users for step in task.preload]
    steps += [step for module in sorted(modules) for step in OWN.get(module, ())]
    return {
        "preload": [step for step in dict.fromkeys(steps) if step not in PIPELINES or _many],
        "memory": limits.memory,
        "seconds": limits.processor_seconds,
    }


class _Spare(threading.Thread):
    """Forks a spare worker while another runs.

    Attributes:
        worker: the worker, once the thread has ended; None if it could not be forked.
    """

    def __init__(self, server: ForkServer, request: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.server, self.request = server, request
        self.worker: RunningWorker | None = None

    def run(self) -> None:
        with contextlib.suppress(Unavailable, OSError):
            self.worker = self.server._fork(self.request)


def _environment(home: Path) -> dict[str, str]:
    threads = {"OPENBLAS_NUM_THREADS": "1"}  # otherwise numpy starts threads when it is imported
    return {**launch.environment(home), **threads, **dict.fromkeys(CACHES, str(home))}


def _ends(name: str) -> tuple[BinaryIO, int]:
    """Create a pipe for a stream of a worker; return the grader's end and the worker's."""
    reading, writing = os.pipe()
    if name == "stdin":
        return open(writing, "wb", buffering=0), reading
    return open(reading, "rb", buffering=0), writing


def _trace(folder: str) -> tuple[BinaryIO, int]:
    """Create an unnamed file; return a descriptor for the grader and one for the worker."""
    handle, path = tempfile.mkstemp(dir=folder)
    written = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    os.unlink(path)
    return open(handle, "rb"), written


def readable() -> list[str]:
    """Return the paths that a worker may read: Python, packages, system libraries."""
    return [*bubblewrap.readable(), *_own()]


def _own() -> list[str]:
    """Return the paths of the worker's code and of `news` (without data), for submissions."""
    return [*map(str, sorted(NEWS.glob("*.py"))), str(launch.WORKER)]


_lock = threading.Lock()
_kept: list[ForkServer] = []
_many: list[bool] = []  # not empty if many workers follow
_ahead: list[bool] = []  # not empty if a spare worker is forked while another runs


def keep_pipeline_ready() -> None:
    """Let workers begin with a pipeline, if many follow: each saves 0.4 s, all cost 60 MB."""
    _many[:] = [True]


def keep_spare() -> None:
    """Fork each worker while the one before it runs: somebody who waits gets it 10 ms earlier."""
    _ahead[:] = [True]


def expect(modules: frozenset[str]) -> None:
    """Load what workers for these modules need, if a fork server runs and keeps a spare worker."""
    if is_running():
        _kept[0].expect(Limits(), modules)


def is_running() -> bool:
    """Return whether this process has a running fork server."""
    if not _kept or _kept[0].owner != os.getpid():
        return False
    return _kept[0].is_adopted or _kept[0].process.poll() is None  # only its parent can poll it


def loading() -> str:
    """Return what the fork server loads while a worker waits for it; empty if nothing does."""
    return _kept[0].loading if _kept else ""


def running() -> ForkServer:
    """Return this process's fork server; start one if none is running.

    Raises:
        Unavailable: it cannot be started.
    """
    with _lock:
        if is_running():
            return _kept[0]
        close()
        _kept[:] = [_start()]
        return _kept[0]


def _start() -> ForkServer:
    """Start a fork server, in bubblewrap if that works."""
    missing = bubblewrap.why_not()
    if not missing:
        try:
            return ForkServer()
        except Unavailable as error:
            missing = str(error)
    return ForkServer(missing)


def adopt() -> None:
    """Use the parent's fork server; it must not, as long as this process lives."""
    for server in _kept:
        server.adopt()


@atexit.register
def close() -> None:
    """Kill the fork server if one is running."""
    while _kept:
        _kept.pop().close()


def fork(limits: Limits, modules: frozenset[str]) -> RunningWorker:
    """Fork a worker; if the fork server has been lost, start a new one.

    Raises:
        UsageError: no new fork server can be started.
    """
    try:
        try:
            return running().fork(limits, modules)
        except Unavailable:
            close()
            return running().fork(limits, modules)
    except Unavailable as error:
        raise UsageError(f"No worker could be forked: {error}. Grade again.") from None
