"""Measures the cost of the sandbox: run `python -m bench.sandbox` in the kit's folder, on Linux.

1. Time to the first result of a student's model: from a process that imports torch and spaCy and
   loads the pipeline, and from a confined worker that the fork server forks (medians of alternating
   runs); then the time until that worker has exited.
2. The confinement alone: a process that has loaded torch forks a child; the child sends a byte,
   with and without confining itself first (medians of alternating runs).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.report import show, show_versions
from grader.grading.submission import Submission
from grader.maintain.submission_bank import REFERENCE
from grader.sandbox import fork_server
from grader.sandbox.launch import Limits
from grader.sandbox.tiers import Confinement, sandboxed
from grader.sandbox.worker_client import ProcessWorker
from grader.worker import landlock, layers, libc

ROOT = Path(__file__).parents[1]
SIZES = {"n_targets": 4, "input_size": 96, "hidden_size": 64, "num_layers": 2}
COLD = f"""
import spacy, torch
spacy.load("en_core_web_sm")
from solution.model import LSTMClassifier
model = LSTMClassifier(**{SIZES})
print(model(torch.zeros(1, 1, 96)).shape, flush=True)
"""


def cold() -> float:
    """Time a plain process until its first line of output."""
    start = time.perf_counter()
    command = [sys.executable, "-c", COLD]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"torch.Size([1, 4])\n"
        return time.perf_counter() - start


def submitted(confined_by: Confinement) -> tuple[float, float]:
    """Time a submission until its model's logits arrive, and until its worker has exited."""
    import torch

    start = time.perf_counter()
    worker = ProcessWorker(REFERENCE, {name: name for name in REFERENCE}, Limits(), confined_by)
    (run,) = Submission(worker).run_model(SIZES, [torch.zeros(1, 1, 96)])
    first = time.perf_counter() - start
    assert run.logits.shape == (1, 4)
    worker.close()
    return first, time.perf_counter() - start


def measure_first_results(runs: int) -> None:
    confined_by = sandboxed("cpu")
    submitted(confined_by)  # loads what such a submission needs
    plain, first, whole = [], [], []
    for _ in range(runs):
        plain.append(cold())
        for _ in range(5):
            one, all_of_it = submitted(confined_by)
            first.append(one)
            whole.append(all_of_it)
    before, after, end = (statistics.median(times) for times in (plain, first, whole))
    rows = [
        ("plain process", f"{before:.2f} s"),
        ("worker of the fork server", f"{1000 * after:.1f} ms"),
        ("the same, until it is gone", f"{1000 * end:.1f} ms"),
        ("plain process / worker", f"{before / after:.0f}"),
    ]
    layers = ", ".join(confined_by.layers)
    show(f"To the first result of a student's model ({layers}; {runs} runs, medians)", rows)


def forked(rules: int | None) -> float:
    """Time a fork until the child sends a byte; given rules for files, the child is confined."""
    reading, writing = os.pipe()
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        if rules is not None:
            libc.end_with_parent()
            layers.apply(layers.Bounds(rules, 6 << 30, 240.0))
        os.write(writing, b".")
        os._exit(0)
    os.read(reading, 1)
    taken = time.perf_counter() - start
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    return taken


def measure_confinement(runs: int) -> None:
    import torch

    torch.set_num_threads(1)
    torch.nn.LSTM(2, 2)(torch.zeros(1, 1, 2))
    rules = landlock.rules_for(fork_server.readable())
    taken: dict[str, list[float]] = {"alone": [], "confined": []}
    for _ in range(runs):
        taken["alone"].append(forked(None))
        taken["confined"].append(forked(rules))
    alone, confined = (1000 * statistics.median(times) for times in taken.values())
    rows = [
        ("fork alone", f"{alone:.2f} ms"),
        ("fork, and confined", f"{confined:.2f} ms"),
        ("the confinement", f"{confined - alone:.2f} ms"),
        ("fork and confined / fork alone", f"{confined / alone:.2f}"),
    ]
    show(f"The confinement alone ({runs} alternating runs, medians)", rows)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=7)
    chosen = options.parse_args()
    load = os.getloadavg()[0]
    measure_confinement(20 * chosen.runs)  # first: later there are threads
    measure_first_results(chosen.runs)
    print(f"\nload {load:.1f} at the start")
    show_versions()


if __name__ == "__main__":
    main()
