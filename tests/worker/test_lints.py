"""Lines that do not do what they seem to do are found in the code alone."""

import pytest

from grader.base.paths import ROOT, SOLUTION
from grader.worker.lints import lints


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        ("def f(a):\n    a.zero_grad\n", 2, "`a.zero_grad` is not called: its parentheses"),
        ("class A(B):\n    def __init__(self):\n        super().__init__\n", 3, "is not called"),
        ("def f(a, b):\n    a.x == b\n", 2, "`a.x == b` only compares"),
        ("def f(a):\n    a.squeeze(1)\n    return a\n", 2, "returns a result, which is lost"),
        ("def f(a):\n    torch.relu(a)\n    return a\n", 2, "`torch.relu(a)` returns a result"),
        (
            "def f(a):\n    for b in a:\n        c = b\n        return c\n",
            4,
            "this `return` ends the loop of line 2 in its first round.",
        ),
        ("def f(a):\n    for b in a:\n        a.g(b)\n        break\n", 4, "this `break` ends"),
        (
            "def f(a):\n    c = 0\n    for x, y in a:\n        c += x\n    return c / len(y)\n",
            5,
            "`y` holds its last value here, because the loop of line 3 has ended.",
        ),
        (
            "def f(a):\n    c = []\n    for x in a:\n        y = x + 1\n    c.append(y)\n",
            5,
            "`y` holds its last value here",
        ),
        (
            "def f(a):\n    c = []\n    for x in a:\n        n = len(x)\n        c.append(x)\n"
            "    return [x[:n] for x in c]\n",
            6,
            "`n` is the same in each round here: its value is from the last round of the loop of",
        ),
        (
            "class A:\n    def g(self):\n        x = self\n        def h(self):\n"
            "            return x\n",
            4,
            "`h` is inside `g`: indent it less.",
        ),
        ("class A:\n    pass\ndef h(self):\n    return self\n", 3, "`h` is outside of the class"),
        (
            "def f(a):\n    try:\n        a()\n    except:\n        pass\n",
            4,
            "hides the ex",
        ),
        (
            "def f(padded):\n    steps, batch_size, _ = padded.shape\n    return steps\n",
            2,
            "`padded` has shape (B, T, F), so `batch_size` is T here.",
        ),
        (
            "def f(a):\n    for i in a:\n        for i in i:\n            a(i)\n",
            3,
            "sets `i` again",
        ),
        ("def f(padded):\n    bsz = padded.size(1)\n    return bsz\n", 2, "so `bsz` is T here."),
        (
            "def f(a, loss):\n    for b in a:\n        loss = loss(b)\n",
            3,
            "`loss` is a function before this line, and its result after it",
        ),
        (
            "class A:\n    def __init__(self):\n        nlp = load()\n",
            3,
            "`nlp` gets a value that nothing uses. Is `self.nlp` meant?",
        ),
        (
            "def f(a, b):\n    c = a.pipe(b)\n    print(len(list(c)))\n    return [d for d in c]\n",
            4,
            "`c` was used up in line 3, and nothing is left",
        ),
        (
            "class A(M):\n    def __init__(self):\n        self.b = [nn.ReLU(), nn.Linear(2, 3)]\n",
            3,
            "plain list `self.b`, so they are not trained: use nn.ModuleList.",
        ),
        (
            "class A(M):\n    def __init__(self):\n        self.b = []\n"
            "        for _ in range(2):\n            self.b.append(torch.nn.Linear(2, 3))\n",
            3,
            "plain list `self.b`",
        ),
        ("def f(a):\n    b = a + 1\n    return a\n", 2, "`b` gets a value that nothing uses."),
        (
            "def f(a, b=[]):\n    b.append(a)\n    return b\n",
            1,
            "`b` is created once, for all calls, and grows with each of them: create it inside of",
        ),
        ("b = []\ndef f(a):\n    b.extend(a)\n    return b\n", 1, "`b` is created once"),
    ],
)
def test_an_odd_line_is_found(code: str, line: int, says: str) -> None:
    (found,) = lints(code)
    assert found.line == line
    assert says in found.says
    assert found.is_weak is ("that nothing uses" in says or "is created once" in says)


@pytest.mark.parametrize(
    "code",
    [
        "def f(a):\n    'Say.'\n    a.step()\n    ...\n",
        "def f(a):\n    for b in a:\n        if b:\n            return b\n    return None\n",
        "def f(a):\n    for b in a:\n        if b:\n            continue\n        return b\n",
        "def f(a):\n    for b in a:\n        a(b)\n    for b in a:\n        a(b)\n    return a\n",
        "def f(a):\n    b = 1\n    for b in a:\n        pass\n    return b\n",
        "def f(a):\n    _, b = a\n    _unused = b\n",
        "def f(a):\n    for b in a:\n        n = b.shape[1]\n    return [c * n for c in a]\n",
        "def f(a):\n    n = 0\n    for b in a:\n        n = b\n    return [c * n for c in a]\n",
        "def f(padded):\n    batch_size, steps, _ = padded.shape\n    return batch_size, steps\n",
        "def f(a):\n    padded = a\n    b = padded.size(1)\n    return b\n",
        "def f(a):\n    global b\n    b = a\n",
        "def f(a, b):\n    c = list(zip(a, b))\n    return [*c, *c]\n",
        "def f(a):\n    b = iter(a)\n    next(b)\n    return list(b)\n",
        "class A(M):\n    def __init__(self):\n        self.b = nn.ModuleList([nn.ReLU()])\n",
        "class A(M):\n    def __init__(self):\n        self.b = [nn.ReLU()]\n"
        "        self.c = nn.Sequential(*self.b)\n",
        "b = []\ndef f(a):\n    b = []\n    b.append(a)\n    return b\n",
        "def f(a):\n    for b in a.parameters():\n        c = b.device\n        break\n"
        "    return c\n",
        "def f(a):\n    n = 0\n    for b in a:\n        for c in b:\n            n += 1\n"
        "        rows.append(n)\n    return rows\n",
    ],
)
def test_a_usual_line_is_not(code: str) -> None:
    assert lints(code) == []


def test_definitions_of_other_tasks_are_skipped() -> None:
    code = "def f(a):\n    a.step\n\ndef g(a):\n    a.step\n"
    assert [each.line for each in lints(code, skip=["g"])] == [2]


def test_a_helper_that_nothing_calls_is_found() -> None:
    code = """class Meter:
    def __init__(self):
        self.sum = 0

    def reset(self):
        self.sum = 0

    def add(self, value):
        self.sum += value


def step(optimizer):
    optimizer.step()


def g(x):
    meter = Meter()
    meter.add(x)
    return meter
"""
    found = [(each.line, each.says, each.is_weak) for each in lints(code, names=["g"])]
    assert found == [(5, "nothing calls `reset`.", True), (12, "nothing calls `step`.", True)]
    assert lints(code) == []
    called = code.replace("return meter", "step(x)\n    return meter.reset()")
    assert lints(called, names=["g"]) == []


def test_right_code_has_none_but_weak_ones() -> None:
    accepted = ROOT / "tests" / "submissions" / "accepted"
    files = [*SOLUTION.glob("*.py"), *accepted.glob("*/*.py")]
    assert len(files) > 50
    found = {
        (file.parent.name, each.line)
        for file in files
        for each in lints(file.read_text(encoding="utf-8"))
        if not each.is_weak
    }
    assert {name for name, _ in found} <= {"train_plain"}  # it returns the first parameter's device


def test_a_line_that_raises_is_not_said_to_be_without_effect() -> None:
    assert lints("def f(a):\n    a.g\n", raising=[2]) == []
