"""What a submission sees of the news does not fit what was prepared at home."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import news
from grader.contract.messages import Failure
from grader.grading import heldout_accuracy
from grader.grading.calibration import DATA, TRAINING, calibration
from grader.grading.heldout_accuracy import Split, replacement_logits, sample_pool, split
from grader.grading.pipeline import FEATURES
from grader.grading.replacements.model import Classifier
from grader.grading.submission import Submission
from grader.grading.vectors import Vectors
from grader.sandbox.worker_client import LocalWorker
from grader.worker.wire import TensorData

Array = np.ndarray[Any, Any]
GUESSING = 1 / len(news.CLASSES)
FIRST = 8  # vectors of a text that are looked at; nearly every text of the sample has them

Features = Callable[[Vectors], Array]


def disguised(vectors: Array, key: int = 1) -> Array:
    return heldout_accuracy._disguised(np.random.default_rng(key), vectors.astype(np.float32))


# --- the transform ---------------------------------------------------------------------------


def test_disguised_vectors_have_the_same_length_and_zeros_stay_zeros() -> None:
    vectors = np.random.default_rng(0).standard_normal((50, FEATURES)) * np.arange(50)[:, None]
    lengths = np.linalg.norm(disguised(vectors), axis=1)
    assert lengths[0] == 0
    assert lengths[1:] == pytest.approx(heldout_accuracy.LENGTH, rel=1e-5)


def test_one_key_has_one_matrix_and_another_key_another_one() -> None:
    one, other = np.random.default_rng(0).standard_normal((2, FEATURES))
    three = np.stack([one, other, one + other])
    assert np.linalg.matrix_rank(disguised(three), tol=1e-3) == 2
    assert np.array_equal(disguised(three), disguised(three))
    assert not np.allclose(disguised(three), disguised(three, key=2), atol=0.1)


def test_the_matrix_changes_angles_within_bounds() -> None:
    frame = disguised(np.eye(FEATURES))  # right angles, which a rotation would keep
    singular = np.linalg.svd(frame, compute_uv=False)
    assert 1.5 < singular[0] / singular[-1] < 2 * heldout_accuracy.CONDITION


# --- the pieces ------------------------------------------------------------------------------


def pool_of(*lengths: int) -> Vectors:
    """Texts of these lengths, whose tokens are linearly independent."""
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    return Vectors(np.eye(offsets[-1], dtype=np.float32), offsets, np.arange(len(lengths)))


def pieces(pool: Vectors, key: int = 1) -> Vectors:
    return heldout_accuracy._pieces(np.random.default_rng(key), pool)


def test_a_piece_is_a_mean_of_a_few_neighbouring_tokens_and_nothing_is_left_between() -> None:
    pool = pool_of(20, 0, 3, 1, 90)
    found = pieces(pool)
    assert np.array_equal(found.targets, pool.targets)
    for text in range(len(pool)):
        rows = found.vectors[found.offsets[text] : found.offsets[text + 1]]
        assert rows.sum(axis=1) == pytest.approx(1, abs=1e-5)
        assert (rows >= 0).all()
        groups = [np.flatnonzero(row) for row in rows]
        joined = np.concatenate([*groups, np.empty(0, dtype=np.int64)])
        start = pool.offsets[text]
        assert joined.tolist() == [*range(start, start + len(joined))]
        widths = list(map(len, groups))
        assert all(DATA["narrowest"] <= width <= DATA["widest"] for width in widths[:-1])
        whole = len(joined) == pool.offsets[text + 1] - start
        assert whole or len(rows) == DATA["steps"]
    assert np.diff(found.offsets)[[1, 3]].tolist() == [0, 1]
    assert np.diff(found.offsets)[4] == DATA["steps"]


def test_another_key_cuts_elsewhere_and_weights_otherwise() -> None:
    pool = pool_of(*[40] * 20)
    one, again, other = pieces(pool), pieces(pool), pieces(pool, key=2)
    assert np.array_equal(one.vectors, again.vectors)
    assert not np.array_equal(one.offsets, other.offsets)
    assert not np.array_equal(one.vectors[0], other.vectors[0])


# --- a table of the sample's news ------------------------------------------------------------


def norms(texts: Vectors) -> Array:
    """The lengths of each text's first vectors."""
    return first(texts, np.linalg.norm(texts.vectors, axis=1))


def ratios(texts: Vectors) -> Array:
    """The ratios of consecutive lengths, which a scale per text would keep."""
    found = np.log(norms(texts))
    return found[:, 1:] - found[:, :-1]


