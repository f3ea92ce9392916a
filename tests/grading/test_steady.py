"""A submission that is graded 20 times gets the same marks and messages each time.

Of the 20 gradings, 9 are in a process with one thread and 9 in one with two, both running at the
same time, with the submissions in a different order each round. One is in a separate worker process
while nothing else runs, and one in a worker with two threads beside another worker.

The quick suite grades four submissions, with three rounds in each of the two processes.

Whatever inputs are drawn, marks and mistakes stay the same: a mutant of each check, and accepted
variants, are graded with 20 draws, in the quick suite a few of them with three.
"""

import concurrent.futures
import multiprocessing
import random
from typing import Any

import pytest

from grader.contract.tasks import MAIN, assignments, tasks
from grader.grading.session import session
from grader.maintain.submission_bank import Variant, accepted_variants, mutants, patched
from tests.matrix import page
from tests.matrix.code import own_checks

QUICK = [
    "model-dropout-in-eval",  # draws numbers
    "model-state-kept",  # has a memory
    "train-train-mode-once",
    "dataset_generator",
]
FULL = [
    "dataset-samples-read-twice",
    "collate-tokens-read-alone",
    "collate_cached_pipeline",  # keeps a pipeline in its module
    "model_dropout_and_layer_norm",
    "model_noisy",  # prints and warns
    "train_tqdm",
]
ROUNDS = {False: 3, True: 9}  # quick or full: in each of two processes
WHOLE_ROUNDS = 2  # of them with the reference, over all tasks, in the full suite
REFERENCE = Variant("reference", {})

Told = list[tuple[Any, ...]]


ENTRIES = {entry.id: entry for entry in [*mutants(), *accepted_variants()]}


def chosen(full: bool) -> list[Variant]:
    return [ENTRIES[id_] for id_ in [*QUICK, *(FULL if full else [])]]


def told(entry: Variant, in_process: bool = False) -> Told:
    """Grade the tasks that an entry changes (all for the reference); return what students see."""
    with session(entry.sources, device="cpu", in_process=in_process) as opened:
        concerned = entry.changed.keys() & set(assignments()[MAIN].modules)
        checks = [check for check in opened.planned if not concerned or check.task in concerned]
        results = [opened.run(check) for check in checks]
    return [(r.id, r.status, r.score, r.mistake, r.message, r.hint) for r in results]


def told_one_after_another(threads: int, full: bool) -> dict[str, list[Told]]:
    """Grade all in this process, round by round."""
    import torch

    torch.set_num_threads(threads)
    order = random.Random(threads)
    found: dict[str, list[Told]] = {}
    for number in range(ROUNDS[full]):
        entries = [*chosen(full), *([REFERENCE] if full and number < WHOLE_ROUNDS else [])]
        order.shuffle(entries)
        for entry in entries:
            found.setdefault(entry.id, []).append(told(entry, in_process=True))
    return found


@pytest.fixture(scope="module")
def in_processes(full: bool) -> list[dict[str, list[Told]]]:
    """The messages with one thread and, at the same time, with two."""
    context = multiprocessing.get_context("spawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # as in a worker: waiting threads do not spin
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            return list(pool.map(told_one_after_another, [1, 2], [full] * 2))


@pytest.fixture(scope="module")
def in_workers(full: bool) -> list[dict[str, Told]]:
    """The messages of a worker alone, and of one with two threads beside another."""
    entries = chosen(full)
    alone = {entry.id: told(entry) for entry in entries}
    with pytest.MonkeyPatch.context() as patch, concurrent.futures.ThreadPoolExecutor(2) as pool:
        patch.setenv("OMP_NUM_THREADS", "2")
        ids = [entry.id for entry in entries]
        return [alone, dict(zip(ids, pool.map(told, entries), strict=True))]


@pytest.mark.parametrize(
    "id_", [*QUICK, *(pytest.param(id_, marks=pytest.mark.full) for id_ in FULL)]
)
def test_twenty_gradings_tell_the_same(
    in_processes: list[dict[str, list[Told]]],
    in_workers: list[dict[str, Told]],
    id_: str,
    full: bool,
) -> None:
    all_told = [each for found in in_processes for each in found[id_]]
    all_told += [found[id_] for found in in_workers]
    assert len(all_told) == (20 if full else 8)
    for each in all_told:
        assert each == all_told[0]


@pytest.mark.full
def test_the_reference_has_the_same_marks_over_all_tasks(
    in_processes: list[dict[str, list[Told]]],
) -> None:
    all_told = [each for found in in_processes for each in found["reference"]]
    assert {status for each in all_told for _, status, *_ in each} == {"passed"}
    for each in all_told:
        assert each == all_told[0]


TRAINING = ("accuracy.", "word2vec.")


def by_check() -> list[str]:
    """The first mutant of each check, without those whose checks train a model on news."""
    rows = page.parse(page.PAGE.read_text(encoding="utf-8"))
    first = {row.failed[0]: row.id for row in reversed(rows) if row.failed}
    return [id_ for check, id_ in sorted(first.items()) if not check.startswith(TRAINING)]


DRAWS = {False: 3, True: 20}
QUICKLY = 25  # the quick suite takes each 25th
DRAWN = [*by_check(), *(entry.id for entry in accepted_variants())]


@pytest.mark.parametrize(
    "id_",
    [
        id_ if place % QUICKLY == 0 else pytest.param(id_, marks=pytest.mark.full)
        for place, id_ in enumerate(DRAWN)
    ],
)
def test_marks_and_mistakes_do_not_depend_on_the_draw(id_: str, full: bool) -> None:
    assert len(set(outcomes(ENTRIES[id_], DRAWS[full]))) == 1


def outcomes(entry: Variant, draws: int) -> list[tuple[Any, ...]]:
    """Grade the tasks that an entry changes with several draws; return marks and mistakes."""
    checks = [check for check in own_checks(entry) if not check.id.startswith(TRAINING)]
    found = []
    for seed in range(draws):
        with session(
            entry.sources, assignment=entry.assignment, device="cpu", seed=seed, in_process=True
        ) as opened:
            results = [opened.run(check) for check in checks]
        found.append(tuple((r.id, r.status, r.score, r.mistake) for r in results))
    return found


def test_a_mark_that_depends_on_the_draw_would_be_noticed() -> None:
    first = [["return len(self.samples)", "return 8 if self.samples[0] > 'M' else 7"]]
    entry = Variant("lucky", {"dataset": patched("dataset", first)})
    assert len(set(outcomes(entry, 8))) > 1


def test_an_unsteady_submission_would_be_noticed() -> None:
    length = [["return len(self.samples)", "return __import__('os').getpid()"]]
    entry = Variant("unsteady", {"dataset": patched("dataset", length)})
    assert told(entry) != told(entry, in_process=True)


@pytest.mark.parametrize(
    ("id_", "seed"),
    [("model_sum_of_directions", 13), ("model_two_layers_with_relu_everywhere", 10)],
)
def test_a_right_model_whose_relus_are_all_dead_at_first_has_full_marks(
    id_: str, seed: int
) -> None:
    entry, task = ENTRIES[id_], tasks()["model"]
    with session(
        entry.sources, assignment=entry.assignment, device="cpu", seed=seed, in_process=True
    ) as opened:
        assert sum(opened.run(check).score for check in task.checks) == task.points
