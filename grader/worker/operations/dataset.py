"""Operations on `exercise.dataset`."""

from __future__ import annotations

import sys
from itertools import islice
from typing import Any

import torch

from ..student import PACKAGE, student
from ..wire import MAX_TEXT, Raised, describe, snapshot

MAX_PARTS = 1000  # of a sequence


def observe(
    samples: list[tuple[int, str]], indices: list[int], once: bool, length: bool, alone: bool
) -> dict[str, Any]:
    """Create a `NewsDataset` and read everything that it must provide.

    Args:
        samples: the argument of the constructor.
        indices: the indices to read.
        once: pass the samples as an iterator that can be read only once, and not be copied.
        length: call `len`.
        alone: import the module again, so that the dataset shares nothing with earlier ones.
    """
    if alone:
        sys.modules.pop(f"{PACKAGE}.dataset", None)
    make = student.get("dataset", "NewsDataset")
    call = f"NewsDataset(iter({samples}))" if once else f"NewsDataset({samples})"
    with student.calling(call):
        made = make((sample for sample in samples) if once else list(samples))
    seen: dict[str, Any] = {
        name: plain(student.attempt(f"{call}.{name}", getattr, made, name))
        for name in ("samples", "targets", "n_targets")
    }
    seen["length"] = student.attempt(f"len({call})", len, made) if length else None
    seen["items"] = [
        plain(student.attempt(f"{call}[{index}]", lambda index=index: made[index]))
        for index in indices
    ]
    return seen


def plain(value: Any) -> Any:
    """Prepare a value for the wire without losing anything that matters to a student.

    Tensors are copied, so that no later code can change them. A subclass of `list` or `tuple`
    becomes its base class, and so does one of `str`, alone or in such a sequence. A NumPy array is
    described here, because the wire would send it as a tensor. Descriptions contain no addresses,
    so they are the same in every run. Long values are truncated, but stay longer than any expected
    value.
    """
    for sequence in (list, tuple):
        if issubclass(type(value), sequence):
            return sequence(map(_plain_part, islice(sequence.__iter__(value), MAX_PARTS)))
    return _plain_part(value)


def _plain_part(value: Any) -> Any:
    kind = type(value)
    if issubclass(kind, str):
        return str.__getitem__(value, slice(MAX_TEXT))
    if issubclass(kind, torch.Tensor):
        return snapshot(value)
    if value is None or kind in (bool, int, float, list, tuple, Raised):
        return value
    return describe(value)
