"""The trusted end of a worker: calls with deadlines, over pipes or in this process."""

from __future__ import annotations

import io
import re
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from grader import sandbox
from grader.worker import wire

Report = Callable[[dict[str, Any]], None]


class WorkerLost(Exception):
    """The worker ended, or was ended, before it answered."""

    status = "crashed"

    def __init__(self, what: str, where: str = "") -> None:
        """Tell `what` happened, and the student's line that was running, if it is known."""
        super().__init__(what)
        self.what, self.where = what, where


class TimeUp(WorkerLost):
    """The worker was ended because its time was up."""

    status = "timeout"


class Worker(Protocol):
    """Something that does requests."""

    confinement: str

    def call(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report
    ) -> Any:
        """Do one operation within `seconds`; return its plain data."""

    def close(self) -> None:
        """End it."""

    @property
    def output(self) -> str:
        """What student code printed."""


class ProcessWorker:
    """A worker process for one submission; started again when it was lost."""

    confinement = "limits"

    def __init__(
        self, files: dict[str, bytes], names: dict[str, str], limits: sandbox.Limits
    ) -> None:
        """Serve the given files; `names` are the file names that tracebacks show."""
        self.files, self.names, self.limits = files, names, limits
        self.process: subprocess.Popen[bytes] | None = None
        self.printed = bytearray()
        self.last_words = b""
        self.ends = time.monotonic() + limits.seconds

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process, if it does not run, and hand the files over."""
        if self.process is None:
            self.process = sandbox.launch()
            self.reader = threading.Thread(target=self._drain, args=[self.process], daemon=True)
            self.reader.start()
            assert self.process.stdin is not None
            first = {"files": self.files, "names": self.names, "memory": self.limits.memory}
            wire.write(self.process.stdin, first)  # type: ignore[arg-type]
        return self.process

    def _drain(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        while chunk := process.stderr.read1(1 << 16):  # type: ignore[attr-defined]
            room = self.limits.output - len(self.printed)
            self.printed += chunk[: max(room, 0)]
            self.last_words = (self.last_words + chunk)[-8192:]

    def call(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report
    ) -> Any:
        """Do one operation.

        Raises:
            TimeUp: it took longer than `seconds`, or the submission's time is used up.
            WorkerLost: the process ended, or answered nonsense.
        """
        allowed = min(seconds, self.ends - time.monotonic())
        if allowed <= 0:
            raise TimeUp(f"The {self.limits.seconds:.0f} s for the whole submission are used up.")
        self.last_words = b""
        up = threading.Event()
        process = self.start()
        timer = threading.Timer(allowed, lambda: (up.set(), sandbox.kill(process)))
        timer.start()
        request = {"do": do, "with": arguments, "seed": seed, "seconds": allowed}
        try:
            wire.write(process.stdin, request)  # type: ignore[arg-type]
            while "progress" in (message := wire.read(process.stdout)):  # type: ignore[arg-type]
                report(message["progress"])
            return message["answer"]
        except (EOFError, OSError, wire.ProtocolError, TypeError, KeyError) as error:
            code = self._end()
            if up.is_set():
                raise TimeUp(f"It did not come back within {allowed:.0f} s.", self._where()) from None
            if isinstance(error, (EOFError, OSError)):
                raise WorkerLost(_how_it_ended(code), self._where()) from None
            raise WorkerLost("What came back could not be read.") from error
        finally:
            timer.cancel()

    def _end(self) -> int | None:
        """Make sure that the process is gone; return how it ended by itself, if it did."""
        if self.process is None:
            return None
        try:
            code = self.process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            code = None
        sandbox.kill(self.process)
        self.reader.join(timeout=1)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()  # type: ignore[union-attr]
            except OSError:
                pass
        self.process = None
        return code

    def _where(self) -> str:
        """Find the student's line in the last traceback that faulthandler wrote."""
        lines = re.findall(r'File "([^"]+)", line (\d+) in (\w+)', self.last_words.decode("utf-8", "replace"))
        own = set(self.names.values())
        return next((f"{f}, line {n}, in {name}" for f, n, name in lines if f in own), "")

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            sandbox.kill(self.process)
            self._end()

    @property
    def output(self) -> str:
        """What student code printed, as far as it was kept."""
        return self.printed.decode("utf-8", "replace")


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "The program closed its connection to the grader."
    if code < 0:
        return f"The program was ended by signal {-code} before it answered."
    return f"The program ended itself with exit status {code} before it answered."


class LocalWorker:
    """The worker's own code in this process: for breakpoints, and only for one's own code."""

    confinement = "none"
    output = ""

    def __init__(self, files: dict[str, bytes], names: dict[str, str]) -> None:
        """Serve the given files."""
        from grader.worker.student import student

        student.receive(files, names)

    def call(
        self, do: str, arguments: dict[str, Any], seconds: float, seed: int, report: Report
    ) -> Any:
        """Do one operation; there is no deadline, so that one can step through it."""
        del seconds
        from grader.worker.serve import answer

        request = _through_the_wire({"do": do, "with": arguments, "seed": seed}, None)
        result = answer(request, report)
        return _through_the_wire(result, wire.MAX_BLOBS)

    def close(self) -> None:
        """Nothing to end."""


def _through_the_wire(body: Any, max_blobs: int | None) -> Any:
    stream = io.BytesIO()
    wire.write(stream, body)
    stream.seek(0)
    return wire.read(stream, max_blobs)
