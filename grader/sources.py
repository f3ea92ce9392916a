"""Takes in a submission: a folder, a zip or one file, read once and never executed here."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from grader.errors import UsageError

MAX_FILE = 1 << 20  # bytes
MAX_FILES = 64


@dataclass(frozen=True)
class Sources:
    """The Python files of one submission.

    Attributes:
        name: what reports call it.
        files: module name to source.
        names: module name to the file name that tracebacks show.
        only: the one module that was handed in, if it was a single file.
    """

    name: str
    files: dict[str, bytes]
    names: dict[str, str]
    only: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over names and contents."""
        total = hashlib.sha256()
        for name, data in sorted(self.files.items()):
            total.update(f"{name}\0{len(data)}\0".encode() + data)
        return total.hexdigest()


def load(path: Path, modules: Iterable[str]) -> Sources:
    """Read the submission at `path`, of which `modules` are the tasks' modules.

    Raises:
        UsageError: it is no submission, or it holds what no submission may hold.
    """
    wanted = list(modules)
    if not path.exists():
        raise UsageError(f"{path}: there is no such folder or file. Give the path of a submission.")
    if path.is_dir():
        return _from_folder(path, wanted)
    if path.suffix == ".zip":
        return _from_zip(path, wanted)
    if path.suffix == ".py":
        return _from_file(path, wanted)
    raise UsageError(f"{path}: not a submission. Give a folder, a .zip, or one .py of a task.")


def _from_file(path: Path, wanted: list[str]) -> Sources:
    if path.stem not in wanted:
        names = ", ".join(f"{name}.py" for name in wanted)
        raise UsageError(f"{path}: no task has a module of that name. It can be one of {names}.")
    return Sources(
        str(path), {path.stem: _read(path)}, {path.stem: _shown(path)}, only=path.stem
    )


def _from_folder(path: Path, wanted: list[str]) -> Sources:
    folder = path
    if not any((path / f"{name}.py").exists() for name in wanted):
        folder = path / "exercise"
    found = sorted(folder.glob("*.py")) if folder.is_dir() else []
    if not {file.stem for file in found} & set(wanted):
        names = ", ".join(f"{name}.py" for name in wanted)
        raise UsageError(f"{path}: none of {names} is there. Give the folder that holds them.")
    if len(found) > MAX_FILES:
        raise UsageError(f"{folder}: {len(found)} Python files; at most {MAX_FILES} are taken.")
    files = {file.stem: _read(file) for file in found}
    return Sources(str(path), files, {file.stem: _shown(file) for file in found})


def _shown(path: Path) -> str:
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return f"{path.resolve().parent.name}/{path.name}"


def _read(path: Path) -> bytes:
    """Read a regular file of bounded size, without following a link."""
    if path.is_symlink():
        raise UsageError(f"{path}: a symbolic link. Replace it by the file itself.")
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise UsageError(f"{path}: not a regular file. Replace it by a plain text file.")
            data = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}).") from None
    return _bounded(data, str(path))


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > MAX_FILE:
        raise UsageError(f"{name}: larger than {MAX_FILE >> 20} MiB. Hand in source code only.")
    return data


def _from_zip(path: Path, wanted: list[str]) -> Sources:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            for info in members:
                _refuse_unsafe(path, info)
            folder = _folder_with_modules(path, members, wanted)
            found = [
                info
                for info in members
                if (name := PurePosixPath(info.filename)).parent == folder and name.suffix == ".py"
            ]
            if len(found) > MAX_FILES:
                raise UsageError(f"{path}: {len(found)} Python files; at most {MAX_FILES} are taken.")
            files = {}
            for info in found:
                with archive.open(info) as stream:
                    data = _bounded(stream.read(MAX_FILE + 1), f"{path}: {info.filename}")
                files[PurePosixPath(info.filename).stem] = data
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise UsageError(f"{path}: not a zip that can be read ({error}). Make it anew.") from None
    shown = folder.name or path.stem
    return Sources(str(path), files, {name: f"{shown}/{name}.py" for name in files})


def _refuse_unsafe(path: Path, info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        raise UsageError(f"{path}: holds the unsafe name {name!r}. Zip the folder anew.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise UsageError(f"{path}: {name!r} is a symbolic link. Replace it by the file itself.")


def _folder_with_modules(
    path: Path, members: list[zipfile.ZipInfo], wanted: list[str]
) -> PurePosixPath:
    """Find the folder nearest to the root that holds a task's module."""
    names = [PurePosixPath(info.filename) for info in members]
    folders = {name.parent for name in names if name.suffix == ".py" and name.stem in wanted}
    if not folders:
        expected = ", ".join(f"{name}.py" for name in wanted)
        raise UsageError(f"{path}: none of {expected} is in it. Zip the folder that holds them.")
    return min(folders, key=lambda folder: (len(folder.parts), str(folder)))
