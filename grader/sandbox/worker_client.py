"""The trusted end of a worker: calls with deadlines, over pipes or in this process."""

from __future__ import annotations

import io
import os
import queue
import re
import secrets
import select
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol, cast

from grader.base.errors import UsageError
from grader.contract.enums import Status, Tier
from grader.sandbox import launch
from grader.sandbox.tiers import LIMITS, Confinement
from grader.worker import wire

Report = Callable[[dict[str, Any]], None]
UNASKED = "it does not belong to what was asked"


class WorkerLost(Exception):
    """The worker ended, or was ended, before it answered.

    Attributes:
        what: what happened.
        where: the student's line that was running, if it is known.
        excused: whether it ended because the fork server did.
    """

    status = Status.CRASHED

    def __init__(self, what: str, where: str = "", excused: bool = False) -> None:
        """Tell what happened."""
        super().__init__(what)
        self.what, self.where, self.excused = what, where, excused


class TimeUp(WorkerLost):
    """The worker was ended because its time was up."""

    status = Status.TIMEOUT


class Worker(Protocol):
    """Something that does requests."""

    confinement: Tier
    layers: tuple[str, ...]

    def use_modules(self, modules: frozenset[str]) -> None:
        """Make ready for operations that use these modules of the submission."""

    def call(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report | None
    ) -> Any:
        """Do one operation within `seconds`; return its plain data."""

    def close(self) -> None:
        """End it."""

    @property
    def output(self) -> str:
        """What student code printed."""


class ProcessWorker:
    """A worker process for one submission; started again when it was lost.

    Where starting one is cheap, each set of modules that an operation uses gets a process of its
    own, one after the other: what one module does to torch cannot reach another task.

    Nothing here waits for the process without a deadline: pipes are read and written in threads
    that are left behind if they do not come back, as a child of the worker's that got away may
    hold the other ends.
    """

    def __init__(
        self,
        files: dict[str, bytes],
        names: dict[str, str],
        limits: launch.Limits,
        confined_by: Confinement = LIMITS,
    ) -> None:
        """Serve the given files; `names` are the file names that tracebacks show."""
        self.files, self.names, self.limits = files, names, limits
        self.confined_by = confined_by
        self.confinement, self.layers = confined_by.tier, confined_by.layers
        self.modules: frozenset[str] = frozenset()
        self.reused = False  # whether the process served other modules before
        self.confined: launch.RunningWorker | None = None
        self.threads: list[threading.Thread] = []  # the one that drains, the one that exchanges
        self.printed = bytearray()
        self.memory = 0  # the most bytes that a process held; 0 where that is not known
        self.ends = time.monotonic() + limits.seconds

    def use_modules(self, modules: frozenset[str]) -> None:
        """Make ready for operations that use these modules of the submission."""
        if modules != self.modules:
            if self.confined_by.one_process_per_module_set:
                self._end()
            self.reused = self.confined is not None
        self.modules = modules

    def call(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report | None
    ) -> Any:
        """Do one operation; once more, in a fresh process, where the loss was not its doing.

        That is so where the fork server was lost, and at the first call of a module in a process
        that served others, which may have left a thread or a frame. What was told to `report`
        cannot be taken back, so that then nothing is done again.

        Raises:
            TimeUp: it took longer than `seconds`, or the submission's time is used up.
            WorkerLost: the process ended, or answered nonsense.
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
        allowed = min(seconds, self.ends - time.monotonic())
        if allowed <= 0:
            raise TimeUp(f"The {self.limits.seconds:.0f} s for the whole submission are used up.")
        deadline = time.monotonic() + allowed
        number = secrets.randbits(63)
        request = {"id": number, "do": do, "with": arguments, "seed": seed, "seconds": allowed}
        parts = wire.encode(request)
        if self.confined is not None and self.confined.process.poll() is not None:
            self._end()  # it ended between two calls
        if self.confined is not None and _unread(self.confined):
            self._end()
            raise WorkerLost(f"What came back cannot be taken: {UNASKED}.")
        if self.confined is None:
            parts = self._start() + parts
        confined = self.confined
        assert confined is not None
        mark = confined.trace.seek(0, os.SEEK_END)
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
            raise TimeUp(f"Timed out after {allowed:.3g} s.", where) from None
        except _Closed:
            where = self._where(mark)
            code = self._end(grace=0.5)
            if getattr(confined.process, "orphaned", False):
                what = "The fork server, which starts workers, was killed."
                raise WorkerLost(what, excused=True) from None
            raise WorkerLost(_how_it_ended(code), where) from None
        except wire.ProtocolError as error:
            self._end()
            raise WorkerLost(f"What came back cannot be taken: {error}.") from None
        except BaseException:  # a report failed, or Ctrl-C: the worker is out of step now
            self._end()
            raise

    def _start(self) -> list[bytes | memoryview]:
        """Start the process; return what it has to be told first."""
        self.confined = self.confined_by.launch(self.limits, self.modules & self.files.keys())
        self.threads = [threading.Thread(target=self._drain, args=[self.confined], daemon=True)]
        self.threads[0].start()
        bounds = {"memory": self.limits.memory, "cpu": self.limits.processor_seconds}
        return wire.encode({"files": self.files, "names": self.names, **bounds})

    def _drain(self, confined: launch.RunningWorker) -> None:
        """Read what is printed, to its end; keep the beginning."""
        stream = confined.process.stderr
        assert stream is not None
        with stream:
            while (chunk := stream.read(1 << 16)) and confined is self.confined:
                self.printed += chunk[: max(self.limits.output - len(self.printed), 0)]

    def _exchange(
        self,
        confined: launch.RunningWorker,
        parts: list[bytes | memoryview],
        deadline: float,
        number: int,
    ) -> tuple[str, Any]:
        """Send something and receive one message: its kind (progress or answer) and content.

        A message has the number of the request that it belongs to. So what student code has left
        in the pipe, or writes there later, is not taken for the answer to another request.

        Raises:
            queue.Empty: it took too long.
            _Closed: the pipes are closed at the other end.
            ProtocolError: what came is no such message.
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
        if type(message) is dict and len(message) == 2 and "id" in message:
            if message.pop("id") != number:
                raise wire.ProtocolError(UNASKED)
            ((kind, content),) = message.items()
            if kind == "answer" or (kind == "progress" and type(content) is dict):
                return kind, content
        raise wire.ProtocolError("neither progress nor an answer")

    def _where(self, mark: int) -> str:
        """Find the student's line in what faulthandler wrote to the trace after `mark`."""
        assert self.confined is not None
        self.confined.trace.seek(mark)
        return _own_line(self.confined.trace.read(1 << 13).decode("ascii", "replace"), self.names)

    def _end(self, grace: float = 0.0) -> int | None:
        """Make sure that the process is gone; return how it ended by itself, if it did."""
        confined = self.confined
        if confined is None:
            return None
        try:
            code = confined.process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            code = None
        confined.kill()
        self.memory = max(self.memory, confined.memory)
        for thread in self.threads:
            thread.join(timeout=0.5)
        self.confined = None
        if not any(thread.is_alive() for thread in self.threads[1:]):  # else it does that
            for stream in (confined.process.stdin, confined.process.stdout):
                assert stream is not None
                stream.close()
        confined.clean_up()
        return code

    def close(self) -> None:
        """End the process."""
        self._end()

    @property
    def output(self) -> str:
        """What student code printed, as far as it was kept."""
        return self.printed.decode("utf-8", "replace")


