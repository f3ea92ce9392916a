"""Takes in a submission: a folder, a zip or one file, read once and never executed here."""

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
MAX_TOTAL = 4 << 20  # bytes of all of them
MAX_ZIP = 16 << 20  # bytes
MAX_ENTRIES = 10_000  # files and folders in a zip
# What student code is run with; these packages and what they need keep their names.
PACKAGES = ("matplotlib", "pytest", "rich", "spacy", "torch", "torchdata", "torchtext", "tqdm")
KIT = ("exercise", "grader", "news", MODEL)
RUN_UNASKED = ("sitecustomize", "usercustomize", "conftest", "__main__")
T = TypeVar("T")


@dataclass(frozen=True)
class Sources:
    """The Python files of one submission.

    Attributes:
        name: what reports call it.
        files: module name to source.
        names: module name to the file name that tracebacks show.
        only: the one module that was handed in, if it was a single file.
        left_out: modules that were there and are not taken, each with a line that says why.
    """

    name: str
    files: dict[str, bytes]
    names: dict[str, str]
    only: str | None = None
    left_out: dict[str, str] = field(default_factory=dict)

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
    try:
        if path.is_symlink():
            raise UsageError(f"{_plain(path)}: a symbolic link. Give what it points to.")
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
    """Return a path as text that can be shown and written anywhere."""
    return "".join(char if char.isprintable() else "?" for char in str(name))


def left_out(module: str) -> str | None:
    """Say why a module of this name is not taken from a submission; None if it is.

    The rule is the same on every machine: it does not ask what else happens to be installed.
    """
    why = None
    if module == "__init__" or any(module in each.modules for each in assignments().values()):
        pass  # without asking for `_packages`, which takes a while
    elif module in sys.stdlib_module_names:
        why = "Python already has a module of that name. Rename it."
    elif module in RUN_UNASKED:
        why = "Python or pytest would run it by itself. Rename it."
    elif module.startswith("test_") or module.endswith("_test"):
        why = "it is named like a file of tests. Rename it if your code needs it."
    elif module in KIT or module in _packages():
        why = "a package that the exercise uses has that name. Rename it."
    return why and f"{module}.py is not taken: {why}"


@functools.cache
def _packages() -> frozenset[str]:
    """List the modules of `PACKAGES` and of all that they need, as far as it is installed."""
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
    """Return the name by which a file of a package, or the folder that it is in, is imported."""
    return file.parts[0].partition(".")[0] if file.suffix in (".py", ".so", ".pyd") else ""


def _expected(wanted: list[str]) -> str:
    return ", ".join(f"{name}.py" for name in wanted)


def _from_file(path: Path, wanted: list[str]) -> Sources:
    if path.stem not in wanted:
        raise UsageError(
            f"{_plain(path)}: no task has a module of that name. Expected {_expected(wanted)}."
        )
    files, names = {path.stem: read(path)}, {path.stem: _shown(path)}
    return Sources(_plain(path), files, names, only=path.stem)


def _from_folder(path: Path, wanted: list[str]) -> Sources:
    found = _modules(path)
    if not found.keys() & set(wanted):
        inner = path / "exercise"
        if inner.is_symlink():
            raise UsageError(f"{_plain(inner)}: a symbolic link. Replace it by the folder itself.")
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
    """Remove from `found` what is not taken; return it with the reasons."""
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
            f"{_plain(path)}: {count} Python files; at most {MAX_FILES} are taken. "
            "Hand in only what the exercise needs."
        )


def check_size(path: Path, files: dict[str, bytes]) -> None:
    """Check that the files of a submission are not too large in all.

    Raises:
        UsageError: they are.
    """
    if sum(map(len, files.values())) > MAX_TOTAL:
        raise UsageError(
            f"{_plain(path)}: the Python files are larger than {MAX_TOTAL >> 20} MiB in all. "
            "Hand in source code only."
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
            raise UsageError(f"{_plain(path)}: a symbolic link. Replace it by the file itself.")
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{_plain(path)}: not a regular file. Replace it by a plain one.")
        stream = os.fdopen(os.open(path, flags), "rb")
    except OSError as error:
        raise UsageError(
            f"{_plain(path)}: cannot be read ({error.strerror}). Make it readable, or remove it."
        ) from None
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):  # it was exchanged in between
        stream.close()
        raise UsageError(f"{_plain(path)}: not a regular file. Replace it by a plain one.")
    return stream


def read(path: Path, most: int = MAX_FILE) -> bytes:
    """Read a regular file of at most so many bytes.

    Raises:
        UsageError: it is none, it cannot be read, or it is larger.
    """
    with _open(path) as stream:
        return _bounded(stream, _plain(path), most)


def _bounded(stream: BinaryIO, name: str, most: int = MAX_FILE) -> bytes:
    data = stream.read(most + 1)
    if len(data) > most:
        raise UsageError(f"{name}: larger than {most >> 20} MiB. Hand in source code only.")
    return data


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip; whatever is broken in it is told as a UsageError."""
    with _open(path) as stream:
        if os.fstat(stream.fileno()).st_size > MAX_ZIP:
            raise UsageError(
                f"{_plain(path)}: larger than {MAX_ZIP >> 20} MiB. Zip the Python files only."
            )
        if stream.read().count(b"PK\1\2") > MAX_ENTRIES:  # before zipfile makes an object of each
            raise UsageError(
                f"{_plain(path)}: more than {MAX_ENTRIES} files. Zip the Python files only."
            )
        try:
            with zipfile.ZipFile(stream) as archive:
                yield archive
        except UsageError:
            raise
        except Exception as error:  # zipfile raises all kinds of them on what is broken
            reason = _plain(error) or type(error).__name__
            raise UsageError(
                f"{_plain(path)}: not a zip that can be read ({reason}). Make it anew."
            ) from None


def _from_zip(path: Path, wanted: list[str]) -> Sources:
    with _archive(path) as archive:
        files, out, folder = _members(path, archive, wanted)
    shown = _plain(folder.name or path.stem)
    names = {name: f"{shown}/{name}.py" for name in files}
    return Sources(_plain(path), files, names, left_out=out)


def notebook_in_zip(path: Path, modules: Iterable[str], most: int) -> bytes | None:
    """Return the notebook of a zip that holds one notebook and none of the tasks' modules.

    Raises:
        UsageError: it cannot be read, or is larger than `most` bytes.
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
        The modules, what was left out, and the folder.
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
            raise UsageError(f"{_plain(path)}: holds {str(name)!r} {count} times. Zip it anew.")
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
        raise UsageError(f"{_plain(path)}: holds the unsafe name {shown}. Zip the folder anew.")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UsageError(
            f"{_plain(path)}: {shown} is a symbolic link or the like. "
            "Replace it by the file itself."
        )


def _unpack(
    path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int = MAX_FILE
) -> bytes:
    name = f"{_plain(path)}: {info.orig_filename!r}"
    if info.flag_bits & 1:
        raise UsageError(f"{name} is encrypted. Zip it without a password.")
    # The other methods are unpacked in pieces of any size, whatever is asked for.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UsageError(f"{name} is packed in a rare way. Make a plain zip.")
    with archive.open(info) as stream:
        return _bounded(cast(BinaryIO, stream), name, most)


def _folder(path: Path, folders: set[PurePosixPath], wanted: list[str]) -> PurePosixPath:
    """Choose the folder nearest to the root; where there are several, the one of the exercise."""
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
