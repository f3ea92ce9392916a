"""A cell that needs a part which is not written says so in one line, and so does what follows."""

import io
from contextlib import redirect_stdout
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from grader import notebook

STUB = """\
def pad(sentences):
    \"\"\"Pad sentences.\"\"\"
    raise NotImplementedError("Task pad: write pad in this cell")
"""
LEFT = STUB.replace("    raise", "    longest = max(map(len, sentences))\n    raise")
WRITE = "pad is not written yet. Write it in its cell above and run that cell, then this one."
AGAIN = (
    "`padded` does not exist yet: the cell that computes it needs pad. Write pad, run that cell "
    "again, then this one."
)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    """A shell as in a kernel, which shows tracebacks without colours."""
    shell = InteractiveShell()
    shell.run_line_magic("colors", "nocolor")
    monkeypatch.setattr(notebook, "_shell", lambda: shell)
    notebook._explain_unfinished()
    return shell


def run(shell: InteractiveShell, *cells: str) -> list[str]:
    """What each cell printed."""
    printed = []
    for cell in cells:
        with redirect_stdout(io.StringIO()) as stream:
            result = shell.run_cell(cell, store_history=True)
        printed.append(stream.getvalue().strip())
        assert result.success == (not printed[-1])
    return printed


def test_each_cell_that_waits_for_a_part_says_so_in_one_line(shell: Any) -> None:
    using = ["padded = pad([1])\nwidth = 3", "print(padded)", "for row in padded:\n    last = row"]
    assert run(shell, STUB, *using) == ["", WRITE, AGAIN, AGAIN]
    chain = run(shell, "longest = width + 1", "longest")
    assert [line.split(":")[0] for line in chain] == [
        "`width` does not exist yet",
        "`longest` does not exist yet",
    ]
    assert all(line.count("\n") == 0 and "needs pad." in line for line in chain)
    assert run(shell, "def pad(sentences):\n    return sentences", using[0], "x = padded") == [
        *("", "", "")
    ]


def test_a_stale_value_of_an_earlier_cell_is_named(shell: Any) -> None:
    using = ["row = pad([1])", "quotient = 1 / row"]
    said = run(shell, "row = 0", STUB, *using)
    assert said[2:] == [
        WRITE,
        "`row` is still that of a cell further up: the last cell that computes it needs pad. Write "
        "pad, run that cell again, then this one.",
    ]
    *_, said_then = run(shell, "pad = max", *using, "row = 0", using[1])
    assert "ZeroDivisionError" in said_then


def test_a_placeholder_below_finished_code_is_named(shell: Any) -> None:
    _, said = run(shell, LEFT, "pad([[1]])")
    assert said.startswith("pad still raises the placeholder of its stub")


def test_a_cell_that_was_not_run_and_a_guess_without_quotes_are_named(shell: Any) -> None:
    assert run(shell, "predict = print", "pad([1])", 'predict("who-reads-padding", both)') == [
        "",
        "`pad` does not exist yet: run the cell above that defines it, then this one.",
        'Write a word in quotes: predict("who-reads-padding", "both").',
    ]


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("def f():\n    return sentnces\nf()", "name 'sentnces' is not defined"),
        ("raise NotImplementedError", "NotImplementedError"),
        (
            "class A:\n    def f(self):\n        raise NotImplementedError('later')\nA().f()",
            "later",
        ),
    ],
)
def test_other_errors_keep_their_traceback(shell: Any, cell: str, says: str) -> None:
    (said,) = run(shell, cell)
    assert "Traceback (most recent call last)" in said
    assert says in said


def test_the_handler_of_another_tool_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    shell: Any = InteractiveShell()
    shell.set_custom_exc((ImportError,), lambda *_, **__: print("the other tool's"))
    monkeypatch.setattr(notebook, "_shell", lambda: shell)
    notebook._explain_unfinished()
    assert run(shell, "import no_such_module", STUB, "pad([1])") == ["the other tool's", "", WRITE]