FRAME = re.compile(r'^  File "(.{1,300})", line (\d{1,7}) in (.{1,200})$', re.MULTILINE)


class _Closed(Exception):
    """The worker's pipes are closed."""


def _unread(confined: launch.RunningWorker) -> bool:
    """Tell whether something came that nobody asked for; Windows cannot tell without waiting."""
    if not launch.POSIX:
        return False
    watch = select.poll()
    watch.register(cast(BinaryIO, confined.process.stdout), select.POLLIN)
    return any(event & select.POLLIN for _, event in watch.poll(0))


def _own_line(dump: str, names: dict[str, str]) -> str:
    """Find the student's line in a dump of faulthandler's.

    The thread that crashed counts most, then the main thread, which stands last.
    """
    own = {name.encode("ascii", "backslashreplace").decode(): name for name in names.values()}
    stacks = re.findall(r"^(Current t|T)hread 0x.*\n((?:  .*\n?)*)", dump, re.MULTILINE)
    stacks.reverse()
    for _, stack in sorted(stacks, key=lambda found: found[0] == "T"):
        for file, line, function in re.findall(FRAME, stack):
            if file in own:
                return f"{own[file]}, line {line}, in {function}"
    return ""


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "The process closed its connection to the grader."
    if code < 0:
        return f"The process was killed by signal {-code} before it answered."
    return f"The process exited with status {code} before it answered."


class LocalWorker:
    """The worker's own code in this process: for breakpoints, and only for one's own code."""

    confinement = Tier.NONE
    layers: tuple[str, ...] = ()
    output = ""

    def __init__(self, files: dict[str, bytes], names: dict[str, str]) -> None:
        """Serve the given files."""
        from grader.worker.student import student

        student.receive(files, names)

    def use_modules(self, modules: frozenset[str]) -> None:
        """Be ready for everything, always."""

    def call(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report | None
    ) -> Any:
        """Do one operation; there is no deadline, so that one can step through it."""
        del seconds
        from grader.worker.serve import answer

        sent = wire.encode({"id": 0, "do": do, "with": arguments, "seed": seed})
        request = wire.read(io.BytesIO(b"".join(sent)), max_blobs=None)
        parts = answer(request, report or (lambda _news: None))
        return wire.read(io.BytesIO(b"".join(parts)))["answer"]

    def close(self) -> None:
        """Nothing to end."""
