"""C library calls that Python has no function for, and the privileges that they drop."""

from __future__ import annotations

import ctypes
import os
import struct

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4


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


def trim() -> None:
    """Return freed memory to the system, where the C library can do that."""
    release = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if release is not None:
        release(0)
