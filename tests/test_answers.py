"""Whatever a worker answers, a check ends with a verdict on the submission, not with an error."""

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.grading import Session
from grader.process import ProcessWorker, Worker, WorkerLost
from grader.sandbox import Limits
from grader.submission import Submission
from grader.tasks import assignments, tasks
from grader.worker.wire import Other, Raised, TensorData

ROOT = Path(__file__).parents[1]
REFERENCE = {path.stem: path.read_bytes() for path in (ROOT / "solution").glob("*.py")}
NAMES = {name: f"exercise/{name}.py" for name in REFERENCE}
ROUNDS = 25  # mutations for each task


def tensor(dtype: str, *shape: int) -> TensorData:
    sizes = {"float32": 4, "int64": 8, "bool": 1, "bfloat16": 2}
    count = sizes[dtype]
    for size in shape:
        count *= size
    return TensorData(dtype, shape, bytearray(count))


ODD: list[Any] = [
    *(None, True, 0, -1, 1 << 63, 2.5, float("nan"), float("inf"), "", "odd", b"odd"),
    *([], [None], [[[]]], (), (1, 2), {}, {"odd": 1}, {1: 2}),
    *(Other("Odd", "<odd>"), Raised("exception", "Odd", "odd", "call", ())),
    *(tensor("float32"), tensor("int64", 0), tensor("bool", 2, 3), tensor("bfloat16", 2)),
    *(tensor("float32", 3, 5), tensor("float32", 1, 1, 1), tensor("int64", 6)),
]


class Recording:
    """A worker that notes what another one answers."""

    confinement, output = "limits", ""
    layers: tuple[str, ...] = ()

    def __init__(self, worker: Worker) -> None:
        self.worker, self.answers = worker, dict[str, Any]()

    def turn_to(self, modules: frozenset[str]) -> None:
        self.worker.turn_to(modules)

    def call(self, do: str, arguments: dict[str, Any], *others: Any) -> Any:
        answer = self.worker.call(do, arguments, *others)
        self.answers[f"{do} {arguments!r}"] = answer
        return answer

    def close(self) -> None:
        self.worker.close()


class Replaying(Recording):
    """Answers as was noted; an answer to one request is another."""

    def call(self, do: str, arguments: dict[str, Any], *_: Any) -> Any:
        try:
            return copy.deepcopy(self.answers[f"{do} {arguments!r}"])
        except KeyError:
            raise WorkerLost("asked for something else") from None


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in an answer, as the keys that lead there."""
    yield path
    if type(value) is dict:
        for key, part in value.items():
            yield from places(part, (*path, key))
    elif type(value) in (list, tuple):
        for index, part in enumerate(value):
            yield from places(part, (*path, index))


def put(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """The answer with something else at a place."""
    if not path:
        return odd
    changed = list(value) if type(value) is tuple else copy.copy(value)
    changed[path[0]] = put(value[path[0]], path[1:], odd)
    return tuple(changed) if type(value) is tuple else changed


def results(worker: Worker, task: str) -> list[Any]:
    session = Session("replayed", "0" * 64, Submission(worker, 0, "cpu"), [])
    return [session.run(check) for check in tasks()[task].checks]


@pytest.mark.parametrize(
    "task", ["dataset", "collate", "model", "train", *assignments()["recurrent-layers"].tasks]
)
def test_no_answer_makes_the_grader_fail(task: str) -> None:
    recording = Recording(ProcessWorker(REFERENCE, NAMES, Limits()))
    try:
        assert {result.status for result in results(recording, task)} == {"passed"}
    finally:
        recording.close()
    replayed = Replaying(recording.worker)
    replayed.answers = recording.answers
    assert {result.status for result in results(replayed, task)} == {"passed"}
    chance = random.Random(5)
    requests = [request for request in recording.answers if not request.startswith("load.")]
    for _ in range(ROUNDS):
        request = chance.choice(requests)
        answer = recording.answers[request]
        path, odd = chance.choice([*places(answer)]), chance.choice(ODD)
        worker = Replaying(recording.worker)
        worker.answers = {**recording.answers, request: put(answer, path, odd)}
        for result in results(worker, task):
            assert result.status != "error", f"{request[:60]} {path} = {odd}: {result.message}"
