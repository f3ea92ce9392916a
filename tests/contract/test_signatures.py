"""Parameters that differ from the exercise's are named; allowed differences are not."""

import pytest

from grader.contract import signatures
from grader.contract.signatures import DIFFER, SWAPPED, difference

FORWARD, INIT = "LSTMClassifier.forward", "LSTMClassifier.__init__"
MISSING = "{}() missing 1 required positional argument: 'x'"
KEYWORD = "{}() got an unexpected keyword argument '{}'"
CASES = {  # task, function, its parameters, the TypeError; the mistake, and words of a line
    "one more": ("model", FORWARD, "self, padded, lengths", MISSING, DIFFER, "passed by"),
    "no self": ("model", FORWARD, "padded", "{}() takes 1 positional", DIFFER, "`self` is"),
    "one less": ("train", "evaluate", "model, loader", "{}() takes 2", DIFFER, "`device`"),
    "renamed": (
        "model",
        INIT,
        "self, n_targets, input_size=, hidden=, num_layers=",
        KEYWORD.format("{}", "hidden_size"),
        DIFFER,
        "hidden=",
    ),
    "required keyword": (
        "train",
        "train",
        "model, train_loader, val_loader, *, epochs, lr, device=, clip",
        "{}() missing 1 required keyword-only argument: 'clip'",
        DIFFER,
        "`clip`",
    ),
    "swapped": ("unroll", "unroll", "cell, state, inputs", "", SWAPPED, "cell, state, inputs"),
    "loss instead of the loader": (
        "train",
        "evaluate",
        "model, criterion, loader",
        "",
        SWAPPED,
        "criterion",
    ),
    "used on the line that raised": (
        "train",
        "evaluate",
        "model, loader, criterion",
        "'str' object is not callable",
        None,
        "`criterion` is parameter 3: the exercise passes `device` there.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_difference_is_named(case: str) -> None:
    task, name, own, raised, mistake, says = CASES[case]
    line = "loss = criterion(model(padded), targets)"
    found = difference(task, {name: own}, raised.format(name), line)
    assert found is not None
    assert found.mistake == mistake
    assert any(says in each for each in found.lines), found.lines


@pytest.mark.parametrize(
    ("task", "name", "own", "raised"),
    [
        ("model", FORWARD, "self, padded", MISSING),
        ("model", FORWARD, "self, x", MISSING),
        ("model", FORWARD, "self, padded, lengths=", "{}() takes from 2 to 3 positional"),
        ("model", FORWARD, "self, *args", MISSING),
        ("model", FORWARD, "self, padded, lengths", "Probe.forward() takes 2 positional"),
        ("train", "evaluate", "model, data, device", "'int' object is not callable"),
        ("train", "evaluate", "model, loader, criterion", ""),
        ("word2vec", "helper", "a, b", MISSING),
    ],
)
def test_an_allowed_difference_is_not(task: str, name: str, own: str, raised: str) -> None:
    assert difference(task, {name: own}, raised.format(name), "loss = f(model)") is None


def test_each_function_of_a_task_has_its_parameters() -> None:
    assert signatures.expected()["bleu"] == {"corpus_bleu": "translations, references"}
