"""What a worker tells about a call of any function or class."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

from grader.grading.answers import StudentError, unwrap
from grader.grading.calls import Call, construct
from grader.grading.submission import Submission
from grader.sandbox.launch import Limits
from grader.sandbox.tiers import choose
from grader.sandbox.worker_client import LocalWorker, ProcessWorker, Worker, WorkerLost
from grader.worker.wire import Opaque, Raised, TensorData
from tests.hostile.run import grade

CODE = """\
import collections
import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

Point = collections.namedtuple("Point", "x y")


def same(*args, **kwargs):
    return args if not kwargs else kwargs

def kinds(value):
    return type(value).__name__

def run(layer, inputs):
    return layer(inputs)

def changed(inputs):
    return inputs.add_(1)

def fails(inputs):
    return torch.zeros(2) @ torch.zeros(3)

def drawn():
    return torch.rand(1)

def both(one, other):
    return "neither"

def scaled(one, other):
    return [(3 * one + other.detach(), {"sum": one.sum()})]

def odd(which):
    return {
        "point": Point(1, torch.zeros(2)),
        "packed": pack_sequence([torch.ones(2, 1), torch.ones(1, 1)]),
        "array": np.zeros(2),
        "deep": [[[{"a": (1, "b")}]]],
        "object": object(),
        "endless": [0] * 10**6,
        "odd keys": {object: 1},
    }[which]


class Double(nn.Module):
    def __init__(self, size, bias=True):
        super().__init__()
        self.linear = nn.Linear(size, size, bias=bias)
        self.calls = 0

    def forward(self, inputs):
        self.calls += 1
        return self.linear(inputs)

    def count(self):
        return self.calls

class Plain:
    def __call__(self, x):
        return x
"""


@contextmanager
def opened(kind: str, code: str = CODE) -> Iterator[Submission]:
    files, names = {"recurrent": code.encode()}, {"recurrent": "exercise/recurrent.py"}
    worker: Worker = (
        ProcessWorker(files, names, Limits()) if kind == "process" else LocalWorker(files, names)
    )
    try:
        yield Submission(worker)
    finally:
        worker.close()


@pytest.fixture(scope="module", params=["process", "in this one"])
def submission(request: pytest.FixtureRequest) -> Iterator[Submission]:
    with opened(request.param) as found:
        yield found


def result(submission: Submission, name: str, *args: Any, **kwargs: Any) -> Any:
    (called,) = submission.call("unroll", name, [Call(f"{name}(...)", args, kwargs)])
    return called.result


def test_arguments_arrive_as_they_were_sent(submission: Submission) -> None:
    assert result(submission, "same", 1, 2.5, "text", None, [1, (2,)], {"a": True}) == (
        *(1, 2.5, "text", None, [1, (2,)], {"a": True}),
    )
    assert result(submission, "same", by_name=3) == {"by_name": 3}
    assert result(submission, "kinds", torch.zeros(2)) == "Tensor"
    tensor = result(submission, "same", torch.tensor([1, 2]))[0]
    assert isinstance(tensor, TensorData)
    assert (tensor.dtype, tensor.tolist()) == ("int64", [1, 2])


def test_a_worker_makes_layers_with_the_weights_that_are_sent(submission: Submission) -> None:
    torch.manual_seed(0)
    layer, inputs = nn.LSTM(3, 2, batch_first=True), torch.randn(2, 4, 3)
    sent = construct("torch.nn.LSTM", 3, 2, batch_first=True, state=dict(layer.state_dict()))
    outputs, (h_n, _) = result(submission, "run", sent, inputs)
    expected, (expected_h_n, _) = layer(inputs)
    assert torch.equal(outputs.torch(), expected)
    assert torch.equal(h_n.torch(), expected_h_n)
    assert result(submission, "kinds", construct("torch.nn.Flatten")) == "Flatten"


CELL = construct("torch.nn.RNNCell", 3, 2)
WAYS = {  # to call a recurrent layer of torch
    "a module": "cell(x, h)",
    "a copy of a module": "copy.deepcopy(cell)(x, h)",
    "a function": "torch.rnn_tanh_cell(x, h, *cell.parameters())",
    "an operator": "torch.ops.aten.rnn_tanh_cell.default(x, h, *cell.parameters())",
    "its decomposition": "torch.ops.aten.rnn_tanh_cell.default.decompose(x, h, *cell.parameters())",
    "a compiled module": "torch.jit.script(cell)(x, h)",
    "a layer": "nn.RNN(3, 2)(x[None])",
    "a layer that is packed": "nn.GRU(3, 2)(nn.utils.rnn.pack_sequence([x]))",
    "an LSTM": "nn.LSTM(3, 2)(x[None])",
    "a function in Python": (
        "decompositions.rnn_tanh_input"
        "(x[None], h[None], [*cell.parameters()], True, 1, 0.0, False, False, False)"
    ),
    "a module in Python": "LSTMCell(3, 2)(x)",
    "a mapped function": "torch.func.vmap(lambda row: cell(row[None], h))(x)",
}
AROUND = {
    "as it is": "{}",
    "without torch functions": "off(lambda: {})",
    "in inference": "torch.inference_mode()(lambda: {})()",
    "in a thread": "thread(lambda: {})",
}


CALLS_A_LAYER = """
import copy, torch, threading
from torch import nn
from torch._decomp import decompositions
from torch.ao.nn.quantizable import LSTMCell

