"""What came of each submission of a class; all reports on a class are made from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from grader.contract.enums import Status
from grader.contract.record import Record


@dataclass(frozen=True)
class Result:
    """What came of one submission.

    Attributes:
        student: the id of whoever handed it in, as its file or folder names them.
        name: what they are called, if that is known.
        path: where it was, relative to the folder of the class.
        record: what the grader found; None if it could not be graded.
        fault: why there is no record; empty if there is one.
        seconds: wall time of grading it.
        memory: bytes, the peak of its largest worker; 0 if not known.
        fingerprints: module name to a digest of its code without comments, names and layout.
    """

    student: str
    name: str = ""
    path: str = ""
    record: Record | None = None
    fault: str = ""
    seconds: float = 0.0
    memory: int = 0
    fingerprints: dict[str, str] = field(default_factory=dict)

    @property
    def faulty(self) -> bool:
        """Whether it has no mark that can be given: unreadable, or a fault of the grader."""
        if self.record is None:
            return True
        return any(check.status is Status.ERROR for check in self.record.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON data."""
        own = asdict(self)
        return own | {"record": self.record.as_dict() if self.record else None}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Result:
        """Return the result that `as_dict` gave."""
        record = data["record"] and Record.from_dict(data["record"])
        return cls(**data | {"record": record})
