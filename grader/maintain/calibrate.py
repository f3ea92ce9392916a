"""Calibrates the task accuracy: `python -m grader calibrate` (for maintainers).

Trains accepted variants, mutants and what cannot learn, over many draws, and derives from the
accuracies where points begin and where they are full. All is written to `calibration.json`.
`--add NAME` trains one new accepted variant and derives the marks again from all recorded runs.

Full marks: each accepted way to do it (the reference, the grader's own model and loop, each
accepted variant) is assumed to have accuracies with a mean of its own and one common spread,
normally distributed. A few draws find the weakest variants, which are then drawn as often as the
reference. The mark lies so far below the lowest mean that one try misses it with probability
`ONE_TRY`; the tries of a submission are drawn apart, so that all of them miss it with the third
power of that. What lies between that and 1 in 1,000 is left for accuracies that are not normally
distributed: a narrow head may not learn at all from some of its first weights. Points begin so far
above the mean of models that learned from shuffled targets that one of the tries gets there with
probability `LUCK`.
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
from grader.grading.calibration import TRAINING
from grader.grading.pipeline import MODEL
from grader.maintain.submission_bank import REFERENCE, Variant, accepted_variants, mutants

ONE_TRY = 0.03
LUCK = 1e-3
WEAKEST = 3  # accepted variants that are drawn as often as the reference
PACKAGES = ("torch", "spacy", MODEL, "numpy")


@dataclass(frozen=True)
class TrainingRun:
    """One training run.

    Attributes:
        group: right (accepted variants), wrong (mutants) or nothing (what cannot learn).
        name: what it is called in the group.
        files: module name to source.
        number: of the draw.
        own_model: use the model in `files`, not the grader's own.
        own_loop: use the loop in `files`, not the grader's own.
        shuffled: learn from shuffled targets.
    """

    group: str
    name: str
    files: dict[str, bytes]
    number: int
    own_model: bool = True
    own_loop: bool = True
    shuffled: bool = False


Run = tuple[TrainingRun, float | None, float]  # with its accuracy and its processor seconds


def jobs(seeds: int, few: int) -> list[TrainingRun]:
    """List all runs: `seeds` draws of the reference, a few of each variant, one of each mutant."""
    files = REFERENCE
    listed = []
    for number in range(seeds):
        listed += [
            TrainingRun("right", "reference", files, number),
            TrainingRun("right", "the grader's loop", files, number, own_loop=False),
            TrainingRun("right", "the grader's model", files, number, own_model=False),
            TrainingRun("nothing", "shuffled targets", files, number, shuffled=True),
        ]
    for group, entries, draws in (("right", accepted_variants(), few), ("wrong", mutants(), 1)):
        for entry in entries:
            if is_trained(entry):
                listed += [TrainingRun(group, entry.name, entry.files, n) for n in range(draws)]
    return listed


def is_trained(entry: Variant) -> bool:
    """Tell whether an entry changes what is trained."""
    return bool(entry.changed.keys() & {"model", "train"})


def more_jobs(groups: dict[str, Any], seeds: int, few: int) -> list[TrainingRun]:
    """List the further draws of the weakest accepted variants."""
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
    """Do a run: the accuracy, or None if it does not train; and the processor seconds it took."""
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
    """Do all runs, as many at a time as there are cores; gives them as they come."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        futures = {pool.submit(run, job): job for job in listed}
        for future in concurrent.futures.as_completed(futures):
            yield (futures[future], *future.result())


def summary(found: list[Run]) -> dict[str, Any]:
    """Sum up runs: by group and name how many, mean, spread and all accuracies in order."""
    groups: dict[str, dict[str, Any]] = {"right": {}, "nothing": {}, "wrong": {}}
    for job, accuracy, _ in sorted(found, key=lambda each: (each[0].name, each[0].number)):
        rows = groups[job.group].setdefault(job.name, {"accuracies": []})
        rows["accuracies"].append(None if accuracy is None else round(accuracy, 4))
    for name, rows in (*groups["right"].items(), *groups["nothing"].items()):
        numbers = rows["accuracies"]
        if None in numbers:
            raise UsageError(f"{name} does not train. Fix it first.")
        rows["mean"] = round(statistics.mean(numbers), 4)
        rows["spread"] = round(statistics.stdev(numbers), 4) if len(numbers) > 1 else 0.0
    return groups


