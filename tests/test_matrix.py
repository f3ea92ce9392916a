"""The kill matrix finds what it is there to find, on results made up for it."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from grader.bank import REFERENCE, ROOT, Entry, accepted_variants, mutants, reference
from grader.diagnosis import mistakes
from grader.process import Worker
from grader.record import CheckResult
from grader.tasks import tasks
from tests.matrix import __main__ as command
from tests.matrix import page
from tests.matrix.changed import Changes, changes, in_tree, jobs, shared
from tests.matrix.code import own_checks, own_tasks
from tests.matrix.judge import Row, judge, problems_of_the_whole
from tests.matrix.page import parse, render
from tests.matrix.run import Job, Sharing

PASSED = {
    check.id: CheckResult(check.id, task.id, "passed", check.points, check.points)
    for task in tasks().values()
    for check in task.checks
}
SOFTMAX = Entry("softmax", {}, "model", {"check": "model.logits", "mistake": "softmax"})
SAYS = Entry("exponentials", {}, "model", {"check": "model.logits", "says": "No logit is negative"})
ACCEPTED = Entry("view", {})


def results(**statuses: Any) -> dict[str, CheckResult]:
    """All passed, but for those named as `task__check`."""
    changed = {name.replace("__", "."): result for name, result in statuses.items()}
    return {**PASSED, **{id_: replace(PASSED[id_], **row) for id_, row in changed.items()}}


def failed(mistake: str | None = None, message: str = "No.", score: float = 0.0) -> dict[str, Any]:
    if mistake:
        message += "\n" + mistakes()[mistake].explanation
    return {"status": "failed", "score": score, "mistake": mistake, "message": message}


def judged(entry: Entry, **statuses: Any) -> Row:
    return judge(entry, list(results(**statuses).values()))


def test_what_is_caught_and_named_is_no_problem() -> None:
    row = judged(
        SOFTMAX,
        model__logits=failed("softmax"),
        model__relu={"status": "blocked", "score": 0.0},
        accuracy__end_to_end={"status": "blocked"},
    )
    assert row.problems == []
    assert (row.failed, row.reads) == (["model.logits"], mistakes()["softmax"].title)
    assert row.blocked == ["model.relu"]
    assert judged(SAYS, model__logits=failed(message="No logit is negative.")).problems == []
    assert judged(ACCEPTED).problems == []


@pytest.mark.parametrize(
    ("entry", "statuses", "problem"),
    [
        (SOFTMAX, {}, "no check fails, model.logits must"),
        (
            SOFTMAX,
            {"model__rows": failed(), "model__logits": failed("softmax")},
            "the student reads model.rows first, not model.logits: No.",
        ),
        (
            SOFTMAX,
            {"model__logits": failed("log-softmax", "So.")},
            "model.logits names log-softmax, not softmax: So.",
        ),
        (
            SOFTMAX,
            {"model__logits": failed() | {"mistake": "softmax"}},
            "softmax is not explained in the message: No.",
        ),
        (SAYS, {"model__logits": failed("softmax")}, "model.logits names softmax, not None: No."),
        (SAYS, {"model__logits": failed()}, "the message does not say 'No logit is negative': No."),
        (
            SOFTMAX,
            {"model__logits": failed("softmax", score=3.0)},
            "model.logits costs no points",
        ),
        (
            SOFTMAX,
            {"model__logits": failed("softmax"), "accuracy__unseen": failed(score=12.5)},
            "accuracy.unseen of another task costs 2.5 points: No.",
        ),
        (
            ACCEPTED,
            {"accuracy__end_to_end": failed()},
            "accepted, and accuracy.end_to_end is failed: No.",
        ),
    ],
)
def test_a_problem_is_named(entry: Entry, statuses: dict[str, Any], problem: str) -> None:
    problems = judged(entry, **statuses).problems
    assert problems[0].startswith(f"{entry.id}: {problem}")


def test_idle_checks_and_mistakes_that_no_mutant_makes_are_named() -> None:
    problems = problems_of_the_whole([judged(SOFTMAX, model__logits=failed("softmax"))])
    assert len(problems) == len(PASSED) - 1 + len(mistakes()) - 1
    assert "model.relu is idle: no mutant fails it" in problems
    assert "no-relu of mistakes.toml: no mutant makes it" in problems


# --- the page ---------------------------------------------------------------------------------


def test_the_page_holds_the_rows() -> None:
    says = {"check": "model.logits", "says": "A | B,\n  or C"}
    rows = [
        judged(
            SOFTMAX,
            model__builds=failed(),
            model__logits=failed("softmax"),
            model__relu={"status": "blocked", "score": 0.0},
            accuracy__end_to_end={"status": "blocked"},
        ),
        judged(Entry("lines", {}, "model", says), model__logits=failed(message=says["says"])),
        judged(Entry("pad_flipped", {"text": b""})),
    ]
    rows[0].problems.clear()  # the student reads model.builds first
    assert parse(render(rows)) == rows
    assert [row.reads for row in rows] == [mistakes()["softmax"].title, "`A | B, or C`", ""]


def test_a_row_can_be_sent() -> None:
    row = judged(SOFTMAX, model__logits=failed("softmax"))
    assert Row(**json.loads(json.dumps(asdict(row)))) == row


class Counting:
    """A worker that counts its calls."""

    confinement, output = "none", ""
    layers: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.calls = 0

    def turn_to(self, modules: frozenset[str]) -> None:
        pass

    def call(self, *_: Any) -> Any:
        self.calls += 1
        return self.calls

    def close(self) -> None:
        pass


def test_training_is_shared_by_those_that_use_the_same_parts() -> None:
    counting, known = Counting(), dict[str, Any]()

    def fit(own_model: bool = True, seed: int = 0, do: str = "fit.fit", **changed: bytes) -> Any:
        worker: Worker = Sharing(counting, {**REFERENCE, **changed}, known)
        arguments = {"own_model": own_model, "own_loop": True, "epochs": 8}
        return worker.call(do, arguments, 1.0, seed, lambda _news: None)

    assert fit() == 1
    assert fit(dataset=b"other", collate=b"other") == 1
    assert fit(model=b"other") == 2
    assert fit(train=b"other") == 3
    assert fit(helpers=b"other") == 4
    assert fit(seed=1) == 5
    assert fit(own_model=False) == 6
    assert fit(own_model=False, model=b"other") == 6
    assert fit(do="model.build") == 7
    assert fit(do="model.build") == 8


def test_what_takes_seconds_is_shared_by_those_with_the_same_code_of_its_task() -> None:
    counting, known = Counting(), dict[str, Any]()

    def collate(batches: str = "one", **changed: bytes) -> Any:
        worker: Worker = Sharing(counting, {**REFERENCE, **changed}, known)
        return worker.call("collate.observe", {"batches": batches}, 1.0, 0, None)

    assert collate() == 1
    assert collate(dataset=b"other", model=b"other", train=b"other") == 1
    assert collate(collate=b"other") == 2
    assert collate(helpers=b"other") == 3
    assert collate("two") == 4
    assert collate(collate=b"def token_vectors(): ...") == 5  # a name of words-to-tensors
    assert collate(collate=b"def token_vectors(): return 1") == 6

    def vectors(text: bytes) -> Any:
        worker: Worker = Sharing(counting, {"text": text}, known)
        return worker.call("text.vectors", {}, 1.0, 0, None)

    assert vectors(b"def token_vectors(): return 1\n\n\ndef pad(): return 1\n") == 7
    assert vectors(b"def token_vectors(): return 1\n\n\ndef pad(): return 2\n") == 7
    assert vectors(b"def token_vectors(): return 2\n\n\ndef pad(): return 2\n") == 8
