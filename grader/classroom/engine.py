"""Runs jobs in worker processes: loky on this machine, Dask on a cluster.

Both are used as what they are, executors of `concurrent.futures`: each job has a future of its own,
and one that was lost can be told from the others. (joblib's backend for Dask waits for ever when
Dask gives a job up.)
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import Any, Protocol

from grader.base.errors import UsageError
from grader.classroom.job import grade
from grader.sandbox import fork_server

Job = dict[str, Any]
TRIES = 2  # of a job whose process was lost
JOIN = 30.0  # seconds in which a cluster has to answer


class Engine(Protocol):
    """Where jobs run; `slots` is how many are given out at a time."""

    slots: int

    def submit(self, job: Job) -> Future[str]:
        """Give out a job."""

    def renew(self) -> None:
        """Make ready again after a process was lost."""

    def close(self, at_once: bool) -> None:
        """Let go of everything; `at_once` without waiting for jobs that run."""


class Local:
    """Worker processes on this machine."""

    def __init__(self, workers: int) -> None:
        """Use so many processes; they are started with the first jobs."""
        self.slots = workers
        self.folder = tempfile.mkdtemp(prefix="grader-class-")  # a killed process tidies up nothing
        self.executor = self._start()

    def _start(self) -> Any:
        from loky import ProcessPoolExecutor

        threads = os.environ.get("OMP_NUM_THREADS", "1")
        environment = {"OMP_NUM_THREADS": threads, "TMPDIR": self.folder}
        return ProcessPoolExecutor(
            self.slots,
            timeout=None,
            initializer=_begin,
            initargs=(os.getpid(), self.folder),
            env=environment,
        )

    def submit(self, job: Job) -> Future[str]:
        """Give out a job."""
        future: Future[str] = self.executor.submit(grade, job)
        return future

    def renew(self) -> None:
        """Start new processes: when one is lost, loky ends the others, too."""
        self.executor.shutdown(kill_workers=True)
        self.executor = self._start()

    def close(self, at_once: bool) -> None:
        """End the processes."""
        self.executor.shutdown(wait=True, kill_workers=at_once)
        shutil.rmtree(self.folder, ignore_errors=True)


def _begin(parent: int, folder: str) -> None:
    """Begin a worker process: Ctrl-C is for its parent, and it ends with that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        fork_server.close()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Cluster:
    """The workers of a Dask cluster."""

    def __init__(self, address: str) -> None:
        """Join the cluster whose scheduler is at `address`.

        Raises:
            UsageError: that cannot be done.
        """
        try:
            from distributed import Client
        except ModuleNotFoundError:
            install = "python -m pip install -c constraints.txt -e '.[cluster]'"
            raise UsageError(f"--cluster: Dask is not installed: {install}") from None
        try:
            self.client = Client(address, timeout=JOIN, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"--cluster {address}: no scheduler answers there ({error}). "
                "Start one: dask scheduler; and workers: dask worker ADDRESS --nthreads 1."
            ) from None
        workers = len(self.client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            self.client.close()
            raise UsageError(
                f"--cluster {address}: it has no workers. Start some on each machine: "
                f"dask worker {address} --nthreads 1"
            )
        self.slots = 2 * workers  # one runs, one waits at the worker
        self.executor: Executor = self.client.get_executor(pure=False)

    def submit(self, job: Job) -> Future[str]:
        """Give out a job; Dask gives it out again when its worker is lost."""
        return self.executor.submit(grade, job)

    def renew(self) -> None:
        """Nothing to do: Dask starts workers anew by itself."""

    def close(self, at_once: bool) -> None:
        """Leave the cluster; jobs that still run are cancelled."""
        self.executor.shutdown(wait=not at_once)
        self.client.close()


def run(engine: Engine, jobs: Iterable[Job]) -> Iterator[tuple[str, str | Exception]]:
    """Run jobs; gives the student of each, and its answer or why there is none, as they come.

    When a process is lost, the jobs that may have been in it are run again, one at a time, so that
    one that ends its process each time harms no other.
    """
    waiting, alone = iter(jobs), deque[Job]()
    running: dict[Future[str], Job] = {}
    lost: Counter[str] = Counter()
    while True:
        slots = 1 if alone else engine.slots
        while len(running) < slots:
            job = alone.popleft() if alone else next(waiting, None)
            if job is None:
                break
            try:
                running[engine.submit(job)] = job
            except BrokenExecutor:  # a process was lost while it had nothing to do
                alone.append(job)
                break
        if not running and alone:
            engine.renew()
            continue
        if not running:
            return
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        broken = False
        for future in done:
            job = running.pop(future)
            student = job["student"]
            error = future.exception()
            if error is None:
                yield student, future.result()
                continue
            broken = True
            lost[student] += 1
            if lost[student] < TRIES:
                alone.append(job)
            else:
                yield student, Exception(str(error))
        if broken:
            wait(running)
            engine.renew()
