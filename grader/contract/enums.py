"""The closed sets of values that a record uses. Their texts are those of the JSON."""

from __future__ import annotations

from enum import Enum


class TextEnum(str, Enum):
    """An enum whose members are texts, like StrEnum of Python 3.11."""

    def __str__(self) -> str:
        return str.__str__(self)

    @property
    def words(self) -> str:
        """The value as people read it: `not_started` is "not started"."""
        return self.replace("_", " ")


class Status(TextEnum):
    """How a check ended. A status of a later version of the kit is read as `ERROR`."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_STARTED = "not_started"
    NOT_RUN = "not_run"
    BLOCKED = "blocked"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CRASHED = "crashed"
    ERROR = "error"

    @classmethod
    def _missing_(cls, _value: object) -> Status:
        return cls.ERROR

    @property
    def is_pending(self) -> bool:
        """Whether the check has not looked at the student's work."""
        return self in (Status.NOT_STARTED, Status.NOT_RUN, Status.BLOCKED)

    @property
    def is_judged(self) -> bool:
        """Whether the check ran and came to a verdict."""
        return not self.is_pending and self is not Status.ERROR

    @property
    def is_broken(self) -> bool:
        """Whether something went wrong that a message explains, in the student's code or not."""
        return not self.is_pending and self is not Status.PASSED

    @property
    def is_provisional(self) -> bool:
        """Whether the check has to run again before a mark can be given."""
        return self in (Status.ERROR, Status.NOT_RUN)


class State(TextEnum):
    """How far a task is, from its checks."""

    DONE = "done"
    PARTLY = "partly"
    WRONG = "wrong"
    BLOCKED = "blocked"
    NOT_STARTED = "not_started"
    ERROR = "error"

    @classmethod
    def of(cls, statuses: set[Status], score: float) -> State:
        """Return the state of a task from the statuses of its checks and the points earned."""
        if statuses == {Status.PASSED}:
            return cls.DONE
        if Status.ERROR in statuses:
            return cls.ERROR
        if score > 0:
            return cls.PARTLY
        if Status.NOT_STARTED in statuses and all(status.is_pending for status in statuses):
            return cls.NOT_STARTED
        if Status.BLOCKED in statuses and statuses <= {Status.BLOCKED, Status.NOT_RUN}:
            return cls.BLOCKED
        return cls.WRONG


class Tier(TextEnum):
    """How strongly a worker is confined, from weak to strong; see `sandbox/tiers.py`."""

    NONE = "none"
    LIMITS = "limits"
    SANDBOX = "sandbox"
