"""bubblewrap: a program that sees Python with its packages, and nothing else of this machine.

Round the fork server, from which workers are forked, and round the kernels that run notebooks for
their feedback pages. https://github.com/containers/bubblewrap
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

HOME = Path("/sandbox")  # the one folder in it that can be written to
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64")
CONFIGURATION = (
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/alternatives"),
    *("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"),
)


PACKAGES = ("site-packages", "dist-packages")  # what folders of installed packages are called


def readable() -> list[str]:
    """Return what Python, its packages and the system's libraries need to read.

    An environment may use the packages of another one, by a .pth file or as `venv
    --system-site-packages` does.
    """
    paths = sysconfig.get_paths()
    own = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    shared = [path for path in sys.path if os.path.basename(path) in PACKAGES]
    packages = dict.fromkeys(map(os.path.abspath, [sys.prefix, sys.base_prefix, *own, *shared]))
    return [*SYSTEM, *CONFIGURATION, *packages]


def command(
    program: Sequence[str],
    environment: Mapping[str, str],
    *,
    more: Iterable[str] = (),
    writable: Iterable[str] = (),
    scratch: int,
    options: Iterable[str] = (),
) -> list[str]:
    """Return the command that runs a program in it.

    The program has no network, sees no other process and gets no capability.

    Args:
        program: a command.
        environment: its variables; it gets no others.
        more: what it may read besides `readable()`; what is not there is left out.
        writable: folders that it shares with the outside.
        scratch: bytes of `HOME`.
        options: further ones of bubblewrap's.
    """
    # Not --clearenv: bubblewrap itself, the program's process 1, would show what it was given.
    line = ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environment.items())]
    line += [shutil.which("bwrap") or "bwrap", "--unshare-all", "--unshare-user", "--uid", "1000"]
    line += ["--gid", "1000", "--disable-userns", "--cap-drop", "ALL", "--hostname", "sandbox"]
    line += [*options, "--proc", "/proc", "--dev", "/dev"]
    line += ["--size", str(scratch), "--tmpfs", str(HOME)]
    for path in [*readable(), *more]:
        if os.path.islink(path) and path in SYSTEM:
            line += ["--symlink", os.readlink(path), path]
        elif not path.startswith("/dev/"):  # --dev has them
            line += ["--ro-bind-try", path, path]
    for path in writable:
        line += ["--bind", path, path]
    return [*line, "--remount-ro", "/", "--chdir", str(HOME), *program]


def why_not() -> str:
    """Return why it cannot be used here, or nothing if it can."""
    if shutil.which("bwrap") is None:
        return "bwrap is not installed"
    trial = command([sys.executable, "-I", "-c", ""], {}, scratch=1 << 20)
    try:
        done = subprocess.run(trial, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return "bwrap does not answer"
    said = done.stderr.strip().split("\n")[-1]
    return f"bwrap does not work here: {said}" if done.returncode else ""
