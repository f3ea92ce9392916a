"""What the board says: what to do next, in every state that a task can be in."""

import pytest
from PIL import Image

from grader.base.paths import ROOT
from grader.contract.enums import Status
from grader.contract.record import CheckResult, Record
from grader.contract.tasks import assignments, tasks
from grader.reports import board
from tests import pictures


def shown(capsys: pytest.CaptureFixture[str], task: str, **found: tuple[str, str]) -> str:
    """The board of one task, in which all checks passed except the given ones."""
    checks = []
    for check in tasks()[task].checks:
        status, message = found.get(check.name, ("passed", ""))
        score = check.points if status == "passed" else 0
        checks.append(
            CheckResult(check.id, task, Status(status), score, check.points, None, message)
        )
    board.show(Record({"name": "s", "digest": ""}, checks, {}))
    return " ".join(capsys.readouterr().out.split())


def test_a_class_that_is_half_written_is_told_what_to_write_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    to_write = ("not_started", "Task dataset: write NewsDataset.__len__ in exercise/dataset.py")
    out = shown(capsys, "dataset", length=to_write, item=("not_started", ""))
    assert "in progress write NewsDataset.__len__ in dataset.py" in out
    assert (
        "Next: dataset: write NewsDataset.__len__ in dataset.py; a first hint: python -m grader"
        in out
    )
    assert "message above" not in out


def test_what_failed_comes_before_what_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, "dataset", n_targets=("failed", "Called"), length=("not_started", ""))
    assert out.endswith("Next: dataset, the first message above.")


@pytest.mark.kit
def test_accuracy_has_no_file_to_open(capsys: pytest.CaptureFixture[str]) -> None:
    waits = ("not_started", "Not checked yet: finish the task model or train first.")
    out = shown(capsys, "accuracy", unseen=waits, end_to_end=waits)
    assert "Next: accuracy: write model.py and train.py first; a first hint:" in out
    assert "accuracy.py" not in out


@pytest.mark.kit
def test_what_waits_for_another_task_says_for_which(capsys: pytest.CaptureFixture[str]) -> None:
    waits = ("blocked", "Not checked yet: finish the task dataset first.")
    assert "Next: accuracy: finish the task dataset first;" in shown(
        capsys, "accuracy", unseen=waits, end_to_end=waits
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("exercise", "To hand in: python -m grader handin --assignment recurrent-layers"),
        ("ada.ipynb", "Hand in the notebook."),
    ],
)
def test_at_the_end_it_says_how_to_hand_in(
    name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [
        CheckResult(
            check.id,
            check.task,
            Status.PASSED,
            check.points,
            check.points,
            bonus=tasks()[check.task].bonus,
        )
        for check in assignments()["recurrent-layers"].checks
    ]
    board.show(Record({"name": name, "digest": ""}, checks, {}))
    assert "All done: full marks. " + says in " ".join(capsys.readouterr().out.split())


def test_a_wrapped_line_continues_below_its_text() -> None:
    words = "word " * 20
    message = f"Your code raised\n  yours:    {words}\n  expected: {words}"
    result = CheckResult("model.builds", "model", Status.FAILED, 0, 4, message=message, hint=1)
    shown_lines = board.text(Record({}, [result], {})).split("\n")
    wrapped = [line for line in shown_lines if line.strip().startswith("word")]
    assert wrapped
    assert all(line.startswith(" " * 14 + "word") for line in wrapped)


@pytest.mark.kit
@pytest.mark.parametrize("status", ["blocked", "failed"])
def test_a_check_without_points_does_not_make_a_task_look_unfinished(
    capsys: pytest.CaptureFixture[str], status: str
) -> None:
    out = shown(capsys, "accuracy", end_to_end=(status, "Finish the task dataset first."))
    assert "accuracy 15/15 done Total" in out
    assert "Next:" not in out
    assert ("Finish the task dataset first." in out) == (status == "failed")


ACCURACY = {"value": 0.62, "unseen": 300, "full": 0.52, "none": 0.34}
USUAL = (
    "Full marks from 0.52, points from 0.34. Between 0.60 and 0.70 is usual for a correct "
    "solution: each submission is tested on a different draw of the news."
)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ("own", "with your model and your loop."),
        (
            "own_loop",
            "with your loop and the grader's model; your own model is tried once it passes its "
            "checks.",
        ),
        (
            "own_model",
            "with your model and the grader's loop; your own loop is tried once it passes its "
            "checks.",
        ),
    ],
)
def test_accuracy_says_what_was_measured_and_what_is_usual(parts: str, says: str) -> None:
    usual = {"mean": 0.65, "spread": 0.025}
    record = Record(
        {"name": "s", "digest": ""}, [], {}, {**ACCURACY, "parts": parts, "reference": usual}
    )
    measured, marks = board.accuracy(record).split("\n")
    assert measured == f"Accuracy: 0.62 on 300 held-out news items, {says}"
    assert marks == USUAL


def test_accuracy_on_an_instructors_news_claims_nothing_usual() -> None:
    record = Record({"name": "s", "digest": ""}, [], {}, {**ACCURACY, "reference": None})
    assert board.accuracy(record).endswith("points from 0.34.")


def test_what_did_not_run_is_no_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Next: dataset: index did not run;" in shown(capsys, "dataset", index=("not_run", ""))


def test_a_check_that_was_chosen_without_what_it_needs_says_what_to_write(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = shown(capsys, "dataset", index=("not_started", ""))
    assert "Next: dataset: write dataset.py;" in out


@pytest.mark.kit
def test_the_readmes_picture_shows_what_a_terminal_shows_half_way() -> None:
    text, _ = pictures.board_page()
    shown_then = Image.open(pictures.IMAGES / "board.png").text[pictures.SHOWS]  # type: ignore[attr-defined]
    assert text == shown_then, "python -m tests.pictures takes the picture again"
    assert "](docs/img/board.png)" in (ROOT / "README.md").read_text(encoding="utf-8")
