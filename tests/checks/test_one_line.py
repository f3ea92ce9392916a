"""Checks in one line: what they accept, what they say, and that answers are not prepared."""

from statistics import fmean, median
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from grader.base.errors import UsageError
from grader.checks import one_line
from grader.checks.one_line import Check, close, equal, raises
from grader.contract.messages import Blocked, Failure
from grader.grading.answers import StudentError
from grader.grading.session import session
from grader.intake.sources import Sources

NAME = "rnn_cell"  # the function of a task
MEAN = "def rnn_cell(numbers): return sum(numbers) / len(numbers)"


def run(check: Check, source: str, seed: int = 0) -> None:
    submitted = Sources("s", {"recurrent": source.encode()}, {"recurrent": "recurrent.py"})
    with session(submitted, assignment="recurrent-layers", in_process=True, seed=seed) as opened:
        check(opened.submission)


def message(check: Check, source: str) -> list[str]:
    with pytest.raises(Failure) as failed:
        run(check, source)
    return str(failed.value).split("\n")


def returning(text: str) -> str:
    return f"import torch\ndef rnn_cell(*_): return {text}"


@pytest.mark.parametrize(
    ("result", "expected", "wrong"),
    [
        ("3", 3, ["3.0", "True", "'3'", "None", "[3]"]),
        ("[1, 2]", [1, 2], ["(1, 2)", "[1]", "[1, 2, 3]", "[1, 2.0]"]),
        ("{'a': 1}", {"a": 1}, ["{'a': 2}", "{'b': 1}", "{}", "{'a': 1, 'b': 1}"]),
        ("{1: 'a'}", {1: "a"}, ["{True: 'a'}", "{1.0: 'a'}"]),
        ("True", True, ["1", "torch.tensor(True)"]),
        (
            "torch.tensor([True, False])",
            torch.tensor([True, False]),
            ["torch.tensor([True, True])", "torch.tensor([1, 0])"],
        ),
        (
            "torch.tensor([1., -torch.inf])",
            torch.tensor([1.0, -torch.inf]),
            ["torch.ones(2)", "torch.tensor([2., -torch.inf])"],
        ),
        (
            "torch.ones(2)",
            torch.ones(2),
            ["torch.ones(2).double()", "torch.ones(1, 2)", "[1., 1.]"],
        ),
    ],
)
def test_equal_is_equal_in_value_and_type(result: str, expected: Any, wrong: list[str]) -> None:
    check = equal(NAME, [0], expected, "So.")
    run(check, returning(result))
    for other in wrong:
        assert message(check, returning(other))[0] == "`rnn_cell(0)`"


@pytest.mark.parametrize(
    ("result", "expected", "wrong"),
    [
        ("3.00001", 3.0, ["3.1", "float('nan')", "True", "'3'", "torch.tensor(3.)"]),
        ("(3, [1e6 + 1])", (3.0, [1e6]), ["(3, [1.1e6])", "(3, 1e6)"]),
        ("torch.ones(2) + 1e-5", torch.ones(2), ["torch.zeros(2)", "torch.ones(3)"]),
        ("torch.tensor([True])", torch.tensor([True]), ["torch.tensor([False])"]),
        ("float('inf')", float("inf"), ["1e300", "float('-inf')"]),
        (
            "torch.tensor([1., torch.inf])",
            torch.tensor([1.0, torch.inf]),
            ["torch.ones(2)", "torch.tensor([2., torch.inf])"],
        ),
    ],
)
def test_close_accepts_rounding(result: str, expected: Any, wrong: list[str]) -> None:
    check = close(NAME, [0], expected, "So.")
    run(check, returning(result))
    for other in wrong:
        message(check, returning(other))


def test_the_message_can_be_pasted_and_shows_both_results() -> None:
    check = close(NAME, [[1, 2, 6], torch.ones(2)], 3.0, "So.")
    assert message(check, returning("2.0")) == [
        "`rnn_cell([1, 2, 6], torch.tensor([1.0, 1.0]))`",
        "  got:      2.0",
        "  expected: 3.0",
    ]


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        (
            [torch.ones(2), (torch.zeros(1, 1),)],
            "[torch.tensor([1.0, 1.0]), (torch.tensor([[0.0]]),)]",
        ),
        ({"a": torch.tensor([1, 2])}, "{'a': torch.tensor([1, 2])}"),
        (torch.ones(1).double(), "torch.tensor([1.0], dtype=torch.float64)"),
        (torch.zeros(0, dtype=torch.long), "torch.tensor([], dtype=torch.int64)"),
    ],
)
def test_tensors_of_any_dtype_and_in_containers_can_be_pasted(argument: Any, text: str) -> None:
    check = equal(NAME, [argument], 3, "So.")
    assert message(check, returning("2"))[0] == f"`rnn_cell({text})`"


def test_of_large_tensors_the_numbers_that_differ_most_are_shown() -> None:
    check = close(NAME, [0], torch.zeros(4, 5), "So.")
    lines = message(check, returning("torch.eye(4, 5)"))
    assert lines[1].endswith("of shape (4, 5); number 0 is 1")
    assert lines[2] == "  expected: 0 there"


