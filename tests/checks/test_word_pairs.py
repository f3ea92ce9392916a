"""Words held back are not learned from, and vectors that know nothing get half of them right."""

import numpy as np
import pytest

from grader.checks.oracles.word_pairs import share_nearer, word_pairs


def test_what_is_held_back_is_not_learned_from() -> None:
    pairs = word_pairs(seed=0)
    train = set(map(tuple, pairs.train.tolist()))
    held, apart = (set(map(tuple, each.tolist())) for each in (pairs.held, pairs.apart))
    assert train == {(b, a) for a, b in train}
    assert not train & (held | {(b, a) for a, b in held})
    assert not (train | held) & (apart | {(b, a) for a, b in apart})
    assert {id_ for pair in train for id_ in pair} == set(range(len(pairs.words)))


def test_vectors_that_know_nothing_are_right_half_of_the_time() -> None:
    pairs = word_pairs(seed=0)
    n_words = len(pairs.words)
    rng = np.random.default_rng(0)
    shares = [share_nearer(pairs, rng.standard_normal((n_words, 24))) for _ in range(10)]
    assert shares == pytest.approx([0.5] * 10, abs=0.08)
    assert share_nearer(pairs, np.ones((n_words, 24))) == 0.5
    assert share_nearer(pairs, np.zeros((n_words, 24))) == 0.5


def test_each_draw_numbers_the_words_and_holds_out_pairs_of_its_own() -> None:
    one, other = word_pairs(seed=1), word_pairs(seed=2)
    assert one.words != other.words
    assert sorted(one.words) == sorted(other.words)
    held = [
        {frozenset((each.words[a], each.words[b])) for a, b in each.held} for each in (one, other)
    ]
    assert len(held[0] & held[1]) < len(held[0]) / 2
    assert len(held[0]) == len(held[1])
