"""The client of a worker: calls with deadlines, over pipes or in this process."""

from __future__ import annotations

import contextlib
import io
import os
import queue
import secrets
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection
from typing import Any, BinaryIO, Protocol, cast

from grader.base.errors import UsageError
from grader.contract.enums import Status, Tier
from grader.sandbox import launch, lines
from grader.sandbox.tiers import LIMITS, Confinement
from grader.worker import wire
from grader.worker.printed import Printed

Report = Callable[[dict[str, Any]], None]
Parts = dict[str, dict[str, list[str]]]  # names by task, for each module with several tasks
# How `apart` begins for operations that must not remember earlier ones, where a process is cheap.
FRESH = "fresh"
# For calls of modules that have timed out, where a process is cheap: whoever loops in a constructor
# does so in every check.
SECONDS_AFTER_TIMEOUT = 5.0
UNASKED = "it does not belong to the request"


class WorkerLost(Exception):
    """The worker exited or was killed before it answered.

    Attributes:
        what: what happened.
        where: the student's line that was running, if known.
        around: the text of that line, and the loop that it is in.
        excused: whether the cause was the loss of the fork server.
    """

    status = Status.CRASHED

    def __init__(self, what: str, where: str = "", excused: bool = False, around: str = "") -> None:
        """Take what happened, and where."""
        super().__init__(what)
        self.what, self.where, self.excused, self.around = what, where, excused, around


class TimeUp(WorkerLost):
    """The worker was killed because it timed out."""

    status = Status.TIMEOUT


class Worker(Protocol):
    """The interface of workers."""

    confinement: Tier
    layers: tuple[str, ...]
    printed: Printed  # by the last call

    def use_modules(self, modules: frozenset[str], apart: str = "") -> None:
        """Prepare for operations that use these modules of the submission.

        What runs with an `apart` leaves nothing in the process of operations with another one.
        """

    def call(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report | None
    ) -> Any:
        """Run an operation within `seconds` and return its plain data."""

    def close(self) -> None:
        """Release all resources."""

    @property
    def output(self) -> str:
        """The output of student code."""


