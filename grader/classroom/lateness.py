"""Who handed in late: by the export's own marks, or by times and a deadline.

Canvas marks what is late in the names of files. Everywhere else a deadline is compared with
`timestamp.txt`, as nbgrader writes it, or with the times of files; those of a clone say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from grader.base.errors import UsageError
from grader.base.times import moment
from grader.contract import grades
from grader.intake import files
from grader.intake.lms_exports import HandIn

TIMESTAMP = "timestamp.txt"  # in the folder of a submission
TIMED = ("nbgrader", "folders")  # layouts in which it is the course's, and not the student's
UNTIMED = ("github", "gradescope")  # whose files have the time of cloning, or of the export
MAX_TIMESTAMP = 200  # bytes
MOST_FILES = 2000  # that are looked at for their times


@dataclass(frozen=True)
class Lateness:
    """Whether a submission was late (None if unknown), what that is based on, and by how much."""

    late: bool | None
    source: str
    by: timedelta | None = None

    @classmethod
    def at(cls, time: datetime, deadline: datetime, source: str) -> Lateness:
        """Return it for the time of a hand-in; within the course's grace nothing is late."""
        late = time > deadline + grades.grace()
        return cls(late, source, time - deadline if late else None)


def lateness(handed: HandIn, layout: str, deadline: datetime | None) -> Lateness:
    """Say whether a hand-in was late."""
    if handed.late is not None:
        return Lateness(handed.late, "the names of the export's files")
    if deadline is None:
        return Lateness(None, "")
    if layout in TIMED and (told := timestamp(handed)) is not None:
        return Lateness.at(told, deadline, TIMESTAMP)
    if layout in UNTIMED:
        return Lateness(None, "")
    times = [found for part in handed.parts for found in _times(part.place)]
    if not times:
        return Lateness(None, "")
    newest = datetime.fromtimestamp(max(times), timezone.utc)
    return Lateness.at(newest, deadline, "the times of files")


def timestamp(handed: HandIn) -> datetime | None:
    """Return the time in `timestamp.txt`; nbgrader takes one without a zone for UTC."""
    for part in handed.parts:
        try:
            text = files.read(part.place / TIMESTAMP, MAX_TIMESTAMP).decode()
            return moment(text, timezone.utc)
        except (UsageError, ValueError):
            continue
    return None


def _times(place: Path) -> Iterator[float]:
    """Return when a file, or the files in a folder, were changed; no link is followed."""
    waiting, looked_at = [place], 0
    while waiting and looked_at < MOST_FILES:
        path = waiting.pop()
        looked_at += 1
        try:
            if path.is_dir() and not path.is_symlink():
                waiting += [each for each in path.iterdir() if each.name != "__MACOSX"]
            else:
                yield path.lstat().st_mtime
        except OSError:
            continue
