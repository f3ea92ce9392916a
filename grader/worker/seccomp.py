"""The system call filter: restricts what Landlock does not, from processes to the network.

A process cannot remove it. It needs neither privileges nor packages.
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

from . import libc, syscalls

PR_SET_SECCOMP = 22
CLONE_THREAD = 0x10000
EPERM, ENOSYS = 1, 38
# struct seccomp_data: number, processor, address, six arguments of 8 bytes
NUMBER, PROCESSOR, ARGUMENTS = 0, 4, 16
LOAD, JUMP_EQUAL, JUMP_GREATER, JUMP_SET, RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def filter_calls() -> None:
    """Enforce the tables in `syscalls` from now on; call `libc.drop_privileges` first.

    Raises:
        OSError: there is no table for this processor, or the kernel rejects the filter.
    """
    steps = b"".join(program(platform.machine(), os.getpid()))
    held = ctypes.create_string_buffer(steps, len(steps))
    libc.call(
        "prctl", PR_SET_SECCOMP, 2, libc.buffer("@HP", len(steps) // 8, ctypes.addressof(held))
    )


def program(machine: str, pid: int) -> list[bytes]:
    """Build the filter in classic BPF: self-contained rules, and a final one that allows.

    Raises:
        OSError: there is no table for this processor.
    """
    if machine not in syscalls.PROCESSORS:
        raise OSError(ENOSYS, f"there is no table of system calls for {machine}")
    column, processor = syscalls.PROCESSORS[machine]
    steps = [
        *(_load(PROCESSOR), _step(JUMP_EQUAL, processor, 1, 0), _step(RETURN, KILL)),
        *(_load(NUMBER), _step(JUMP_GREATER, syscalls.NEWEST, 0, 1), _refuse(ENOSYS)),
        # A filter cannot see the flags of clone3; without it, the C library falls back on clone.
        *(_step(JUMP_EQUAL, syscalls.CLONE3[column], 0, 1), _refuse(ENOSYS)),
    ]
    for numbers in syscalls.REFUSED.values():
        if (number := numbers[column]) is not None:
            steps += [_step(JUMP_EQUAL, number, 0, 1), _refuse(EPERM)]
    steps += _only_if(syscalls.CLONE[column], 0, [(JUMP_SET, CLONE_THREAD)])
    for numbers in syscalls.SELF.values():
        steps += _only_if(numbers[column], 0, [(JUMP_EQUAL, pid)])
    for numbers, argument, values in syscalls.ALLOWED.values():
        steps += _only_if(numbers[column], argument, [(JUMP_EQUAL, value) for value in values])
    return [*steps, _step(RETURN, ALLOW)]


def _only_if(number: int, argument: int, tests: list[tuple[int, int]]) -> list[bytes]:
    """Allow a call only if the lower half of an argument passes one of the tests."""
    steps = [_load(ARGUMENTS + 8 * argument)]
    for test, value in tests:
        steps += [_step(test, value, 0, 1), _step(RETURN, ALLOW)]
    steps.append(_refuse(EPERM))
    return [_step(JUMP_EQUAL, number, 0, len(steps)), *steps]


def _load(offset: int) -> bytes:
    return _step(LOAD, offset)


def _refuse(error: int) -> bytes:
    return _step(RETURN, ERRNO | error)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
