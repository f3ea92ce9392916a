"""What student code prints is kept call by call, shown where a check failed, and never trusted."""

import io
import sys
from collections.abc import Mapping

import pytest

from grader.contract.record import MAX_LINES, MAX_PRINTED, CheckResult
from grader.contract.tasks import tasks
from grader.grading.session import session
from grader.intake.sources import Sources
from grader.maintain.submission_bank import REFERENCE, patched
from grader.reports import board
from grader.sandbox.worker_client import _printed
from grader.worker import printed
from grader.worker.wire import MAX_TEXT, ProtocolError


def test_texts_are_kept_by_call_and_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err, calls = io.StringIO(), io.StringIO(), ["f(1)"]
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with printed.kept(lambda: calls[-1]) as kept:
        print("shape", (2, 3))
        print("careful", file=sys.stderr)
        calls.append("f(2)")
        sys.stdout.writelines(["a", "b"])
    print("after")
    assert kept == [("f(1)", "shape (2, 3)\ncareful\n"), ("f(2)", "ab")]
    assert (out.getvalue(), err.getvalue()) == ("shape (2, 3)\nabafter\n", "careful\n")


def test_only_the_beginning_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    numbers = iter(range(100_000))
    with printed.kept(lambda: f"f({next(numbers)})") as kept:
        for _ in range(1000):
            print("x" * 10_000)
    assert len(kept) == printed.MAX_CALLS
    assert {len(text) for _, text in kept} <= {1, MAX_TEXT}


@pytest.mark.parametrize(
    "found", [None, "text", [("a",)], [("a", 1)], [["a", "b"]], (("a", "b"),), [("a", "b", "c")]]
)
def test_another_form_is_refused(found: object) -> None:
    with pytest.raises(ProtocolError):
        _printed(found)


def test_a_result_holds_few_lines_that_are_safe_to_show() -> None:
    def of(text: str) -> str:
        return CheckResult("t.c", "t", "failed", 0.0, 1.0, printed=text).printed  # type: ignore[arg-type]

    assert of("one\n\ttwo\x1b[31m\u202e\n\n") == "one\n    two?[31m?"
    assert of("line\n" * 50) == "line\n" * (MAX_LINES - 1) + "..."
    assert len(of("x" * 10_000)) <= MAX_PRINTED
    assert of("") == ""


def results(files: Mapping[str, bytes], task: str, **options: object) -> dict[str, CheckResult]:
    files = {**REFERENCE, **files}
    sources = Sources("s", files, {name: f"{name}.py" for name in files})
    with session(sources, device="cpu", **options) as opened:  # type: ignore[arg-type]
        return {check.id: opened.run(check) for check in tasks()[task].checks}


def test_the_prints_of_the_call_that_failed_are_shown_under_it() -> None:
    text = patched(
        "model",
        [
            [
                "_, (h_n, _) = self.lstm",
                "print('padded', padded.shape)\n        _, (h_n, _) = self.lstm",
            ],
            ["self.linear(torch.relu(last))", "self.linear(torch.relu(last)).squeeze()"],
        ],
    )
    found = results({"model": text}, "model")
    assert found["model.shape"].printed == "padded torch.Size([1, 8, 7])"
    assert {check.printed for id_, check in found.items() if id_ != "model.shape"} == {""}
    assert "Your code printed:\n  padded torch.Size([1, 8, 7])" in board.told(found["model.shape"])


def test_what_was_printed_before_a_loop_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.grading.submission.SECONDS", 4.0)
    loop = "print('here')\n        while True:\n            pass"
    found = results(
        {"dataset": patched("dataset", [["return len(self.samples)", loop]])}, "dataset"
    )
    assert (found["dataset.length"].status, found["dataset.length"].printed) == ("timeout", "here")