def marks(groups: dict[str, Any]) -> dict[str, float]:
    """Derive where points begin and where they are full, in hundredths."""
    right, nothing = groups["right"].values(), groups["nothing"].values()
    normal, tries = statistics.NormalDist(), heldout_accuracy.TRIES
    below, above = normal.inv_cdf(1 - ONE_TRY), normal.inv_cdf(1 - LUCK / tries)
    lowest = min(rows["mean"] for rows in right)
    highest = max(rows["mean"] for rows in nothing)
    return {
        "full": math.floor(100 * (lowest - below * pooled(right))) / 100,
        "none": math.ceil(100 * (highest + above * pooled(nothing))) / 100,
    }


def pooled(rows: Iterable[dict[str, Any]]) -> float:
    """Return the common spread of several groups of accuracies round means of their own."""
    squares = freedom = 0.0
    for row in rows:
        mean = statistics.mean(row["accuracies"])
        squares += sum((accuracy - mean) ** 2 for accuracy in row["accuracies"])
        freedom += len(row["accuracies"]) - 1
    return math.sqrt(squares / freedom)


def calibrate(seeds: int, few: int) -> dict[str, Any]:
    """Do all runs, with a progress bar; returns what belongs into `calibration.json`."""
    _ = heldout_accuracy.sample_pool()  # computed and kept once, before the processes start
    found = _done(jobs(seeds, few))
    found += _done(more_jobs(summary(found), seeds, few))
    groups = summary(found)
    own = [seconds for job, _, seconds in found if job.name == "reference"]
    return {
        "schema_version": 1,
        "training": TRAINING,
        "marks": marks(groups),
        "reference": {name: groups["right"]["reference"][name] for name in ("mean", "spread")},
        "one_try": ONE_TRY,
        "luck": LUCK,
        "seconds": round(statistics.median(own), 2),
        "versions": versions(),
        "machine": f"{platform.system()} {platform.machine()}",
        "runs": groups,
    }


def add(name: str, recorded: dict[str, Any], seeds: int, few: int) -> dict[str, Any]:
    """Do the runs of one accepted variant; returns the calibration with them.

    It is drawn a few times, and as often as the reference if it is among the weakest. Runs of the
    same variant that are recorded are replaced, all others stay.

    Raises:
        UsageError: no accepted variant of that name changes model.py or train.py, it does not
            train, or the recorded runs had other settings or versions.
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
    return recorded | {"marks": marks(groups), "runs": groups}


def _with(groups: dict[str, Any], found: list[Run]) -> dict[str, Any]:
    """Return recorded groups with the rows of new runs."""
    new = summary(found)
    return {group: dict(sorted({**rows, **new[group]}.items())) for group, rows in groups.items()}


def _differences(recorded: dict[str, Any]) -> Iterator[str]:
    """Name the settings and versions of recorded runs that are others now."""
    for old, new in (
        (recorded["training"], TRAINING),
        (recorded["versions"], versions()),
    ):
        for name in {**old, **new}:
            if old.get(name) != new.get(name):
                yield f"{name} was {old.get(name)} in the recorded runs, it is {new.get(name)} now"


def versions() -> dict[str, str]:
    """Return the versions of what trains."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def _done(listed: list[TrainingRun]) -> list[Run]:
    """Do runs, with a progress bar."""
    from tqdm import tqdm

    return list(tqdm(runs(listed), total=len(listed), unit="run", desc="calibrate"))


def to_json(found: dict[str, Any]) -> str:
    """Return a calibration as JSON, each list of numbers on one line."""
    text = json.dumps(found, indent=1)
    return re.sub(r"\[[^\[\]{}]*\]", lambda part: " ".join(part[0].split()), text) + "\n"


def show(found: dict[str, Any]) -> None:
    """Print what came out."""
    groups, full = found["runs"], found["marks"]["full"]
    for name, row in (*groups["right"].items(), *groups["nothing"].items()):
        low, high = min(row["accuracies"]), max(row["accuracies"])
        count, mean, spread = len(row["accuracies"]), row["mean"], row["spread"]
        print(f"{name:<32} {count:>3} runs  {mean:.3f} +- {spread:.3f}  {low:.3f} to {high:.3f}")
    wrong = [row["accuracies"][0] for row in groups["wrong"].values()]
    trained = [accuracy for accuracy in wrong if accuracy is not None]
    below = sum(accuracy < full for accuracy in trained)
    print(f"{len(wrong)} mutants: {len(trained)} train, {below} of them miss full marks")
    print(f"points from {found['marks']['none']:.2f}, full marks from {full:.2f}")
    print(f"{found['seconds']} processor seconds for a run of the reference")
