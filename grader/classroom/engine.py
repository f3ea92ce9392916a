"""Runs jobs in worker processes: loky on this machine, Dask on a cluster.

Both are used as executors of `concurrent.futures`: each job has its own future, so a lost job can
be identified. (joblib's backend for Dask waits forever if Dask gives up on a job.)
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import Any, Protocol

from grader.base.errors import UsageError
from grader.classroom.job import grade
from grader.sandbox import fork_server

Job = dict[str, Any]
TRIES = 2  # for a job whose process was lost
JOIN = 30.0  # seconds within which a cluster must answer


class Engine(Protocol):
    """Runs jobs; `slots` is the number of jobs to submit at a time."""

    slots: int

    def submit(self, job: Job) -> Future[str]:
        """Start a job and return the future of its answer."""

    def renew(self) -> None:
        """Get ready for more jobs after a process was lost."""

    def close(self, at_once: bool) -> None:
        """Release all resources; if `at_once`, do not wait for running jobs."""


class Local:
    """Worker processes on this machine."""

    def __init__(self, workers: int) -> None:
        """Use this many processes, started with the first jobs."""
        self.slots = workers
        self.folder = tempfile.mkdtemp(prefix="grader-class-")  # killed processes leave files in it
        self.executor = self._start()

    def _start(self) -> Any:
        from loky import ProcessPoolExecutor

        warnings.filterwarnings("ignore", "A worker was restarted", UserWarning)  # nothing is lost
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
        """Start a job and return the future of its answer."""
        future: Future[str] = self.executor.submit(grade, job)
        return future

    def renew(self) -> None:
        """Start new processes: if one is lost, loky ends all of them."""
        self.executor.shutdown(kill_workers=True)
        self.executor = self._start()

    def close(self, at_once: bool) -> None:
        """End the processes and remove their temporary folder."""
        self.executor.shutdown(wait=True, kill_workers=at_once)
        shutil.rmtree(self.folder, ignore_errors=True)


def _begin(parent: int, folder: str) -> None:
    """Initialise a worker process: it ignores Ctrl-C, and exits when its parent is gone."""
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
        """Connect to the cluster whose scheduler is at `address`.

        Raises:
            UsageError: Dask is not installed, no scheduler answers, or it has no workers.
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
                f"--cluster {address}: the scheduler has no workers. Start some on each machine: "
                f"dask worker {address} --nthreads 1"
            )
        self.slots = 2 * workers  # per worker, one job runs and one waits
        self.executor: Executor = self.client.get_executor(pure=False)

    def submit(self, job: Job) -> Future[str]:
        """Start a job; Dask restarts it if its worker is lost."""
        return self.executor.submit(grade, job)

    def renew(self) -> None:
        """Do nothing: Dask restarts workers by itself."""

    def close(self, at_once: bool) -> None:
        """Disconnect from the cluster; running jobs are cancelled."""
        self.executor.shutdown(wait=not at_once)
        self.client.close()


def run(engine: Engine, jobs: Iterable[Job]) -> Iterator[tuple[str, str | Exception]]:
    """Run jobs and yield the student and answer (or exception) of each as it finishes.

    If a process is lost, all jobs that it may have been running are run again, one at a time. So a
    job that always kills its process cannot harm the others.
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
            except BrokenExecutor:  # a process was lost while it was idle
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
