"""Runs a program in bubblewrap, where it sees only Python and its packages.

Used for the fork server, which forks the workers, and for the kernels that run notebooks for
feedback pages. https://github.com/containers/bubblewrap
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

HOME = Path("/sandbox")  # the only writable folder in it
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64")
CONFIGURATION = (
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/alternatives"),
    *("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"),
)


PACKAGES = ("site-packages", "dist-packages")  # names of folders with installed packages


def readable() -> list[str]:
    """Return the paths of Python, its packages and the system's libraries.

    They include the packages of other environments that this one uses, by a .pth file or `venv
    --system-site-packages`.
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
    """Return the command that runs a program in bubblewrap.

    The program has no network and no capabilities, and sees no other process.

    Args:
        program: the command to run.
        environment: all of its environment variables.
        more: paths to make readable besides `readable()`; missing ones are skipped.
        writable: folders that it shares with the outside.
        scratch: size of `HOME` in bytes.
        options: additional options for bubblewrap.
    """
    # Not --clearenv: bubblewrap itself is process 1 and would expose its own environment.
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
    """Return why bubblewrap cannot be used on this machine; empty if it can."""
    if shutil.which("bwrap") is None:
        return "bwrap is not installed"
    trial = command([sys.executable, "-I", "-c", ""], {}, scratch=1 << 20)
    try:
        done = subprocess.run(trial, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return "bwrap timed out"
    said = done.stderr.strip().split("\n")[-1]
    return f"bwrap does not work: {said}" if done.returncode else ""
