"""The kill matrix reports problems, on made-up results."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from grader.contract import course
from grader.contract.enums import Status, Tier
from grader.contract.mistakes import mistakes
from grader.contract.record import CheckResult
from grader.contract.tasks import MAIN, assignments, tasks
from grader.maintain.submission_bank import (
    REFERENCE,
    Variant,
    accepted_variants,
    mutants,
    patched,
    reference,
)
from grader.sandbox.worker_client import Worker
from grader.worker.printed import Printed
from tests.matrix import __main__ as command
from tests.matrix import changed, page
from tests.matrix.changed import Changes, changes, in_tree, jobs, shared
from tests.matrix.code import own_checks, own_tasks
from tests.matrix.judge import Row, judge, problems_of_the_whole
from tests.matrix.page import parse, render
from tests.matrix.run import MatrixJob, Sharing

PASSED = {
    check.id: CheckResult(check.id, task.id, Status.PASSED, check.points, check.points)
    for task in tasks().values()
    for check in task.checks
}
SOFTMAX = Variant("softmax", {}, "model", {"check": "model.logits", "mistake": "softmax"})
SAYS = Variant(
    "exponentials", {}, "model", {"check": "model.logits", "says": "No logit is negative"}
)
ACCEPTED = Variant("view", {})


def results(**statuses: Any) -> dict[str, CheckResult]:
    """Results in which all checks pass except those given as `task__check`."""
    changed = {name.replace("__", "."): result for name, result in statuses.items()}
    return {**PASSED, **{id_: replace(PASSED[id_], **row) for id_, row in changed.items()}}


def failed(mistake: str | None = None, message: str = "No.", score: float = 0.0) -> dict[str, Any]:
    if mistake:
        message += "\n" + mistakes()[mistake].explanation
    return {"status": "failed", "score": score, "mistake": mistake, "message": message}


def judged(entry: Variant, **statuses: Any) -> Row:
    return judge(entry, list(results(**statuses).values()))


def test_a_later_check_may_name_what_its_entry_lists() -> None:
    entry = Variant("also", {}, "model", SOFTMAX.expected | {"also": ["no-relu"]})
    named = {"model__logits": failed("softmax"), "model__relu": failed("no-relu")}
    assert judged(entry, **named).problems == []


def test_the_page_shows_which_mistakes_are_named_beside_those_made() -> None:
    rows = [row for row in written().values() if row.task]
    text = page.render(rows).partition("## Confusion")[2]
    assert "| all-for-any | zero-step-not-counted | `sentence_lengths-all-features` |" in text
    assert all(row.task for row in page.parse(page.render(rows)))


def test_any_text_may_stand_for_dots_in_what_a_message_says() -> None:
    entry = Variant("dots", {}, "model", {"check": "model.logits", "says": "It is […], not 2"})
    right = judged(entry, model__logits=failed(message="It is [3,\n4], not 2."))
    (problem,) = judged(entry, model__logits=failed(message="It is [3, 4], not 3.")).problems
    assert right.problems == []
    assert "does not say 'It is […], not 2'" in problem


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
        (
            SOFTMAX,
            {"model__logits": failed("softmax"), "model__relu": failed("no-relu")},
            "a later check names no-relu: see `also` in submission_bank.py",
        ),
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
def test_a_problem_is_named(entry: Variant, statuses: dict[str, Any], problem: str) -> None:
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
        judged(Variant("lines", {}, "model", says), model__logits=failed(message=says["says"])),
        judged(Variant("pad_flipped", {"text": b""})),
    ]
    rows[0].problems.clear()  # the student reads model.builds first
    assert parse(render(rows)) == rows
    assert [row.reads for row in rows] == [mistakes()["softmax"].title, "`A | B, or C`", ""]


def test_a_row_can_be_sent() -> None:
    row = judged(SOFTMAX, model__logits=failed("softmax"))
    assert Row(**json.loads(json.dumps(asdict(row)))) == row


# --- what changed -----------------------------------------------------------------------------


def test_a_submission_can_change_the_tasks_whose_code_differs() -> None:
    pad, model = patched("text", [], "def pad(sentences): ..."), REFERENCE["model"] + b"X = 1\n"
    assert own_tasks(Variant("none", {"text": pad}, "pad")) == ["pad"]
    assert own_tasks(Variant("pad_none", {"text": pad})) == ["pad"]
    assert own_tasks(Variant("x", {"model": model}, "model")) == ["model"]
    assert own_tasks(Variant("x", {"model": model}, "accuracy")) == ["model", "accuracy"]
    assert own_tasks(Variant("model_x", {"model": model})) == ["model", "accuracy"]
    assert own_tasks(Variant("x", {"model": b"def"}, "model")) == ["model"]
    with_helper = Variant("model_x", {"model": model, "helpers": b""})
    assert own_tasks(with_helper) == [*assignments()[MAIN].tasks]
    assert own_tasks(Variant("text_x", {"text": REFERENCE["text"] + b"X = 1\n"})) == [
        *assignments()["words-to-tensors"].tasks
    ]


def test_the_accuracy_of_an_accepted_variant_is_left_to_the_calibration() -> None:
    model = {"model": REFERENCE["model"] + b"X = 1\n"}
    accepted, mutant = (
        own_checks(Variant("model_x", model)),
        own_checks(Variant("x", model, "accuracy")),
    )
    assert {check.id for check in mutant} - {check.id for check in accepted} == {"accuracy.unseen"}


def since(path: str, text: str, then: str) -> Changes:
    """What changed if a text in a file was different before."""
    assert text in in_tree(path)

    def before(name: str) -> str:
        return in_tree(name).replace(text, then) if name == path else in_tree(name)

    return changes([path], before)


NOTHING = Changes(frozenset(), frozenset(), frozenset())


@pytest.mark.parametrize(
    ("path", "text", "then", "entries"),
    [
        ("mutants/pad.toml", "[time-first]", "[first-time]", {"pad-time-first", "pad-first-time"}),
        ("accepted/pad.toml", "def pad(", "def  pad(", {"pad_*"}),
        ("accepted/model_view/model.py", "class ", "class  ", {"model_view"}),
    ],
)
def test_an_entry_is_concerned_by_its_table_or_folder(
    path: str, text: str, then: str, entries: set[str]
) -> None:
    found = since(f"tests/submissions/{path}", text, then)
    if entries == {"pad_*"}:
        entries = {entry.id for entry in accepted_variants() if entry.id.startswith("pad_")}
    assert found == Changes(frozenset(entries), frozenset(), frozenset())


@pytest.mark.parametrize(
    ("path", "text", "then", "concerned"),
    [
        (
            "grader/checks/news_classifier/model.py",
            "def _why_again(",
            "def _why_again(_x, ",
            {"model"},
        ),
        ("grader/checks/news_classifier/model.py", '"softmax"', '"soft"', {"model"}),
        ("grader/checks/news_classifier/model.py", "# ", "#  ", set()),
        (
            "grader/checks/_spacy.py",
            "def spacy_vectors(text: str) -> Array",
            "def spacy_vectors(text: str) -> Any",
            {"collate", "token_vectors"},
        ),
        (
            "grader/checks/words_to_tensors/fast_pipeline.py",
            "FAST, RUN",
            "RUN, FAST",
            {"fast_pipeline"},
        ),
        ("grader/contract/assignments/beyond.toml", 'id = "bleu"\n', 'id = "belu"\n', {"bleu"}),
        ("solution/text.py", "pad_sequence(sentences", "padded(sentences", {"pad"}),
        ("grader/grading/session.py", "def ", "def  ", set()),
    ],
)
def test_a_task_is_concerned_by_its_checks_its_table_and_the_reference(
    path: str, text: str, then: str, concerned: set[str]
) -> None:
    assert since(path, text, then) == Changes(frozenset(), frozenset(concerned), frozenset())


def test_a_mistake_concerns_those_who_make_it() -> None:
    title = mistakes()["softmax"].title
    found = since("grader/contract/mistakes.toml", f'title = "{title}"', 'title = "x"')
    assert found == Changes(frozenset(), frozenset(), frozenset({"softmax"}))
    assert found.concern(SOFTMAX)
    assert not found.concern(SAYS)


def test_what_is_concerned_is_graded_with_the_reference() -> None:
    view = Variant("model_view", {"model": b"other"})
    entries = [SOFTMAX, SAYS, view, Variant("pad_flipped", {"text": b"other"})]
    assert jobs(entries, NOTHING) == []
    assert jobs(entries, replace(NOTHING, entries=frozenset({SAYS.id}))) == [MatrixJob.own(SAYS)]
    found = jobs(entries, replace(NOTHING, tasks=frozenset({"model"})))
    checks = frozenset(check.id for check in tasks()["model"].checks)
    whole = [MatrixJob(view, checks), MatrixJob(reference(MAIN), checks)]
    assert found == [MatrixJob.own(SOFTMAX), MatrixJob.own(SAYS), *whole]
    assert jobs([view], replace(NOTHING, entries=frozenset({view.id}))) == [MatrixJob.own(view)]


def test_shared_code_is_what_grading_loads() -> None:
    files = [
        "grader/grading/session.py",
        "grader/worker/wire.py",
        "grader/grading/calibration.json",
    ]
    checks = "grader/checks/words_to_tensors/pad.py"
    other = ["README.md", "grader/reports/html.py", checks, "tests/shard.py"]
    assert shared([*files, *other, "grader/contract/mistakes.toml"]) == files


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[str]]:
    """Run the command with made-up rows; return the ids that it grades.

    The page is a copy, and grading returns the row of the true page, except for the given rows.
    """
    text = page.PAGE.read_text(encoding="utf-8")
    true_rows = {row.id: row for row in parse(text)}
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(changed, "changed_files", list)
    page.PAGE.write_text(text, encoding="utf-8")

    def graded(*arguments: str, status: int = 0, **rows: Row) -> list[str]:
        found: list[str] = []

        def grade(jobs: list[MatrixJob]) -> list[Row]:
            found.extend(job.entry.id for job in jobs)
            return [{**true_rows, **rows}[id_] for id_ in found]

        monkeypatch.setattr(command, "grade", grade)
        assert command.main(arguments) == status
        return found

    return graded


def written() -> dict[str, Row]:
    return {row.id: row for row in parse(page.PAGE.read_text(encoding="utf-8"))}


ID = "bleu-arithmetic"


def test_all_are_graded_without_an_option(graded: Callable[..., list[str]]) -> None:
    before = page.PAGE.read_text(encoding="utf-8")
    page.PAGE.write_text("", encoding="utf-8")
    assert graded() == [entry.id for entry in [*mutants(), *accepted_variants()]]
    assert page.PAGE.read_text(encoding="utf-8") == before


def test_only_some_are_graded_and_their_rows_written(graded: Callable[..., list[str]]) -> None:
    before = written()
    row = replace(before[ID], reads="something new")
    assert graded("--only", ID, **{ID: row}) == [ID]
    assert written() == {**before, ID: row}


def test_what_has_no_row_is_graded_as_changed_and_what_is_gone_has_none(
    graded: Callable[..., list[str]],
) -> None:
    before = page.PAGE.read_text(encoding="utf-8")
    lines = [line for line in before.splitlines(True) if not line.startswith("| arithmetic |")]
    gone = "".join(lines).replace("`bleu_dicts`", "`bleu_gone`")
    page.PAGE.write_text(gone, encoding="utf-8")
    assert graded("--changed") == [ID, "bleu_dicts"]
    assert page.PAGE.read_text(encoding="utf-8") == before
    assert graded("--changed") == []


def test_a_missing_row_is_named_where_it_is_not_graded(
    graded: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    page.PAGE.write_text(
        page.PAGE.read_text(encoding="utf-8").replace("| arithmetic |", "| gone |"),
        encoding="utf-8",
    )
    assert graded("--only", "bleu-recall", status=1) == ["bleu-recall"]
    problem = f"{ID} has no row: python -m tests.matrix --changed"
    assert problem in capsys.readouterr().out.splitlines()


def test_a_problem_leaves_the_page(
    graded: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    before = page.PAGE.read_text(encoding="utf-8")
    row = replace(written()[ID], reads="x", problems=[f"{ID}: no check fails"])
    assert graded("--only", ID, status=1, **{ID: row}) == [ID]
    assert capsys.readouterr().out.startswith(f"{ID}: no check fails\n1 submissions, 1 problems")
    assert page.PAGE.read_text(encoding="utf-8") == before


def test_check_writes_nothing_and_compares(
    graded: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    before = page.PAGE.read_text(encoding="utf-8")
    assert graded("--only", ID, "--check") == [ID]
    row = replace(written()[ID], reads="something new")
    graded("--only", ID, "--check", status=1, **{ID: row})
    assert "docs/kill_matrix.md differs: run this without --check" in capsys.readouterr().out
    assert page.PAGE.read_text(encoding="utf-8") == before


def test_shared_code_that_changed_is_named(
    graded: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        changed, "changed_files", lambda: ["grader/grading/session.py", "README.md"]
    )
    assert graded("--changed") == []
    assert capsys.readouterr().out.startswith(
        "grader/grading/session.py changed: python -m tests.matrix grades all\n0 submissions"
    )


def test_an_unknown_entry_is_named(
    graded: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        graded("--only", "no-such")
    assert "no such entry: no-such" in capsys.readouterr().err


# --- what is shared ---------------------------------------------------------------------------


class Counting:
    """A worker that counts its calls."""

    confinement, output = Tier.NONE, ""
    layers: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.calls = 0
        self.printed: Printed = []

    def use_modules(self, modules: frozenset[str], apart: str = "") -> None:
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
        arguments = {"replacements": {} if own_model else {"model": "..."}, "epochs": 8}
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


def test_predictions_are_shared_and_train_again_only_where_they_are_not_known() -> None:
    asked, known = list[str](), dict[str, Any]()

    class Noting(Counting):
        def call(self, do: str, *_: Any) -> Any:
            asked.append(do)
            return len(asked)

    def grade(unseen: int) -> Any:
        worker: Worker = Sharing(Noting(), REFERENCE, known)
        worker.call("fit.fit", {"replacements": {}}, 1.0, 0, None)
        return worker.call("fit.predict", {"unseen": unseen}, 1.0, 0, None)

    assert (grade(1), grade(1)) == (2, 2)
    assert asked == ["fit.fit", "fit.predict"]
    assert grade(2) == 4
    assert asked == ["fit.fit", "fit.predict"] * 2


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


def test_the_matrix_has_the_tasks_that_a_course_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / course.NAME).write_text('leave_out = ["gru_cell"]\n', encoding="utf-8")
    found: list[Variant] = []

    def update(entries: list[Variant], *_: Any, **__: Any) -> list[str]:
        found.extend(entries)
        return []

    monkeypatch.setattr(command, "grade", lambda _: [])
    monkeypatch.setattr(command, "update", update)
    with course.chosen(tmp_path):
        assert command.main(["--only", next(iter(mutants())).id]) == 0
        assert "gru_cell" not in tasks()
    assert "gru_cell" in {entry.task for entry in found}
