"""A size that is written as a number is told where shapes are wrong, and nowhere else."""

import pytest

from grader.base.paths import ROOT, SOLUTION
from grader.contract.record import CheckResult
from grader.contract.tasks import tasks
from grader.grading.session import session
from grader.maintain.submission_bank import REFERENCE, SameDigest
from grader.worker.fixed_sizes import fixed_sizes

HEAD = "import torch\nSIZE = 64\n\ndef f(x):\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("return x[:, :64]", "`64` in `x[:, :64]` is a fixed number"),
        ("return x[..., SIZE:]", "`SIZE` in `x[..., SIZE:]` is the fixed number 64 of line 2"),
        ("return x.view(-1, 4, 2 * 32)", "`2 * 32` in `x.view(-1, 4, 2 * 32)` is the fixed"),
        ("return torch.zeros((len(x), SIZE))", "`SIZE` in `torch.zeros((len(x), SIZE))` is"),
        ("return torch.nn.Linear(SIZE, 4)", "`SIZE` in `torch.nn.Linear(SIZE, 4)` is"),
        ("return torch.arange(1, 65)", "`65 - 1` in `torch.arange(1, 65)` is the fixed number 64"),
    ],
)
def test_a_fixed_size_is_found(line: str, says: str) -> None:
    ((number, size, text),) = fixed_sizes(f"{HEAD}    {line}\n", [], [64])
    assert (number, size) == (5, 64)
    assert text.startswith(says)


@pytest.mark.parametrize(
    "line",
    [
        "return 64 * x",
        "return x.sum(dim=64)",
        "return torch.full((3,), fill_value=64)",
        "SIZE = len(x)\n    SIZE = 64\n    return x[SIZE:]",
        "return range(64)",
        "return x[:, :32]",
    ],
)
def test_another_number_is_not(line: str) -> None:
    assert not fixed_sizes(f"import torch\n\ndef f(x):\n    {line}\n", [], [64])


@pytest.mark.parametrize("line", ["x[0]", "x[:, 2:4]", "torch.zeros(0, 7)", "x.view(-1, 1)"])
def test_the_smallest_numbers_are_no_sizes(line: str) -> None:
    assert not fixed_sizes(f"def f(x):\n    return {line}\n", [], [0, 1, 2, 4])


def test_a_loop_or_a_tensor_that_ends_elsewhere_than_the_input_is_found() -> None:
    code = "def f(x):\n    for t in range(10):\n        x[t]\n    return torch.zeros(6)[t]\n"
    assert [size for _, size, _ in fixed_sizes(code, [], [], length=6)] == [10, 6]
    assert not fixed_sizes(code, [], [], length=12)


def test_the_size_of_the_parts_is_found_if_their_number_is_wrong() -> None:
    code = "def f(x):\n    a, b = x.split({}, dim=1)\n"
    assert [size for _, size, _ in fixed_sizes(code.format(32), [], [], is_split=True)] == [32]
    assert not fixed_sizes(code.format(32), [], [])
    assert not fixed_sizes(code.format(4), [], [], is_split=True)  # chunk may be meant


def test_definitions_of_other_tasks_are_skipped() -> None:
    assert not fixed_sizes(f"{HEAD}    return x[:64]\n", ["f"], [64])


def test_right_code_has_no_fixed_sizes_of_the_lesson() -> None:
    accepted = ROOT / "tests" / "submissions" / "accepted"
    for file in [*SOLUTION.glob("*.py"), *accepted.glob("*/*.py")]:
        assert not fixed_sizes(file.read_text(encoding="utf-8"), [], [64, 128, 300]), file


WRONG = {  # task: what is in the reference, and with a fixed size; what is said
    "rnn_cell": (
        "return torch.tanh(inputs @ w_ih.T",
        "return torch.tanh(inputs.view(-1, 96) @ w_ih.T",
        "`96` in `inputs.view(-1, 96)` is a fixed number. Take it from the arguments",
    ),
    "unroll": (
        "for step in inputs.unbind(dim=1):",
        "for step in (inputs[:, t] for t in range(20)):",
        "`20` in `range(20)` is a fixed number, and here the size is 6. Take",
    ),
    "last_state": (
        "h_n.unflatten(0, (num_layers, num_directions))[-1]",
        "h_n.view(num_layers, 2, -1, h_n.shape[2])[-1]",
        "`2` in `h_n.view(num_layers, 2, -1, h_n.shape[2])` is a fixed number",
    ),
    "carry_state": (
        "output, state = lstm(chunk, state)",
        "output, state = lstm(chunk, (torch.zeros(2, 32, 7), state[1]))",
        "`32` in `torch.zeros(2, 32, 7)` is a fixed number, and here the size is 6. Take",
    ),
}


def first_failure(task: str, old: str, new: str) -> CheckResult:
    own = tasks()[task]
    source = REFERENCE[own.module].decode()
    assert source.count(old) == 1
    files = {own.module: source.replace(old, new).encode()}
    submitted = SameDigest("x", files, {own.module: f"{own.module}.py"}, only=own.module)
    with session(submitted, assignment=own.assignment, device="cpu", in_process=True) as opened:
        results = [opened.run(check) for check in own.checks]
    return next(result for result in results if result.status.is_broken)


@pytest.mark.parametrize("task", WRONG)
def test_the_message_tells_it(task: str) -> None:
    old, new, says = WRONG[task]
    *_, told = first_failure(task, old, new).message.split("\n")
    line = REFERENCE[tasks()[task].module].decode().partition(old)[0].count("\n") + 1
    assert f"line {line}: {says}" in told


def test_a_number_that_fits_is_not_told() -> None:
    old = "return torch.tanh(inputs @ w_ih.T"
    new = "return torch.tanh(inputs[:, :5] @ w_ih.T[:5, :6]"
    message = first_failure("rnn_cell", old, new).message
    assert "`6` in `w_ih.T[:5, :6]` is a fixed number" in message
    assert "`5` in" not in message


def test_dimensions_in_another_order_have_no_wrong_size() -> None:
    old = "return torch.stack(outputs, dim=1), state"
    new = "return torch.stack(outputs, dim=1).view(6, 3, -1), state"
    assert "fixed number" not in first_failure("unroll", old, new).message