class ProcessWorker:
    """A worker process for one submission, restarted if it is lost.

    If starting a process is cheap, each set of modules that an operation uses gets its own process,
    one after the other. So a module that changes torch cannot affect another task.

    All waiting has a deadline. Pipes are read and written in threads that are abandoned if they
    block, because a child of the worker may survive and hold the other ends.
    """

    def __init__(
        self,
        files: dict[str, bytes],
        names: dict[str, str],
        limits: launch.Limits,
        confined_by: Confinement = LIMITS,
        packages: Collection[str] | None = None,
        parts: Parts | None = None,
    ) -> None:
        """Serve a submission.

        Args:
            files: sources by module name.
            names: the file names that tracebacks show.
            limits: the resources that it may use.
            confined_by: how its process is started.
            packages: what it may import besides Python's standard library; None for everything.
            parts: the tasks of the modules that hold several, with the names that they define.
        """
        self.files, self.names, self.limits = files, names, limits
        self.packages = None if packages is None else sorted(packages)
        self.parts = parts or {}
        self.faults: str | None = None  # of the environment; None if nobody looked for them
        self.confined_by = confined_by
        self.confinement, self.layers = confined_by.tier, confined_by.layers
        self.modules: frozenset[str] = frozenset()
        self.apart = ""
        self.reused = False  # whether the process served other modules before
        self.confined: launch.RunningWorker | None = None
        self.threads: list[threading.Thread] = []  # one drains the output, one exchanges messages
        self.replaced: tuple[launch.RunningWorker, list[threading.Thread]] | None = None
        self.kept = bytearray()
        self.printed: Printed = []
        self.memory = 0  # peak bytes of a process; 0 if unknown
        self.ends = time.monotonic() + limits.seconds
        self.timed_out: set[frozenset[str]] = set()  # sets of modules

    def use_modules(self, modules: frozenset[str], apart: str = "") -> None:
        """Prepare for operations that use these modules of the submission."""
        if (modules, apart) != (self.modules, self.apart):
            replaced = self.apart and not self.apart.startswith(FRESH)
            if self.confined_by.one_process_per_module_set or replaced:
                self._replace()
            self.reused = self.confined is not None
        self.modules, self.apart = modules, apart

    def call(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report | None
    ) -> Any:
        """Run an operation; retry once in a fresh process if the operation did not cause the loss.

        That is the case if the fork server was lost, and for a module's first call in a process
        that served other modules, which may have left a thread or a frame. There is no retry after
        progress was passed to `report`, because that cannot be undone.

        Raises:
            TimeUp: the operation exceeded `seconds`, or the submission's time is used up.
            WorkerLost: the process exited or sent an invalid answer.
            UsageError: the fork server was lost again.
        """
        told = False
        reused, self.reused = self.reused, False

        def tell(news: dict[str, Any]) -> None:
            nonlocal told
            if report is not None:
                told = True
                report(news)

        for again in (True, False):
            try:
                return self._once(do, arguments, seconds, seed, tell)
            except WorkerLost as lost:
                innocent = lost.excused or (reused and not isinstance(lost, TimeUp))
                if again and innocent and not told:
                    continue
                if lost.excused:
                    raise UsageError(f"{lost.what} Grade again.") from None
                raise
        raise AssertionError

    def _once(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report
    ) -> Any:
        if self.modules in self.timed_out and self.confined_by.one_process_per_module_set:
            seconds = min(seconds, SECONDS_AFTER_TIMEOUT)
        allowed = min(seconds, self.ends - time.monotonic())
        if allowed <= 0:
            raise TimeUp(f"The {self.limits.seconds:.0f} s for the whole submission are used up.")
        deadline = time.monotonic() + allowed
        number = secrets.randbits(63)
        request = {"id": number, "do": do, "with": arguments, "seed": seed, "seconds": allowed}
        parts = wire.encode(request)
        if self.confined is not None and self.confined.process.poll() is not None:
            self._end()  # it exited between two calls
        if self.confined is not None and _unread(self.confined):
            self._end()
            raise WorkerLost(f"The answer is invalid: {UNASKED}.")
        if self.confined is None:
            parts = self._start() + parts
        confined = self.confined
        assert confined is not None
        mark, start = confined.trace.seek(0, os.SEEK_END), len(self.kept)
        self.printed = []
        try:
            while True:
                kind, content = self._exchange(confined, parts, deadline, number)
                if kind == "answer":
                    return content
                report(content)
                parts = []
        except queue.Empty:
            where = self._where(mark)
            self._end()
            self._keep_output(start)
            self.timed_out.add(self.modules)
            raise self._timed_out(allowed, where) from None
        except _Closed:
            where, warned = self._where(mark), self._trace(mark).startswith(WARNING)
            code = self._end(grace=0.5)
            self._keep_output(start)
            if warned and code == -signal.SIGSEGV:
                raise self._timed_out(allowed, where) from None
            if getattr(confined.process, "orphaned", False):
                what = "The fork server, which starts workers, was killed."
                raise WorkerLost(what, excused=True) from None
            too_much = getattr(confined.process, "killed_for", "")
            what = f"The process was killed: {too_much}." if too_much else _how_it_ended(code)
            raise WorkerLost(what, where) from None
        except wire.ProtocolError as error:
            self._end()
            raise WorkerLost(f"The answer is invalid: {error}.") from None
        except BaseException:  # `report` failed, or Ctrl-C: the worker is out of sync
            self._end()
            raise

    def _start(self) -> list[bytes | memoryview]:
        """Start the process; return the initial messages for it."""
        self.confined = self.confined_by.launch(self.limits, self.modules & self.files.keys())
        self.threads = [threading.Thread(target=self._drain, args=[self.confined], daemon=True)]
        self.threads[0].start()
        bounds = {"memory": self.limits.memory, "cpu": self.limits.processor_seconds}
        submission = {"files": self.files, "names": self.names, "packages": self.packages}
        return wire.encode({**submission, "parts": self.parts, **bounds})

    def _drain(self, confined: launch.RunningWorker) -> None:
        """Read all output, but keep only the beginning."""
        stream = confined.process.stderr
        assert stream is not None
        with stream:
            while (chunk := stream.read(1 << 16)) and self._has(confined):
                self.kept += chunk[: max(self.limits.output - len(self.kept), 0)]

    def _has(self, confined: launch.RunningWorker) -> bool:
        return confined is self.confined or bool(self.replaced and confined is self.replaced[0])

    def _exchange(
        self,
        confined: launch.RunningWorker,
        parts: list[bytes | memoryview],
        deadline: float,
        number: int,
    ) -> tuple[str, Any]:
        """Send parts and receive one message: its kind (progress or answer) and content.

        Each message has the number of its request. So anything that student code has left in the
        pipe, or writes to it later, is not mistaken for the answer to another request.

        Raises:
            queue.Empty: the deadline has passed.
            _Closed: the pipes are closed at the other end.
            ProtocolError: the message is invalid.
        """
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        stdin = cast(BinaryIO, confined.process.stdin)
        stdout = cast(BinaryIO, confined.process.stdout)

        def run() -> None:
            try:
                wire.send(stdin, parts)
                done.put(wire.read(stdout))
            except Exception as error:
                done.put(error)

        thread = threading.Thread(target=run, daemon=True)
        self.threads[1:] = [thread]
        thread.start()
        message = done.get(timeout=max(deadline - time.monotonic(), 0))
        if isinstance(message, (EOFError, OSError)):
            raise _Closed
        if isinstance(message, Exception):
            raise message
        if type(message) is dict and "id" in message:
            if message.pop("id") != number:
                raise wire.ProtocolError(UNASKED)
            self.printed = _printed(message.pop("printed", []))
            ((kind, content),) = message.items() if len(message) == 1 else [("", None)]
            if kind == "answer" or (kind == "progress" and type(content) is dict):
                return kind, content
        raise wire.ProtocolError("neither progress nor an answer")

    def _keep_output(self, start: int) -> None:
        """Keep the output of a call that did not return."""
        output = self.kept[start : start + wire.MAX_TEXT].decode("utf-8", "replace")
        self.printed = [("", output)] if output else []

    def _timed_out(self, seconds: float, where: str) -> TimeUp:
        around = lines.around(where, self.names, self.files)
        return TimeUp(f"Timed out after {seconds:.3g} s.", where, around=around)

    def _where(self, mark: int) -> str:
        """Find the student's line in the part of the trace after `mark`."""
        return lines.place_of(self._trace(mark), self.names)

    def _trace(self, mark: int) -> str:
        """Read the part of the trace after `mark`."""
        assert self.confined is not None
        self.confined.trace.seek(mark)
        return self.confined.trace.read(1 << 13).decode("ascii", "replace")

    def _end(self, grace: float = 0.0) -> int | None:
        """Make sure that the process is gone; return its exit code if it ended by itself."""
        confined = self.confined
        if confined is None:
            return None
        try:
            code = confined.process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            code = None
        self.confined = None
        self._clean_up(confined, self.threads)
        return code

    def _replace(self) -> None:
        """Kill the process, and do not wait for its end: that takes longer than most operations."""
        self._forget_replaced()
        if self.confined is not None:
            self.confined.stop()
            self.replaced, self.confined = (self.confined, self.threads), None

    def _forget_replaced(self) -> None:
        if self.replaced is not None:
            self._clean_up(*self.replaced)
            self.replaced = None

    def _clean_up(self, confined: launch.RunningWorker, threads: list[threading.Thread]) -> None:
        confined.kill()
        self.memory = max(self.memory, confined.memory)
        for thread in threads:
            thread.join(timeout=0.5)
        if not any(thread.is_alive() for thread in threads[1:]):  # otherwise it does that
            for stream in (confined.process.stdin, confined.process.stdout):
                assert stream is not None
                stream.close()
        confined.clean_up()

    def interrupt(self) -> None:
        """End the operation that another thread waits for; it raises `WorkerLost` there."""
        confined = self.confined
        if confined is not None:
            with contextlib.suppress(OSError):  # it ends at this very moment
                confined.process.kill()

    def close(self) -> None:
        """Kill the process."""
        self._forget_replaced()
        self._end()

    @property
    def output(self) -> str:
        """The beginning of the output of student code."""
        return self.kept.decode("utf-8", "replace")


