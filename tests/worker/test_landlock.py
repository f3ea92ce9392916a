"""The grader uses all rights that the kernel's Landlock version knows."""

import ctypes
import errno
import os
import struct
import sys
from pathlib import Path

import pytest

from grader.worker import landlock, libc

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has it")

ABIS = {  # Landlock's version: rights on files, on the network, scopes, bytes of the structure
    1: (13, 0, 0, 8),
    2: (14, 0, 0, 8),
    3: (15, 0, 0, 8),
    4: (15, 2, 0, 16),
    5: (16, 2, 0, 16),
    6: (16, 2, 2, 24),
    7: (16, 2, 2, 24),
    9: (16, 2, 2, 24),  # younger than this code
}


@pytest.mark.parametrize("abi", ABIS)
def test_landlock_is_asked_for_all_that_its_version_knows(
    abi: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files, net, scopes, size = ABIS[abi]
    asked: list[tuple[object, ...]] = []

    def call(name: str, *arguments: object) -> int:
        asked.append((name, *arguments))
        return abi if arguments[1:] == (None, 0, 1) else 77

    monkeypatch.setattr(libc, "call", call)
    file = tmp_path / "file"
    file.touch()
    assert landlock.rules_for([str(tmp_path), str(file), str(tmp_path / "missing")]) == 77
    _, (_, number, held, held_size, _), *rules = asked
    assert (number, held_size) == (444, size)
    assert isinstance(held, ctypes.Array)
    assert struct.unpack("=3Q", held) == ((1 << files) - 1, (1 << net) - 1, (1 << scopes) - 1)
    granted = [struct.unpack("=Qi", rule[4])[0] for rule in rules]  # type: ignore[arg-type]
    read_file, read_folder, write_file = 4, 8, 2
    assert granted == [read_file | read_folder, read_file, write_file]  # the last is /dev/null


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errno.ENOSYS, "older than 5.13"),
        (errno.EOPNOTSUPP, "kernel's parameter lsm="),
        (errno.EPERM, "seccomp profile forbids it"),
    ],
)
def test_a_kernel_without_landlock_is_told_apart(
    error: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(*_: object) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(libc, "call", call)
    with pytest.raises(OSError, match=reason):
        landlock.abi()