def off(call):
    with torch._C.DisableTorchFunction():
        return call()

def thread(call):
    done = []
    def run():
        try: done.append(call())
        except Exception as error: done.append(error)
    one = threading.Thread(target=run); one.start(); one.join()
    if isinstance(done[0], Exception): raise done[0]
    return done[0]

def unroll(cell, x, h):
    told = []
    for way in [{ways}]:
        try: told.append(type(way()).__name__)
        except Exception as error: told.append(str(error))
    return told
"""


def test_no_way_leads_to_a_recurrent_layer_of_torch_while_they_are_refused() -> None:
    ways = [around.format(way) for around in AROUND.values() for way in WAYS.values()]
    code = CALLS_A_LAYER.replace("{ways}", ", ".join(f"lambda: {way}" for way in ways))
    call = Call("unroll", [CELL, torch.zeros(1, 3), torch.zeros(1, 2)])
    with opened("process", code) as submission:
        (refused,) = submission.call("unroll", "unroll", [call], without_built_in=True)
        (free,) = submission.call("unroll", "unroll", [call])
    for way, told in zip(ways, refused.result, strict=True):
        assert "torch's own" in told or "Batching rule not implemented" in told, way
    for way, told in zip(ways, free.result, strict=True):  # the operators are as before
        assert told in ("Tensor", "tuple") or "vmap" in way, way


COMPARED = """
import torch
from torch import nn
def rnn_cell(inputs, state, w_ih, w_hh, b_ih, b_hh):
    return torch.tanh(inputs @ w_ih.T + b_ih + state @ w_hh.T + b_hh)
torchs, given = nn.RNNCell(3, 4), (torch.randn(2, 3), torch.randn(2, 4))
assert torch.allclose(rnn_cell(*given, *torchs.parameters()), torchs(*given), atol=1e-5)
"""


def test_a_module_that_compares_a_cell_with_that_of_torch_loses_nothing() -> None:
    (results, _) = grade({"recurrent": COMPARED.encode()}, ["rnn_cell"], choose(None, "cpu"))
    assert [result.message for result in results["rnn_cell"] if not result.score] == []


CHANGES_RESULTS = """
import torch
kept = []
class Late(torch.Tensor):
    @staticmethod
    def __new__(cls):
        return torch.Tensor._make_wrapper_subclass(cls, (2,), dtype=torch.float32)
    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        args = [kept[-1] if type(each) is cls else each for each in args]
        return function(*args, **(kwargs or {}))
def unroll(pack):
    kept.append(torch.zeros(2))
    for each in kept:
        each += 1
    packed = torch.nn.utils.rnn.pack_sequence([kept[0][:, None]])
    return [kept[0], {"late": Late()}, packed._replace(data=kept[0])]
