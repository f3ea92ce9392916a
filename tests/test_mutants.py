"""Every known mistake is caught and named; every right variant has full marks.

`python -m tests.matrix` grades the banks, here once for all tests of this file; with `-k` only the
entries that are asked for.
"""

import subprocess
import sys

import pytest

from grader.bank import ROOT, accepted_variants, mutants
from tests.matrix.judge import Matrix, as_a_whole
from tests.matrix.page import PAGE, same

WRONG = [entry.id for entry in mutants()]
RIGHT = [entry.id for entry in accepted_variants()]


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """The entries whose tests are selected, graded; all of them for a test of the whole."""
    tests = [item for item in request.session.items if "matrix" in item.fixturenames]  # type: ignore[attr-defined]
    chosen = [item.callspec.params["id_"] for item in tests if hasattr(item, "callspec")]
    only = ["--only", *chosen] if len(chosen) == len(tests) else []
    file = tmp_path_factory.mktemp("matrix") / "matrix.json"
    command = [sys.executable, "-m", "tests.matrix", "--json", str(file), *only]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert file.exists(), done.stderr
    return Matrix.from_json(file.read_text(encoding="utf-8"))


def problems(matrix: Matrix, id_: str) -> str:
    (row,) = [row for row in matrix.rows if row.id == id_]
    return "\n".join(row.problems)


@pytest.mark.parametrize("id_", WRONG)
def test_a_known_mistake_is_caught_and_named_and_costs_its_own_task_only(
    matrix: Matrix, id_: str
) -> None:
    assert problems(matrix, id_) == ""


@pytest.mark.parametrize("id_", RIGHT)
def test_a_right_variant_has_full_marks(matrix: Matrix, id_: str) -> None:
    assert problems(matrix, id_) == ""


def test_no_check_is_idle_and_every_known_mistake_is_made(matrix: Matrix) -> None:
    assert as_a_whole(matrix.rows) == []


def test_the_page_is_of_this_run(matrix: Matrix) -> None:
    assert same(PAGE, matrix), "python -m tests.matrix writes docs/kill_matrix.md anew"
