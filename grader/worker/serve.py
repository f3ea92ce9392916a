"""The worker's loop: read a request, execute it, send the answer."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import importlib.abc
import inspect
import os
import random
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from . import rlimits, wire
from .imports import StandInFinder
from .printed import kept
from .student import student

OPERATIONS = {
    "load",
    "call",
    "dataset",
    "collate",
    "model",
    "train",
    "fit",
    "beyond",
    "text",
    "edited",
}  # the modules in operations/
KIT = {"grader", "solution"}  # submissions cannot import these, even where they are installed
GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, WSL
FILE_SIZE, FILES = 1 << 30, 512  # limits on what a worker may write and keep open


def _threads() -> int:
    """Return the number of threads for torch: from the environment, or the number of cores."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told):
        return int(told)
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


THREADS = _threads()


class KitHider(importlib.abc.MetaPathFinder):
    """Hides the kit's own packages from submissions."""

    def find_spec(self, fullname: str, *_: Any) -> None:
        """Refuse to import packages of the kit, and leave all others to the next finder."""
        if fullname.partition(".")[0] in KIT:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def answer(request: dict[str, Any], report: Callable[[Any], None]) -> list[bytes | memoryview]:
    """Execute a request, `{"id": ..., "do": "module.function", "with": {...}, "seed": ...}`.

    Operations with a parameter `report` call it with their progress.

    Returns:
        The frame with the request's id, the operation's result, or `wire.Raised` if student code
        raised, and what student code printed.
    """
    number = request["id"]
    with kept(lambda: student.call) as printed:
        result = _result(request, report)
    body = {"id": number, "printed": printed}
    try:
        return wire.encode({**body, "answer": result}, wire.MAX_BLOBS)
    except BaseException as error:  # too large
        return wire.encode({**body, "answer": student.describe(error)})


def _result(request: dict[str, Any], report: Callable[[Any], None]) -> Any:
    module, function = request["do"].split(".")
    assert module in OPERATIONS
    try:
        operation = getattr(importlib.import_module(f".operations.{module}", __package__), function)
        reset_random_state(request["seed"])
        arguments = request["with"]
        if "report" in inspect.signature(operation).parameters:
            arguments["report"] = report
        return operation(**arguments)
    except BaseException as error:  # whatever student code raises, even SystemExit
        return student.describe(error)


def reset_random_state(seed: int) -> None:
    """Seed all loaded random generators, and reset settings that student code may have changed.

    So operations are repeatable, and a task's module cannot affect another task.
    """
    random.seed(seed)
    sys.setrecursionlimit(1000)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(seed)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
        torch.set_grad_enabled(True)
        if torch.are_deterministic_algorithms_enabled():  # otherwise this loads torch's compiler
            torch.use_deterministic_algorithms(False)
        torch.manual_seed(seed)


def reset_process(home: str) -> None:
    """Reset what student code may have changed in the process: working folder and threads."""
    with contextlib.suppress(OSError):
        os.chdir(home)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(THREADS)


def limit(memory: int | None, seconds: float | None) -> None:
    """Limit the resources of this process where the system supports it.

    The address space is not limited on macOS, nor on machines with a GPU, because GPU drivers map
    far more addresses than memory.
    """
    if os.name == "posix":
        if sys.platform != "linux" or any(map(os.path.exists, GPUS)):
            memory = None
        rlimits.limit(memory, seconds, FILE_SIZE, FILES)


@contextlib.contextmanager
def time_guard(seconds: float, trace: Any) -> Any:
    """Write a traceback shortly before the deadline.

    If the grader is gone by then, the process exits a little later.
    """
    faulthandler.dump_traceback_later(0.8 * seconds, file=trace)
    if os.name == "posix":
        signal.alarm(int(1.5 * seconds) + 2)
    yield
    if os.name == "posix":
        signal.alarm(0)
    faulthandler.cancel_dump_traceback_later()


def main(trace: BinaryIO) -> None:
    """Serve requests until stdin is closed; the output of student code goes to stderr.

    Tracebacks of crashes and timeouts go to `trace`.
    """
    faulthandler.enable(trace)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    printed = sys.stdout
    sys.meta_path[:0] = [KitHider(), StandInFinder()]
    home = os.getcwd()
    while True:
        try:
            request = wire.read(requests, max_blobs=None)
        except EOFError:
            return
        if "files" in request:
            limit(request["memory"], request.get("cpu"))
            student.receive(
                request["files"], request["names"], request.get("packages"), request.get("parts")
            )
            continue
        reset_process(home)

        def report(news: Any, number: int = request["id"]) -> None:
            wire.write(answers, {"id": number, "progress": news})

        with time_guard(request["seconds"], trace):
            parts = answer(request, report)
        with contextlib.suppress(BaseException):  # stdout may be closed
            printed.flush()
        wire.send(answers, parts)
