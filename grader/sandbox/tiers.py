"""Chooses how a submission is confined. Every record names the tier and its layers.

none     The grader's own process (`--in-process`), for breakpoints.
limits   A separate process group and an empty folder; limits on time, memory, files and output;
         a clean environment and an isolated interpreter. This keeps a grading run going, but it
         is not security: the worker can read, write, connect and send signals like its user. A
         child that leaves the process group (os.setsid) is found on Linux by its folder or HOME,
         unless it changes both; on other systems it survives.
sandbox  (Linux) Forked by the fork server. It can read only Python, its packages and /dev/null,
         and write only to a folder of its own (see `worker/scratch.py`); it has no other
         processes, signals, sockets or privileges. Landlock and a system call filter enforce
         this. If bubblewrap works, it runs around the fork
         server and also hides what is forbidden.
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
    """A way to start workers.

    Attributes:
        tier: its name in records.
        layers: the layers of the confinement.
        launch: starts a worker for some modules of a submission.
        one_process_per_module_set: whether each set of modules gets a worker of its own.
        missing: why no stronger tier is available, and what to do; empty for the strongest.
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
    """Return the tier `sandbox` for models that run on `device`.

    Raises:
        Unavailable: it is not available on this machine; `explain` says why and what to do.
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
    """Return the strongest available confinement for models on `device`.

    Raises:
        UsageError: the strongest one is weaker than `minimum`.
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
    """Return why a layer is unavailable, in plain words, and the remedy; see `remedies.toml`."""
    for row in read_toml(REMEDIES)["reason"]:
        if row["says"] in error:
            return row.get("why", error), row["remedy"]
    return error, OTHERWISE


def advise(error: str) -> str:
    """Return one line that says why a layer is unavailable and what to do."""
    why, remedy = explain(error)
    return f"{why}. What to do: {remedy}"