def test_a_known_mistake_is_named() -> None:
    check = close(NAME, [[1, 2, 6]], fmean, "So.", {"exp-missing": median})
    with pytest.raises(Failure) as failed:
        run(check, returning("2"))
    assert failed.value.mistake == "exp-missing"
    with pytest.raises(Failure) as failed:
        run(check, returning("4"))
    assert failed.value.mistake is None


def test_drawn_arguments_differ_by_seed_and_no_constant_passes() -> None:
    check = close(NAME, lambda draw: [draw.sample(range(99), 5)], fmean, "So.")
    run(check, MEAN)
    run(check, MEAN, seed=1)
    calls = set()
    for seed in range(3):
        with pytest.raises(Failure) as failed:
            run(check, returning("50"), seed)
        calls.add(str(failed.value).split("\n")[0])
    assert len(calls) == 3


def test_a_constant_shows_nothing_where_another_check_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = close(NAME, lambda draw: [draw.sample(range(99), 5)], fmean, "Of any numbers.")
    other = SimpleNamespace(id="rnn_cell.any", is_here=True, load=lambda: drawn)
    task = SimpleNamespace(names=[NAME], checks=[other])
    monkeypatch.setattr(one_line, "tasks", lambda: {NAME: task})
    check = close(NAME, [[1, 2, 6]], 3.0, "So.")
    for right_for_these in (MEAN, MEAN.replace("len(numbers)", "3"), RAISES_FOR_OTHERS):
        run(check, right_for_these)
    for seed in range(3):
        with pytest.raises(Blocked, match=r"fix rnn_cell\.any first"):
            run(check, returning("3.0"), seed)


RAISES_FOR_OTHERS = """
def rnn_cell(numbers):
    assert numbers == [1, 2, 6]
    return 3.0
"""


def test_raises_wants_the_exception_and_accepts_its_subclasses() -> None:
    check = raises(NAME, [[]], LookupError, "So.")
    for name in ("LookupError", "KeyError", "IndexError"):
        run(check, f"def rnn_cell(*_): raise {name}('no')")
    assert message(check, returning("0"))[1:] == [
        "  got:      0",
        "  expected: LookupError, raised",
    ]
    lines = message(check, "class Lookup(Exception): ...\ndef rnn_cell(*_): raise Lookup('no')")
    assert lines[1] == "  raised:   Lookup: no"
    for source in (
        "def rnn_cell(*_): raise NotImplementedError('Task rnn_cell: write rnn_cell')",
        "def rnn_cell(*_): raise SystemExit",
    ):
        with pytest.raises(StudentError):
            run(check, source)


def test_a_check_that_is_not_written_yet_is_no_fault_of_a_student() -> None:
    with pytest.raises(UsageError, match="not written yet"):
        run(equal(NAME, [...], ..., "So."), MEAN)


def test_a_check_says_what_it_promises() -> None:
    assert equal(NAME, [0], 0, "Zero gives zero.").__doc__ == "Zero gives zero."


@pytest.mark.parametrize(
    ("result", "expected", "wrong"),
    [
        (
            "np.ones(2)",
            np.ones(2),
            ["[1.0, 1.0]", "torch.ones(2).double()", "np.ones(2, 'f4')", "np.ones((1, 2))", "None"],
        ),
        ("np.float64(3)", 3.0, ["np.ones(())", "np.int64(3)", "'3'"]),
        ("(np.arange(3), 'x')", (np.arange(3), "x"), ["(np.arange(1, 4), 'x')", "np.arange(3)"]),
        ("np.array(['a'])", np.ones(1), []),
    ],
)
def test_numpy_arrays_are_arguments_and_results(
    result: str, expected: Any, wrong: list[str]
) -> None:
    given = (
        "import torch, numpy as np\ndef rnn_cell(x):\n    assert type(x) is np.ndarray\n    return "
    )
    check = equal(NAME, [np.array([[1.5, 2.0]])], expected, "So.")
    right = wrong != []
    if right:
        run(check, given + result)
    for other in wrong or [result]:
        told = message(check, given + other)
        assert told[0] == "`rnn_cell(np.array([[1.5, 2.0]]))`"
    if right and isinstance(expected, np.ndarray):
        told = message(check, given + "np.zeros(2)")
        assert "a float64 array [0.0, 0.0] of shape (2,)" in told[1]
        assert "a float64 array [1.0, 1.0] of shape (2,)" in told[2]


def test_drawn_arrays_reach_the_reference_and_the_student() -> None:
    draw = lambda draw: [np.array([draw.random() for _ in range(30)], dtype=np.float32)]  # noqa: E731
    check = close(NAME, draw, lambda x: np.exp(x), "So.", {"exp-missing": lambda x: np.exp(-x)})
    right = "import numpy as np\ndef rnn_cell(x): return np.exp({})"
    run(check, right.format("x"))
    told = message(check, right.format("0 * x"))
    assert "number " in told[1]
    assert "float64" in message(check, right.format("x.astype('f8')"))[1]
    assert one_line._literal(np.ones(1, "f4")) == "np.array([1.0], dtype=np.float32)"
