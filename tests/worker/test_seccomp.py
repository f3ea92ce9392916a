"""The system call filter, interpreted as the kernel does.

`golden/system_calls.txt` lists all calls that the filter's tables know of, with their numbers and
what becomes of them. The numbers come from Debian's linux-libc-dev 6.1: `asm/unistd_64.h` for
x86_64, `asm-generic/unistd.h` for aarch64.
"""

import errno
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.base.paths import ROOT
from grader.worker import seccomp, syscalls

TABLE = ROOT / "tests" / "golden" / "system_calls.txt"
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003, "arm": 0x40000028}
ME = 4321  # the process that the filter is made for
THREAD = 0x3D0F00  # the flags of the C library's threads
FORK = 0x01200011  # those of its fork
MACHINES = ["x86_64", "aarch64"]


def table() -> dict[str, tuple[str, dict[str, int]]]:
    """How the filter treats each call, with its numbers."""
    found = {}
    for line in TABLE.read_text(encoding="ascii").splitlines():
        name, verdict, *numbers = line.split()
        columns = zip(MACHINES, numbers, strict=True)
        found[name] = verdict, {machine: int(n) for machine, n in columns if n != "-"}
    return found


def ask(machine: str, number: int, *arguments: int, arch: str = "") -> int:
    """Interpret the filter for one call, as the kernel does, and return its verdict."""
    steps = [struct.unpack("=HBBI", step) for step in seccomp.program(machine, ME)]
    arguments += (0,) * (6 - len(arguments))
    data = struct.pack("<iIQ6Q", number, ARCH[arch or machine], 0, *arguments)
    loaded, at = 0, 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x20:  # load 4 bytes
            (loaded,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:  # return
            return int(value)
        else:
            tests: dict[int, Callable[[int, int], bool]] = {
                0x15: lambda a, b: a == b,
                0x25: lambda a, b: a > b,
            }
            at += if_true if tests[code](loaded, value) else if_false


ALLOWED, KILLED = 0x7FFF0000, 0x80000000


def refused(error: int) -> int:
    return 0x00050000 | error


@pytest.mark.parametrize("machine", MACHINES)
def test_every_system_call_has_been_judged(machine: str) -> None:
    words = {
        "allowed": ALLOWED,
        "refused": refused(errno.EPERM),
        "missing": refused(errno.ENOSYS),
        "idle": refused(0),
    }
    for name, (verdict, numbers) in table().items():
        if machine in numbers and verdict in words:
            assert ask(machine, numbers[machine]) == words[verdict], name


@pytest.mark.parametrize("column", range(2))
def test_the_filters_numbers_are_those_of_the_kernels_headers(column: int) -> None:
    tables = {
        **syscalls.ALLOWED,
        **syscalls.IDLE,
        **syscalls.MISSING,
        **syscalls.SELF,
        **{name: row[0] for name, row in syscalls.CHECKED.items()},
    }
    known = table()
    assert known.keys() >= tables.keys()
    for name, numbers in tables.items():
        assert numbers[column] == known[name][1].get(MACHINES[column]), name
    assert max(n for _, numbers in known.values() for n in numbers.values()) == syscalls.NEWEST


@pytest.mark.parametrize("machine", MACHINES)
def test_the_table_is_that_of_the_headers_where_they_are_installed(machine: str) -> None:
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"{header} (linux-libc-dev) is not installed")
    text = header.read_text(encoding="ascii")
    found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)[ \t]+(\d+)$", text, re.MULTILINE))
    ours = {name: numbers[machine] for name, (_, numbers) in table().items() if machine in numbers}
    assert {name: int(found[name]) for name in ours.keys() & found} == {
        name: number for name, number in ours.items() if name in found
    }
    assert len(ours.keys() & found) > 300


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_are_allowed_and_processes_are_not(machine: str) -> None:
    numbers = {name: row[1].get(machine) for name, row in table().items()}
    clone, clone3 = numbers["clone"], numbers["clone3"]
    assert clone is not None
    assert clone3 is not None
    assert ask(machine, clone, THREAD) == ALLOWED
    assert ask(machine, clone, FORK) == refused(errno.EPERM)
    assert ask(machine, clone, THREAD << 32) == refused(errno.EPERM)  # the kernel takes the half
    for namespace in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert ask(machine, clone, THREAD | namespace) == refused(errno.EPERM)
    # so that the C library falls back on clone, whose flags can be looked at
    assert ask(machine, clone3, THREAD) == refused(errno.ENOSYS)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["kill", "tgkill"])
def test_a_process_may_signal_itself_alone(machine: str, name: str) -> None:
    number = table()[name][1][machine]
    assert ask(machine, number, ME, 9) == ALLOWED
    for other in (1, ME + 1, 0, -1 & 0xFFFFFFFFFFFFFFFF, -ME & 0xFFFFFFFF):
        assert ask(machine, number, other, 9) == refused(errno.EPERM)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "allowed"),
    [
        ("prctl", [15], True),  # PR_SET_NAME
        ("prctl", [1, 0], False),  # PR_SET_PDEATHSIG: outlive the fork server
        ("prctl", [4, 1], False),  # PR_SET_DUMPABLE
        ("prlimit64", [0, 9], True),
        ("prlimit64", [ME + 1, 9], False),
        ("ioctl", [0, 0x5401], True),  # TCGETS: is it a terminal?
        ("ioctl", [0, 0x5412], False),  # TIOCSTI: type into it
        ("fcntl", [0, 3], True),  # F_GETFL
        ("fcntl", [0, 8], False),  # F_SETOWN: signals for another process
        ("fcntl", [0, 10], False),  # F_SETSIG
        ("fcntl", [0, 1024], False),  # F_SETLEASE
        ("fcntl", [0, 6], False),  # F_SETLK
        ("prctl", [51], True),  # PR_SVE_GET_VL, which torch asks for on aarch64
        ("prctl", [22, 2], False),  # PR_SET_SECCOMP
        ("madvise", [0, 0, 14], True),  # MADV_HUGEPAGE
        ("madvise", [0, 0, 12], False),  # MADV_MERGEABLE
    ],
)
def test_some_calls_are_judged_by_an_argument(
    machine: str, name: str, arguments: list[int], allowed: bool
) -> None:
    number = table()[name][1][machine]
    assert ask(machine, number, *arguments) == (ALLOWED if allowed else refused(errno.EPERM))


@pytest.mark.parametrize(
    ("machine", "arch"), [("x86_64", "i386"), ("aarch64", "arm"), ("x86_64", "aarch64")]
)
def test_calls_in_the_manner_of_another_processor_end_the_process(machine: str, arch: str) -> None:
    assert ask(machine, 1, arch=arch) == KILLED


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_are_younger_than_the_tables_do_not_exist(machine: str) -> None:
    for number in (syscalls.NEWEST + 1, 469, 0x40000000, 0x40000000 | 59, 0x7FFFFFFF):
        assert ask(machine, number) == refused(errno.ENOSYS)


def test_an_unknown_processor_has_no_filter() -> None:
    with pytest.raises(OSError, match="no table of system calls for riscv64"):
        seccomp.program("riscv64", ME)
