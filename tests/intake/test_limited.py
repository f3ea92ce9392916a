"""Parsing a submission is ended when it takes too much, and costs nobody else anything."""

import os
import sys
import time
from typing import Any

import pytest

from grader.base.errors import UsageError
from grader.intake import limited

HERE = "tests.intake.test_limited"
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no limits of a process")


def echo(*values: Any) -> Any:
    return values


def refuse() -> None:
    raise UsageError("Not like this:\x1b[31m no.")


def fail() -> None:
    raise RuntimeError("Input transformation still changing after 500 iterations. Aborting.")


def die() -> None:
    os._exit(3)


def print_much() -> str:
    print("{}" * 10_000, flush=True)
    os.write(1, b"\0" * 100)
    return "done"


def fill_memory() -> int:
    return len(b"x" * (4 << 30))


def compute() -> None:
    while True:
        pass


def sleep() -> None:
    time.sleep(3600)


def answer_with_an_object() -> object:
    return object()


def answer_with_much() -> str:
    return "x" * 2000


def process() -> int:
    return os.getpid()


def call(function: Any, *arguments: Any) -> Any:
    return limited.call(f"{HERE}:{function.__name__}", *arguments)


def test_plain_data_and_bytes_come_back() -> None:
    data = {"a": [1, 2.5, None, True, "\ud800ö"], "files": {"base64": b"\x00\xff"}}
    assert call(echo, data, b"x") == [data, b"x"]


def test_one_process_serves_all_calls_and_is_not_this_one() -> None:
    first = call(process)
    assert first == call(process) != os.getpid()


def test_what_is_printed_does_not_disturb_the_answer() -> None:
    assert call(print_much) == "done"
    assert call(echo, 1) == [1]


def test_a_refusal_and_any_exception_are_told_and_the_process_goes_on() -> None:
    before = call(process)
    with pytest.raises(UsageError, match=r"^Not like this:\?\[31m no\.$"):
        call(refuse)
    with pytest.raises(UsageError, match=r"It cannot be read \(RuntimeError: Input transf"):
        call(fail)
    with pytest.raises(UsageError, match="It cannot be read"):
        limited.call("no.such.module:function")
    assert call(process) == before


@posix
def test_memory_is_limited() -> None:
    with pytest.raises(UsageError, match="2 GiB of memory"):
        call(fill_memory)


def exceeded(function: Any) -> None:
    before = call(process)
    with pytest.raises(UsageError, match="Reading it takes more than"):
        call(function)
    assert call(process) != before


@pytest.mark.parametrize("function", [die, answer_with_an_object])
def test_a_process_that_ends_is_replaced(function: Any) -> None:
    exceeded(function)


@posix
def test_processor_time_is_limited_call_by_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        limited,
        "START",
        limited.START.replace("limited.serve", "limited.CPU_SECONDS = 1; limited.serve"),
    )
    limited.close()
    exceeded(compute)
    limited.close()


def test_wall_time_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited, "WALL_SECONDS", 1.0)
    exceeded(sleep)


def test_an_answer_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited, "MAX_ANSWER", 1000)
    exceeded(answer_with_much)


def test_a_process_that_does_not_start_is_no_fault_of_the_submission(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited.close()
    monkeypatch.setattr(limited, "START", "import sys; sys.path[:] = {path!r}; import nowhere")
    with pytest.raises(limited.NotStarted):
        call(echo, 1)
    monkeypatch.undo()
    assert call(echo, 1) == [1]
