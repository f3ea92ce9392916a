"""Limits on the resources of a process."""

from __future__ import annotations

import sys

if sys.platform != "win32":
    import resource  # here, so that the fork server loads it for all workers


def limit(memory: int | None, seconds: float | None, size: int, files: int) -> None:
    """Limit the resources of this process; existing lower limits stay.

    Args:
        memory: bytes of address space, or None.
        seconds: CPU time, or None.
        size: bytes of a written file.
        files: number of open files.
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
