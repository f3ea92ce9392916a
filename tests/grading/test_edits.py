"""A failure that nothing explains says which small change makes the check pass."""

import math
from typing import Any

import pytest

from grader.contract.record import CheckResult
from grader.contract.tasks import tasks
from grader.grading import edits
from grader.grading.session import session
from grader.maintain.submission_bank import REFERENCE, SameDigest

WRONG = {  # task: code of the reference, what a student wrote, and what the message says of it
    "rnn_cell": ("inputs @ w_ih.T + b_ih", "inputs @ w_ih.T - b_ih", "`-` is the wrong operation"),
    "unroll": ("cell(step, state)", "cell(step, state) + state", "`state` is too much"),
    "gru_cell": ("return (1 - z)", "return (1 - r)", "`r` is the wrong variable"),
    "carry_state": ("lstm(chunk, state)", "lstm(chunk, (state[0], -state[1]))", "the minus sign"),
    "sentence_lengths": ("any(dim=2)", "any(dim=1)", "1 is the wrong dimension"),
    "perplexity": ("loss.exp()", "loss.exp().sqrt()", "`.sqrt()` is too much"),
    "bleu": ("- n + 1)", "- n + 2)", "ends at the wrong place"),
    "teacher_forcing": ("append(logits)", "append(logits * 2)", "the part `2` is too much"),
}
CLASSES = {  # the same for the methods of classes, and for loops
    "dataset": ("return len(self.samples)", "return len(self.samples) - 1", "`1` is too much"),
    "collate": ("= token.vector", "= token.vector ** 2", "the part `2` is too much"),
    "model": ("relu(last)", "relu(last - last.mean(0))", "`last.mean(0)` is too"),
    "train": ("argmax(dim=1)", "argmin(dim=1)", "`argmin` is the wrong function"),
}
METER = """class Meter:
    def __init__(self):
        self.total, self.count = 0.0, 0

    def add(self, value, n=1):
        self.total += value * n
        self.count += n

    @property
    def mean(self):
        return self.total / self.count


def evaluate("""
LONGER: dict[str, list[tuple[str, str]]] = {  # slips in the middle of longer code, by the words
    "`predictions` is the wrong variable": [
        (
            "correct += (logits.argmax(dim=1) == targets)",
            "predictions = logits.argmax(dim=1)\n            "
            "correct += (predictions == predictions)",
        )
    ],
    "in `loss.add(len(targets), value)`, the parts are in the wrong order": [
        ("def evaluate(", METER),
        ("    with torch.no_grad()", "    loss = Meter()\n    with torch.no_grad()"),
        ("total_loss += nn.functional", "value = nn.functional"),
        ('reduction="sum").item()', 'reduction="mean").item()'),
        (
            "            correct +=",
            "            loss.add(len(targets), value)\n            correct +=",
        ),
        ("return total_loss / count", "return loss.mean"),
    ],
    "in `self.total / self.total`, `total` is the wrong attribute": [
        ("def evaluate(", METER.replace("self.total / self.count", "self.total / self.total")),
        ("    with torch.no_grad()", "    loss = Meter()\n    with torch.no_grad()"),
        ("total_loss += nn.functional", "value = nn.functional"),
        ('reduction="sum").item()', 'reduction="mean").item()'),
        (
            "            correct +=",
            "            loss.add(value, len(targets))\n            correct +=",
        ),
        ("return total_loss / count", "return loss.mean"),
    ],
}
TWICE = [
    ("inputs @ w_ih.T + b_ih", "inputs @ w_ih.T - b_ih"),
    ("return torch.tanh(", "return torch.sin("),
]


def first_failure(task: str, *changes: tuple[str, str], in_process: bool = True) -> CheckResult:
    """Return the first check of a task that a changed reference fails."""
    own = tasks()[task]
    source = REFERENCE[own.module].decode()
    for old, new in changes:
        assert old in source
        source = source.replace(old, new, 1)
    files = {own.module: source.encode()}
    submitted = SameDigest("x", files, {own.module: f"{own.module}.py"}, only=own.module)
    with session(
        submitted, assignment=own.assignment, device="cpu", in_process=in_process
    ) as opened:
        results = [opened.run(check) for check in own.checks]
    return next(result for result in results if result.status.is_broken)