"""


def test_a_result_is_what_it_was_when_the_call_returned() -> None:
    with opened("process", CHANGES_RESULTS) as submission:
        seen = submission.call("unroll", "unroll", [Call("unroll(None)", [None])] * 3)
    for number, called in enumerate(seen, 1):
        first, late, packed = called.result
        assert first.tolist() == packed["packed"]["data"].tolist() == [number] * 2
        assert late["late"].tolist() == [1, 1]


def test_the_gradients_of_a_weighted_sum_are_computed(submission: Submission) -> None:
    one, other = (construct("torch.nn.Parameter", torch.ones(2)) for _ in range(2))

    def gradients(name: str, *weights: torch.Tensor | None) -> Any:
        call = Call(f"{name}(one, other)", [one, other], weights=weights)
        (called,) = submission.call("unroll", name, [call])
        return called.gradients

    first, second = gradients("scaled", torch.tensor([1.0, 2.0]), torch.tensor(10.0))
    assert (first.tolist(), second) == ([13.0, 16.0], None)
    assert gradients("scaled", torch.tensor([1.0, 2.0]), None)[0].tolist() == [3.0, 6.0]
    for odd in ([None], [torch.ones(3), None], [None] * 3):  # another form than that of the result
        assert gradients("scaled", *odd)[0].tolist() == [4.0, 4.0]
    assert gradients("both", None) == [None, None]
    assert (
        submission.call("unroll", "scaled", [Call("scaled()", [one, other])])[0].gradients is None
    )


def test_no_call_reaches_the_arguments_of_another(submission: Submission) -> None:
    inputs = torch.zeros(2)
    calls = [Call("changed(inputs)", [inputs])] * 2
    assert [c.result.tolist() for c in submission.call("unroll", "changed", calls)] == [[1, 1]] * 2
    assert inputs.tolist() == [0, 0]


def test_chance_starts_over_with_each_request(submission: Submission) -> None:
    assert result(submission, "drawn") == result(submission, "drawn")


def test_an_exception_of_one_call_leaves_the_others(submission: Submission) -> None:
    calls = [Call("fails(torch.ones(1))", [torch.ones(1)])] * 2
    for called in submission.call("unroll", "fails", calls):
        assert isinstance(called.result, Raised)
        assert (called.result.type, called.result.call) == ("RuntimeError", "fails(torch.ones(1))")
        assert called.result.frames[-1].source == "return torch.zeros(2) @ torch.zeros(3)"
        with pytest.raises(StudentError):
            unwrap(called.result)


def test_a_function_that_is_not_there_is_told(submission: Submission) -> None:
    with pytest.raises(StudentError) as caught:
        result(submission, "missing")
    assert (caught.value.raised.kind, caught.value.raised.message) == ("missing_name", "missing")


def test_answers_lose_nothing_that_matters(submission: Submission) -> None:
    point = result(submission, "odd", "point")
    assert type(point) is tuple
    assert (point[0], point[1].tolist()) == (1, [0, 0])
    packed = result(submission, "odd", "packed")["packed"]
    assert packed["batch_sizes"].tolist() == [2, 1]
    assert packed["sorted_indices"] is None
    assert result(submission, "odd", "deep") == [[[{"a": (1, "b")}]]]
    assert result(submission, "odd", "array") == Opaque("ndarray", "array([0., 0.])")
    assert result(submission, "odd", "object") == Opaque("object", "<object object>")
    assert len(result(submission, "odd", "endless")) == 1000
    assert len(result(submission, "odd", "odd keys")) == 1


def test_an_object_is_made_given_weights_and_called(submission: Submission) -> None:
    make = Call("Double(2)", [2])
    x = torch.ones(1, 2)
    calls = [
        Call("Double(2)(x)", [x]),
        Call("Double(2).count()", method="count"),
        Call("Double(2).nothing()", method="nothing"),
    ]
    weights, called = submission.call_instance("unroll", "Double", make, calls)
    assert weights.keys() == {"linear.weight", "linear.bias"}
    assert called[1].result == 1
    assert isinstance(called[2].result, Raised)
    own = x @ weights["linear.weight"].torch().T + weights["linear.bias"].torch()
    assert torch.allclose(called[0].result.torch(), own)
    state = {"linear.weight": torch.eye(2), "linear.bias": torch.tensor([0.0, 1.0])}
    given, called = submission.call_instance("unroll", "Double", make, calls[:1], state)
    assert given["linear.weight"].tolist() == [[1, 0], [0, 1]]
    assert called[0].result.tolist() == [[1, 2]]
    assert submission.call_instance("unroll", "Plain", Call("Plain()"), []) == ({}, [])


def test_weights_that_do_not_fit_are_told(submission: Submission) -> None:
    with pytest.raises(StudentError, match="Missing key"):
        submission.call_instance(
            "unroll", "Double", Call("Double(2)", [2]), [], {"odd": torch.zeros(1)}
        )


def test_an_answer_of_another_form_is_refused() -> None:
    code = """
import sys
def same():
    call = next(m for name, m in sys.modules.items() if name.endswith("operations.call"))
    call._called = lambda *_: {"result": 1, "more": [1]}
"""
    with (
        opened("process", code) as submission,
        pytest.raises(WorkerLost, match="does not have the form"),
    ):
        submission.call("unroll", "same", [Call("same()")] * 2)
