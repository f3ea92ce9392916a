"""Runs checks in a forked process, which gives back the memory of torch when it ends.

Checks load torch to compute what they expect. When a model is trained, that memory is needed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from grader.contract.tasks import Check
from grader.grading import pipeline
from grader.sandbox import fork_server
from grader.sandbox.worker_client import ProcessWorker
from grader.worker import libc, wire

if TYPE_CHECKING:
    from grader.grading.session import Session


def is_possible(opened: Session) -> bool:
    """Return whether this process can be forked: only if nothing but the grader runs in it."""
    own = isinstance(opened.submission.worker, ProcessWorker)
    is_main = threading.current_thread() is threading.main_thread()
    return own and is_main and sys.platform == "linux"


def run(opened: Session, checks: Sequence[Check]) -> Iterator[None]:
    """Run checks, and yield after each of them; what came of them is in `opened`.

    If the process is lost, the remaining checks have not run.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _serve(opened, checks, writing)
    os.close(writing)
    try:
        with open(reading, "rb") as stream:
            for _ in checks:
                opened.take(wire.read(stream))
                yield
    except (EOFError, wire.ProtocolError):
        pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _serve(opened: Session, checks: Sequence[Check], writing: int) -> None:
    """Run checks, tell what came of each, and end this process."""
    try:
        fork_server.adopt()
        with open(writing, "wb") as stream:
            for check, after in zip(checks, [*checks[1:], None], strict=True):
                had_torch = "torch" in sys.modules
                opened.run(check)
                if after is None:
                    opened.submission.worker.close()
                is_last = after is None or after.task != check.task
                if is_last:
                    pipeline.close()  # few tasks need it
                if is_last or ("torch" in sys.modules and not had_torch):
                    libc.release_memory()
                wire.write(stream, opened.outcome())
                stream.flush()
    finally:
        os._exit(0)  # the fork server lives on
