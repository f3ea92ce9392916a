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
EPERM, ENOSYS = 1, 38
# struct seccomp_data: number, processor, address, six arguments of 8 bytes
NUMBER, PROCESSOR, ARGUMENTS = 0, 4, 16
LOAD, JUMP_EQUAL, JUMP_GREATER, RETURN = 0x20, 0x15, 0x25, 0x06
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
    """Build the filter in classic BPF: self-contained rules, and a final one that refuses.

    Raises:
        OSError: there is no table for this processor.
    """
    if machine not in syscalls.PROCESSORS:
        raise OSError(ENOSYS, f"there is no table of system calls for {machine}")
    column, processor = syscalls.PROCESSORS[machine]
    steps = [
        *(_load(PROCESSOR), _step(JUMP_EQUAL, processor, 1, 0), _step(RETURN, KILL)),
        *(_load(NUMBER), _step(JUMP_GREATER, syscalls.NEWEST, 0, 1), _error(ENOSYS)),
    ]
    answers = (
        (syscalls.ALLOWED, _step(RETURN, ALLOW)),
        (syscalls.IDLE, _error(0)),
        (syscalls.MISSING, _error(ENOSYS)),
    )
    for table, answer in answers:
        for numbers in table.values():
            if (number := numbers[column]) is not None:
                steps += [_step(JUMP_EQUAL, number, 0, 1), answer]
    for numbers in syscalls.SELF.values():
        steps += _only_if(numbers[column], 0, (pid,))
    for numbers, argument, values in syscalls.CHECKED.values():
        steps += _only_if(numbers[column], argument, values)
    return [*steps, _error(EPERM)]


def _only_if(number: int, argument: int, values: tuple[int, ...]) -> list[bytes]:
    """Allow a call only if the lower half of an argument has one of the values."""
    steps = [_load(ARGUMENTS + 8 * argument)]
    for value in values:
        steps += [_step(JUMP_EQUAL, value, 0, 1), _step(RETURN, ALLOW)]
    steps.append(_error(EPERM))
    return [_step(JUMP_EQUAL, number, 0, len(steps)), *steps]


def _load(offset: int) -> bytes:
    return _step(LOAD, offset)


def _error(error: int) -> bytes:
    """Fail with an error, without making the call; error 0 is a call that succeeds."""
    return _step(RETURN, ERRNO | error)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
