"""Text in the encodings that editors write: source code as UTF-8, and what UTF-16 looks like."""

from __future__ import annotations

import codecs
import re

MARKS = {  # what a file begins with, the longer one first
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
DECLARED = re.compile(rb"\A(?:[^\n]*\n)?[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


def as_utf8(data: bytes, name: str) -> tuple[bytes, list[str]]:
    """Return the text of a file as Python reads it, and a line about it if Python would not.

    UTF-16 and UTF-32 are read all the same. Other encodings that the file does not declare cannot
    be told apart: it stays as it is, and Python refuses it.
    """
    data, notes = from_wide(data, name)
    if notes:
        return data, notes
    if DECLARED.match(data[:400]):
        return data, []
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return data, [
            f"{name} is not saved as UTF-8 (line {line}), so Python cannot read it. "
            "Save it as UTF-8."
        ]
    return data, []


def from_wide(data: bytes, name: str) -> tuple[bytes, list[str]]:
    """Return text in UTF-16 or UTF-32 as UTF-8, and a line about it; other bytes as they are."""
    found = wide_encoding(data)
    if found is None:
        return data, []
    try:
        text = data.decode(found)
    except UnicodeDecodeError:
        return data, [f"{name} is broken {found.upper()} text. Save it as UTF-8."]
    written = text.removeprefix("\ufeff").encode("utf-8", "replace")
    label = found.upper().removesuffix("-LE").removesuffix("-BE")
    return written, [f"{name} is saved as {label}; it was read as that. Save it as UTF-8."]


def wide_encoding(data: bytes) -> str | None:
    """Return UTF-16 or UTF-32 if a file is in that, by its mark or by where its zeros are."""
    for mark, name in MARKS.items():
        if data.startswith(mark):
            return name.lower()
    start = data[:200]
    if len(start) < 4 or b"\0" not in start:
        return None
    even, odd = start[::2], start[1::2]
    if even.count(0) == 0 and odd.count(0) > 0.7 * len(odd):
        return "utf-16-le"
    if odd.count(0) == 0 and even.count(0) > 0.7 * len(even):
        return "utf-16-be"
    return None
