"""The enums that a record uses. Their values are the texts in the JSON."""

from __future__ import annotations

from enum import Enum


class TextEnum(str, Enum):
    """An enum whose members are texts, like StrEnum in Python 3.11."""

    def __str__(self) -> str:
        return str.__str__(self)

    @property
    def words(self) -> str:
        """The value for people to read: "not started" for `not_started`."""
        return self.replace("_", " ")


class Status(TextEnum):
    """How a check ended. An unknown status, from a later version of the kit, becomes `ERROR`."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_STARTED = "not_started"
    NOT_RUN = "not_run"
    BLOCKED = "blocked"
    HELD_BACK = "held_back"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASHED = "crashed"
    ERROR = "error"

    @classmethod
    def _missing_(cls, _value: object) -> Status:
        return cls.ERROR

    @property
    def is_pending(self) -> bool:
        """Whether the check has not judged the student's work yet."""
        return self in (
            Status.NOT_STARTED,
            Status.NOT_RUN,
            Status.BLOCKED,
            Status.HELD_BACK,
        )

    @property
    def is_judged(self) -> bool:
        """Whether the check ran and reached a verdict."""
        return not self.is_pending and self is not Status.ERROR

    @property
    def is_broken(self) -> bool:
        """Whether something went wrong, in the student's code or in the grader."""
        return not self.is_pending and self is not Status.PASSED

    @property
    def is_provisional(self) -> bool:
        """Whether the check must run again before the mark is final."""
        return self in (Status.ERROR, Status.NOT_RUN, Status.HELD_BACK)


class State(TextEnum):
    """The progress of a task, derived from its checks."""

    DONE = "done"
    IN_PROGRESS = "in_progress"
    WRONG = "wrong"
    BLOCKED = "blocked"
    NOT_STARTED = "not_started"
    HELD_BACK = "held_back"
    ERROR = "error"

    @classmethod
    def of(cls, statuses: set[Status], score: float) -> State:
        """Derive a task's state from the statuses of its checks and the points earned."""
        if statuses == {Status.PASSED}:
            return cls.DONE
        if statuses == {Status.HELD_BACK}:
            return cls.HELD_BACK
        if Status.ERROR in statuses:
            return cls.ERROR
        if score > 0:
            return cls.IN_PROGRESS
        if Status.NOT_STARTED in statuses and all(status.is_pending for status in statuses):
            return cls.NOT_STARTED
        if Status.BLOCKED in statuses and statuses <= {Status.BLOCKED, Status.NOT_RUN}:
            return cls.BLOCKED
        return cls.WRONG


class Tier(TextEnum):
    """How strongly a worker is confined, weakest first; see `sandbox/tiers.py`."""

    NONE = "none"
    LIMITS = "limits"
    SANDBOX = "sandbox"
