"""Whether the environment, and not the student's code, is to blame for an exception."""

from __future__ import annotations

import re
from collections.abc import Collection

from grader.sandbox.worker_client import ProcessWorker, Worker, WorkerLost
from grader.worker.wire import Raised

# Exceptions that a broken installation raises, too: then it is looked at again. So it is after any
# exception in a line that imports something.
SUSPECT = ("ImportError", "ModuleNotFoundError", "OSError")
IMPORT = re.compile(r"(?:from|import)\s")
NOT_LISTED = "while your code is graded, it can import"  # what the worker says by itself
SECONDS = 120.0  # for importing all packages


def environment_fault(raised: Raised, worker: Worker) -> str:
    """Say what is wrong with the environment, where that may be why student code raised.

    A worker without a submission imports all that submissions may import, once per submission.

    Returns:
        One line, or nothing if the student's code is to blame.
    """
    if not isinstance(worker, ProcessWorker) or worker.packages is None:
        return ""
    imports = bool(raised.frames) and IMPORT.match(raised.frames[-1].source)
    if NOT_LISTED in raised.message or not (raised.type in SUSPECT or imports):
        return ""
    if worker.faults is None:
        worker.faults = _faults(worker, worker.packages)
    return worker.faults


def _faults(worker: ProcessWorker, packages: Collection[str]) -> str:
    probe = ProcessWorker({}, {}, worker.limits, worker.confined_by)
    try:
        found = probe.call("load.packages", {"names": [*packages]}, SECONDS, 0, None)
    except WorkerLost as lost:
        found = {"the environment": lost.what}
    finally:
        probe.close()
    if not found:
        return ""
    name, reason = next(iter(found.items()))
    return f"{name} cannot be used here: {reason}. Run `python -m grader doctor`, and grade again."
