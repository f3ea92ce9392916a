"""Whatever a worker answers, a check ends with a verdict on the submission, never an error."""

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest

from grader.base.paths import ROOT
from grader.contract.enums import Tier
from grader.contract.tasks import assignments, get_assignment, tasks
from grader.grading.session import Session
from grader.intake.sources import Sources
from grader.sandbox.launch import Limits
from grader.sandbox.tiers import choose
from grader.sandbox.worker_client import ProcessWorker, Worker, WorkerLost
from grader.worker.printed import Printed
from grader.worker.wire import Opaque, Raised, TensorData

REFERENCE = {path.stem: path.read_bytes() for path in (ROOT / "solution").glob("*.py")}
NAMES = {name: f"exercise/{name}.py" for name in REFERENCE}
ROUNDS, QUICK_ROUNDS = 25, 10  # mutations for each task


def tensor(dtype: str, *shape: int) -> TensorData:
    sizes = {"float32": 4, "int64": 8, "bool": 1, "bfloat16": 2}
    count = sizes[dtype]
    for size in shape:
        count *= size
    return TensorData(dtype, shape, bytearray(count))


ODD: list[Any] = [
    *(None, True, 0, -1, 1 << 63, 2.5, float("nan"), float("inf"), "", "odd", b"odd"),
    *([], [None], [[[]]], (), (1, 2), {}, {"odd": 1}, {1: 2}),
    *(Opaque("Odd", "<odd>"), Raised("exception", "Odd", "odd", "call", ())),
    *(tensor("float32"), tensor("int64", 0), tensor("bool", 2, 3), tensor("bfloat16", 2)),
    *(tensor("float32", 3, 5), tensor("float32", 1, 1, 1), tensor("int64", 6)),
]


class Recording:
    """A worker that records another worker's answers."""

    confinement, output = Tier.LIMITS, ""
    layers: tuple[str, ...] = ()

    def __init__(self, worker: Worker) -> None:
        self.worker, self.answers = worker, dict[str, Any]()
        self.printed: Printed = []

    def use_modules(self, modules: frozenset[str], apart: str = "") -> None:
        self.worker.use_modules(modules, apart)

    def call(self, do: str, arguments: dict[str, Any], *others: Any) -> Any:
        answer = self.worker.call(do, arguments, *others)
        self.answers[f"{do} {arguments!r}"] = answer
        return answer

    def close(self) -> None:
        self.worker.close()


