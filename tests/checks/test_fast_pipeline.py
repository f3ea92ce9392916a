"""What decides over a faster pipeline, and where its right vectors come from."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import spacy
import torch

from grader.checks._spacy import pipeline
from grader.checks.words_to_tensors import fast_pipeline
from grader.checks.words_to_tensors.fast_pipeline import BATCH_SIZE, TRIES
from grader.contract.messages import Failure
from grader.grading.answers import Race
from grader.grading.pipeline import load_pipeline
from grader.grading.submission import Submission
from grader.worker.wire import TensorData, tensor_data

TEXTS = fast_pipeline.texts()


@pytest.fixture(autouse=True)
def _few_texts(full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Race over four texts in the quick suite: who wins is given here, the vectors are computed."""
    if not full:
        monkeypatch.setattr(fast_pipeline, "texts", lambda: TEXTS[:4])


def vectors_of(texts: list[str]) -> list[TensorData]:
    """What the right pipeline gives for texts."""
    docs = pipeline().pipe(texts, batch_size=BATCH_SIZE)
    return [tensor_data(torch.from_numpy(doc.tensor)) for doc in docs]


def measured(
    *tries: tuple[float, float, float],
    gives: Callable[[list[str]], list[TensorData]] = vectors_of,
) -> Submission:
    """A submission for which a race gives these seconds: plain, tok2vec alone, its own."""
    rest = iter(tries)

    def race(_task: str, batches: list[list[str]], _batch_size: int) -> Race:
        seconds = {n: [s] for n, s in zip(("plain", "least", "fast"), next(rest), strict=True)}
        return Race(seconds, [gives(batch) for batch in batches])

    return cast(Submission, SimpleNamespace(race_of_pipelines=race, seed=0))


@pytest.mark.parametrize(
    "tries",
    [
        [(0.40, 0.10, 0.10)],
        [(0.20, 0.10, 0.10)],  # a machine where tok2vec alone is not 3 times as fast
        [(0.40, 0.10, 0.30), (0.80, 0.30, 0.10)],  # once something came in between
    ],
)
def test_a_pipeline_is_fast_by_its_best_round(tries: list[tuple[float, float, float]]) -> None:
    fast_pipeline.check_speed(measured(*tries))


def test_a_pipeline_is_slow_when_no_try_shows_otherwise() -> None:
    slow = [(0.40, 0.10, 0.16), (0.90, 0.30, 0.20), (0.40, 0.10, 0.15)]
    slow += [(0.40, 0.11, 0.20)] * (TRIES - len(slow))
    assert len(slow) == TRIES
    with pytest.raises(Failure, match="not 3 times as fast"):
        fast_pipeline.check_speed(measured(*slow))


def test_a_pipeline_that_is_hardly_faster_has_no_further_try() -> None:
    with pytest.raises(Failure, match="not 3 times as fast"):
        fast_pipeline.check_speed(measured((0.40, 0.10, 0.36)))


def test_a_pipeline_that_remembers_its_answers_is_not_fast() -> None:
    known = vectors_of(fast_pipeline.texts())
    with pytest.raises(Failure, match="It gave"):
        fast_pipeline.check_speed(measured((0.40, 0.10, 0.01), gives=lambda _: known))


def test_tok2vec_alone_gives_the_vectors_of_the_whole_pipeline_bit_for_bit() -> None:
    pipelines = [spacy.load("en_core_web_sm"), load_pipeline()]
    whole, part = ([*nlp.pipe(TEXTS, batch_size=BATCH_SIZE)] for nlp in pipelines)
    assert all(
        np.array_equal(one.tensor, other.tensor) for one, other in zip(whole, part, strict=True)
    )
