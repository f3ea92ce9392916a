"""`predict` accepts all ways to write an answer, gives none away, and never raises."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from grader.base.files import read_toml
from grader.base.paths import ROOT
from grader.contract import predictions
from grader.contract.predictions import FIRST, Prediction, digest, is_made, normal_form, reply
from grader.contract.tasks import assignments
from grader.maintain import predictions as builder
from grader.maintain.stubs import BuildError
from grader.notebook import predict

HINT = "Count the directions."


def ask(monkeypatch: pytest.MonkeyPatch, answer: Any, *guess: Any, **options: Any) -> str:
    """What `predict` replies to a guess where the answer is known."""
    asked = Prediction("q", digest("q", answer, options.get("decimals", 2)), HINT, **options)
    monkeypatch.setattr(predictions, "predictions", lambda: {"q": asked})
    return reply("q", *guess)


SHAPES = [
    (3, 4, 12),
    [3, 4, 12],
    torch.Size([3, 4, 12]),
    torch.zeros(3, 4, 12).shape,
    torch.tensor([3, 4, 12]),
    "(3, 4, 12)",
    (3.0, 4, 12),
]


@pytest.mark.parametrize("guess", SHAPES)
def test_a_shape_can_be_written_in_many_ways(monkeypatch: pytest.MonkeyPatch, guess: Any) -> None:
    for answer in SHAPES:
        assert ask(monkeypatch, answer, guess).startswith("Right!")
    assert ask(monkeypatch, (3, 4, 12), 3, 4, 12).startswith("Right!")  # without brackets


@pytest.mark.parametrize(
    ("answer", "guess", "options"),
    [
        (0.667, 2 / 3, {}),
        (2 / 3, 0.67, {}),
        (0.7, 2 / 3, {"decimals": 1}),
        (100, 103.0, {"decimals": -1}),
        (3, torch.tensor(3), {}),
        (5, (5,), {}),
        (torch.Size([5]), 5, {}),
        (0, -0.001, {}),
        (True, "true", {}),
        ("True", True, {}),
        ("grows", " Grows ", {}),
        ("it grows", "It  grows", {}),
    ],
)
def test_equal_answers_are_right(
    monkeypatch: pytest.MonkeyPatch, answer: Any, guess: Any, options: dict[str, Any]
) -> None:
    assert ask(monkeypatch, answer, guess, **options).startswith("Right!")


@pytest.mark.parametrize(
    ("answer", "guess"),
    [
        (0.75, "3/4"),
        (0.75, "75%"),
        (0.75, "75 %"),
        (0.75, "about 75 percent"),
        (0.75, "0,75"),
        (0.75, ".75"),
        (0.75, "~0.75"),
        (0.75, "≈ 0.75"),
        (0.75, "3 / 4"),
        (0.75, "1 - 1/4"),
        (0.75, "0.75."),
        (0.75, Fraction(3, 4)),
        (0.75, Decimal("0.75")),
        (64.3, "64.3%"),
        (64.3, "64,3 %"),
        (-0.5, "\u22120.5"),
        (18, "6 * 3"),
        (18, "18 pairs"),
        (18, "eighteen"),
        (4.16, "about 4.16 nats"),
        ((3, 4, 12), "3 x 4 x 12"),
        ((3, 4, 12), "3x4x12"),
        ((3, 4, 12), "3\u00d74\u00d712"),
        ((3, 4, 12), "3*4*12"),
        ((3, 4, 12), "3, 4, 12"),
        ((3, 4, 12), "3,4,12"),
        ((3, 4, 12), "[3, 4, 12]"),
        ((3, 4, 12), "torch.Size([3, 4, 12])"),
        ((3, 4, 12), "(3 4 12)"),
        ((3, 4, 12), "3 sentences, 4 steps, 12 features"),
        ((4, 8), "4 x 8"),
        ((4, 8), "4,8"),
        ((1, 2, 3), range(1, 4)),
        ((1, 2, 3), {3, 1, 2}),
        (False, "no"),
        (False, "No."),
        (False, "N"),
        (False, "no, it differs"),
        (True, "yes"),
        (True, "Yes!"),
    ],
)
def test_a_guess_can_be_spelled_as_usual(
    monkeypatch: pytest.MonkeyPatch, answer: Any, guess: Any
) -> None:
    assert ask(monkeypatch, answer, guess).startswith("Right!")


def test_a_decimal_comma_without_quotes_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(monkeypatch, 0.75, 0, 75).startswith("Right!")
    assert ask(monkeypatch, (0, 75), 0, 75).startswith("Right!")
    assert ask(monkeypatch, 0.75, 75, 0).startswith("Not quite.")


@pytest.mark.parametrize(
    ("answer", "guess"),
    [
        (0.75, "1/4"),
        (0.75, "7.5%"),
        (0.75, "1/0"),
        (0.75, "9" * 300),
        (0.75, "1" + "/3" * 90),
        (0.75, "0.75 or 0.25"),
        ((3, 4, 12), "4 x 3 x 12"),
        ((3, 4, 12), "h2 is 3 x 4"),
        (144, "3, 4, 12"),
        (False, "yes"),
        (True, "not yes"),
        (True, "1"),
        (0, "no"),
    ],
)
def test_a_wrong_guess_is_wrong_however_it_is_spelled(
    monkeypatch: pytest.MonkeyPatch, answer: Any, guess: str
) -> None:
    assert ask(monkeypatch, answer, guess).startswith("Not quite.")


CHOICES = ("forward", "backward", "both")


@pytest.mark.parametrize(
    ("choices", "guess", "said"),
    [
        (CHOICES, "the forward state", "Right!"),
        (CHOICES, "Forward.", "Right!"),
        (CHOICES, "backwards", "Choose one"),
        (CHOICES, "it is the backward one", "Not quite."),
        (CHOICES, "not forward", "Choose one"),
        (CHOICES, "it isn't forward", "Choose one"),
        (CHOICES, "forward and backward", "Choose one"),
        (CHOICES, "", "Write your guess"),
        (CHOICES, "...", "Write your guess"),
        (("one of the two", "a third word"), "one", "Right!"),
        (("one of the two", "a third word"), "third", "Not quite."),
        (("one of the two", "a third word"), "the", "Choose one"),
    ],
)
def test_a_choice_is_recognised_if_only_one_can_be_meant(
    monkeypatch: pytest.MonkeyPatch, choices: tuple[str, ...], guess: str, said: str
) -> None:
    assert ask(monkeypatch, choices[0], guess, choices=choices).startswith(said)


@pytest.mark.parametrize(
    ("answer", "guess"),
    [
        ((3, 4, 12), (4, 3, 12)),
        ((3, 4, 12), (3, 4)),
        ((3, 4, 12), 3),
        ((3, 4, 12), (34, 12)),
        (0.67, 0.68),
        (True, 1),
        (True, False),
        (1, True),
        ("grows", "shrinks"),
        (3, 10**400),
        (3, float("nan")),
        (3, 1 + 2j),
        (3, {"a": 1}),
        (3, object()),
        (3, "\udc80"),
        (3, "(" * 10_000),
        (3, None),
    ],
)
def test_a_wrong_answer_gets_the_hint_and_not_the_answer(
    monkeypatch: pytest.MonkeyPatch, answer: Any, guess: Any
) -> None:
    said = ask(monkeypatch, answer, guess)
    assert said.startswith("Not quite. Count the directions.")
    assert str(answer) not in said


@pytest.mark.parametrize("guess", [(...,), (), ((3, ..., 4),), (3, ...), ((),)])
def test_without_a_guess_it_asks_for_one(monkeypatch: pytest.MonkeyPatch, guess: Any) -> None:
    assert ask(monkeypatch, (3, 4), *guess) == FIRST


def test_a_word_that_is_no_choice_is_not_called_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    choices = ("grows", "shrinks")
    said = ask(monkeypatch, "grows", "increases", choices=choices)
    assert said == 'Choose one of these: "grows", "shrinks".'
    assert ask(monkeypatch, "grows", "SHRINKS", choices=choices).startswith("Not quite.")
    assert ask(monkeypatch, "grows", "Grows", choices=choices).startswith("Right!")


@pytest.mark.parametrize(
    ("cell", "made"),
    [
        ('predict("q", ...)  # replace the ... by your guess, then run', False),
        ('predict("q", )', False),
        ('predict("q")', False),
        ("", False),
        ('# predict("q", 3)', False),
        ('predict("q", (3, 4))  # replace the ... by your guess, then run', True),
        ('predict("q", (3, 4))  # wrong, but a guess', True),
        ("predict('q', .5)", True),
        ('guess = "forward"\npredict("q", guess)', True),
        ('predict(\n    "q",\n    "forward",\n)', True),
        ("predict(" + " " * 100_000, False),
        ("\n" * 100_000, False),
    ],
)
def test_a_guess_is_made_if_something_is_in_the_place_of_the_dots(cell: str, made: bool) -> None:
    assert is_made(cell) is made


def test_an_unknown_question_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    predict("batch-first-hn", (1, 2))
    said = "There is no question 'batch-first-hn'. Did you mean batch-first-h-n?\n"
    assert capsys.readouterr().out == said


def test_equal_answers_to_two_questions_have_different_hashes() -> None:
    assert digest("one", 3, 2) != digest("two", 3, 2)


@pytest.mark.parametrize("id_", assignments())
def test_the_kit_has_the_hash_of_each_answer_and_not_the_answer(id_: str) -> None:
    asked = builder.questions(ROOT / "assignments" / f"{id_}.py")
    table = read_toml(predictions.TABLES / f"{id_}.toml")
    assert [*table] == [question.prediction.id for question in asked]
    notebook = (ROOT / f"assignments/source/{id_}/{id_}.ipynb").read_text(encoding="utf-8")
    for question in asked:
        own = question.prediction
        assert predictions.predictions()[own.id] == own
        answer = normal_form(question.answer, own.decimals)
        assert not (answer.startswith("(") and answer in own.hint.replace(" ", ""))
        assert f'predict(\\"{own.id}\\", ...)' in notebook
        assert own.hint not in notebook
    assert builder.check(ROOT / "assignments" / f"{id_}.py") == []


def test_questions_of_two_lessons_have_different_ids() -> None:
    ids = [id_ for path in predictions.TABLES.glob("*.toml") for id_ in read_toml(path)]
    assert len(ids) == len(set(ids))


CELL = '# %% predict=true\npredict("q", answer=(1, 2), computed=x.shape, hint="Look.")\n'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("(1, 2)", "(1, n)", "is not a question"),
        ("computed=x.shape, ", "", "is not a question"),
        (', hint="Look."', "", "predict q needs"),
        ("hint=", "digits=3, hint=", "predict q needs"),
        ("hint=", 'choices=("a", "b"), hint=', "not one of its choices"),
        ("predict(", "x = predict(", "is not a question"),
        ('"q"', '"q.1"', "is not a name"),
        (CELL, CELL + "\n" + CELL, "predict q is asked twice"),
    ],
)
def test_a_cell_that_is_no_question_is_refused(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    script = tmp_path / "lesson.py"
    script.write_text(CELL, encoding="utf-8")
    (question,) = builder.questions(script)
    assert (question.computed, question.prediction.hint) == ("x.shape", "Look.")
    assert question.cell.startswith('predict("q", ...)')
    script.write_text(CELL.replace(old, new), encoding="utf-8")
    with pytest.raises(BuildError, match=says):
        builder.questions(script)