class Replaying(Recording):
    """Replays recorded answers, with one of them changed."""

    def call(self, do: str, arguments: dict[str, Any], *_: Any) -> Any:
        try:
            return copy.deepcopy(self.answers[f"{do} {arguments!r}"])
        except KeyError:
            raise WorkerLost("asked for something else") from None


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path (a list of keys) to every value in an answer."""
    yield path
    if type(value) is dict:
        for key, part in value.items():
            yield from places(part, (*path, key))
    elif type(value) in (list, tuple):
        for index, part in enumerate(value):
            yield from places(part, (*path, index))


def put(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """Return an answer with the value at a path replaced."""
    if not path:
        return odd
    changed = list(value) if type(value) is tuple else copy.copy(value)
    changed[path[0]] = put(value[path[0]], path[1:], odd)
    return tuple(changed) if type(value) is tuple else changed


def results(worker: Worker, task: str) -> list[Any]:
    assignment = get_assignment(tasks()[task].assignment)
    session = Session(Sources("replayed", REFERENCE, NAMES), assignment, worker)
    return [session.run(check) for check in tasks()[task].checks]


@pytest.mark.parametrize(
    "task",
    [
        *("dataset", "collate", "model", "train", "fast_pipeline"),
        *assignments()["recurrent-layers"].tasks,
    ],
)
def test_no_answer_makes_the_grader_fail(task: str, full: bool) -> None:
    recording = Recording(ProcessWorker(REFERENCE, NAMES, Limits(), choose(None, "cpu")))
    try:
        assert {result.status for result in results(recording, task)} == {"passed"}
    finally:
        recording.close()
    replayed = Replaying(recording.worker)
    replayed.answers = recording.answers
    assert {result.status for result in results(replayed, task)} == {"passed"}
    chance = random.Random(5)
    requests = [request for request in recording.answers if not request.startswith("load.")]
    for _ in range(ROUNDS if full else QUICK_ROUNDS):
        request = chance.choice(requests)
        answer = recording.answers[request]
        path, odd = chance.choice([*places(answer)]), chance.choice(ODD)
        worker = Replaying(recording.worker)
        worker.answers = {**recording.answers, request: put(answer, path, odd)}
        for result in results(worker, task):
            assert result.status != "error", f"{request[:60]} {path} = {odd}: {result.message}"


# What student code may return instead of what it should, as an expression.
STRANGE = {
    "not a number": "torch.full((3, 5), float('nan'))",
    "infinite": "torch.full((3, 5), float('inf'))",
    "huge": "torch.zeros(1).expand(10**12)",
    "empty": "torch.zeros(0)",
    "empty and huge": "torch.zeros(0, 1 << 40)",
    "of no dimension": "torch.tensor(1.0)",
    "of nine dimensions": "torch.zeros(*[1] * 9)",
    "bool": "torch.ones(3, 5, dtype=torch.bool)",
    "half": "torch.ones(3, 5).half()",
    "complex": "torch.ones(3, 5, dtype=torch.complex64)",
    "quantized": "torch.quantize_per_tensor(torch.ones(3, 5), 1.0, 0, torch.qint8)",
    "sparse": "torch.ones(3, 5).to_sparse()",
    "meta": "torch.ones(3, 5, device='meta')",
    "with gradient": "torch.ones(3, 5, requires_grad=True) * 2",
    "nested": "torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])",
    "subclass": "torch.ones(3, 5).as_subclass(Hostile)",
    "NumPy float": "numpy.float64(1)",
    "NumPy int": "numpy.int64(3)",
    "NumPy objects": "numpy.array([object()])",
    "backwards": "numpy.arange(6.0)[::-1]",
    "generator": "(x for x in ())",
    "huge int": "10**5000",
    "deep": "deep()",
    "liar": "Liar()",
}
DEFINITIONS = """\
import numpy, torch

class Hostile(torch.Tensor):
    shape = property(lambda self: (1 << 60,))
    @classmethod
    def __torch_function__(cls, *args, **kwargs): raise KeyboardInterrupt

class Liar:
    __class__ = property(lambda self: torch.Tensor)
    def __eq__(self, other): return True
    def __len__(self): return -1
    def __getattr__(self, name): return self
    def __call__(self, *args, **kwargs): return self
    def __iter__(self): return iter([self, self])
    def __repr__(self): raise SystemExit

def deep():
    value = []
    for _ in range(10**5): value = [value]
    return value

def strange(): return {value}

class NewsDataset:
    def __init__(self, samples): self.samples = self.targets = self.n_targets = strange()
    def __len__(self): return strange()
    def __getitem__(self, index): return strange()

class Collate:
    def __init__(self): self.nlp = strange()
    def __call__(self, batch): return strange(), strange()

class LSTMClassifier(torch.nn.Module):
    def __init__(self, n_targets, input_size=96, hidden_size=64, num_layers=2):
        super().__init__()
        self.lstm = torch.nn.LSTM(input_size, hidden_size, num_layers, bidirectional=True)
    def forward(self, padded):
        self.lstm(padded)
        return strange()

def evaluate(*args): return strange(), strange()
def train(*args, epochs, **kwargs): return [dict.fromkeys(KEYS, strange())] * epochs
KEYS = ("train_loss", "val_loss", "val_accuracy")
"""


@pytest.mark.parametrize("task", ["dataset", "collate", "model", "train"])
def test_what_a_student_returns_is_judged_and_told_whatever_it_is(task: str, full: bool) -> None:
    """In the quick suite each strange value is returned in two of the four tasks."""
    odd = task in ("collate", "model")
    for name, expression in STRANGE.items() if full else [*STRANGE.items()][odd::2]:
        code = DEFINITIONS.replace("{value}", expression)
        worker = ProcessWorker(
            {**REFERENCE, task: code.encode()}, NAMES, Limits(), choose(None, "cpu")
        )
        try:
            found = results(worker, task)
        finally:
            worker.close()
        told = [result for result in found if result.status not in ("passed", "blocked")]
        assert told, name
        for result in told:
            assert result.status in ("failed", "memory"), f"{name}: {result.message}"
            assert result.message.startswith("`"), f"{name}: {result.message}"
