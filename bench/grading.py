"""Measures grading: run `python -m bench.grading` in the kit's folder; needs psutil.

1. Grading the reference on two cores: wall time, CPU time and the peak memory of the grader and its
   workers together (pages that processes share count once, on Linux), first with an empty cache of
   vectors and then with a filled one. CPU time is that of the whole machine, which must be idle
   otherwise.
2. `pytest -k dataset` on the stubs compared with a bare `import torch`: medians of alternating
   runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from bench.report import busy, show, show_versions

ROOT = Path(__file__).parents[1]
CORES = 2


def run(arguments: list[str], environment: dict[str, str], expected: int) -> tuple[float, int]:
    """Run Python; return the seconds and the peak bytes of the process and its children."""
    start, peak = time.perf_counter(), 0
    process = psutil.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while True:
        try:
            process.wait(timeout=0.02)
            break
        except psutil.TimeoutExpired:
            peak = max(peak, memory(process))
    taken = time.perf_counter() - start
    assert process.returncode == expected, f"{arguments} exited with {process.returncode}"
    return taken, peak


def memory(process: psutil.Process) -> int:
    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            used = one.memory_full_info()
            total += getattr(used, "pss", used.rss)
    except psutil.NoSuchProcess:  # it has just ended
        pass
    return total


def measure_grade(runs: int, environment: dict[str, str]) -> None:
    command = ["-m", "grader", "grade", "solution", "--device", "cpu"]
    cold = run(command, environment, expected=0)
    before = busy()
    warm = [run(command, environment, expected=0) for _ in range(runs)]
    used = (busy() - before) / runs
    median = statistics.median(taken for taken, _ in warm)
    peak = max(most for _, most in [cold, *warm])
    rows = [
        ("wall time, empty cache of vectors", f"{cold[0]:.1f} s"),
        (f"wall time, filled cache (median of {runs})", f"{median:.1f} s"),
        ("processor time, filled cache (mean)", f"{used:.1f} s"),
        ("peak memory, grader and workers", f"{peak / 1e9:.2f} GB"),
    ]
    show(f"A full grade of the reference, {CORES} cores", rows)


def measure_one_task(runs: int, environment: dict[str, str]) -> None:
    commands = {  # arguments, exit code
        "import torch": (["-c", "import torch"], 0),
        "pytest -k dataset": (["-m", "pytest", "-k", "dataset"], 1),
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, (arguments, expected) in commands.items():
            taken[name].append(run(arguments, environment, expected)[0])
    bare, graded = (statistics.median(times[1:]) for times in taken.values())  # the first warms up
    rows = [
        ("python -c 'import torch'", f"{bare:.2f} s"),
        ("python -m pytest -k dataset", f"{graded:.2f} s"),
        ("ratio", f"{graded / bare:.2f}"),
    ]
    show(f"One task on the untouched stubs (medians of {runs} alternating runs)", rows)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=7)
    options.add_argument("--only", choices=["grade", "task"])
    chosen = options.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with tempfile.TemporaryDirectory() as cache:
        environment = {"XDG_CACHE_HOME": cache}  # where platformdirs puts a user's cache on Linux
        if chosen.only != "task":
            measure_grade(min(chosen.runs, 3), environment)
        if chosen.only != "grade":
            measure_one_task(chosen.runs, environment)
    show_versions()


if __name__ == "__main__":
    main()
