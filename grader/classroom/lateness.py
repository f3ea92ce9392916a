"""Who handed in late: by the export's own marks, or by times and a deadline.

Canvas marks what is late in the names of files. Everywhere else a deadline is compared with
`timestamp.txt`, as nbgrader writes it, or with the times of files; those of a clone say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from pathlib import Path

from grader.base.errors import UsageError
from grader.intake import files
from grader.intake.lms_exports import HandIn

TIMESTAMP = "timestamp.txt"  # in the folder of a submission
TIMED = ("nbgrader", "folders")  # layouts in which it is the course's, and not the student's
MAX_TIMESTAMP = 200  # bytes
MOST_FILES = 2000  # that are looked at for their times
TIME = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<clock>\d\d:\d\d(?::\d\d)?)(?:[.,]\d+)?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?",
    re.IGNORECASE,
)


def moment(text: str, zone: timezone | None = None) -> datetime:
    """Return a time in ISO 8601; a day alone means its end.

    Args:
        text: as in `2026-11-21`, `2026-11-21T23:59`, `2026-11-21 23:59:00 +0100`.
        zone: of times that name none; None for this machine's.

    Raises:
        ValueError: the text is no such time.
    """
    match = TIME.fullmatch(text.strip())
    try:
        if match is None:
            raise ValueError
        day = datetime.fromisoformat(match["day"])
        clock = time.fromisoformat(match["clock"]) if match["clock"] else time.max
        naive = datetime.combine(day, clock)
        if match["zone"]:
            return naive.replace(tzinfo=_zone(match["zone"].upper()))
        return naive.replace(tzinfo=zone) if zone else naive.astimezone()
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no time as in 2026-11-21T23:59 or 2026-11-21T23:59+01:00"
        ) from None


def _zone(text: str) -> timezone:
    if not text.startswith(("+", "-")):
        return timezone.utc
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text.startswith("-") else offset)


@dataclass(frozen=True)
class Lateness:
    """Whether a submission was late (None if unknown), and what that is based on."""

    late: bool | None
    source: str


def lateness(handed: HandIn, layout: str, deadline: datetime | None) -> Lateness:
    """Say whether a hand-in was late."""
    if handed.late is not None:
        return Lateness(handed.late, "the names of the export's files")
    if deadline is None:
        return Lateness(None, "")
    if layout in TIMED and (told := timestamp(handed)) is not None:
        return Lateness(told > deadline, TIMESTAMP)
    if layout == "github":
        return Lateness(None, "")
    times = [found for part in handed.parts for found in _times(part.place)]
    if not times:
        return Lateness(None, "")
    newest = datetime.fromtimestamp(max(times), timezone.utc)
    return Lateness(newest > deadline, "the times of files")


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
