"""Runs a check only to see whether it passes; see `grader.grading.edits`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from grader.contract.messages import Blocked

_TRIAL: ContextVar[bool] = ContextVar("_TRIAL", default=False)


@contextlib.contextmanager
def trial() -> Iterator[None]:
    """Run a check that need not say why it fails."""
    token = _TRIAL.set(True)
    try:
        yield
    finally:
        _TRIAL.reset(token)


def is_trial() -> bool:
    """Return whether a check only has to pass or fail."""
    return _TRIAL.get()


def end_trial() -> None:
    """End a check that has failed, before it looks for the reason, if that is of no interest.

    Raises:
        Blocked: it is of no interest.
    """
    if _TRIAL.get():
        raise Blocked("It failed.")
