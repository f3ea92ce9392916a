"""The list of the layers that confine a worker, by their names in records.

A worker applies `LAYERS` in order, and cannot undo any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import landlock, libc, rlimits, seccomp

FILE_SIZE, FILES = 4 << 20, 128  # limits on bytes per file written, and on open files


@dataclass(frozen=True)
class Bounds:
    """The arguments of the layers.

    Attributes:
        rules: the descriptor of Landlock's rules.
        memory: bytes of address space, or None.
        seconds: CPU time, or None.
    """

    rules: int
    memory: int | None = None
    seconds: float | None = None


LAYERS: dict[str, Callable[[Bounds], None]] = {
    "rlimits": lambda bounds: rlimits.limit(bounds.memory, bounds.seconds, FILE_SIZE, FILES),
    "landlock": lambda bounds: landlock.restrict(bounds.rules),
    "seccomp": lambda _bounds: seccomp.filter_calls(),
}
UNCONFINED = ("rlimits",)  # layers of a worker that is started without the fork server
AROUND = ("bubblewrap",)  # layers around the fork server, where they work


def apply(bounds: Bounds) -> None:
    """Apply all layers.

    Raises:
        OSError: the kernel does not have a layer, or does not allow it.
    """
    libc.drop_privileges()
    for layer in LAYERS.values():
        layer(bounds)
