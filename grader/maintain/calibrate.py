"""Implements `python -m grader calibrate`: derives the accuracy marks from training runs.

It trains accepted variants, mutants that learn too little, and models on shuffled targets, each on
many splits of the news. From the accuracies it derives where points begin and where they are full,
and writes everything to `calibration.json`. `--add NAME` trains one new accepted variant and
derives the marks from all recorded runs again.

Full marks: the accuracies of each correct solution (the reference, the grader's own model and
loop, the accepted variants) are assumed to be normally distributed, with individual means and a
common spread. A few runs find the weakest variants, which then run as often as the reference. The
mark is set below the lowest mean, such that one try misses it with probability `ONE_TRY`. The tries
of a submission are independent, so all of them miss it with the third power of that. This leaves a
margin up to 1 in 1,000 for accuracies that are not normally distributed: a narrow head may not
learn at all from some initial weights. Points begin above the mean of models trained on shuffled
targets, such that one of the tries gets there with probability `LUCK`.
"""

from __future__ import annotations

import concurrent.futures
import json
import math
import multiprocessing
import os
import platform
import re
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from grader.base.errors import UsageError
from grader.grading import heldout_accuracy
from grader.grading.calibration import DATA, TRAINING
from grader.grading.pipeline import MODEL
from grader.maintain.submission_bank import REFERENCE, Variant, accepted_variants, mutants

ONE_TRY = 0.05
LUCK = 1e-3
WEAKEST = 3  # accepted variants that run as often as the reference
PACKAGES = ("torch", "spacy", MODEL, "numpy")


@dataclass(frozen=True)
class TrainingRun:
    """One training run.

    Attributes:
        group: right (accepted variants), wrong (mutants) or nothing (shuffled targets).
        name: the name in the group.
        files: sources by module name.
        number: the number of the split.
        own_model: use the model in `files` instead of the grader's.
        own_loop: use the loop in `files` instead of the grader's.
        shuffled: train on shuffled targets.
    """

    group: str
    name: str
    files: dict[str, bytes]
    number: int
    own_model: bool = True
    own_loop: bool = True
    shuffled: bool = False


Run = tuple[TrainingRun, float | None, float]  # with its accuracy and its CPU seconds


def jobs(seeds: int, few: int) -> list[TrainingRun]:
    """List all runs: `seeds` of the reference, `few` of each variant and mutant."""
    files = REFERENCE
    listed = []
    for number in range(seeds):
        listed += [
            TrainingRun("right", "reference", files, number),
            TrainingRun("right", "the grader's loop", files, number, own_loop=False),
            TrainingRun("right", "the grader's model", files, number, own_model=False),
            TrainingRun("nothing", "shuffled targets", files, number, shuffled=True),
        ]
    too_little = (entry for entry in mutants() if entry.task == "accuracy")
    for group, entries in (("right", accepted_variants()), ("wrong", too_little)):
        for entry in entries:
            if is_trained(entry):
                listed += [TrainingRun(group, entry.name, entry.files, n) for n in range(few)]
    return listed


def is_trained(entry: Variant) -> bool:
    """Return whether an entry changes `model.py` or `train.py`."""
    return bool(entry.changed.keys() & {"model", "train"})


def more_jobs(groups: dict[str, Any], seeds: int, few: int) -> list[TrainingRun]:
    """List the further runs of the weakest accepted variants."""
    return [
        TrainingRun("right", entry.name, entry.files, number)
        for entry in weakest(groups)
        for number in range(few, seeds)
    ]


def weakest(groups: dict[str, Any]) -> list[Variant]:
    """Return the accepted variants with the lowest means."""
    means = {name: row["mean"] for name, row in groups["right"].items()}
    variants = [entry for entry in accepted_variants() if entry.name in means]
    return sorted(variants, key=lambda entry: means[entry.name])[:WEAKEST]