def angles(texts: Vectors) -> Array:
    """The cosines between each text's first vectors, which a scale per token would keep."""
    lengths = np.linalg.norm(texts.vectors, axis=1, keepdims=True)
    directions = first(texts, texts.vectors / lengths)
    return np.stack([(rows @ rows.T)[np.triu_indices(FIRST, 1)] for rows in directions])


def angles_after_whitening(texts: Vectors) -> Array:
    """The same after a matrix that gives all directions the same variance.

    An invertible matrix keeps these nearly, as they are taken relative to all texts.
    """
    values, directions = np.linalg.eigh(np.cov(texts.vectors.T))
    white = (texts.vectors - texts.vectors.mean(axis=0)) @ (directions / np.sqrt(values))
    return angles(Vectors(white, texts.offsets, texts.targets))


def first(texts: Vectors, rows: Array) -> Array:
    """Return the rows of each text's first `FIRST` vectors, shape (N, FIRST, ...)."""
    found: Array = np.stack([rows[start : start + FIRST] for start in texts.offsets[:-1]])
    return found


def long_enough(texts: Vectors) -> Vectors:
    return texts.take(np.flatnonzero(np.diff(texts.offsets) >= FIRST))


def table_accuracy(drawn: Split, features: Features, known: Vectors) -> float:
    """Classify the held-out items by the most similar item of a table of `known` ones.

    The table holds classes; how they are renumbered is learned from the training items.
    """
    known, train, unseen = map(long_enough, (known, drawn.train, drawn.unseen))
    # with a little noise, as a table in a file is rounded, so that last digits tell nothing
    chance = np.random.default_rng(0)
    table, seen, asked = (
        rows + 1e-3 * chance.standard_normal(rows.shape)
        for rows in map(features, (known, train, unseen))
    )

    def look_up(rows: Array) -> Array:
        nearest = (standardised(table) @ standardised(rows).T).argmax(axis=0)
        classes: Array = known.targets[nearest]
        return classes

    votes = np.zeros((len(news.CLASSES), len(news.CLASSES)))
    np.add.at(votes, (look_up(seen), train.targets), 1)
    guesses = votes.argmax(axis=1)[look_up(asked)]
    return float((guesses == unseen.targets).mean())


def standardised(rows: Array) -> Array:
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    found: Array = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    return found


@pytest.fixture(scope="module")
def table() -> Vectors:
    """The whole sample in pieces of three tokens, the mean width, each with the same weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heldout_accuracy, "DATA", DATA | {"narrowest": 3, "widest": 3})
        patch.setattr(heldout_accuracy, "EVENNESS", 1e6)
        return pieces(sample_pool())


@pytest.mark.parametrize("features", [norms, ratios])
def test_a_table_of_lengths_recognises_no_news(features: Features, table: Vectors) -> None:
    accuracies = [
        table_accuracy(split(sample_pool(), key), features, known)
        for key in range(2)
        for known in (sample_pool(), table)
    ]
    assert np.mean(accuracies) < GUESSING + 0.06


@pytest.mark.parametrize("features", [angles, angles_after_whitening])
def test_a_table_of_angles_is_worse_than_a_model_that_learns(
    features: Features, table: Vectors
) -> None:
    honest = calibration()["runs"]["right"]["reference"]["mean"]
    accuracies = [
        table_accuracy(split(sample_pool(), key), features, known)
        for key in range(2)
        for known in (sample_pool(), table)
    ]
    assert max(accuracies) < honest - 0.1


@pytest.mark.parametrize("features", [norms, angles])
def test_a_table_recognises_news_that_are_only_rotated(
    monkeypatch: pytest.MonkeyPatch, features: Features
) -> None:
    def rotated(chance: np.random.Generator, vectors: Array) -> Array:
        turned: Array = vectors @ np.linalg.qr(chance.standard_normal((FEATURES, FEATURES)))[0]
        return turned

    monkeypatch.setattr(heldout_accuracy, "_pieces", lambda _chance, pool: pool)
    monkeypatch.setattr(heldout_accuracy, "_disguised", rotated)
    assert table_accuracy(split(sample_pool(), 0), features, sample_pool()) > 0.98


# --- whatever the loop does to the grader's model, its weights decide ------------------------


def weights_of(model: torch.nn.Module) -> dict[str, TensorData]:
    return {
        name: TensorData("float32", (*weight.shape,), weight.numpy().tobytes())
        for name, weight in model.state_dict().items()
    }


@pytest.fixture
def unseen() -> Vectors:
    chance = np.random.default_rng(0)
    offsets = np.array([0, 3, 3, 8, 9])  # a text without tokens among them
    vectors = chance.standard_normal((9, FEATURES)).astype(np.float32)
    return Vectors(vectors, offsets, np.zeros(4, dtype=np.int64))


def test_the_logits_follow_from_the_weights(unseen: Vectors) -> None:
    torch.manual_seed(0)
    model = Classifier(len(news.CLASSES), FEATURES, TRAINING["hidden_size"])
    rows = [unseen.vectors[a:b] for a, b in zip(unseen.offsets, unseen.offsets[1:], strict=False)]
    padded = torch.zeros(4, 5, FEATURES)
    for row, tokens in zip(padded, rows, strict=True):
        row[: len(tokens)] = torch.from_numpy(tokens)
    expected = model(padded).detach().numpy()
    assert replacement_logits(weights_of(model), unseen) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        lambda weights: weights.pop("head.0.bias"),
        lambda weights: weights.update({"head.2.bias": weights["head.0.bias"]}),
        lambda weights: weights.update({"head.2.bias": None}),
        lambda weights: weights.update(
            {"head.2.bias": TensorData("float32", (4,), np.full(4, np.nan, "f4").tobytes())}
        ),
        lambda weights: weights.update(
            {"head.2.bias": TensorData("int64", (4,), np.zeros(4, "i8").tobytes())}
        ),
    ],
    ids=["missing", "wrong shape", "no tensor", "nan", "integers"],
)
def test_invalid_weights_are_the_students_failure(unseen: Vectors, change: Any) -> None:
    weights = weights_of(Classifier(len(news.CLASSES), FEATURES, TRAINING["hidden_size"]))
    change(weights)
    with pytest.raises(Failure, match="after the training, the weights"):
        replacement_logits(weights, unseen)


CHEAT = b"""
import torch


