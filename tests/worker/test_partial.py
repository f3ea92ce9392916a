"""A module of several tasks that does not run as a whole: what is broken costs its own task."""

import io

import pytest

from grader.contract.record import Record
from grader.contract.tasks import tasks
from grader.grading.session import session
from grader.intake.sources import Sources
from grader.maintain.submission_bank import REFERENCE
from grader.worker import missing_imports, partial

TASKS = {"one": ["one"], "two": ["two", "half"], "three": ["three"]}
SOURCE = '''\
"""A text with
unindented lines
"""
import math

def one(x: float) -> float:
    return math.sqrt(x)

@staticmethod
def two(x):
    if x:
        return 1
    else:
        return 2

half = 0.5
class three:
    pass
'''


def broken(source: str) -> dict[str, str] | None:
    """Run a module and its statements as a worker does; return what each name costs."""
    lines = io.StringIO(source).readlines()
    try:
        exec(compile(source, "m.py", "exec"), {})
    except BaseException as error:
        namespace = {"__name__": "m"}
        costs = partial.run(lines, "m.py", namespace, error, TASKS)
        if costs is None:
            return None
        present = {name for names in TASKS.values() for name in names}
        assert present <= {*namespace, *costs}
        return {name: type(error).__name__ for name, error in costs.items()}
    return {}


@pytest.mark.parametrize(
    ("old", "new", "costs"),
    [
        ("", "", {}),
        ("pass\n", "pass\n\ndef helper(a, b\n", {"three": "SyntaxError"}),
        ("pass\n", "pass\n\ndef helper(a, b):\n", {"three": "IndentationError"}),
        ("pass\n", "pass\nprint(three_)\n", {"three": "NameError"}),
        ("pass\n", "pass\nexit()\n", {"three": "SystemExit"}),
        ("math.sqrt(x)", "math.sqrt(x", {"one": "SyntaxError"}),
        ("import math\n", "", {}),  # missing when it is called
        ("import math", "import maths", {"one": "ModuleNotFoundError"}),
        ("x: float", "x: Float", {"one": "NameError"}),
        ("    if x:", "    if x", {"two": "SyntaxError", "half": "SyntaxError"}),
        ("@staticmethod", "@static", {"two": "NameError", "half": "NameError"}),
        ("0.5", "0.5.5", {"two": "SyntaxError", "half": "SyntaxError"}),
        ("        return 1\n", "       return 1\n\n", {}),
        (
            "        return 2",
            "      return 2\n     x",
            dict.fromkeys(TASKS["two"], "IndentationError"),
        ),
        ("def one", '"""unfinished\ndef one', {"one": "SyntaxError"}),
    ],
)
def test_what_is_broken_costs_its_own_task(old: str, new: str, costs: dict[str, str]) -> None:
    assert broken(SOURCE.replace(old, new, 1)) == costs


def test_two_broken_tasks_cost_both() -> None:
    source = SOURCE.replace("math.sqrt(x)", "math.sqrt(x").replace("class three:", "class three")
    assert broken(source) == {"one": "SyntaxError", "three": "SyntaxError"}


def test_a_module_without_its_tasks_cannot_be_split() -> None:
    assert broken("x = (\n") is None
    assert broken("raise ValueError\n") is None


def test_a_source_of_many_broken_lines_is_given_up_in_time() -> None:
    lines = ["x = (\n"] * 200_000
    assert sum(1 for _ in partial.statements(lines, "m.py")) < 100


def recurrent(source: str, *names: str) -> Record:
    sources = Sources("s", {"recurrent": source.encode()}, {"recurrent": "recurrent.py"})
    with session(sources, assignment="recurrent-layers", device="cpu") as opened:
        opened.planned = [check for name in names for check in tasks()[name].checks]
        for check in opened.planned:
            opened.run(check)
        return opened.record()


def test_the_other_tasks_are_graded_and_the_record_says_that_the_file_does_not_run() -> None:
    source = REFERENCE["recurrent"].decode().replace("def gru_cell(", "def gru_cell((", 1)
    record = recurrent(source, "rnn_cell", "gru_cell", "last_state")
    assert [(task.id, task.score, task.max_score) for task in record.tasks] == [
        ("rnn_cell", 12, 12),
        ("gru_cell", 0, 14),
        ("last_state", 14, 14),
    ]
    line = next(n for n, text in enumerate(source.split("\n"), 1) if "def gru_cell" in text)
    (note,) = record.submission["notes"]
    assert note.startswith(f"recurrent.py, line {line}: SyntaxError: '(' was never closed.")
    assert "does not run as a whole" in note
    failed = next(check for check in record.checks if check.status == "failed")
    assert f"recurrent.py, line {line}" in failed.message


@pytest.mark.parametrize(
    ("old", "new", "costs"),
    [
        ("", "", []),
        ("import math\n", "", ["one"]),
        ("import math\n", "math = None\n", []),
        ("import math\n", "def helper(x):\n    return math.pi\n", ["one"]),
        ("return 2", "return helper()\n\ndef helper():\n    return nn.ReLU", ["two", "half"]),
        ("return 2", "return 2\n\ndef unused():\n    return nn.ReLU", []),
        ("return 2", "import torch; return torch.pi", []),
        ("return 2", "global torch; import torch; return torch.pi", []),
        ("return 2", "return self.torch", []),
        ("return 2", "return helper", []),
    ],
)
def test_a_missing_import_costs_the_first_task_that_needs_it(
    old: str, new: str, costs: list[str]
) -> None:
    source = SOURCE.replace(old, new, 1)
    namespace: dict[str, object] = {"__name__": "m"}
    exec(compile(source, "m.py", "exec"), namespace)
    found = missing_imports.supply(io.StringIO(source).readlines(), "m.py", namespace, TASKS)
    assert [*found] == costs
    assert {type(error) for error in found.values()} <= {NameError}
    assert "math" in namespace


def test_a_file_without_its_imports_loses_one_task() -> None:
    source = REFERENCE["recurrent"].decode().replace("import torch\n", "", 1)
    record = recurrent(source, "rnn_cell", "lstm_cell", "last_state")
    assert [task.score for task in record.tasks] == [0, 18, 14]
    assert "An import is missing" in record.checks[0].message
    (note,) = record.submission["notes"]
    assert "NameError: name 'torch' is not defined" in note


def test_it_is_still_split_after_the_worker_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.grading.submission.SECONDS", 4.0)
    loop = "\n\ndef rnn_cell(*_):\n    while True:\n        pass\n\n\ndef helper(:\n"
    record = recurrent(REFERENCE["recurrent"].decode() + loop, "rnn_cell", "last_state")
    assert [task.score for task in record.tasks] == [0, 14]
