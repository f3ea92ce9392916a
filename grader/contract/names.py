"""Turns names that students chose into safe ids and file names."""

from __future__ import annotations

import hashlib
import re

from grader.contract.messages import clean

MAX_ID = 120  # characters
MAX_FILE = 60
MAX_SHOWN = 60
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows


def plain_id(name: str) -> str:
    """Return a printable id for a name from a file system; different names give different ids."""
    plain = clean(name).replace("\n", "?")[:MAX_ID]
    return plain if plain == name else f"{plain}-{_digest(name)}"


def shown(name: object, most: int = MAX_SHOWN) -> str:
    """Return a name that a student chose as short, printable text, to be shown in a line."""
    plain = clean(str(name)).replace("\n", "?").strip()
    return plain if len(plain) <= most else f"{plain[: most - 4]} ..."


def file_name(student: str) -> str:
    """Return a file name for an id, without a suffix.

    It is safe on every system and unique, even on file systems that ignore case.
    """
    safe = re.sub(r"[^a-z0-9_.@+-]", "_", student.lower()).strip(".-")[:MAX_FILE] or "_"
    if safe == student and not RESERVED.fullmatch(safe):
        return safe
    return f"{safe.split('.')[0] if RESERVED.fullmatch(safe) else safe}-{_digest(student)}"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