@pytest.fixture(autouse=True)
def unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no load of the machine end a search."""
    for limit in ("MOST_SECONDS", "MOST_IN_ALL"):
        monkeypatch.setattr(edits, limit, math.inf)


def by_task() -> list[Any]:
    dear = ("collate", "train", "gru_cell", "bleu", "teacher_forcing")
    return [
        pytest.param(task, marks=[pytest.mark.full] if task in dear else [])
        for task in (WRONG | CLASSES)
    ]


@pytest.mark.parametrize("task", by_task())
def test_the_change_is_told(task: str) -> None:
    old, new, words = (WRONG | CLASSES)[task]
    message = first_failure(task, (old, new)).message
    *_, told = message.split("\n")
    assert words in told
    assert told.endswith(edits.IF_CHANGED)
    line = REFERENCE[tasks()[task].module].decode().partition(old)[0].count("\n") + 1
    assert f"line {line}:" in told


@pytest.mark.full
@pytest.mark.parametrize("words", LONGER)
def test_a_slip_in_longer_code_is_told(words: str) -> None:
    *_, told = first_failure("train", *LONGER[words]).message.split("\n")
    assert words in told
    assert told.endswith(edits.IF_CHANGED)


def test_the_sandbox_gives_the_same_message() -> None:
    old, new, _ = WRONG["rnn_cell"]
    both = [
        first_failure("rnn_cell", (old, new), in_process=here).message for here in (True, False)
    ]
    assert both[0] == both[1]


def test_a_result_that_is_always_none_is_told() -> None:
    changes = "return torch.stack(outputs, dim=1), state", "return outputs.append(state)"
    message = first_failure("unroll", changes).message
    assert "`return outputs.append(state)`, append returns None" in message
    assert "Is there a `return`?" not in message


def test_two_mistakes_are_not_told_as_one() -> None:
    assert edits.IF_CHANGED not in first_failure("rnn_cell", *TWICE).message


@pytest.mark.full
def test_a_mistake_in_one_function_is_told_beside_one_in_another() -> None:
    changes = (
        ("return forward + backward", "return forward * backward"),
        ("backward[:, 0]", "outputs"),
    )
    assert "`*` is the wrong operation" in first_failure("directions", *changes).message


@pytest.mark.full
def test_what_repairs_one_of_several_failed_checks_by_chance_is_not_told() -> None:
    old = "penalty = 1.0 if c > r else math.exp(1 - r / c)"
    new = (
        "penalty = sum(min(1.0, math.exp(1 - len(b) / len(a))) for a, b in "
        "zip(translations, references) if a) / len(translations)"
    )
    assert edits.IF_CHANGED not in first_failure("bleu", (old, new)).message


def test_a_closer_look_adds_the_change_to_a_result_that_came_before() -> None:
    task = tasks()["rnn_cell"]
    source = REFERENCE["recurrent"].replace(b"inputs @ w_ih.T + b_ih", b"inputs @ w_ih.T - b_ih")
    submitted = SameDigest("x", {"recurrent": source}, {"recurrent": "recurrent.py"})
    with session(submitted, assignment=task.assignment, device="cpu", in_process=True) as opened:
        opened.tries_edits = False
        for check in task.checks:
            opened.run(check)
        before = [opened.results[check.id].message for check in task.checks]
        assert not any(edits.IF_CHANGED in message for message in before)
        assert opened.look_closer("rnn_cell")
        after = [opened.results[check.id].message for check in task.checks]
        assert sum(edits.IF_CHANGED in message for message in after) == 1
        assert not opened.look_closer("rnn_cell")


def test_the_searches_in_a_submission_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "MOST_IN_ALL", 0.0)
    old, new, _ = WRONG["rnn_cell"]
    assert edits.IF_CHANGED not in first_failure("rnn_cell", (old, new)).message


def test_a_named_mistake_keeps_its_explanation() -> None:
    result = first_failure("rnn_cell", ("torch.tanh", "torch.relu"))
    assert result.mistake == "relu-for-tanh"
    assert edits.IF_CHANGED not in result.message


def test_an_odd_line_is_told_with_any_mistake() -> None:
    right = "return self.samples[index]"
    result = first_failure("dataset", (right, f"self.samples.clear\n        {right}[:3]"))
    line = REFERENCE["dataset"].decode().partition(right)[0].count("\n") + 1
    assert f"line {line}: `self.samples.clear` is not called" in result.message


def test_code_with_a_breakpoint_is_left_alone() -> None:
    old, new, _ = WRONG["rnn_cell"]
    changes = ("return torch.tanh", "breakpoint\n    return torch.tanh"), (old, new)
    assert edits.IF_CHANGED not in first_failure("rnn_cell", *changes).message


def test_an_edit_that_makes_a_loop_endless_is_no_harm() -> None:
    loop = """step = 0
    while step < inputs.shape[1]:
        state = cell(inputs[:, step], -state)
        outputs.append(state)
        step += 1
"""
    source = REFERENCE["recurrent"].decode()
    start = source.index("for step in inputs")
    old = source[start : source.index("    return torch.stack", start)]
    assert "the minus sign is wrong" in first_failure("unroll", (old, loop)).message
