"""Turns names that students chose into safe ids and file names."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Collection

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


def did_you_mean(word: str, names: Collection[str]) -> str:
    """Return " Did you mean X?" for the name closest to a misspelt or shortened word, or ""."""
    longer = [name for name in names if word and name.startswith(word.lower())]
    close = longer or difflib.get_close_matches(word.lower(), names, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