# How a trace begins that is written shortly before the deadline. faulthandler reads the frames of a
# thread that keeps running, and in rare cases crashes over that.
WARNING = "Timeout ("


class _Closed(Exception):
    """The worker's pipes are closed."""


def _printed(found: Any) -> Printed:
    """Return what a worker says was printed.

    Raises:
        ProtocolError: it does not have the right form.
    """
    if type(found) is list and all(
        type(each) is tuple and list(map(type, each)) == [str, str] for each in found
    ):
        return [(call[: wire.MAX_TEXT], text[: wire.MAX_TEXT]) for call, text in found]
    raise wire.ProtocolError("not what was printed")


def _unread(confined: launch.RunningWorker) -> bool:
    """Return whether unrequested data has arrived; on Windows, checking would block."""
    if not launch.POSIX:
        return False
    watch = select.poll()
    watch.register(cast(BinaryIO, confined.process.stdout), select.POLLIN)
    return any(event & select.POLLIN for _, event in watch.poll(0))


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "The process closed its connection to the grader."
    if code < 0:
        return f"The process was killed by signal {-code} before it answered."
    return f"The process exited with status {code} before it answered."


class LocalWorker:
    """Runs the worker's code in this process: for breakpoints, and only for your own code."""

    confinement = Tier.NONE
    layers: tuple[str, ...] = ()
    output = ""

    def __init__(
        self,
        files: dict[str, bytes],
        names: dict[str, str],
        packages: Collection[str] | None = None,
        parts: Parts | None = None,
    ) -> None:
        """Serve a submission; see `ProcessWorker`."""
        from grader.worker.student import student

        self.printed: Printed = []
        student.receive(files, names, packages, parts)

    def use_modules(self, modules: frozenset[str], apart: str = "") -> None:
        """Do nothing: this process can use all modules."""

    def call(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report | None
    ) -> Any:
        """Run an operation without a deadline, so that you can step through it."""
        del seconds
        from grader.worker.serve import answer

        sent = wire.encode({"id": 0, "do": do, "with": arguments, "seed": seed})
        request = wire.read(io.BytesIO(b"".join(sent)), max_blobs=None)
        parts = answer(request, report or (lambda _news: None))
        message = wire.read(io.BytesIO(b"".join(parts)))
        self.printed = _printed(message["printed"])
        return message["answer"]

    def close(self) -> None:
        """Do nothing: there is no process."""
