"""Computes BLEU by its definition, and with known mistakes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Sentences = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Bleu:
    """A way to compute BLEU from 0 to 100; with all defaults, the correct one.

    Attributes:
        orders: the length of the longest n-grams.
        clipping: the reference counts that limit those of a translation: of its "sentence", of
            the whole "corpus", or "none".
        penalty: the brevity penalty: "short" (correct), "none", "inverted" or "unbounded".
        arithmetic: use the arithmetic mean of the precisions.
        by_sentence: average the scores of the sentences.
        recall: divide by the n-grams of the references instead of the translations'.
        skips_zeros: omit precisions of 0 from the mean.
        smoothing: add this to all counts.
        multiplied: use the product instead of the mean.
    """

    orders: int = 4
    clipping: str = "sentence"
    penalty: str = "short"
    arithmetic: bool = False
    by_sentence: bool = False
    recall: bool = False
    skips_zeros: bool = False
    smoothing: float = 0.0
    multiplied: bool = False

    def score(self, translations: Sentences, references: Sentences) -> float:
        """Score translations against one reference each."""
        if self.by_sentence:
            pairs = list(zip(translations, references, strict=True))
            return sum(self._corpus([one], [other]) for one, other in pairs) / len(pairs)
        return self._corpus(translations, references)

    def _corpus(self, translations: Sentences, references: Sentences) -> float:
        precisions = [
            self._precision(n, translations, references) for n in range(1, self.orders + 1)
        ]
        c, r = (sum(len(each) for each in side) for side in (translations, references))
        return 100 * self._penalty(c, r) * self._mean(precisions)

    def _precision(self, n: int, translations: Sentences, references: Sentences) -> float:
        matches = total = self.smoothing
        everywhere = sum((ngrams(each, n) for each in references), Counter[tuple[str, ...]]())
        counted = [[ngrams(each, n) for each in side] for side in (translations, references)]
        for found, wanted in zip(*counted, strict=True):
            bound = everywhere if self.clipping == "corpus" else wanted
            kept = found if self.clipping == "none" else found & bound
            matches += sum(count for ngram, count in kept.items() if ngram in bound)
            total += sum((wanted if self.recall else found).values())
        return matches / total if total else 0.0

    def _mean(self, precisions: list[float]) -> float:
        if self.skips_zeros:
            precisions = [share for share in precisions if share]
        if not precisions or (0 in precisions and not self.arithmetic):
            return 0.0
        if self.arithmetic:
            return sum(precisions) / len(precisions)
        product = math.prod(precisions)
        return product if self.multiplied else product ** (1 / len(precisions))

    def _penalty(self, c: int, r: int) -> float:
        if not c or self.penalty == "none":
            return 1.0
        if self.penalty == "inverted":
            return 1.0 if c < r else math.exp(1 - c / r)
        return 1.0 if c > r and self.penalty == "short" else math.exp(1 - r / c)


def ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """Count the n-grams of a sentence."""
    return Counter(zip(*(tokens[start:] for start in range(n)), strict=False))
