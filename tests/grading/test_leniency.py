"""One slip costs its own points: what else is in a task is still judged.

What each mutant costs is in docs/kill_matrix.md; this is about what no mutant of one task shows.
"""

from collections.abc import Mapping

import pytest

from grader.contract.record import CheckResult, Record
from grader.contract.tasks import tasks
from grader.grading import submission
from grader.grading.session import session
from grader.intake.sources import Sources
from grader.maintain.submission_bank import REFERENCE, patched

LOG_SOFTMAX = [["self.linear(torch.relu(last))", "self.linear(torch.relu(last)).log_softmax(1)"]]
NLL = [["cross_entropy(logits", "nll_loss(logits"], ["cross_entropy(model", "nll_loss(model"]]


def record_of(files: Mapping[str, bytes], *names: str) -> Record:
    """Grade some tasks of the reference with other files."""
    files = {**REFERENCE, **files}
    sources = Sources("s", files, {name: f"{name}.py" for name in files})
    assignment = tasks()[names[0]].assignment
    with session(sources, assignment=assignment, device="cpu") as opened:
        opened.planned = [check for name in names for check in tasks()[name].checks]
        for check in opened.planned:
            opened.run(check)
        return opened.record()


def lost(record: Record) -> dict[str, CheckResult]:
    return {check.id: check for check in record.checks if check.score < check.max_score}


def test_log_softmax_with_nll_loss_is_one_mistake_and_is_paid_once() -> None:
    model, train = patched("model", LOG_SOFTMAX), patched("train", NLL)
    both = record_of({"model": model, "train": train}, "model", "train")
    assert {id_: check.mistake for id_, check in lost(both).items()} == {
        "model.logits": "log-softmax"
    }
    assert {*lost(record_of({"model": model}, "train"))} == set()
    assert "train.learns" in lost(record_of({"train": train}, "train"))


def test_a_model_and_a_loop_that_agree_on_log_probabilities_are_trained_together() -> None:
    model, train = patched("model", LOG_SOFTMAX), patched("train", NLL)
    for loop, state in ((train, "done"), (REFERENCE["train"], "in_progress")):
        files = {"model": model, "train": loop}
        with session(Sources("s", files, {name: f"{name}.py" for name in files})) as opened:
            assert opened.submission.state("model") == state


SIZES = "self, n_targets: int, input_size: int = 96, hidden_size: int = 64, num_layers: int = 2"
RENAMED = {  # parameters, the arguments of nn.LSTM, and the Linear's first
    "another name": ("self, num_classes, input_size=96, hidden_size=64, num_layers=2", "", ""),
    "another order": (
        "self, embedding_dim, hidden_dim, output_dim, n_layers, dropout",
        "embedding_dim, hidden_dim, n_layers",
        "2 * hidden_dim",
    ),
    "no sizes": ("self, num_classes", "96, 200, 3", "400"),
    "a fixed size": (SIZES, "input_size, 64, num_layers", "128"),
}


@pytest.mark.parametrize(("parameters", "lstm", "features"), RENAMED.values(), ids=RENAMED.keys())
def test_parameters_and_sizes_of_the_constructor_cost_its_own_check(
    parameters: str, lstm: str, features: str
) -> None:
    names = ("num_classes", "output_dim")
    classes = next((name for name in names if name in parameters), "n_targets")
    changes = [[SIZES, parameters], [", n_targets)", f", {classes})"]]
    if lstm:
        changes += [["input_size, hidden_size, num_layers, batch", f"{lstm}, batch"]]
        changes += [["2 * hidden_size", features]]
    assert {*lost(record_of({"model": patched("model", changes)}, "model"))} == {"model.builds"}


def test_a_wrong_evaluate_is_paid_once() -> None:
    halved = [["return total_loss / count, correct", "return total_loss / count / 2, correct"]]
    assert {*lost(record_of({"train": patched("train", halved)}, "train"))} == {"train.evaluate"}


def test_a_loop_in_len_costs_its_own_check_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "SECONDS", 4.0)
    loop = [["return len(self.samples)", "while True:\n            pass"]]
    found = lost(record_of({"dataset": patched("dataset", loop)}, "dataset"))
    assert {id_: check.status for id_, check in found.items()} == {"dataset.length": "timeout"}
    told = found["dataset.length"].message
    assert told.startswith("Timed out after 4 s.\n  dataset.py, line ")
    assert "`" not in told
    assert "while True:" in told
    assert told.endswith("still running. Does it end?")


def test_code_that_still_raises_the_placeholder_is_in_progress_not_wrong() -> None:
    stub = 'raise NotImplementedError("Task rnn_cell: write rnn_cell in exercise/recurrent.py")'
    arguments = "inputs, state, w_ih, w_hh, b_ih, b_hh"
    states = {}
    for before in ("", '"""Compute."""; ', "x = inputs @ w_ih.T; ", "if True:\n        pass\n    "):
        text = f"def rnn_cell({arguments}):\n    {before}{stub}\n"
        record = record_of({"recurrent": patched("recurrent", [], text)}, "rnn_cell")
        states[before] = [task.state.value for task in record.tasks]
    assert [*states.values()] == [
        ["not_started"],
        ["not_started"],
        ["in_progress"],
        ["in_progress"],
    ]
    assert record.checks[0].message.startswith("In progress: recurrent.py, line ")


def test_a_second_mistake_behind_a_first_one_is_still_found() -> None:
    squeezed = "self.linear(last).squeeze()"
    text = patched("model", [["self.linear(torch.relu(last))", squeezed]])
    found = lost(record_of({"model": text}, "model"))
    assert {id_: check.mistake for id_, check in found.items()} == {
        "model.shape": "squeezed",
        "model.relu": "no-relu",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        "raise ValueError('not yet')",
        "return None",
        "return torch.zeros(1), (torch.zeros(1), torch.zeros(1))",
    ],
)
def test_what_cannot_be_repaired_earns_nothing(wrong: str) -> None:
    text = patched("recurrent", [], f"def carry_state(lstm, inputs, state, size):\n    {wrong}\n")
    record = record_of({"recurrent": text}, "carry_state")
    assert record.score == 0, [check for check in record.checks if check.score]
