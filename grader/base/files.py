"""Reads TOML, formats JSON, and writes files atomically."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from grader.base.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML; a ValueError says what is wrong and where."""
    table: dict[str, Any] = tomllib.loads(text)
    return table


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file."""
    return parse_toml(path.read_text(encoding="utf-8"))


def to_json(data: Any, **options: Any) -> str:
    """Format data as indented JSON that can always be encoded as UTF-8.

    A lone surrogate has no UTF-8 encoding, so it is written as a JSON escape.
    """
    text = json.dumps(data, ensure_ascii=False, **options)
    return text.encode("utf-8", "backslashreplace").decode()


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a stream whose content replaces `path` at the end, unless an exception occurred.

    What is there and is not a file, such as /dev/null or a pipe, is written to and not replaced.

    Raises:
        OSError: the file cannot be written; `path` is unchanged.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as stream:
            yield stream
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)  # it may be replaced already
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that the user named, completely or not at all.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with written_whole(path) as stream:
            stream.write(data)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}). Name a file in an existing folder."
        ) from None
