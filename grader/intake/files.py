"""Reads what was handed in from the disk: bounded, following no link, waiting for no pipe."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from grader.base.errors import UsageError
from grader.intake import file_names

DEPTH = 5  # folders to go down in search of a submission
MAX_ENTRIES = 10_000  # files and folders in one
# Folders that hold no code of the student's.
SKIPPED = ("__MACOSX", "__pycache__", "node_modules", "site-packages", "venv", "env")


@dataclass(frozen=True)
class Item:
    """A file of a submission, in a folder or in an archive.

    Attributes:
        path: where it is in there.
        read: returns its content, of so many bytes at most.
        shown: what tracebacks call it.
        link: whether it is a link to something else.
        backslashes: whether an archive has it under a name with backslashes.
    """

    path: PurePosixPath
    read: Callable[[int], bytes]
    shown: str
    link: bool = False
    backslashes: bool = False


def plain(name: object) -> str:
    """Return a path as text that can be shown and written anywhere."""
    return "".join(char if char.isprintable() else "?" for char in str(name))


def is_skipped(path: PurePosixPath) -> bool:
    """Whether a file is hidden, or in a folder that holds no code of the student's."""
    return any(part.startswith(".") or part in SKIPPED for part in path.parts)


def walk(folder: Path, modules: Sequence[str]) -> Iterator[Item]:
    """List the files of a folder, level by level, down to the first with one of the modules."""
    exact = {f"{module}.py" for module in modules}
    level, count = [PurePosixPath()], 0
    for _ in range(DEPTH):
        below: list[PurePosixPath] = []
        found = False
        for inner in level:
            for entry in sorted((folder / inner).iterdir(), key=lambda each: each.name):
                path = inner / entry.name
                if is_skipped(path) or count >= MAX_ENTRIES:
                    continue
                count += 1
                if _is_folder(entry):
                    below.append(path)
                    continue
                found = found or entry.name in exact
                yield _item(path, entry)
        if found:
            return
        level = below


def _is_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.is_symlink() and not file_names.suffix(entry.name)


def _item(path: PurePosixPath, entry: Path) -> Item:
    return Item(path, lambda most: read(entry, most), displayed(entry), entry.is_symlink())


def single(path: Path, name: str = "") -> Item:
    """Return a file that is a submission on its own; `name` is what the student called it."""
    return Item(PurePosixPath(name or path.name), lambda most: read(path, most), displayed(path))


def displayed(path: Path) -> str:
    """Return what tracebacks call a file."""
    whole = path.resolve()
    try:
        return plain(whole.relative_to(Path.cwd()).as_posix())
    except ValueError:
        return plain(f"{whole.parent.name}/{whole.name}")


def _open(path: Path) -> BinaryIO:
    """Open a regular file, without following a link or waiting for a pipe."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if path.is_symlink():
            raise UsageError(f"{plain(path)}: a symbolic link. Replace it with the file itself.")
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{plain(path)}: not a regular file. Replace it with a plain one.")
        stream = os.fdopen(os.open(path, flags), "rb")
    except OSError as error:
        raise UsageError(
            f"{plain(path)}: cannot be read ({error.strerror}). Make it readable, or remove it."
        ) from None
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):  # it was exchanged in between
        stream.close()
        raise UsageError(f"{plain(path)}: not a regular file. Replace it with a plain one.")
    return stream


def read(path: Path, most: int) -> bytes:
    """Read a regular file of at most so many bytes.

    Raises:
        UsageError: it is none, it cannot be read, or it is larger.
    """
    with _open(path) as stream:
        return bounded(stream, plain(path), most)


def bounded(stream: BinaryIO, name: str, most: int) -> bytes:
    """Read a stream of at most so many bytes.

    Raises:
        UsageError: there are more.
    """
    data = stream.read(most + 1)
    if len(data) > most:
        raise UsageError(f"{name}: larger than {most >> 20} MiB. {_smaller(name)}")
    return data


def _smaller(name: str) -> str:
    """Say how a file of that name gets smaller."""
    found = file_names.suffix(name)
    if found == ".ipynb":
        return "Clear its outputs (Edit > Clear Outputs of All Cells), save it, submit it again."
    return "Submit source code only." if found in ("", ".py") else "Pack the Python files only."
