"""Whatever is drawn for a submission, each mistake in `text.py` is caught by its check and named.

The kill matrix grades with one key. Here the checks get other keys, and call the functions of
mutants and accepted variants without a worker.
"""

import io
from collections.abc import Sequence
from itertools import permutations
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from grader.checks.news_classifier._samples import SIZES, draw_samples
from grader.checks.words_to_tensors import _sentences
from grader.contract.messages import Failure
from grader.contract.tasks import tasks
from grader.grading.answers import CallResult, StudentError
from grader.grading.calls import Call
from grader.grading.submission import Submission
from grader.maintain.submission_bank import Variant, all_entries
from grader.sandbox.worker_client import Worker
from grader.worker import wire
from grader.worker.operations import call as operation
from grader.worker.wire import Raised

TASKS = (
    *("pad", "collate_with_lengths", "pack_sentences", "unpack", "masked_pooling"),
    *("length_buckets", "sentence_lengths"),
)
SEEDS = (11, 222)


def called(entry: Variant, seed: int) -> Submission:
    """A submission whose functions are called in this process."""
    names: dict[str, Any] = {}
    exec(compile(entry.changed["text"], "text.py", "exec"), names)
    torch.manual_seed(seed)

    def result(name: str, call: Call) -> CallResult:
        plain = sent(call.plain())
        args, gradients = operation._made(plain["args"]), None
        before = [operation.held(each) for each in args]
        try:
            found = names[name](*args)
            if "weights" in plain:
                gradients = operation.gradients(found, args, plain["weights"])
        except Exception as error:
            found = Raised("exception", type(error).__name__, str(error), call.text, (), "")
        changed = [at for at, each in enumerate(args) if not operation.holds(each, before[at])]
        return CallResult(sent(operation.plain(found)), "", sent(gradients), changed)

    def call(
        _task: str, name: str, calls: Sequence[Call], seed: int = seed, **_: Any
    ) -> list[CallResult]:
        torch.manual_seed(seed)
        return [result(name, each) for each in calls]

    submission = Submission(cast(Worker, None), seed=seed)
    submission.call = call  # type: ignore[method-assign, assignment]
    return submission


def sent(value: Any) -> Any:
    """What is left of a value after it went over the wire."""
    stream = io.BytesIO()
    wire.write(stream, value)
    stream.seek(0)
    return wire.read(stream)


def first_failure(task: str, submission: Submission) -> tuple[str, str | None] | None:
    """The first check that fails, and the mistake that it names."""
    for check in tasks()[task].checks:
        try:
            check.load()(submission)
        except Failure as failure:
            return check.id, failure.mistake
        except StudentError:
            return check.id, None
    return None


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("task", TASKS)
def test_each_mutant_is_named_and_each_variant_accepted_with_other_inputs(
    task: str, seed: int
) -> None:
    for entry in all_entries():
        if entry.task == task:
            expected = entry.expected["check"], entry.expected.get("mistake")
            assert first_failure(task, called(entry, seed)) == expected, entry.id
        elif not entry.task and entry.name.startswith(f"{task}_"):
            assert first_failure(task, called(entry, seed)) is None, entry.id


def test_the_lengths_differ_between_submissions_and_no_two_orders_of_them_are_alike() -> None:
    drawn = {_sentences.draw_lengths(cast(Submission, SimpleNamespace(seed=s))) for s in range(100)}
    assert len(drawn) > 50
    for lengths in drawn:
        assert len({*lengths, _sentences.B, _sentences.F}) == _sentences.B + 2
        longest_first = sorted(lengths, reverse=True)
        once = [lengths.index(length) for length in longest_first]
        twice = [once[place] for place in once]
        back = [once.index(place) for place in range(_sentences.B)]
        assert all(one != other for one, other in permutations((once, twice, back), 2))
        assert once not in ([*range(_sentences.B)], [*range(_sentences.B)][::-1])


def test_samples_of_each_size_can_be_drawn() -> None:
    drawn = [draw_samples(seed) for seed in range(60)]
    found = {(tuple(sorted({label for label, _ in each.pairs})), each.n) for each in drawn}
    assert found == {*SIZES}
