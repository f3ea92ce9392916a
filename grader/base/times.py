"""Reads times as people and exports write them."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta, timezone

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
