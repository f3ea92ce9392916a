"""Words held back are not learned from, and vectors that know nothing get half of them right."""

import numpy as np
import pytest

from grader.checks.oracles.word_pairs import share_nearer, word_pairs


def test_what_is_held_back_is_not_learned_from() -> None:
    pairs = word_pairs()
    train = set(map(tuple, pairs.train.tolist()))
    held, apart = (set(map(tuple, each.tolist())) for each in (pairs.held, pairs.apart))
    assert train == {(b, a) for a, b in train}
    assert not train & (held | {(b, a) for a, b in held})
    assert not (train | held) & (apart | {(b, a) for a, b in apart})
    assert {id_ for pair in train for id_ in pair} == set(range(len(pairs.words)))


def test_vectors_that_know_nothing_are_right_half_of_the_time() -> None:
    n_words = len(word_pairs().words)
    rng = np.random.default_rng(0)
    shares = [share_nearer(rng.standard_normal((n_words, 24))) for _ in range(10)]
    assert shares == pytest.approx([0.5] * 10, abs=0.08)
    assert share_nearer(np.ones((n_words, 24))) == 0.5
    assert share_nearer(np.zeros((n_words, 24))) == 0.5
