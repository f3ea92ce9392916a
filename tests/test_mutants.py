"""Every mutant is caught and named; every accepted variant gets full marks.

The quick suite runs the checks of the tasks that an entry affects; the others have the reference's
code and get its result, which is to pass. It does not train accepted variants for the accuracy, and
trains only one of the mutants that learn too little: `calibration.json` records their accuracies.
The full suite runs all checks of all entries. Each row must equal the one in docs/kill_matrix.md.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from grader.contract.tasks import assignments
from grader.grading.calibration import calibration
from grader.maintain.submission_bank import Variant, all_entries, reference
from tests.matrix.code import CALIBRATED, own_tasks
from tests.matrix.judge import Row, problems_of_the_whole
from tests.matrix.page import PAGE, parse, render
from tests.matrix.serve import Client

ENTRIES = {entry.id: entry for entry in all_entries()}
MUTANTS = [entry for entry in ENTRIES.values() if entry.task]
ACCEPTED = [entry for entry in ENTRIES.values() if not entry.task]
OVER_ALL_TASKS = [  # even in the quick suite: one mutant per module, more for large modules
    "dataset-targets-from-one",
    "collate-tokens-read-alone",
    "model-softmax",
    "train-train-mode-once",
    "accuracy-batches-that-autograd-refuses",
    "rnn_cell-tanh-missing",
    "unroll-state-forgotten",
    "token_vectors-padded-rows",
    "pad-in-front",
    "skip_grams-only-before",
    "perplexity-base-two",
    "bleu-arithmetic",
]
# Mutants that learn too little: each try trains a network, and `calibration.json` has recorded
# runs. The quick suite trains one of them.
TRAINED = "break-of-a-first-try-left-in"
RECORDED = [each for each in MUTANTS if each.expected["check"] == CALIBRATED]


@pytest.fixture(scope="session")
def grader() -> Iterator[Client]:
    """A process that has loaded everything that submissions need."""
    with Client() as client:
        yield client


@pytest.fixture(scope="session")
def rows_of_page() -> dict[str, Row]:
    return {row.id: row for row in parse(PAGE.read_text(encoding="utf-8"))}


def by_task(entries: Iterable[Variant]) -> list[Any]:
    """One parameter per entry; with pytest-xdist, the entries of a task stay in one process.

    There they share slow operations.
    """
    found = []
    for entry in entries:
        marks = [pytest.mark.xdist_group(f"mutants-{entry.task or own_tasks(entry)[0]}")]
        marks += [pytest.mark.full] if entry in RECORDED and entry.name != TRAINED else []
        found.append(pytest.param(entry.id, id=entry.id, marks=marks))
    return found


@pytest.mark.parametrize("id_", by_task(MUTANTS))
def test_a_mutant_is_caught_and_named_and_costs_its_own_task_only(
    grader: Client, full: bool, rows_of_page: dict[str, Row], id_: str
) -> None:
    row = grader.all(id_) if full else grader.own(id_)
    assert row.problems == []
    assert row == rows_of_page.get(id_), "python -m tests.matrix --changed writes its row"


@pytest.mark.parametrize("entry", RECORDED, ids=lambda entry: entry.id)
def test_a_mutant_that_learns_too_little_missed_full_marks_in_the_recorded_runs(
    entry: Variant,
) -> None:
    runs = calibration()["runs"]["wrong"][entry.name]["accuracies"]
    assert max(runs) < calibration()["marks"]["full"]


@pytest.mark.parametrize("id_", by_task(ACCEPTED))
def test_an_accepted_variant_has_full_marks(
    grader: Client, full: bool, rows_of_page: dict[str, Row], id_: str
) -> None:
    row = grader.all(id_) if full else grader.own(id_)
    assert row.problems == []
    assert row == rows_of_page.get(id_), "python -m tests.matrix --changed writes its row"


@pytest.mark.xdist_group("mutants-over-all-tasks")
@pytest.mark.parametrize("id_", OVER_ALL_TASKS)
def test_a_mutant_has_the_same_row_over_all_tasks(
    grader: Client, rows_of_page: dict[str, Row], id_: str
) -> None:
    assert grader.all(id_) == rows_of_page[id_]


@pytest.mark.xdist_group("mutants-over-all-tasks")
@pytest.mark.parametrize("assignment", assignments())
def test_the_reference_passes_all_checks(grader: Client, assignment: str) -> None:
    assert grader.all(reference(assignment).id).problems == []


def test_the_page_has_a_row_for_each_entry_and_is_made_of_its_rows(
    rows_of_page: dict[str, Row],
) -> None:
    assert {*rows_of_page} == {*ENTRIES}, "python -m tests.matrix --changed writes the page"
    assert render([rows_of_page[id_] for id_ in ENTRIES]) == PAGE.read_text(encoding="utf-8")


def test_a_mutant_fails_each_check_and_makes_each_known_mistake(
    rows_of_page: dict[str, Row],
) -> None:
    assert problems_of_the_whole([*rows_of_page.values()]) == []
