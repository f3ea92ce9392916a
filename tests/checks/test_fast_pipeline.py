"""Calls are counted in vectors, and the expected vectors come from the plain pipeline."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import spacy
import torch
from spacy.language import Language
from thinc.model import Model

from grader.base.paths import ROOT
from grader.checks.words_to_tensors import fast_pipeline
from grader.checks.words_to_tensors.fast_pipeline import BATCH_SIZE, BATCHES
from grader.contract.messages import Failure
from grader.contract.tasks import tasks
from grader.grading import pipeline
from grader.grading.pipeline import MODEL, UNUSED, load_pipeline
from grader.grading.session import session
from grader.grading.submission import Submission
from grader.intake.sources import Sources
from grader.worker.operations.text import CallCounter
from grader.worker.wire import TensorData, tensor_data

TEXTS = fast_pipeline.texts()


def vectors_of(texts: list[str]) -> list[TensorData]:
    """What the right pipeline gives for texts."""
    return [tensor_data(found) for found in pipeline.vectors(texts, BATCH_SIZE)]


def counted(most: list[int], last: float) -> Submission:
    """A submission with these counts in its vectors, for the first batches and the last text."""

    def calls(_task: str, batches: list[list[str]], _batch_size: int, step: int) -> list[Any]:
        vectors = [one.torch() for texts in batches for one in vectors_of(texts)]
        counts = [*most, last]
        found = [tensor_data(v + n * step) for v, n in zip(vectors, counts, strict=True)]
        return [found[:-1], found[-1:]]

    return cast(Submission, SimpleNamespace(fast_pipeline_calls=calls, seed=0))


def run(nlp: Language) -> Submission:
    """A submission whose function returns this pipeline."""

    def calls(_task: str, batches: list[list[str]], batch_size: int, step: int) -> Any:
        with CallCounter(step).counting():
            docs = [[*nlp.pipe(texts, batch_size=batch_size)] for texts in batches]
        return [[tensor_data(torch.from_numpy(doc.tensor)) for doc in each] for each in docs]

    return cast(Submission, SimpleNamespace(fast_pipeline_calls=calls, seed=0))


RIGHT = [number // BATCH_SIZE for number in range(BATCHES * BATCH_SIZE)]


@pytest.mark.parametrize(("most", "last"), [(RIGHT, BATCHES), ([0] * len(RIGHT), 1)])
def test_one_call_for_each_batch_is_right_and_so_are_larger_batches(
    most: list[int], last: int
) -> None:
    fast_pipeline.check_calls(counted(most, last))


@pytest.mark.parametrize(
    ("most", "last", "mistake"),
    [
        (RIGHT, BATCHES + 1, "called-too-often"),
        (RIGHT, fast_pipeline.MOST_CALLS, "called-too-often"),
        ([2 * count for count in RIGHT], 2 * BATCHES, "called-too-often"),
        ([8 * count for count in RIGHT], len(RIGHT), "called-too-often"),
        ([*range(len(RIGHT))], len(RIGHT), "texts-one-by-one"),
        ([*range(len(RIGHT))], len(RIGHT) + 1, "called-too-often"),
        ([2 * number for number in range(len(RIGHT))], 2 * len(RIGHT), "called-too-often"),
    ],
)
def test_more_calls_are_a_mistake(most: list[int], last: int, mistake: str) -> None:
    with pytest.raises(Failure, match=f"called components {last} times for 16 texts") as failed:
        fast_pipeline.check_calls(counted(most, last))
    assert failed.value.mistake == mistake


@pytest.mark.parametrize(
    "last", [0, -1, 0.5, 10 * fast_pipeline.MOST_CALLS, 1e38, float("inf"), float("nan")]
)
def test_vectors_without_a_count_are_of_no_call(last: float) -> None:
    with pytest.raises(Failure, match="tok2vec did not compute"):
        fast_pipeline.check_calls(counted(RIGHT, last))


def test_vectors_of_other_texts_are_of_no_call() -> None:
    known = [vectors_of(TEXTS[:-8]), vectors_of(TEXTS[-1:])]
    remembers = SimpleNamespace(fast_pipeline_calls=lambda *_: known, seed=0)
    with pytest.raises(Failure, match="tok2vec did not compute"):
        fast_pipeline.check_calls(cast(Submission, remembers))


def test_every_component_of_the_model_is_counted_in_any_pipeline() -> None:
    whole = spacy.load(MODEL)
    whole.enable_pipe("senter")
    read, doc = whole(TEXTS[0]), whole.make_doc(TEXTS[0])
    assert {*whole.pipe_names} == {"tok2vec", "senter", *UNUSED}
    for name, component in whole.pipeline:
        counter = CallCounter(1)
        with counter.counting():
            component(doc if name == "tok2vec" else read)
        assert counter.count == 1, name


def test_a_component_is_counted_inside_the_network_of_another_one() -> None:
    nlp, names = load_pipeline(), spacy.load(MODEL, enable=["ner"]).get_pipe("ner")
    network = nlp.get_pipe("tok2vec").model
    forward = network._func

    def find_names(model: Any, docs: Any, is_train: bool) -> Any:
        for doc in docs:
            names(doc)
        return forward(model, docs, is_train)

    fast_pipeline.check_calls(run(nlp))
    network._func = find_names
    with pytest.raises(Failure, match="called components 18 times for 16 texts"):
        fast_pipeline.check_calls(run(nlp))


def test_a_network_that_is_called_and_not_asked_to_predict_is_counted() -> None:
    nlp = load_pipeline()
    network = nlp.get_pipe("tok2vec").model
    docs = [nlp.make_doc(text) for text in TEXTS[:2]]
    plain_vectors, counter = network.predict(docs), CallCounter(100)
    with counter.counting():
        for count in range(3):
            found, _ = network(docs, is_train=False)
            pairs = zip(found, plain_vectors, strict=True)
            assert all(np.array_equal(one, other + 100 * count) for one, other in pairs)
    assert counter.count == 3


def test_what_is_no_vector_is_left_as_it_is() -> None:
    computed = [np.ones(2, dtype=np.int64), "text", None, np.zeros(2, dtype=np.float32)]
    layer: Any = Model("layer", lambda *_, **__: (computed, None))
    with CallCounter(100).counting():
        layer.predict(None)
        found = layer.predict(None)
    assert found[:3] == computed[:3]
    assert found[3].tolist() == [100, 100]


def test_counting_ends_and_leaves_spacy_as_it_was() -> None:
    def state() -> list[Any]:
        return [vars(kind)[name] for kind, name in CallCounter.COUNTED]

    before = state()
    with CallCounter(1).counting():
        assert {*before}.isdisjoint(state())
    assert state() == before
    with pytest.raises(AttributeError), CallCounter(1).counting():
        load_pipeline().get_pipe("tok2vec").model.predict([None])
    assert state() == before


def test_tok2vec_alone_gives_the_vectors_of_the_whole_pipeline_bit_for_bit() -> None:
    pipelines = [spacy.load("en_core_web_sm"), load_pipeline()]
    whole, part = ([*nlp.pipe(TEXTS, batch_size=BATCH_SIZE)] for nlp in pipelines)
    assert all(
        np.array_equal(one.tensor, other.tensor) for one, other in zip(whole, part, strict=True)
    )


def test_a_submission_gets_nothing_of_the_one_graded_before_in_the_same_process() -> None:
    scores = []
    for folder in ("solution", "exercise"):
        files = {"text": (ROOT / folder / "text.py").read_bytes()}
        with session(Sources("s", files, {"text": "text.py"}), in_process=True) as opened:
            found = [opened.run(check) for check in tasks()["fast_pipeline"].checks]
        scores.append(sum(check.score for check in found))
    assert scores == [tasks()["fast_pipeline"].points, 0]
