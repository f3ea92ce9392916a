"""Reading data files, and writing files whole or not at all and JSON whatever its texts are."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file."""
    table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    return table


def to_json(data: Any, **options: Any) -> str:
    """Return JSON text, readable, and such that it can be encoded.

    A lone surrogate has no bytes in UTF-8; its escape in JSON is the one that Python uses, too.
    """
    text = json.dumps(data, ensure_ascii=False, **options)
    return text.encode("utf-8", "backslashreplace").decode()


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a stream to write to; afterwards its content is at `path`, unless something failed.

    Raises:
        OSError: the file cannot be written; what was at `path` is as it was.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as stream:
            yield stream
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
