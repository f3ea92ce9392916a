"""The worker's loop: read a request, do it, answer."""

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
from typing import Any

from . import wire
from .student import student

OPERATIONS = {"load", "dataset", "collate", "model", "train", "fit"}  # modules in operations/
KIT = {"grader", "solution"}  # what a submission cannot import, even where it is installed
GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, AMD, WSL


class KitHider(importlib.abc.MetaPathFinder):
    """Keeps the kit's own packages out of a submission's sight."""

    def find_spec(self, fullname: str, *_: Any) -> None:
        """Find nothing; refuse what belongs to the kit."""
        if fullname.partition(".")[0] in KIT and fullname not in student.files:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def answer(request: dict[str, Any], report: Callable[[Any], None]) -> list[bytes | memoryview]:
    """Do one request, `{"do": "module.function", "with": {...}, "seed": ...}`.

    Operations that take a `report` function tell their progress through it.

    Returns:
        The frame with what the operation gives, or `wire.Raised` where student code raised.
    """
    module, function = request["do"].split(".")
    assert module in OPERATIONS
    try:
        operation = getattr(importlib.import_module(f".operations.{module}", __package__), function)
        begin_anew(request["seed"])
        arguments = request["with"]
        if "report" in inspect.signature(operation).parameters:
            arguments["report"] = report
        return wire.encode({"answer": operation(**arguments)}, wire.MAX_BLOBS)
    except BaseException as error:  # whatever student code raises, sys.exit too
        return wire.encode({"answer": student.describe(error)})


def begin_anew(seed: int) -> None:
    """Seed the generators that are loaded, and undo settings that a student's module may change.

    So an operation can be repeated, and one task's module does not decide over another task.
    """
    random.seed(seed)
    sys.setrecursionlimit(1000)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(seed)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)
        torch.set_grad_enabled(True)
        torch.use_deterministic_algorithms(False)
        torch.manual_seed(seed)


def limit_memory(bytes_: int | None) -> None:
    """Bound the address space where the system can, and write no core dumps.

    Drivers of GPUs map far more addresses than memory, so where there is one nothing is bounded.
    """
    if os.name != "posix":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if bytes_ is not None and sys.platform == "linux" and not any(map(os.path.exists, GPUS)):
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        bound = bytes_ if hard == resource.RLIM_INFINITY else min(bytes_, hard)
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))


@contextlib.contextmanager
def watched(seconds: float, trace: Any) -> Any:
    """Shortly before the time is up, write down the line that is being run.

    Should the grader be gone by then, the process ends itself a little later.
    """
    faulthandler.dump_traceback_later(0.8 * seconds, file=trace)
    if os.name == "posix":
        signal.alarm(int(1.5 * seconds) + 2)
    yield
    if os.name == "posix":
        signal.alarm(0)
    faulthandler.cancel_dump_traceback_later()


def main(trace_file: str) -> None:
    """Serve requests until stdin ends; what student code prints goes to stderr.

    Tracebacks of crashes and of what takes too long go to `trace_file`.
    """
    trace = open(trace_file, "ab")  # noqa: SIM115 - open as long as the process lives
    faulthandler.enable(trace)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    os.close(null)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    printed = sys.stdout
    sys.meta_path.insert(0, KitHider())
    while True:
        try:
            request = wire.read(requests, max_blobs=None)
        except EOFError:
            return
        if "files" in request:
            limit_memory(request["memory"])
            student.receive(request["files"], request["names"])
            continue
        with watched(request["seconds"], trace):
            parts = answer(request, lambda news: wire.write(answers, {"progress": news}))
        with contextlib.suppress(BaseException):  # it may be closed
            printed.flush()
        wire.send(answers, parts)
