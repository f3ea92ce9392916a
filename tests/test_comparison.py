"""The page that compares graders has a row per submission and a column per grader."""

import pytest

from bench.peers import DOUBLE, PAGE, PEERS, SHOUT, SUBMISSIONS, Outcome, cell, mograder_notebook

ROWS = [
    [part.strip() for part in line.strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").split("\n")
    if line.startswith("| ")
]
HEAD = next(row for row in ROWS if row[0] == "submission")
MEASURED = {row[0]: row for row in ROWS if len(row) == len(HEAD)}


def test_the_page_shows_every_grader_with_its_version() -> None:
    names = [title.rsplit(" ", 1)[0] if title != "this kit" else title for title in HEAD[2:]]
    assert names == [*PEERS]


@pytest.mark.parametrize("key", SUBMISSIONS)
def test_the_page_shows_every_submission(key: str) -> None:
    row = MEASURED[SUBMISSIONS[key].says]
    assert float(row[1]) == SUBMISSIONS[key].worth
    assert all(text.endswith(" s") for text in row[2:])


def test_the_last_row_counts_what_is_not_bold() -> None:
    attacks = [MEASURED[each.says] for key, each in SUBMISSIONS.items() if key != "correct"]
    counts = [sum("**" not in row[at] for row in attacks) for at in range(2, len(HEAD))]
    assert MEASURED["**its worth, and no damage**"][2:] == [f"{count} of 10" for count in counts]


def test_every_grader_gives_full_marks_to_a_correct_solution() -> None:
    assert all(text.startswith("10,") for text in MEASURED["a correct solution"][2:])


@pytest.mark.parametrize(
    ("outcome", "worth", "shown"),
    [
        (Outcome(10.0, 1.2), 10, "10, 1 s"),
        (Outcome(None, 1.2), 0, "no mark, 1 s"),
        (Outcome(None, 1.2), 5, "**no mark**, 1 s"),
        (Outcome(10.0, 1.2, ["connected"]), 10, "**10**, connected, 1 s"),
    ],
)
def test_a_cell_is_bold_where_the_mark_or_something_else_is_wrong(
    outcome: Outcome, worth: float, shown: str
) -> None:
    assert cell(outcome, worth) == shown


@pytest.mark.parametrize("key", SUBMISSIONS)
def test_a_submission_is_python_but_for_the_typo(key: str) -> None:
    text = "\n".join(SUBMISSIONS[key].parts)
    if key == "typo":
        with pytest.raises(SyntaxError):
            compile(text, key, "exec")
    else:
        compile(text, key, "exec")


def test_the_reference_is_right_in_each_form() -> None:
    names: dict[str, object] = {}
    exec(DOUBLE + SHOUT + "found = double(21), shout('hey')", names)
    assert names["found"] == (42, "HEY!")
    compile(mograder_notebook(DOUBLE, SHOUT), "notebook", "exec")
