"""Which confinement a submission gets; named by tier in every record, with its layers.

none     in the grader's own process (`--in-process`), for breakpoints;
limits   a process group and an empty folder of its own, bounded time, memory, files and
         output, a clean environment and an isolated interpreter. This keeps a grading run
         going; it is no security: the worker can read, write, connect and send signals as its
         user can. A child that leaves the process group (os.setsid) is found on Linux by the
         folder or by HOME, unless it changes both; elsewhere it lives on;
sandbox  (Linux) forked by the fork server: no file but Python, its packages and /dev/null,
         nothing to write to, no other process, no signal, no socket, no privilege. Landlock
         and a filter of system calls do that; bubblewrap round the fork server, where it
         works, takes what is hidden out of sight as well.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from grader.base.errors import UsageError
from grader.base.files import read_toml
from grader.base.paths import GRADER
from grader.contract.enums import Tier
from grader.sandbox import fork_server
from grader.sandbox.launch import POSIX, Limits, RunningWorker, launch
from grader.worker.layers import UNCONFINED
from grader.worker.serve import GPUS

REMEDIES = GRADER / "sandbox" / "remedies.toml"
OTHERWISE = "grade in a virtual machine with Linux 5.13 or newer, or only people you trust"
Launch = Callable[[Limits, frozenset[str]], RunningWorker]


@dataclass(frozen=True)
class Confinement:
    """How workers are started.

    Attributes:
        tier: its name in records.
        layers: what it is made of.
        launch: starts a worker that is to use some modules of a submission.
        apart: whether each set of modules gets a worker of its own.
        lacks: why there is no stronger one, and what to do; empty if it is the strongest.
    """

    tier: Tier
    layers: tuple[str, ...]
    launch: Launch
    one_process_per_module_set: bool
    missing: str = ""


LIMITS = Confinement(
    tier=Tier.LIMITS,
    layers=UNCONFINED if POSIX else (),
    launch=lambda _limits, _modules: launch(),
    one_process_per_module_set=False,
)


def sandboxed(device: str) -> Confinement:
    """Return the tier sandbox for models that run on `device`.

    Raises:
        Unavailable: it cannot be had here; `explain` tells why and what to do.
    """
    if sys.platform != "linux":
        raise fork_server.Unavailable("it needs Linux")
    if device != "cpu" and any(map(os.path.exists, GPUS)):
        raise fork_server.Unavailable("a GPU cannot be used in it")
    return Confinement(
        Tier.SANDBOX,
        fork_server.running().layers,
        fork_server.fork,
        one_process_per_module_set=True,
    )


def choose(minimum: Tier | None, device: str) -> Confinement:
    """Return the strongest confinement that can be had for models on `device`.

    Raises:
        UsageError: it is weaker than `minimum`.
    """
    try:
        return sandboxed(device)
    except fork_server.Unavailable as error:
        missing = advise(str(error))
        if minimum is Tier.SANDBOX:
            raise UsageError(
                f"--confine sandbox: not available on this machine: {missing}. "
                "--confine limits is for people you trust."
            ) from None
        return replace(LIMITS, missing=missing)


def explain(error: str) -> tuple[str, str]:
    """Say why a layer is unavailable, in plain words, and what to do; see `remedies.toml`."""
    for row in read_toml(REMEDIES)["reason"]:
        if row["says"] in error:
            return row.get("why", error), row["remedy"]
    return error, OTHERWISE


def advise(error: str) -> str:
    """Say in a line why a layer is unavailable, and what to do."""
    why, remedy = explain(error)
    return f"{why}. What to do: {remedy}"
