"""What came of each submission of a class; all reports on a class are made from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from grader.record import Record


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
