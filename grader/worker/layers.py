"""The layers that confine a worker: the one list of them, by their names in records.

A worker takes on those of `LAYERS` in their order, and cannot take one off again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import landlock, libc, rlimits, seccomp

FILE_SIZE, FILES = 1 << 20, 128  # what a worker may write, which is the trace, and keep open


@dataclass(frozen=True)
class Bounds:
    """What the layers are told.

    Attributes:
        rules: the descriptor of Landlock's rules.
        memory: bytes of address space, or None.
        seconds: processor time, or None.
    """

    rules: int
    memory: int | None = None
    seconds: float | None = None


LAYERS: dict[str, Callable[[Bounds], None]] = {
    "rlimits": lambda bounds: rlimits.limit(bounds.memory, bounds.seconds, FILE_SIZE, FILES),
    "landlock": lambda bounds: landlock.restrict(bounds.rules),
    "seccomp": lambda _bounds: seccomp.filter_calls(),
}
UNCONFINED = ("rlimits",)  # the layers of a worker that is started without the fork server
AROUND = ("bubblewrap",)  # those that the grader puts round the fork server, where they work


def apply(bounds: Bounds) -> None:
    """Take on all layers.

    Raises:
        OSError: the kernel does not have one, or does not allow it.
    """
    libc.drop_privileges()
    for layer in LAYERS.values():
        layer(bounds)
