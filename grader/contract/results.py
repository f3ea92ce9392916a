"""The results of a class, one per submission; all reports on a class are made from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from grader.contract.enums import Status, TextEnum
from grader.contract.record import Record
from grader.contract.roster import Student


class GradingStatus(TextEnum):
    """What became of a student's work, as every report on a class shows it."""

    GRADED = "graded"  # its mark is final
    MISSING = "missing"  # nothing was handed in
    UNREADABLE = "unreadable"  # what was handed in cannot be graded
    ERROR = "error"  # the grader could not do its work; grade it again


class Match(TextEnum):
    """How a hand-in was assigned to a student of the roster."""

    ID = "id"
    EMAIL = "e-mail"
    NAME = "name"
    NOBODY = "nobody"  # no student of the roster fits, or several do


@dataclass(frozen=True)
class Result:
    """What came of one submission, or of a student of the roster who handed in nothing.

    Attributes:
        student: the student's id, from the name of the file or folder.
        name: the student's name, if known.
        path: the path of the submission, relative to the folder of the class.
        record: the record; None if the submission could not be graded.
        fault: why there is no record; empty if there is one.
        seconds: wall time of grading it.
        memory: bytes, the peak of its largest worker; 0 if not known.
        fingerprints: module name to a digest of its code without comments, names and layout.
        grader_failed: whether the fault is the grader's, and not the submission's.
        late: whether it was handed in late; None if that is not known.
        late_by: seconds since the deadline, if it was late and the time is known.
        roster: the student of the roster, if there is a roster and somebody of it fits.
        match: how that student was found; None without a roster, or without a hand-in.
        notes: a line per thing to know about the hand-in itself; the record has those on its files.
    """

    student: str
    name: str = ""
    path: str = ""
    record: Record | None = None
    fault: str = ""
    seconds: float = 0.0
    memory: int = 0
    fingerprints: dict[str, str] = field(default_factory=dict)
    grader_failed: bool = False
    late: bool | None = None
    late_by: float | None = None
    roster: Student | None = None
    match: Match | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def faulty(self) -> bool:
        """Whether there is no final mark: the submission is unreadable, or the grader failed."""
        if self.record is None:
            return not self.missing
        return any(check.status is Status.ERROR for check in self.record.checks)

    @property
    def missing(self) -> bool:
        """Whether nothing was handed in."""
        return self.record is None and not self.fault

    @property
    def status(self) -> GradingStatus:
        """What became of it."""
        if self.record is not None:
            open_ = any(check.status.is_provisional for check in self.record.checks)
            return GradingStatus.ERROR if open_ else GradingStatus.GRADED
        if self.missing:
            return GradingStatus.MISSING
        return GradingStatus.ERROR if self.grader_failed else GradingStatus.UNREADABLE

    @property
    def shown_id(self) -> str:
        """The roster's id of the student, or what the hand-in is called."""
        return (self.roster and self.roster.shown_id) or self.student

    @property
    def shown_name(self) -> str:
        """The name of the student, or the id if nobody tells a name."""
        return (self.roster and self.roster.name) or self.name or self.shown_id

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        own = asdict(self)
        return own | {"record": self.record.as_dict() if self.record else None}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Result:
        """Return the result for the output of `as_dict`."""
        record = data["record"] and Record.from_dict(data["record"])
        roster, match = data.get("roster"), data.get("match")
        known = {"roster": roster and Student(**roster), "match": match and Match(match)}
        return cls(**data | {"record": record} | known)
