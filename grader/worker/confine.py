"""How a process gives up what it must not do: resources, capabilities, files, system calls.

Each step holds for the process and cannot be taken back by it. None needs a privilege or a
package. Landlock (https://docs.kernel.org/userspace-api/landlock.html) answers for files; the
filter of system calls for nearly all else: processes, signals, the network, what Landlock misses.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable

from . import syscalls

if sys.platform != "win32":
    import resource  # here, so that the fork server has it and no worker waits for it

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 1, 22, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # Landlock's calls, on every processor
READ_FILE, READ_DIR, WRITE_FILE = 1 << 2, 1 << 3, 1 << 1
FILE_RIGHTS = (0, 13, 14, 15, 15, 16)  # Landlock's ABI: how many rights on files it knows
CLONE_THREAD = 0x10000
EPERM, ENOSYS, EOPNOTSUPP = 1, 38, 95
NO_LANDLOCK = {
    ENOSYS: "the kernel is older than 5.13, or built without it",
    EOPNOTSUPP: "it is not in the list of the kernel's parameter lsm=",
    EPERM: "this container's seccomp profile forbids it (Docker's own allows it from 20.10.13 on)",
}
# struct seccomp_data: number, processor, address, six arguments of 8 bytes
NUMBER, PROCESSOR, ARGUMENTS = 0, 4, 16
LOAD, JUMP_EQUAL, JUMP_GREATER, JUMP_SET, RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def _call(name: str, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """Call a function of the C library.

    Raises:
        OSError: it failed.
    """
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    function.restype = ctypes.c_long
    result: int = function(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def _buffer(form: str, *values: int) -> ctypes.Array[ctypes.c_char]:
    content = struct.pack(form, *values)
    return ctypes.create_string_buffer(content, len(content))


def end_with_parent() -> None:
    """Let the kernel end this process when the one that forked it is gone."""
    _call("prctl", PR_SET_PDEATHSIG, 9, 0, 0, 0)


def limit(memory: int | None, seconds: float | None, size: int, files: int) -> None:
    """Bound what this process may use; a lower bound that is there already stays.

    Args:
        memory: bytes of address space, or None.
        seconds: processor time, or None.
        size: bytes of a file that it writes.
        files: open files.
    """
    for what, bound in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, None if seconds is None else int(seconds) + 1),
        (resource.RLIMIT_FSIZE, size),
        (resource.RLIMIT_NOFILE, files),
    ):
        if bound is not None:
            _, hard = resource.getrlimit(what)
            bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
            resource.setrlimit(what, (bound, bound))


def drop_privileges() -> None:
    """Give up all capabilities, root's too, and the way to get any back by starting programs."""
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    _call("capset", _buffer("=II", 0x20080522, 0), _buffer("=6I", *[0] * 6))


def landlock_abi() -> int:
    """Return the version of Landlock that the kernel has.

    Raises:
        OSError: it has none, or it is switched off.
    """
    try:
        return _call("syscall", CREATE_RULESET, None, 0, 1)
    except OSError as error:
        why = NO_LANDLOCK.get(error.errno or 0, str(error))
        raise OSError(error.errno, f"no Landlock: {why}") from None


def landlock_rules(readable: Iterable[str]) -> int:
    """Make the rule that all files are out of reach but those at or below `readable`.

    Nothing can be written to but /dev/null. Paths that are not there are left out.

    Returns:
        A descriptor for `restrict_files`.
    """
    abi = landlock_abi()
    rights = (1 << FILE_RIGHTS[min(abi, 5)]) - 1
    net, scopes = 3 * (abi >= 4), 3 * (abi >= 6)  # TCP; abstract sockets and signals
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    rules = _call("syscall", CREATE_RULESET, _buffer("=3Q", rights, net, scopes), size, 0)
    for path, wanted in [*((p, READ_FILE | READ_DIR) for p in readable), (os.devnull, WRITE_FILE)]:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        granted = wanted if os.path.isdir(path) else wanted & ~READ_DIR
        _call("syscall", ADD_RULE, rules, 1, _buffer("=Qi", granted, handle), 0)
        os.close(handle)
    return rules


def restrict_files(rules: int) -> None:
    """Obey Landlock's rules from now on; needs `drop_privileges` before."""
    _call("syscall", RESTRICT_SELF, rules, 0)


def filter_calls() -> None:
    """Obey the tables in `syscalls` from now on; needs `drop_privileges` before.

    Raises:
        OSError: there is no table for this processor, or the kernel takes no filter.
    """
    steps = b"".join(program(platform.machine(), os.getpid()))
    held = ctypes.create_string_buffer(steps, len(steps))
    _call("prctl", PR_SET_SECCOMP, 2, _buffer("@HP", len(steps) // 8, ctypes.addressof(held)))


def program(machine: str, pid: int) -> list[bytes]:
    """Make the filter: classic BPF, each rule complete in itself, the last one allows.

    Raises:
        OSError: there is no table for this processor.
    """
    if machine not in syscalls.PROCESSORS:
        raise OSError(ENOSYS, f"there is no table of system calls for {machine}")
    column, processor = syscalls.PROCESSORS[machine]
    steps = [
        *(_load(PROCESSOR), _step(JUMP_EQUAL, processor, 1, 0), _step(RETURN, KILL)),
        *(_load(NUMBER), _step(JUMP_GREATER, syscalls.NEWEST, 0, 1), _refuse(ENOSYS)),
        # The C library makes threads by clone where there is no clone3, whose flags no filter sees.
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