def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    def forward(padded):
        raise RuntimeError("the model that the loop patched was asked")

    {patch}
    return []
"""


@pytest.mark.parametrize(
    "patch",
    [
        b"model.forward = forward",
        b"type(model).forward = lambda self, padded: forward(padded)",
        b"type(model).__call__ = lambda self, padded: forward(padded)",
        b"torch.nn.Module.__call__ = lambda self, padded: forward(padded)",
    ],
)
def test_a_loop_that_replaces_the_models_answers_earns_nothing(
    monkeypatch: pytest.MonkeyPatch, patch: bytes
) -> None:
    monkeypatch.setattr(torch.nn.Module, "__call__", torch.nn.Module.__call__)
    worker = LocalWorker({"train": CHEAT.replace(b"{patch}", patch)}, {"train": "train.py"})
    drawn = split(sample_pool(), 1)
    found = heldout_accuracy.measure(Submission(worker), drawn, own_model=False, own_loop=True)
    assert found.accuracy < 0.4


def test_held_out_news_reach_the_students_process_only_after_training() -> None:
    requests = []

    class Noting(LocalWorker):
        def call(self, do: str, arguments: dict[str, Any], *rest: Any) -> Any:
            requests.append((do, arguments))
            return super().call(do, arguments, *rest)

    files = {
        "model": b"import torch\n\n\nclass LSTMClassifier(torch.nn.Linear):\n"
        b"    def __init__(self, n_targets, input_size, **_):\n"
        b"        super().__init__(input_size, n_targets)\n\n"
        b"    def forward(self, padded):\n"
        b"        return super().forward(padded.sum(dim=1))\n",
        "train": b"def train(model, *_, **options):\n    return []\n",
    }
    drawn = split(sample_pool(), 1)
    worker = Noting(files, {name: f"{name}.py" for name in files})
    heldout_accuracy.measure(Submission(worker), drawn, own_model=True, own_loop=True)
    (trained, predicted) = [request for request in requests if request[0].startswith("fit.")]
    assert (trained[0], predicted[0]) == ("fit.fit", "fit.predict")
    texts = [trained[1][name][1].tolist() for name in ("train", "val")]
    assert [len(offsets) - 1 for offsets in texts] == [len(drawn.train), len(drawn.val)]
    assert not {"unseen", "sentences"} & set(trained[1])
    assert set(predicted[1]) == {"sentences", "batch_size", "device"}
    assert len(predicted[1]["sentences"]) == 2  # vectors and offsets, no targets
