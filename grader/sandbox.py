"""How a worker process is started and confined.

Confinement is named by tier in every record:
    none    in the grader's own process (`--in-process`), for breakpoints;
    limits  a process group of its own with bounded time, memory and output, a clean environment
            and an isolated interpreter. This keeps a grading run going; it is no security.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

WORKER = Path(__file__).parent / "worker"
POSIX = os.name == "posix"
# What a worker sees of the environment: where programs and temporary files are, languages,
# thread counts, GPUs; nothing that may hold a secret.
PASSED_ON = (
    "PATH HOME TMPDIR TEMP TMP LANG LC_ALL LD_LIBRARY_PATH SYSTEMROOT USERPROFILE "
    "OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS CUDA_VISIBLE_DEVICES"
).split()


@dataclass(frozen=True)
class Limits:
    """What one submission may use.

    Attributes:
        seconds: wall time of the whole submission.
        memory: bytes of address space of the worker (Linux), or None for no limit.
        output: bytes of output that are kept.
    """

    seconds: float = 240.0
    memory: int | None = 6 << 30
    output: int = 64 << 10


def launch() -> subprocess.Popen[bytes]:
    """Start a worker process; requests go to its stdin, answers come from its stdout."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"PYTHONIOENCODING": "utf-8", "MPLBACKEND": "agg", "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.Popen(
        [sys.executable, "-I", "-X", "utf8", "-W", "ignore", str(WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=POSIX,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker and all that it started."""
    if POSIX:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    elif process.poll() is None:
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False
        )
    process.wait()
