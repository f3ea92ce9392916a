"""Notices when a submission is saved, whatever way an editor does that.

It looks at the files' times and sizes instead of asking the system for events: there are few files,
and events do not arrive from network drives, nor from Windows' drives in WSL.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = (".py", ".ipynb")
Snapshot = frozenset[tuple[str, int, int, int]]


class Saves:
    """Tells whether the files at a path have changed since the last look."""

    def __init__(self, path: Path) -> None:
        """Remember what the files look like now."""
        self.path = path
        self.accept()

    def accept(self) -> None:
        """Take the files as they are now for known."""
        self._handled = self._last = snapshot(self.path)

    def settled(self) -> bool:
        """Return whether there is a change, and the files are the same as at the last look.

        An editor may remove a file before it writes the new one, or write it in pieces.
        """
        last, self._last = self._last, snapshot(self.path)
        if self._last != last or last == self._handled:
            return False
        self._handled = last
        return True


def snapshot(path: Path) -> Snapshot:
    """Describe the files at a path, by name; empty if there are none.

    Hidden files are not the student's: editors keep locks and copies in them while they save.
    """
    try:
        if path.is_dir():
            with os.scandir(path) as entries:
                names = [each.name for each in entries if each.name.endswith(SUFFIXES)]
            found = [str(path / name) for name in names if not name.startswith(".")]
        else:
            found = [str(path)]
    except OSError:  # the folder was moved
        return frozenset()
    return frozenset(_states(found))


def _states(files: list[str]) -> Iterator[tuple[str, int, int, int]]:
    for file in files:
        with contextlib.suppress(OSError):  # removed, or being replaced
            at = os.stat(file)
            yield file, at.st_mtime_ns, at.st_size, at.st_ino
