"""The folder that a worker can write to: its limits, how they are measured, and its removal.

Each worker has its own, empty at first. A quota would need privileges, so the grader measures the
folder while the worker runs. `layers.FILE_SIZE` limits each file in the kernel.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import subprocess

MAX_BYTES = 16 << 20
MAX_ENTRIES = 1000  # files and folders
# A line of /proc/PID/maps: from, to, ..., inode, path.
MAPPED = re.compile(rb"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+) .* \(deleted\)$", re.MULTILINE)


def excess(folder: str, pid: int) -> str:
    """Return what a worker's folder holds too much of; "" if it is within its limits.

    Removed files count as long as the worker has them open or mapped into memory. A folder that
    cannot be listed counts as too full.
    """
    size = entries = 0
    folders = [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as found:
                for entry in found:
                    entries += 1
                    with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    if entries > MAX_ENTRIES:
                        return f"more than {MAX_ENTRIES:,} files"
        except FileNotFoundError:
            continue
        except OSError:
            return "folders that cannot be listed"
    if size + _removed(folder, pid) > MAX_BYTES:
        return f"more than {MAX_BYTES >> 20} MB of files"
    return ""


def _removed(folder: str, pid: int) -> int:
    """Return the bytes of removed files that a process still holds."""
    sizes: dict[int, int] = {}  # by inode
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                found = os.stat(f"/proc/{pid}/fd/{number}")
                if stat.S_ISREG(found.st_mode) and not found.st_nlink:
                    sizes[found.st_ino] = found.st_blocks * 512
        with open(f"/proc/{pid}/maps", "rb") as stream:
            maps = stream.read()
        name = os.fsencode(os.path.basename(folder))
        if name in maps:
            for line in MAPPED.finditer(maps):
                if name in line[0]:
                    sizes.setdefault(int(line[3]), int(line[2], 16) - int(line[1], 16))
    return sum(sizes.values())


def remove(folder: str) -> None:
    """Remove a folder, also where permissions are missing or it is nested too deeply for Python."""
    with contextlib.suppress(OSError, RecursionError):
        for place, folders, _ in os.walk(folder):
            for path in (os.path.join(place, name) for name in folders):
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
        shutil.rmtree(folder, ignore_errors=True)
    if os.name == "posix" and os.path.exists(folder):
        subprocess.run(["rm", "-rf", "--", folder], capture_output=True, check=False)
