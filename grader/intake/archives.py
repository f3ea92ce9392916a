"""The files of an archive, a zip or a tar, given as bytes; nothing is written to the disk."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from grader.base.errors import UsageError
from grader.contract.names import shown
from grader.intake.files import MAX_ENTRIES, Item, bounded, is_skipped, plain

MAX_ARCHIVE = 64 << 20  # bytes, packed
MAX_UNPACKED = 128 << 20  # bytes of a tar, unpacked
ZIP = (b"PK\3\4", b"PK\5\6", b"PK\7\x08")  # with files, empty, the first part of several
GZIP, XZ, BZIP2 = b"\x1f\x8b", b"\xfd7zXZ\0", b"BZh"
PIECE = 8 << 20
XZ_MEMORY = 128 << 20  # bytes for its dictionary


class SafeMember(tarfile.TarInfo):
    """A member of a tar whose size is none that would lead backwards in it."""

    def _block(self, count: int) -> int:
        if count < 0:
            raise tarfile.ReadError("a negative size")
        return super()._block(count)  # type: ignore[misc, no-any-return]


def is_archive(data: bytes) -> bool:
    """Tell whether a file is an archive of a kind that can be read, by its content."""
    return data.startswith((*ZIP, GZIP, XZ, BZIP2)) or data[257:262] == b"ustar"


def unpack(data: bytes, name: str) -> tuple[list[Item], list[str]]:
    """Return the files of an archive, which are unpacked when they are read, and notes.

    Raises:
        UsageError: it is none that can be read, or holds what none may hold.
    """
    if not data:
        raise UsageError(f"{name}: not {_readable(name)}: the file is empty. Create it again.")
    tar = is_archive(data) and not data.startswith(ZIP)
    found = [*(_tar if tar else _zip)(data, name)]
    items = [item for item in found if not is_skipped(item.path)]
    if any(item.backslashes for item in items):
        return items, ["The names in the archive contain backslashes, which were read as folders."]
    return items, []


def _zip(data: bytes, name: str) -> Iterator[Item]:
    if data.count(b"PK\1\2") > MAX_ENTRIES:  # before zipfile makes an object of each
        raise _too_many(name)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # zipfile raises all kinds of them on what is broken
        raise _broken(name, _readable(name), error) from None
    for info in archive.infolist():
        inner = info.orig_filename
        path = _safe(inner, name)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            yield _refused(path, name)
        elif not inner.endswith(("/", "\\")) and kind != stat.S_IFDIR:
            yield replace(_zipped(path, archive, info, name), backslashes="\\" in inner)


def _zipped(
    path: PurePosixPath, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str
) -> Item:
    where = f"{name}: {shown(repr(str(path)))}"

    def read(most: int) -> bytes:
        if info.flag_bits & 1:
            raise UsageError(f"{where} is encrypted. Create a zip without a password.")
        # The other methods are unpacked in pieces of any size, whatever is asked for.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UsageError(
                f"{where} uses an unsupported compression method. Create an ordinary zip."
            )
        try:
            with archive.open(info) as stream:
                return bounded(cast(BinaryIO, stream), where, most)
        except UsageError:
            raise
        except Exception as error:
            raise _broken(name, "a readable zip", error) from None

    return Item(path, read, _shown(path, name))


def _tar(data: bytes, name: str) -> Iterator[Item]:
    whole = io.BytesIO(_decompressed(data, name))
    try:
        archive = tarfile.open(fileobj=whole, mode="r:", tarinfo=SafeMember)  # noqa: SIM115
        members = []
        for member in archive:
            members.append(member)
            if len(members) > MAX_ENTRIES:
                raise _too_many(name)
    except UsageError:
        raise
    except Exception as error:
        if not data.startswith((GZIP, XZ, BZIP2)) or data[257:262] == b"ustar":
            raise _broken(name, "a readable tar", error) from None
        raise UsageError(
            f"{name}: a single compressed file, or a broken archive, which the grader cannot "
            "read. Submit the file itself, or a .zip of the .py files."
        ) from None
    for member in members:
        path = _safe(member.name, name)
        if member.isreg():
            item = _tarred(path, archive, member, name)
            yield replace(item, backslashes="\\" in member.name)
        elif not member.isdir():
            yield _refused(path, name)


def _tarred(
    path: PurePosixPath, archive: tarfile.TarFile, member: tarfile.TarInfo, name: str
) -> Item:
    def read(most: int) -> bytes:
        try:
            stream = cast(BinaryIO, archive.extractfile(member))
            return bounded(stream, f"{name}: {shown(repr(str(path)))}", most)
        except UsageError:
            raise
        except Exception as error:
            raise _broken(name, "a readable tar", error) from None

    return Item(path, read, _shown(path, name))


def _decompressed(data: bytes, name: str) -> bytes:
    """Unpack a compressed tar, up to a limit."""
    try:
        pieces, total = [], 0
        for piece in _pieces(data):
            pieces.append(piece)
            total += len(piece)
            if total > MAX_UNPACKED:
                raise UsageError(
                    f"{name}: larger than {MAX_UNPACKED >> 20} MiB when it is unpacked. "
                    "Pack the Python files only."
                )
    except UsageError:
        raise
    except Exception as error:
        raise _broken(name, "a readable archive", error) from None
    return b"".join(pieces)


def _pieces(data: bytes) -> Iterable[bytes]:
    """Unpack in pieces of a bounded size."""
    if data.startswith(GZIP):
        zipped = zlib.decompressobj(wbits=31)
        while data and not zipped.eof:
            yield zipped.decompress(data, PIECE)
            data = zipped.unconsumed_tail
        if not zipped.eof:
            raise EOFError("it ends too early")
        return
    if not data.startswith((XZ, BZIP2)):
        yield data
        return
    import bz2
    import lzma

    opened: lzma.LZMADecompressor | bz2.BZ2Decompressor
    if data.startswith(XZ):
        opened = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
    else:
        opened = bz2.BZ2Decompressor()
    while not opened.eof:
        piece = opened.decompress(data, PIECE)
        data = b""
        if not piece and opened.needs_input:
            raise EOFError("it ends too early")
        yield piece


def _safe(inner: str, name: str) -> PurePosixPath:
    """Return a name of an archive as a path in it; some programs for Windows write backslashes.

    Raises:
        UsageError: it would lead out of the archive.
    """
    inner = inner.replace("\\", "/")
    parts = PurePosixPath(inner).parts
    first = parts[0] if parts else ""
    if first.startswith("/") or ":" in first or ".." in parts or "\0" in inner:
        raise UsageError(
            f"{name}: contains the unsafe name {shown(repr(inner[:100]))}. Pack the folder again."
        )
    return PurePosixPath(inner)


def _shown(path: PurePosixPath, name: str) -> str:
    folder = path.parent.name or PurePosixPath(name).stem
    return plain(f"{shown(folder)}/{shown(path.name)}")


def _refused(path: PurePosixPath, name: str) -> Item:
    """Return a link or the like: it may be there, but cannot be read."""

    def read(_most: int) -> bytes:
        raise UsageError(
            f"{name}: {shown(repr(str(path)))} is a symbolic link or the like. "
            "Replace it with the file itself."
        )

    return Item(path, read, _shown(path, name), link=True)


def _too_many(name: str) -> UsageError:
    return UsageError(f"{name}: more than {MAX_ENTRIES} files. Pack the Python files only.")


def _readable(name: str) -> str:
    return "a readable zip" if name.lower().endswith(".zip") else "a readable archive"


def _broken(name: str, kind: str, error: Exception) -> UsageError:
    reason = shown(plain(error), 100) or type(error).__name__
    return UsageError(
        f"{name}: not {kind}: it is incomplete, damaged, or a part of a split archive ({reason}). "
        "Create it again, in one piece."
    )
