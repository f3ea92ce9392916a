"""Landlock restricts a process to some files; it is in the kernel from Linux 5.13 on.

It needs neither privileges nor packages. https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from . import libc

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # its calls, on every processor
READ_FILE, READ_DIR, WRITE_FILE = 1 << 2, 1 << 3, 1 << 1
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_FILE, TRUNCATE = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 14
MOVE = 1 << 13  # from one folder to another
# In a folder of its own: files and folders, but no links, pipes, sockets, devices or programs.
OWN = READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE
OWN |= REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_FILE | MOVE
FILE_RIGHTS = (0, 13, 14, 15, 15, 16)  # how many rights on files each version of its ABI knows
EPERM, ENOSYS, EOPNOTSUPP = 1, 38, 95
NO_LANDLOCK = {
    ENOSYS: "the kernel is older than 5.13, or built without it",
    EOPNOTSUPP: "it is not in the list of the kernel's parameter lsm=",
    EPERM: "this container's seccomp profile forbids it (Docker's own allows it from 20.10.13 on)",
}


def abi() -> int:
    """Return the kernel's Landlock version.

    Raises:
        OSError: the kernel has no Landlock, or it is disabled.
    """
    try:
        return libc.call("syscall", CREATE_RULESET, None, 0, 1)
    except OSError as error:
        why = NO_LANDLOCK.get(error.errno or 0, str(error))
        raise OSError(error.errno, f"no Landlock: {why}") from None


def rules_for(readable: Iterable[str], own: str | None = None) -> int:
    """Create the rules that allow reading files at or below `readable` and nothing else.

    Only /dev/null is writable, and the folder `own`, if given, in which files and folders can be
    created and removed. Missing paths are skipped.

    Returns:
        A descriptor for `restrict`.
    """
    version = abi()
    rights = (1 << FILE_RIGHTS[min(version, 5)]) - 1
    net, scopes = 3 * (version >= 4), 3 * (version >= 6)  # TCP; abstract sockets and signals
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = libc.call("syscall", CREATE_RULESET, libc.buffer("=3Q", rights, net, scopes), size, 0)
    grants = [*((path, READ_FILE | READ_DIR) for path in readable), (os.devnull, WRITE_FILE)]
    if own is not None:
        grants.append((own, OWN & rights))
    for path, wanted in grants:
        try:
            handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        granted = wanted if os.path.isdir(path) else wanted & ~READ_DIR
        libc.call("syscall", ADD_RULE, rules, 1, libc.buffer("=Qi", granted, handle), 0)
        os.close(handle)
    return rules


def restrict(rules: int) -> None:
    """Enforce Landlock's rules from now on; call `libc.drop_privileges` first."""
    libc.call("syscall", RESTRICT_SELF, rules, 0)
