"""Words that occur together in the news sample: pairs for training, and held-out pairs."""

from __future__ import annotations

import functools
import random
import re
from collections import Counter
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from news.embedded import kit_sample

COMMONEST = 100  # frequent words with little meaning: the, a, in, ...
FEWEST = 8  # occurrences required of a word in the sample
HELD = 0.1  # of the pairs that occur together in at least two news items
ROUNDS = 20  # random pairs per held-out pair
Array = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True)
class WordPairs:
    """Pairs of ids of words, each (N, 2).

    Attributes:
        words: the words by id.
        train: all pairs of words in a news item, except held-out pairs.
        held: held-out pairs of words that occur together; none of them is in `train`.
        apart: the same words in random pairs that never occur together.
    """

    words: list[str]
    train: Array
    held: Array
    apart: Array


@functools.cache
def often_used() -> tuple[list[str], list[list[str]]]:
    """Return the words of the sample that are often used, and those of each news item."""
    texts = [text for split in ("train", "valid", "test") for _, text in kit_sample(split)]
    items = [re.findall(r"[a-z]{3,}", text.lower()) for text in texts]
    counts = Counter(word for item in items for word in item)
    frequent = {word for word, _ in counts.most_common(COMMONEST)}
    words = sorted(word for word, n in counts.items() if n >= FEWEST and word not in frequent)
    known = {*words}
    return words, [[word for word in item if word in known] for item in items]


@functools.lru_cache(maxsize=2)
def word_pairs(seed: int) -> WordPairs:
    """Draw the ids of the words, the order of the news items, and the pairs that are held out."""
    draw = random.Random(seed)
    words, items = often_used()
    words, items = draw.sample(words, len(words)), draw.sample(items, len(items))
    ids = {word: id_ for id_, word in enumerate(words)}
    pairs = [pair for item in items for pair in permutations([ids[word] for word in item], 2)]
    together = Counter(pair for pair in pairs if pair[0] < pair[1])
    several = sorted(pair for pair, n in together.items() if n >= 2)
    held = draw.sample(several, round(HELD * len(several)))
    hidden = {*held, *((b, a) for a, b in held)}
    seconds = [b for _, b in held]
    apart = []
    for _ in range(ROUNDS):
        draw.shuffle(seconds)
        apart += [
            (a, b)
            for (a, _), b in zip(held, seconds, strict=True)
            if a != b and (min(a, b), max(a, b)) not in together
        ]
    train = [pair for pair in pairs if pair not in hidden]
    return WordPairs(words, *(np.array(each, np.int64) for each in (train, held, apart)))


def share_nearer(
    pairs: WordPairs, vectors: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> float:
    """Return how often a held-out pair is more similar than a random pair.

    Args:
        pairs: the pairs to compare.
        vectors: one per word, (V, F); similarity is the cosine.

    Returns:
        A fraction of all comparisons, from 0 to 1, where equal similarity counts half: 0.5 for
        random vectors.
    """
    directions = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    held, apart = (
        np.round((directions[each[:, 0]] * directions[each[:, 1]]).sum(axis=1), 6)
        for each in (pairs.held, pairs.apart)
    )
    apart.sort()
    below = np.searchsorted(apart, held, "left") + np.searchsorted(apart, held, "right")
    return float(below.mean() / (2 * len(apart)))
