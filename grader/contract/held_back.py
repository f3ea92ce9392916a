"""Checks whose results students see after the deadline only: `held_back` in `course.toml`."""

from __future__ import annotations

from datetime import datetime, timezone

from grader.contract import course
from grader.contract.tasks import Check, tasks


def is_hidden(check: Check) -> bool:
    """Return whether a check is held back, and its deadline has not passed."""
    return check.held_back and datetime.now(timezone.utc) < _deadline(check)


def hidden() -> set[str]:
    """Return the ids of the checks whose results students do not see yet."""
    return {check.id for task in tasks().values() for check in task.checks if is_hidden(check)}


def message(check: Check) -> str:
    """Say when a check is graded."""
    return f"Graded after the deadline, {_deadline(check):%Y-%m-%d %H:%M UTC%z}."


def _deadline(check: Check) -> datetime:
    """Return the deadline; `course_file` accepts no held-back check without one."""
    return course.current().deadlines[tasks()[check.task].assignment]
