"""Operations on `exercise.dataset`."""

from __future__ import annotations

from typing import Any

from ..student import student


def observe(samples: list[tuple[int, str]], indices: list[int], once: bool) -> dict[str, Any]:
    """Make a `NewsDataset` and read everything that it promises.

    Args:
        samples: what the data set is made from.
        indices: the indices to read.
        once: hand the samples over as an iterator that can be read only once.
    """
    make = student.get("dataset", "NewsDataset")
    call = "NewsDataset(iter(samples))" if once else "NewsDataset(samples)"
    with student.calling(call):
        made = make(iter(samples) if once else list(samples))
    seen: dict[str, Any] = {
        name: student.attempt(f"{call}.{name}", getattr, made, name)
        for name in ("samples", "targets", "n_targets")
    }
    seen["length"] = student.attempt(f"len({call})", len, made)
    seen["items"] = [student.attempt(f"{call}[{i}]", lambda i=i: made[i]) for i in indices]
    return seen
