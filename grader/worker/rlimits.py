"""Bounds on the resources that a process may use."""

from __future__ import annotations

import sys

if sys.platform != "win32":
    import resource  # here, so that the fork server has it and no worker waits for it


def limit(memory: int | None, seconds: float | None, size: int, files: int) -> None:
    """Bound what this process may use; a lower bound that is there already stays.

    Args:
        memory: bytes of address space, or None.
        seconds: processor time, or None.
        size: bytes of a file that it writes.
        files: open files.
    """
    for what, bound in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, None if seconds is None else int(seconds) + 1),
        (resource.RLIMIT_FSIZE, size),
        (resource.RLIMIT_NOFILE, files),
    ):
        if bound is not None:
            _, hard = resource.getrlimit(what)
            bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
            resource.setrlimit(what, (bound, bound))
