"""A process that grades entries on request: `python -m tests.matrix.serve`.

It reads requests on stdin, one per line: `own ID` runs the checks of the tasks that the entry
affects, `all ID` those of its whole assignment. It answers each with a row of the matrix as one
line of JSON, and exits when stdin is closed. `Client` starts such a process, because a process with
threads, such as pytest's, cannot fork safely.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from types import TracebackType

from grader.base.paths import ROOT
from grader.contract.tasks import assignments
from grader.maintain.submission_bank import all_entries, reference
from tests.matrix.judge import Row
from tests.matrix.run import Grader, MatrixJob


class Client:
    """A client that starts a process which grades on request."""

    def __init__(self) -> None:
        """Start the process in its own group, so that Ctrl-C does not reach it before `close`."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.matrix.serve"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill the process and the one that is grading."""
        assert self.process.stdin
        self.process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def own(self, id_: str) -> Row:
        """Grade the tasks that an entry affects."""
        return self._ask(f"own {id_}")

    def all(self, id_: str) -> Row:
        """Grade all tasks of an entry's assignment."""
        return self._ask(f"all {id_}")

    def _ask(self, request: str) -> Row:
        assert self.process.stdin
        assert self.process.stdout
        print(request, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, f"the grading process ended with {self.process.wait()}"
        return Row(**json.loads(line))


def serve() -> None:
    """Answer requests until stdin is closed."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # other output must not look like an answer
    entries = {entry.id: entry for entry in [*all_entries(), *map(reference, assignments())]}
    grader = Grader()
    for line in sys.stdin:
        scope, id_ = line.split()
        job = MatrixJob.own(entries[id_]) if scope == "own" else MatrixJob(entries[id_])
        (row,) = grader.run([job], cores=1)
        print(json.dumps(asdict(row)), file=answers, flush=True)


if __name__ == "__main__":
    serve()
