"""Prints measurements and the environment they were made in."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version


def show(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print a small table."""
    width = max(len(name) for name, _ in rows)
    print(f"\n{title}")
    for name, figure in rows:
        print(f"  {name:<{width}}  {figure:>12}")


def busy() -> float:
    """Return the CPU seconds that the whole machine has used, for any process.

    The CPU time of a process's children does not include workers whose parent was killed, so this
    counts the whole machine, which must be idle otherwise.
    """
    import psutil  # type: ignore[import-untyped]

    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def show_versions() -> None:
    """Print the machine and the versions of Python and packages."""
    packages = ("torch", "spacy", "en_core_web_sm", "numpy")
    found = ", ".join(f"{name} {version(name)}" for name in packages)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine = f"{platform.system()} {platform.machine()}, {cores} cores"
    print(f"\n{machine}, Python {platform.python_version()}, {found}")
