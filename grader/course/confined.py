"""Whether student code may run here: in a sandbox, or because the instructor says so."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool

import grader
import news

MEMORY = 4 << 20  # KiB of address space; torch and spaCy need 1.5 GiB
SCRATCH = 256 << 20  # bytes of /tmp
PASSED_ON = ("LANG", "LC_ALL", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NBGRADER_EXECUTION")
SYSTEM = ("/etc/ld.so.cache", "/etc/fonts")  # besides /usr
REFUSAL = """\
Student code is not run here: {reason}.
Install bubblewrap on Linux (apt-get install bubblewrap), or grade in a container or a virtual \
machine that holds no secrets and say in nbgrader_config.py:
    c.Confined.run_student_code_without_a_sandbox = True
Nothing was graded, and no mark was changed."""


class Confined(NbGraderPreprocessor):
    """A step of `nbgrader autograde` that runs student code, or leads to it."""

    run_student_code_without_a_sandbox = Bool(
        False, help="Run what students hand in with the rights of whoever grades."
    ).tag(config=True)

    def refuse_unconfined(self) -> None:
        """End the whole run if there is no sandbox and the instructor did not allow that.

        Raises:
            SystemExit: no other exception ends nbgrader's loop over the submissions.
        """
        reason = why_no_sandbox()
        if reason and not self.run_student_code_without_a_sandbox:
            raise SystemExit(REFUSAL.format(reason=reason))

    def grading_options(self) -> dict[str, Any]:
        """Return what `grading.session` is told about the confinement of its worker."""
        return {}


@functools.cache
def why_no_sandbox() -> str:
    """Return why a sandbox cannot be had, or nothing if it can."""
    if sys.platform != "linux":
        return "there is no sandbox on this system"
    if shutil.which("bwrap") is None:
        return "bubblewrap (bwrap) is not installed"
    try:
        done = subprocess.run(
            sandboxed(["true"], []), capture_output=True, text=True, timeout=30, check=False
        )
    except subprocess.TimeoutExpired:
        return "bubblewrap (bwrap) does not answer"
    said = done.stderr.strip().split("\n")[-1]
    return f"bubblewrap does not work here ({said})" if done.returncode else ""


def sandboxed(command: Sequence[str], writable: Sequence[Path]) -> list[str]:
    """Return the command that runs another one in a sandbox.

    It sees the system's programs, this Python with its packages, the kit's `grader` and `news`,
    and the folders that are `writable`; no network, no other process, no other file.
    """
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"PATH": os.defpath, "HOME": "/tmp", "TMPDIR": "/tmp", "PYTHONNOUSERSITE": "1"}
    environment |= {"MPLCONFIGDIR": "/tmp/matplotlib", "OMP_WAIT_POLICY": "PASSIVE"}
    packages = [str(Path(str(module.__file__)).parent) for module in (grader, news)]
    readable = dict.fromkeys([sys.base_prefix, sys.prefix, *packages])
    return [
        *("bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
        *("--uid", "1000", "--gid", "1000", "--die-with-parent", "--new-session", "--clearenv"),
        *(part for pair in environment.items() for part in ("--setenv", *pair)),
        *("--ro-bind", "/usr", "/usr"),
        *(part for path in SYSTEM for part in ("--ro-bind-try", path, path)),
        *(part for name in ("bin", "lib", "lib64") for part in _as_outside(name)),
        *("--size", str(SCRATCH), "--tmpfs", "/tmp"),
        *(part for path in readable for part in ("--ro-bind", path, path)),
        *(part for path in map(str, writable) for part in ("--bind", path, path)),
        *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/", "--chdir", "/tmp"),
        *("/bin/sh", "-c", f'ulimit -v {MEMORY}; exec "$@"', "sh", *command),
    ]


def _as_outside(name: str) -> list[str]:
    """Give a folder below / to the sandbox as it is outside: a link, or a folder."""
    path = f"/{name}"
    if os.path.islink(path):
        return ["--symlink", os.readlink(path), path]
    return ["--ro-bind-try", path, path]
