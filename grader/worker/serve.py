"""The worker's loop: read a request, do it, answer."""

from __future__ import annotations

import faulthandler
import importlib
import inspect
import os
import random
import sys
from collections.abc import Callable
from typing import Any

from . import wire
from .student import student

OPERATIONS = {"load", "dataset", "collate", "model", "train", "fit"}  # modules in operations/


def answer(request: dict[str, Any], report: Callable[[Any], None]) -> Any:
    """Do one request, `{"do": "module.function", "with": {...}, "seed": ...}`.

    Operations that take a `report` function tell their progress through it.

    Returns:
        What the operation gives, or `wire.Raised` where student code raised.
    """
    module, function = request["do"].split(".")
    assert module in OPERATIONS
    try:
        operation = getattr(importlib.import_module(f".operations.{module}", __package__), function)
        seed_all(request["seed"])
        if "report" in inspect.signature(operation).parameters:
            return operation(**request["with"], report=report)
        return operation(**request["with"])
    except BaseException as error:  # whatever student code raises, sys.exit too
        return student.describe(error)


def seed_all(seed: int) -> None:
    """Seed the generators that are loaded, so that an operation can be repeated."""
    random.seed(seed)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(seed)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed)


def limit_memory(bytes_: int | None) -> None:
    """Bound the address space where the system can."""
    if bytes_ is None or not sys.platform.startswith("linux"):
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (bytes_, bytes_))


def main() -> None:
    """Serve requests until stdin ends; what student code prints goes to stderr."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)
    while True:
        try:
            request = wire.read(requests, max_blobs=None)
        except EOFError:
            return
        if "files" in request:
            limit_memory(request["memory"])
            student.receive(request["files"], request["names"])
            continue
        # Shortly before the time is up, stderr gets the line that is being run.
        faulthandler.dump_traceback_later(0.9 * request["seconds"])
        result = answer(request, lambda news: wire.write(answers, {"progress": news}))
        faulthandler.cancel_dump_traceback_later()
        sys.stdout.flush()
        wire.write(answers, {"answer": result})
