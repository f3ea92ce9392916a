"""How a worker process is started and confined.

Confinement is named by tier in every record:
    none    in the grader's own process (`--in-process`), for breakpoints;
    limits  a process group and an empty folder of its own, bounded time, memory and output, a
            clean environment and an isolated interpreter. This keeps a grading run going; it is
            no security: the worker can read, write, connect and send signals as its user can,
            and a child that leaves the process group (os.setsid) lives on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

WORKER = Path(__file__).parent / "worker"
POSIX = os.name == "posix"
# What a worker sees of the environment: where programs are, languages, thread counts, GPUs;
# nothing that may hold a secret.
PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SYSTEMROOT"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES"),
)


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        seconds: wall time of the whole submission.
        memory: bytes of address space of the worker (Linux without a GPU), or None for no limit.
        output: bytes of output that are kept.
    """

    seconds: float = 240.0
    memory: int | None = 6 << 30
    output: int = 64 << 10


@dataclass(frozen=True)
class Confined:
    """A worker process.

    Attributes:
        process: requests go to its stdin, answers come from its stdout, what student code prints
            from its stderr; the streams are raw.
        folder: what is its alone; `home` in it is where it runs.
        trace: the file in `folder` that it writes tracebacks to.
    """

    process: subprocess.Popen[bytes]
    folder: Path
    trace: BinaryIO

    def kill(self) -> None:
        """End it and all that it started in its process group."""
        if POSIX:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        elif self.process.poll() is None:
            tree = ["taskkill", "/F", "/T", "/PID", str(self.process.pid)]
            subprocess.run(tree, capture_output=True, check=False)
            self.process.kill()
        self.process.wait()

    def clean_up(self) -> None:
        """Remove its folder, also what was locked in it."""
        self.trace.close()
        with contextlib.suppress(OSError, RecursionError):
            for place, folders, _ in os.walk(self.folder):
                for path in (os.path.join(place, name) for name in folders):
                    if not os.path.islink(path):
                        os.chmod(path, 0o700)
            shutil.rmtree(self.folder, ignore_errors=True)
        if POSIX and self.folder.exists():  # nested too deeply for Python
            subprocess.run(["rm", "-rf", "--", str(self.folder)], capture_output=True, check=False)


def launch() -> Confined:
    """Start a worker process."""
    folder = Path(tempfile.mkdtemp(prefix="grader-"))
    home, trace = folder / "home", folder / "trace"
    home.mkdir()
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    own = ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP")
    environment |= dict.fromkeys(own, str(home))
    environment |= {"MPLBACKEND": "agg", "OMP_WAIT_POLICY": "PASSIVE"}
    # Batches are small: with more threads a model trains slower, and its numbers are others.
    environment.setdefault("OMP_NUM_THREADS", "1")
    written = trace.open("w+b")
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", "-W", "ignore", str(WORKER), str(trace)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=home,
            env=environment,
            start_new_session=POSIX,
        )
    except BaseException:
        written.close()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Confined(process, folder, written)
