"""Jobs in worker processes: jobs that are lost with a process are run again, one at a time."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from grader.classroom import engine
from grader.classroom.engine import Job, Local


class Odd(Local):
    """An engine that runs `work` instead of grading."""

    def submit(self, job: Job) -> Future[str]:
        future: Future[str] = self.executor.submit(work, job)
        return future


def work(job: Job) -> str:
    """Kill the process always, or only the first time, which is noted in a file."""
    if job.get("always"):
        time.sleep(0.2)  # the others have begun, and have not ended
        os._exit(1)
    if (once := job.get("once")) and not Path(once).exists():
        Path(once).touch()
        os._exit(1)
    time.sleep(0.5)
    return str(job["student"]).upper()


def test_a_job_that_ends_its_process_costs_nobody_else_anything(tmp_path: Path) -> None:
    jobs: list[Job] = [{"student": f"s{n}"} for n in range(8)]
    jobs.insert(2, {"student": "once", "once": str(tmp_path / "once")})
    jobs.insert(5, {"student": "always", "always": True})
    odd = Odd(3)
    try:
        answers = dict(engine.run(odd, jobs))
    finally:
        odd.close(at_once=False)
    assert isinstance(answers.pop("always"), Exception)
    assert answers == {name: name.upper() for name in [*(f"s{n}" for n in range(8)), "once"]}


def test_a_process_that_is_lost_while_it_waits_is_replaced() -> None:
    odd = Odd(1)

    def jobs() -> Iterator[Job]:
        yield {"student": "a"}
        for process in odd.executor._processes.values():
            os.kill(process.pid, signal.SIGKILL)
        while not odd.executor._flags.broken:
            time.sleep(0.05)
        yield {"student": "b"}

    try:
        assert dict(engine.run(odd, jobs())) == {"a": "A", "b": "B"}
    finally:
        odd.close(at_once=False)
