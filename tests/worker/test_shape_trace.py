"""The shapes along a call, as they are shown with an error about shapes."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from grader.contract.record import CheckResult
from grader.contract.tasks import tasks
from grader.grading.session import session
from grader.intake.sources import Sources
from grader.maintain.submission_bank import REFERENCE, patched
from grader.worker import shape_trace
from grader.worker.shape_trace import ShapeTrace, Tracing
from grader.worker.student import about_shapes

LSTM = nn.LSTM(7, 6, 2, batch_first=True, bidirectional=True)
LINEAR = nn.Linear(6, 5)
PADDED = torch.zeros(3, 8, 7)
STEPS = "padded (3, 8, 7) -> lstm output (3, 8, 12), h_n (4, 3, 6)"


def last_states(padded: Tensor) -> Tensor:
    h_n = LSTM(padded)[1][0]
    return LINEAR(torch.relu(torch.cat([h_n[-2], h_n[-1]], dim=1)))  # type: ignore[no-any-return]


CALLS = {
    "two states": (
        last_states,
        f"{STEPS} -> [-2] and [-1] (3, 6) -> cat (3, 12) -> linear expects 6",
    ),
    "one step": (
        lambda padded: LINEAR(LSTM(padded)[0][:, -1, 1:].T),
        f"{STEPS} -> [:, -1, 1:] (3, 11) -> linear expects 6",
    ),
    "an index": (lambda padded: padded[:, 9], "padded (3, 8, 7) -> [:, 9] fails"),
    "squeezed": (
        lambda padded: padded[:1].mean(1).squeeze().unsqueeze(0),
        "padded (3, 8, 7) -> [:1] (1, 8, 7) -> mean (1, 7) -> squeeze (7,) -> unsqueeze (1, 7)",
    ),
    "stacked": (
        lambda padded: torch.stack([padded[0], padded[0, 1:]]),
        "padded (3, 8, 7) -> [0] (8, 7) -> [0, 1:] (7, 7) -> stack of (8, 7) and (7, 7) fails",
    ),
    "padding": (
        lambda padded: pad_sequence([*padded.unbind()]),
        "padded (3, 8, 7) -> pad_sequence (8, 3, 7)",
    ),
}


def follow(function: object, padded: Tensor) -> str:
    trace = ShapeTrace(padded=padded)
    try:
        with torch.no_grad(), Tracing(trace):
            function(padded)  # type: ignore[operator]
    except (RuntimeError, IndexError):
        pass
    return trace.text


@pytest.mark.parametrize("name", CALLS)
def test_the_shapes_of_a_call_are_followed(name: str) -> None:
    function, expected = CALLS[name]
    assert follow(function, PADDED) == expected


def test_a_long_call_is_shown_by_its_beginning_and_its_end() -> None:
    def long(padded: Tensor) -> Tensor:
        for number in range(1, 500):
            padded = padded.flatten().expand(number, 168)[0].reshape(3, 8, 7)
        return padded

    text = follow(long, PADDED)
    assert text.startswith("padded (3, 8, 7) -> ... -> ")
    assert text.endswith("-> [0] (168,) -> reshape (3, 8, 7)")
    assert len(text.split(" -> ")) == shape_trace.MOST
    assert len(text) <= shape_trace.LONGEST


def test_only_exceptions_about_shapes_show_them() -> None:
    assert about_shapes(RuntimeError(), "mat1 and mat2 shapes cannot be multiplied")
    assert about_shapes(IndexError(), "index 3 is out of bounds for dimension 0 with size 2")
    assert not about_shapes(RuntimeError(), "element 0 of tensors does not require grad")
    assert not about_shapes(NameError(), "name 'shape' is not defined")


def results(files: Mapping[str, bytes], task: str) -> list[CheckResult]:
    files = {**REFERENCE, **files}
    sources = Sources("s", files, {name: f"{name}.py" for name in files})
    with session(sources, assignment=tasks()[task].assignment, device="cpu") as opened:
        return [opened.run(check) for check in tasks()[task].checks]


@pytest.mark.parametrize(
    ("task", "module", "replace", "shown"),
    [
        (
            "model",
            "model",
            ["nn.Linear(2 * hidden_size", "nn.Linear(hidden_size"],
            "[-2] and [-1] (3, 6) -> cat (3, 12) -> linear expects 6",
        ),
        (
            "model",
            "model",
            ["torch.relu(last))", "torch.relu(last)).squeeze()"],
            "linear (1, 5) -> squeeze (5,)",
        ),
        (
            "train",
            "train",
            ["cross_entropy(model(padded), targets)", "cross_entropy(model(padded), targets[:-1])"],
            "cross_entropy of (",
        ),
        (
            "carry_state",
            "recurrent",
            ["torch.cat(outputs, dim=1)", "torch.cat(outputs)"],
            "cat of (6, 4, 7) and (6, 4, 7) and (6, 3, 7) fails",
        ),
    ],
)
def test_a_message_about_shapes_shows_them(
    task: str, module: str, replace: list[str], shown: str
) -> None:
    found = results({module: patched(module, [replace])}, task)
    message = next(check.message for check in found if check.status == "failed")
    line = next(line for line in message.split("\n") if line.strip().startswith("shapes:"))
    assert shown in line