def run(job: TrainingRun) -> tuple[float | None, float]:
    """Train once; return the accuracy (None if it does not train) and the CPU seconds."""
    import torch

    from grader.contract.messages import Failure
    from grader.grading.answers import StudentError
    from grader.grading.submission import Submission
    from grader.sandbox.worker_client import LocalWorker, WorkerLost

    torch.set_num_threads(1)
    names = {name: f"exercise/{name}.py" for name in job.files}
    submission = Submission(LocalWorker(job.files, names), job.number, digest="calibration")
    start = time.process_time()
    drawn = heldout_accuracy.split(
        heldout_accuracy.pool(submission),
        heldout_accuracy.key(submission, 0),
        job.shuffled,
    )
    try:
        measured = heldout_accuracy.measure(
            submission, drawn, own_model=job.own_model, own_loop=job.own_loop
        )
    except (StudentError, Failure, WorkerLost):
        return None, time.process_time() - start
    return measured.accuracy, time.process_time() - start


def runs(listed: list[TrainingRun]) -> Iterator[Run]:
    """Do all runs, one per core at a time, and yield them as they finish."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        futures = {pool.submit(run, job): job for job in listed}
        for future in concurrent.futures.as_completed(futures):
            yield (futures[future], *future.result())


def summary(found: list[Run]) -> dict[str, Any]:
    """Summarise runs by group and name: their number, mean, spread and sorted accuracies."""
    groups: dict[str, dict[str, Any]] = {"right": {}, "nothing": {}, "wrong": {}}
    for job, accuracy, _ in sorted(found, key=lambda each: (each[0].name, each[0].number)):
        rows = groups[job.group].setdefault(job.name, {"accuracies": []})
        rows["accuracies"].append(None if accuracy is None else round(accuracy, 4))
    for name, rows in (row for group in groups.values() for row in group.items()):
        numbers = rows["accuracies"]
        if None in numbers:
            raise UsageError(f"{name} does not train. Fix it first.")
        rows["mean"] = round(statistics.mean(numbers), 4)
        rows["spread"] = round(statistics.stdev(numbers), 4) if len(numbers) > 1 else 0.0
    return groups


def marks(groups: dict[str, Any]) -> dict[str, float]:
    """Derive where points begin and where they are full, rounded to hundredths."""
    right, nothing = groups["right"].values(), groups["nothing"].values()
    normal, tries = statistics.NormalDist(), heldout_accuracy.TRIES
    below, above = normal.inv_cdf(1 - ONE_TRY), normal.inv_cdf(1 - LUCK / tries)
    lowest = min(rows["mean"] for rows in right)
    highest = max(rows["mean"] for rows in nothing)
    return {
        "full": math.floor(100 * (lowest - below * pooled(right))) / 100,
        "none": math.ceil(100 * (highest + above * pooled(nothing))) / 100,
    }


def rates(groups: dict[str, Any], marks: dict[str, float]) -> dict[str, float]:
    """Estimate how often marks are wrong, with all tries and normally distributed accuracies.

    Returns:
        `false_fail`: how often the weakest correct solution misses full marks.
        `false_pass`: how often a model that learned nothing earns a point.
    """
    tries = heldout_accuracy.TRIES
    right, nothing = (
        statistics.NormalDist(choose(row["mean"] for row in group), pooled(group))
        for choose, group in ((min, groups["right"].values()), (max, groups["nothing"].values()))
    )
    return {
        "false_fail": _rounded(right.cdf(marks["full"]) ** tries),
        "false_pass": _rounded(1 - nothing.cdf(marks["none"]) ** tries),
    }


def _rounded(rate: float) -> float:
    return float(f"{rate:.2g}")


def pooled(rows: Iterable[dict[str, Any]]) -> float:
    """Return the pooled standard deviation of several groups of accuracies."""
    squares = freedom = 0.0
    for row in rows:
        mean = statistics.mean(row["accuracies"])
        squares += sum((accuracy - mean) ** 2 for accuracy in row["accuracies"])
        freedom += len(row["accuracies"]) - 1
    return math.sqrt(squares / freedom)


def calibrate(seeds: int, few: int) -> dict[str, Any]:
    """Do all runs with a progress bar, and return the content of `calibration.json`."""
    _ = heldout_accuracy.sample_pool()  # computed and cached once, before the processes start
    found = _done(jobs(seeds, few))
    found += _done(more_jobs(summary(found), seeds, few))
    groups = summary(found)
    found_marks = marks(groups)
    own = [seconds for job, _, seconds in found if job.name == "reference"]
    return {
        "schema_version": 1,
        "training": {**DATA, **TRAINING},
        "marks": found_marks,
        "rates": rates(groups, found_marks),
        "one_try": ONE_TRY,
        "luck": LUCK,
        "seconds": round(statistics.median(own), 2),
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}",
        "runs": groups,
    }


def add(name: str, recorded: dict[str, Any], seeds: int, few: int) -> dict[str, Any]:
    """Do the runs of one accepted variant, and return the calibration with them.

    It runs a few times, or as often as the reference if it is among the weakest. Recorded runs of
    the same variant are replaced, all others stay.

    Raises:
        UsageError: no accepted variant of that name changes model.py or train.py, it does not
            train, or the recorded runs used different settings or versions.
    """
    entry = next((each for each in accepted_variants() if each.name == name), None)
    if entry is None or not is_trained(entry):
        raise UsageError(f"{name}: no accepted variant of that name changes model.py or train.py.")
    if differing := [*_differences(recorded)]:
        raise UsageError(f"{'; '.join(differing)}. Run all again, without --add.")
    _ = heldout_accuracy.sample_pool()
    found = _done([TrainingRun("right", name, entry.files, number) for number in range(few)])
    groups = _with(recorded["runs"], found)
    if name in [each.name for each in weakest(groups)]:
        found += _done(
            [TrainingRun("right", name, entry.files, number) for number in range(few, seeds)]
        )
        groups = _with(recorded["runs"], found)
    found_marks = marks(groups)
    return recorded | {
        "marks": found_marks,
        "rates": rates(groups, found_marks),
        "runs": groups,
    }


def _with(groups: dict[str, Any], found: list[Run]) -> dict[str, Any]:
    """Return recorded groups, updated with new runs."""
    new = summary(found)
    return {group: dict(sorted({**rows, **new[group]}.items())) for group, rows in groups.items()}


def _differences(recorded: dict[str, Any]) -> Iterator[str]:
    """List the settings and versions that differ from those of the recorded runs."""
    for old, new in (
        (recorded["training"], {**DATA, **TRAINING}),
        (recorded["versions"], versions()),
    ):
        for name in {**old, **new}:
            if old.get(name) != new.get(name):
                yield f"{name} was {old.get(name)} in the recorded runs, it is {new.get(name)} now"


def versions() -> dict[str, str]:
    """Return the versions that training depends on."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def _done(listed: list[TrainingRun]) -> list[Run]:
    """Do runs with a progress bar."""
    from tqdm import tqdm

    return list(tqdm(runs(listed), total=len(listed), unit="run", desc="calibrate"))


def to_json(found: dict[str, Any]) -> str:
    """Format a calibration as JSON with the runs of each solution on one line."""
    text = json.dumps(found, indent=1)
    return (
        re.sub(r"\{\s*\"accuracies\"[^{}]*\}", lambda part: " ".join(part[0].split()), text) + "\n"
    )


def show(found: dict[str, Any]) -> None:
    """Print a summary of a calibration."""
    groups, rate = found["runs"], found["rates"]
    for name, row in (row for group in groups.values() for row in group.items()):
        low, high = min(row["accuracies"]), max(row["accuracies"])
        count, mean, spread = len(row["accuracies"]), row["mean"], row["spread"]
        print(f"{name:<32} {count:>3} runs  {mean:.3f} +- {spread:.3f}  {low:.3f} to {high:.3f}")
    print(f"full marks from {found['marks']['full']:.2f}, missed by {rate['false_fail']:g} of the")
    print("submissions of the weakest correct solution")
    print(f"points from {found['marks']['none']:.2f}, reached by {rate['false_pass']:g} of those")
    print("that learned nothing")
    print(f"{found['seconds']} CPU seconds for a run of the reference")
