"""An exception comes with what the variables of its line hold, or what a name may have meant."""

import pytest
import torch

from grader.contract.messages import explain_raised
from grader.sandbox.worker_client import LocalWorker
from grader.worker.student import student
from grader.worker.wire import Raised

BATCH = [("Oil rose", torch.tensor(1)), ("Goal!", torch.tensor(2)), ("Rain", torch.tensor(0))]


def raised(code: str) -> Raised:
    LocalWorker({"train": code.encode()}, {"train": "train.py"})
    found = student.attempt("f(batch)", student.get("train", "f"), BATCH)
    assert isinstance(found, Raised)
    return found


@pytest.mark.parametrize(
    ("line", "clue"),
    [
        (
            "texts, targets = batch",
            "`batch` is a list of 3 tuples such as ('Oil rose', an int64 tensor of shape (), 1)",
        ),
        ("one, two = batch[0][0]", "`batch` is a list of 3"),
        ("number = 1.5; batch[number]", "`number` is 1.5, `batch` is a list"),
        ("x = torch.ones(2, 3); x + 'one'", "`x` is a float32 tensor of shape (2, 3)"),
        ("empty = []; empty[0]", "`empty` is an empty list"),
        ("mixed = [1, 'a']; mixed + 1", "`mixed` is a list of 2: 1, 'a'"),
        ("layer = torch.nn.Linear(2, 3); layer + 1", "`layer` is Linear(in_features=2,"),
        ("text = 30 * 'a'; text += 'b'; text + 1", "`text` is 'aaaaaaaaaaaaaaaaaaaaaaaaaa ...'"),
    ],
)
def test_what_the_variables_of_the_line_hold_is_said(line: str, clue: str) -> None:
    found = raised(f"import torch\ndef f(batch):\n    {line}\n")
    assert clue in found.clue
    assert f"  {found.clue}" in explain_raised(found, "train").split("\n")


OWN = """
import torch
class Thing:
    def __init__(self, batch):
        self.samples, nlp = batch, None
    def __call__(self):
        return {line}
def f(batch):
    numbers = torch.ones(2)
    return Thing(batch)()
"""


@pytest.mark.parametrize(
    ("line", "clue"),
    [
        ("len(samples)", "Did you mean `self.samples`?"),
        ("len(self.sample)", "Did you mean `.samples`?"),
        ("lenn(self.samples)", "Did you mean `len`?"),
        ("torch.ones(2).unsqeeze(0)", "Did you mean `.unsqueeze`?"),
        ("torch.soft_max(1)", "Did you mean `.softmax`?"),
        ("nlp(1)", "`nlp` is a variable of __init__ only. Pass it on as an argument, or keep it"),
        ("nothing_like_this", ""),
    ],
)
def test_what_a_name_may_have_meant_is_said(line: str, clue: str) -> None:
    assert raised(OWN.format(line=line)).clue.startswith(clue)
    assert bool(raised(OWN.format(line=line)).clue) is bool(clue)


def test_the_methods_of_a_students_class_are_not_called() -> None:
    code = """
class Odd:
    def __repr__(self): raise SystemExit
    def __len__(self): raise SystemExit
    def __getattribute__(self, name): raise SystemExit
def f(batch):
    odd = Odd()
    return odd + 1
"""
    assert raised(code).clue == "In this line `odd` is an Odd."


def test_a_shape_trace_is_enough() -> None:
    code = "import torch\ndef f(batch):\n    x = torch.ones(2, 3)\n    return x @ x\n"
    LocalWorker({"train": code.encode()}, {"train": "train.py"})
    from grader.worker.shape_trace import traced

    found = student.attempt("f(batch)", traced, student.get("train", "f"), BATCH)
    assert found.trace
    assert not found.clue
