"""Judges a check although a check that it needs failed: one slip costs its own points.

A failure that says so (`Failure.local`) leaves the rest of the task judgeable: a tensor with an
extra dimension can be squeezed, and what fails for one sentence can be run on three. While such a
check's dependents run, `lenient()` is true, and whoever reads the result repairs it first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from grader.contract.messages import Blocked, Failure, waits_for
from grader.grading.answers import StudentError

_FAILED: ContextVar[str] = ContextVar("_FAILED", default="")


def lenient() -> bool:
    """Return whether a check is judged although one that it needs failed."""
    return bool(_FAILED.get())


def still_wrong() -> Blocked:
    """Return the exception for a result that cannot be repaired."""
    return waits_for(_FAILED.get())


@contextlib.contextmanager
def leniently(failed: str) -> Iterator[None]:
    """Judge a check although `failed` did; an empty id is the usual, strict way."""
    token = _FAILED.set(failed)
    try:
        yield
    except StudentError:
        if failed:
            raise still_wrong() from None
        raise
    finally:
        _FAILED.reset(token)


@contextlib.contextmanager
def local(is_local: bool = True) -> Iterator[None]:
    """Mark what fails inside as a slip that leaves the checks that depend on it judgeable."""
    try:
        yield
    except (Failure, StudentError) as failure:
        failure.local = failure.local or is_local
        raise
