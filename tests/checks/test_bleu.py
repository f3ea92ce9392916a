"""BLEU is that of sacrebleu, and the corpora of the checks tell mistakes apart."""

import inspect
import random
from types import SimpleNamespace

import pytest
from sacrebleu.metrics.bleu import BLEU

from grader.checks.beyond.bleu import CASES, Corpus, confusions, confusions_of, corpora
from grader.checks.oracles.bleu import Bleu

WORDS = ["the", "a", "cat", "dog", "sat", "stood", "on", "under", "mat", "table", "and", "slept"]


def sacrebleu(translations: list[list[str]], references: list[list[str]]) -> float:
    metric = BLEU(tokenize="none", smooth_method="none")
    joined, right = ([" ".join(each) for each in side] for side in (translations, references))
    return float(metric.corpus_score(joined, [right]).score)


def corpus(seed: int) -> tuple[list[list[str]], list[list[str]]]:
    """Draw references with repeated words, and translations that differ from them a little."""
    draw = random.Random(seed)
    references = [draw.choices(WORDS, k=draw.randint(1, 14)) for _ in range(draw.randint(1, 5))]
    translations = []
    for reference in references:
        kept = [word if draw.random() < 0.85 else draw.choice(WORDS) for word in reference]
        start, more = draw.randint(0, 2), draw.choices(WORDS, k=draw.randint(0, 4))
        translations.append(kept[start:] + more)
    return translations, references


def test_bleu_is_that_of_sacrebleu() -> None:
    corpora = [corpus(seed) for seed in range(500)]
    found = [Bleu().score(*each) for each in corpora]
    assert found == pytest.approx([sacrebleu(*each) for each in corpora], abs=1e-9)
    assert sum(score == 0 for score in found) > 50
    assert sum(0 < score < 100 for score in found) > 300


@pytest.mark.parametrize(
    "translations",
    [[[], []], [["a"], []], [["a", "cat", "sat"], ["the"]], [["a", "dog", "sat", "on"], []]],
)
def test_bleu_without_matches_of_any_length_is_that_of_sacrebleu(
    translations: list[list[str]],
) -> None:
    references = [["a", "cat", "sat", "on", "the", "mat"], ["the", "dog"]]
    assert Bleu().score(translations, references) == sacrebleu(translations, references) == 0


def drawn(seed: int) -> dict[str, Corpus]:
    found: dict[str, Corpus] = inspect.unwrap(corpora)(SimpleNamespace(seed=seed))
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_sizes_of_a_corpus_are_drawn_and_mistakes_stay_apart(case: str) -> None:
    found = [drawn(seed)[case] for seed in range(4)]
    assert all(confusions(each) == confusions_of(case) for each in found)
    assert len({str([[*map(len, side)] for side in each]) for each in found}) > 1
    scores = {round(Bleu().score(*each), 4) for each in found}
    assert scores == {0} or len(scores) > 1


def test_a_draw_on_which_mistakes_look_alike_is_rejected() -> None:
    case = "with a translation cut short"
    found = [confusions(CASES[case](random.Random(seed))) for seed in range(20)]
    assert confusions_of(case) in found
    assert any(each != confusions_of(case) for each in found)
