"""Reads a submission: a folder, a zip or a single file. Nothing is executed here."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import stat
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeVar, cast

from grader.base.errors import UsageError
from grader.contract.tasks import assignments
from grader.worker.pipeline import MODEL

MAX_FILE = 1 << 20  # bytes of one Python file
MAX_FILES = 64
MAX_TOTAL = 4 << 20  # bytes of all files
MAX_ZIP = 16 << 20  # bytes
MAX_ENTRIES = 10_000  # files and folders in a zip
# Packages that student code runs with. A submission must not shadow them or their dependencies.
PACKAGES = ("matplotlib", "pytest", "rich", "spacy", "torch", "torchdata", "torchtext", "tqdm")
KIT = ("exercise", "grader", "news", MODEL)
RUN_UNASKED = ("sitecustomize", "usercustomize", "conftest", "__main__")
T = TypeVar("T")


@dataclass(frozen=True)
class Sources:
    """The Python files of one submission.

    Attributes:
        name: the submission's name in reports.
        files: sources by module name.
        names: by module name, the file name that tracebacks show.
        only: the module, if the submission is a single file.
        left_out: skipped modules, each with a line that says why.
    """

    name: str
    files: dict[str, bytes]
    names: dict[str, str]
    only: str | None = None
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The SHA-256 digest of names and contents."""
        total = hashlib.sha256()
        for name, data in sorted(self.files.items()):
            total.update(f"{name}\0{len(data)}\0".encode() + data)
        return total.hexdigest()


def load(path: Path, modules: Iterable[str]) -> Sources:
    """Read the submission at `path`, of which `modules` are the tasks' modules.

    Raises:
        UsageError: the path is not a submission, or the submission breaks a limit.
    """
    wanted = list(modules)
    try:
        if path.is_symlink():
            raise UsageError(f"{_plain(path)}: a symbolic link. Give its target instead.")
        if path.is_dir():
            return _from_folder(path, wanted)
        if not path.exists():
            raise UsageError(
                f"{_plain(path)}: no such file or folder. Give the path of a submission."
            )
        if path.suffix.lower() == ".zip":
            return _from_zip(path, wanted)
        if path.suffix == ".py":
            return _from_file(path, wanted)
    except (OSError, ValueError) as error:  # a path may be too long, or hold a null byte
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{_plain(path)}: cannot be read ({reason}). Give a path that you may read."
        ) from None
    raise UsageError(
        f"{_plain(path)}: not a submission. Give a folder, a .zip, or one .py of a task."
    )


def _plain(name: object) -> str:
    """Return a path as text that can be shown and encoded anywhere."""
    return "".join(char if char.isprintable() else "?" for char in str(name))


def left_out(module: str) -> str | None:
    """Return why a submission's module with this name is skipped, or None if it is used.

    The rule is the same on every machine: it does not depend on what else is installed.
    """
    why = None
    if module == "__init__" or any(module in each.modules for each in assignments().values()):
        pass  # avoids `_packages`, which is slow
    elif module in sys.stdlib_module_names:
        why = "Python already has a module with this name. Rename it."
    elif module in RUN_UNASKED:
        why = "Python or pytest would run it automatically. Rename it."
    elif module.startswith("test_") or module.endswith("_test"):
        why = "it is named like a test file. Rename it if your code needs it."
    elif module in KIT or module in _packages():
        why = "a package that the exercise uses has this name. Rename it."
    return why and f"{module}.py was skipped: {why}"


