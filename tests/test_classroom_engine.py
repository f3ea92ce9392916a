"""Jobs on worker processes: what is lost with a process is done again, alone."""

import os
import time
from concurrent.futures import Future
from pathlib import Path

from grader.classroom import engine
from grader.classroom.engine import Job, Local


class Odd(Local):
    """Runs `work` in place of grading."""

    def submit(self, job: Job) -> Future[str]:
        future: Future[str] = self.executor.submit(work, job)
        return future


def work(job: Job) -> str:
    """End the process, or leave word first and end it once."""
    if job.get("always"):
        time.sleep(0.2)  # let the others begin
        os._exit(1)
    if (once := job.get("once")) and not Path(once).exists():
        Path(once).touch()
        os._exit(1)
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
