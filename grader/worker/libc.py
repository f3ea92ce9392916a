"""C library calls that Python has no function for, and the privileges that they drop."""

from __future__ import annotations

import ctypes
import os
import struct

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
MADV_DONTNEED = 4


def call(name: str, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """Call a function of the C library and check its result.

    Raises:
        OSError: the call failed.
    """
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    function.restype = ctypes.c_long
    result: int = function(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def buffer(form: str, *values: int) -> ctypes.Array[ctypes.c_char]:
    """Pack values like `struct.pack`, for a call that takes a pointer."""
    content = struct.pack(form, *values)
    return ctypes.create_string_buffer(content, len(content))


def end_with_parent() -> None:
    """Make the kernel kill this process when its parent exits."""
    call("prctl", PR_SET_PDEATHSIG, 9, 0, 0, 0)


def drop_privileges() -> None:
    """Give up all capabilities, even root's, and the way to regain them by starting programs."""
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    call("capset", buffer("=II", 0x20080522, 0), buffer("=6I", *[0] * 6))


def release_memory() -> None:
    """Give back memory that is not in use: what was freed, and what loading a library touched.

    The second is more than half of torch's file. Pages without changes are read again if needed.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):  # not glibc, and perhaps not Linux
        return
    library.malloc_trim(0)
    for start, end in _unchanged("/proc/self/smaps"):
        library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)


def _unchanged(path: str) -> list[tuple[int, int]]:
    """Return where files are mapped for reading, and none of their pages was changed."""
    found, mapped = [], [""]
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            words = line.split()
            if not words[0].endswith(":"):  # "start-end r--p offset device inode path"
                mapped = words
            elif words[:2] == ["Anonymous:", "0"] and "w" not in mapped[1] and mapped[4] != "0":
                start, end = mapped[0].split("-")
                found.append((int(start, 16), int(end, 16)))
    return found