@functools.cache
def _packages() -> frozenset[str]:
    """List the installed modules of `PACKAGES` and of their dependencies."""
    found: set[str] = set()
    seen: set[str] = set()
    to_see = [*PACKAGES]
    while to_see:
        name = re.sub(r"[-_.]+", "-", to_see.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found |= {_module(PurePosixPath(file)) for file in package.files or ()}
        for needed in package.requires or ():
            if not re.search(r"\bextra\s*==", needed):
                to_see += re.findall(r"^[\w.-]+", needed)
    return frozenset(found)


def _module(file: PurePosixPath) -> str:
    """Return the import name of a package's file, or of the folder that contains it."""
    return file.parts[0].partition(".")[0] if file.suffix in (".py", ".so", ".pyd") else ""


def _expected(wanted: list[str]) -> str:
    return ", ".join(f"{name}.py" for name in wanted)


def _from_file(path: Path, wanted: list[str]) -> Sources:
    if path.stem not in wanted:
        raise UsageError(
            f"{_plain(path)}: no task has a module with this name. "
            f"Expected one of {_expected(wanted)}."
        )
    files, names = {path.stem: read(path)}, {path.stem: _shown(path)}
    return Sources(_plain(path), files, names, only=path.stem)


def _from_folder(path: Path, wanted: list[str]) -> Sources:
    found = _modules(path)
    if not found.keys() & set(wanted):
        inner = path / "exercise"
        if inner.is_symlink():
            raise UsageError(f"{_plain(inner)}: a symbolic link. Replace it with the folder.")
        found = _modules(inner) if inner.is_dir() else {}
    if not found.keys() & set(wanted):
        raise UsageError(
            f"{_plain(path)}: none of {_expected(wanted)} is there. "
            "Give the folder that holds them."
        )
    out = take_out(found, wanted)
    _check_count(path, len(found))
    files = {name: read(file) for name, file in found.items()}
    check_size(path, files)
    names = {name: _shown(file) for name, file in found.items()}
    return Sources(_plain(path), files, names, left_out=out)


def take_out(found: dict[str, T], wanted: Sequence[str]) -> dict[str, str]:
    """Remove modules that must be skipped from `found`; return them with the reasons."""
    reasons = {name: left_out(name) for name in found if name not in wanted}
    out = {name: reason for name, reason in reasons.items() if reason}
    for name in out:
        del found[name]
    return out


def _modules(folder: Path) -> dict[str, Path]:
    """List the files of a folder that Python could import."""
    return {
        file.stem: file
        for file in sorted(folder.iterdir())
        if file.suffix == ".py" and file.stem.isidentifier()
    }


def _check_count(path: Path, count: int) -> None:
    if count > MAX_FILES:
        raise UsageError(
            f"{_plain(path)}: {count} Python files; at most {MAX_FILES} are allowed. "
            "Submit only what the exercise needs."
        )


def check_size(path: Path, files: dict[str, bytes]) -> None:
    """Check the total size of a submission's files.

    Raises:
        UsageError: the files are too large.
    """
    if sum(map(len, files.values())) > MAX_TOTAL:
        raise UsageError(
            f"{_plain(path)}: the Python files are larger than {MAX_TOTAL >> 20} MiB in total. "
            "Submit source code only."
        )


def _shown(path: Path) -> str:
    whole = path.resolve()
    try:
        return _plain(whole.relative_to(Path.cwd()).as_posix())
    except ValueError:
        return _plain(f"{whole.parent.name}/{whole.name}")


def _open(path: Path) -> BinaryIO:
    """Open a regular file, without following a link or waiting for a pipe."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if path.is_symlink():
            raise UsageError(f"{_plain(path)}: a symbolic link. Replace it with the file itself.")
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{_plain(path)}: not a regular file. Replace it with a regular one.")
        stream = os.fdopen(os.open(path, flags), "rb")
    except OSError as error:
        raise UsageError(
            f"{_plain(path)}: cannot be read ({error.strerror}). Make it readable, or remove it."
        ) from None
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):  # it was replaced in the meantime
        stream.close()
        raise UsageError(f"{_plain(path)}: not a regular file. Replace it with a regular one.")
    return stream


def read(path: Path, most: int = MAX_FILE) -> bytes:
    """Read a regular file of at most `most` bytes.

    Raises:
        UsageError: the file is not regular, is unreadable, or is larger.
    """
    with _open(path) as stream:
        return _bounded(stream, _plain(path), most)


def _bounded(stream: BinaryIO, name: str, most: int = MAX_FILE) -> bytes:
    data = stream.read(most + 1)
    if len(data) > most:
        raise UsageError(f"{name}: larger than {most >> 20} MiB. Submit source code only.")
    return data


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip; any defect of it becomes a UsageError."""
    with _open(path) as stream:
        if os.fstat(stream.fileno()).st_size > MAX_ZIP:
            raise UsageError(
                f"{_plain(path)}: larger than {MAX_ZIP >> 20} MiB. Zip the Python files only."
            )
        if stream.read().count(b"PK\1\2") > MAX_ENTRIES:  # before zipfile parses each entry
            raise UsageError(
                f"{_plain(path)}: more than {MAX_ENTRIES} files. Zip the Python files only."
            )
        try:
            with zipfile.ZipFile(stream) as archive:
                yield archive
        except UsageError:
            raise
        except Exception as error:  # zipfile raises many kinds of exceptions for broken files
            reason = _plain(error) or type(error).__name__
            raise UsageError(
                f"{_plain(path)}: not a readable zip ({reason}). Create it again."
            ) from None


def _from_zip(path: Path, wanted: list[str]) -> Sources:
    with _archive(path) as archive:
        files, out, folder = _members(path, archive, wanted)
    shown = _plain(folder.name or path.stem)
    names = {name: f"{shown}/{name}.py" for name in files}
    return Sources(_plain(path), files, names, left_out=out)


def notebook_in_zip(path: Path, modules: Iterable[str], most: int) -> bytes | None:
    """Return the notebook of a zip that holds one notebook and no module of a task.

    Raises:
        UsageError: the notebook cannot be read, or is larger than `most` bytes.
    """
    with _archive(path) as archive:
        members = [
            (info, PurePosixPath(info.orig_filename))
            for info in archive.infolist()
            if not info.is_dir() and not info.orig_filename.startswith("__MACOSX/")
        ]
        files = {f"{module}.py" for module in modules}
        notebooks = [info for info, name in members if name.suffix == ".ipynb"]
        if len(notebooks) != 1 or any(name.name in files for _, name in members):
            return None
        return _unpack(path, archive, notebooks[0], most)


def _members(
    path: Path, archive: zipfile.ZipFile, wanted: list[str]
) -> tuple[dict[str, bytes], dict[str, str], PurePosixPath]:
    """Read the modules in the folder that holds the tasks' modules.

    Returns:
        The modules, the skipped modules, and the folder.
    """
    found: list[tuple[PurePosixPath, zipfile.ZipInfo]] = []
    for info in archive.infolist():
        _refuse_unsafe(path, info)
        name = PurePosixPath(info.orig_filename)
        importable = name.suffix == ".py" and name.stem.isidentifier()
        if importable and not info.is_dir() and name.parts[0] != "__MACOSX":
            found.append((name, info))
    folder = _folder(path, {name.parent for name, _ in found if name.stem in wanted}, wanted)
    for name, count in Counter(name for name, _ in found if name.parent == folder).items():
        if count > 1:
            raise UsageError(f"{_plain(path)}: holds {str(name)!r} {count} times. Zip it again.")
    members = {name.stem: info for name, info in found if name.parent == folder}
    out = take_out(members, wanted)
    _check_count(path, len(members))
    files = {name: _unpack(path, archive, info) for name, info in members.items()}
    check_size(path, files)
    return files, out, folder


def _refuse_unsafe(path: Path, info: zipfile.ZipInfo) -> None:
    name, shown = info.orig_filename, repr(info.orig_filename[:100])
    parts = PurePosixPath(name).parts
    first = parts[0] if parts else ""
    if first.startswith("/") or ":" in first or ".." in parts or {"\\", "\0"} & {*name}:
        raise UsageError(f"{_plain(path)}: holds the unsafe name {shown}. Zip the folder again.")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UsageError(
            f"{_plain(path)}: {shown} is a symbolic link or the like. "
            "Replace it with the file itself."
        )


def _unpack(
    path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int = MAX_FILE
) -> bytes:
    name = f"{_plain(path)}: {info.orig_filename!r}"
    if info.flag_bits & 1:
        raise UsageError(f"{name} is encrypted. Zip it without a password.")
    # Other methods decompress in pieces of any size, no matter how many bytes are requested.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UsageError(f"{name} uses an unsupported compression method. Make a plain zip.")
    with archive.open(info) as stream:
        return _bounded(cast(BinaryIO, stream), name, most)


def _folder(path: Path, folders: set[PurePosixPath], wanted: list[str]) -> PurePosixPath:
    """Choose the folder nearest to the root; of several, the exercise's."""
    if not folders:
        raise UsageError(
            f"{_plain(path)}: none of {_expected(wanted)} is in it. Zip the folder that holds them."
        )
    depth = min(len(folder.parts) for folder in folders)
    nearest = [folder for folder in folders if len(folder.parts) == depth]
    if len(nearest) > 1:
        nearest = [folder for folder in nearest if folder.name == "exercise"] or nearest
    if len(nearest) > 1:
        names = " and ".join(sorted(repr(str(folder)) for folder in nearest))
        raise UsageError(f"{_plain(path)}: the modules are in {names}. Zip one of them only.")
    return nearest[0]
