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
        shortest: the length of the shortest ones.
        root: which root of the product of the precisions is taken; 0 for their number.
        clipping: the reference counts that limit those of a translation: of its "sentence", of
            the whole "corpus", or "none"; "pooled" compares the counts of the whole corpus.
        penalty: the brevity penalty: "short" (correct), "none", "inverted", "unbounded", "long"
            (exp(1 - c / r) if c > r), "ratio" (c / r), "exponent" (exp(1 - c / r)) or "linear"
            (1 - r / c, without exp); or the "mean" of the correct ones of the sentences.
        arithmetic: use the arithmetic mean of the precisions.
        by_sentence: average the scores of the sentences.
        averaged: average the precisions of the sentences, for each n.
        counts: what a repeated n-gram counts: "all" its occurrences, or one of them everywhere
            ("once"), in the "total" only, or among the "matches" only.
        skips: sentences that are skipped: those with a side shorter than "n" (in the counts of
            n-grams), shorter than "four" words, or "empty".
        skipped_by: the side that counts for `skips`: "either", "translation" or "reference".
        skips_whole: leave the skipped sentences out of c and r, too.
        recall: divide by the n-grams of the references instead of the translations'.
        skips_zeros: omit precisions of 0 from the "mean", or from the "sum" that is divided by 4.
        smoothing: add this to the counts of all n-grams that are not shorter than `smooth_from`.
        smooth_from: see `smoothing`.
        multiplied: use the product instead of the mean.
        weights: the powers of the precisions; none for equal ones.
        base_two: take the logarithm to base 2, and then the power of e.
        tokens: what is compared: "as-they-are", "lower", "characters" of the joined text, or all
            sentences "joined" into one.
        missed: this many n-grams of each translation are not in the number that is divided by.
        below_zero: a translation of fewer than n - 1 tokens has a negative number of n-grams.
        fewest: at least so many n-grams of each translation are counted.
    """

    orders: int = 4
    shortest: int = 1
    root: int = 0
    clipping: str = "sentence"
    penalty: str = "short"
    arithmetic: bool = False
    by_sentence: bool = False
    averaged: bool = False
    counts: str = "all"
    skips: str = ""
    skipped_by: str = "either"
    skips_whole: bool = True
    recall: bool = False
    skips_zeros: str = ""
    smoothing: float = 0.0
    smooth_from: int = 1
    multiplied: bool = False
    weights: tuple[float, ...] = ()
    base_two: bool = False
    tokens: str = "as-they-are"
    missed: int = 0
    below_zero: bool = False
    fewest: int = 0

    def score(self, translations: Sentences, references: Sentences) -> float:
        """Score translations against one reference each."""
        translations, references = map(self._tokens, (translations, references))
        if self.by_sentence:
            pairs = list(zip(translations, references, strict=True))
            return sum(self._corpus([one], [other]) for one, other in pairs) / len(pairs)
        return self._corpus(translations, references)

    def _tokens(self, sentences: Sentences) -> Sentences:
        if self.tokens == "lower":
            return [[token.lower() for token in sentence] for sentence in sentences]
        if self.tokens == "joined":
            return [[token for sentence in sentences for token in sentence]]
        return [" ".join(s) for s in sentences] if self.tokens == "characters" else sentences

    def _corpus(self, translations: Sentences, references: Sentences) -> float:
        pairs = list(zip(translations, references, strict=True))
        kept = [pair for pair in pairs if self._is_long_enough(*pair)]
        counted = [one for one, _ in kept], [other for _, other in kept]
        precisions = [self._precision(n, *counted) for n in range(self.shortest, self.orders + 1)]
        measured = kept if self.skips_whole else pairs
        c, r = (sum(len(pair[side]) for pair in measured) for side in (0, 1))
        if self.penalty == "mean":
            sizes = [(len(one), len(other)) for one, other in measured]
            penalty = sum(self._penalty(*each) if each[0] else 0.0 for each in sizes) / len(sizes)
        else:
            penalty = self._penalty(c, r)
        return 100 * penalty * self._mean(precisions)

    def _is_long_enough(self, translation: Sequence[str], reference: Sequence[str]) -> bool:
        enough = {"four": self.orders, "empty": 1}.get(self.skips, 0)
        by_translation = self.skipped_by == "reference" or len(translation) >= enough
        return by_translation and (self.skipped_by == "translation" or len(reference) >= enough)

    def _precision(self, n: int, translations: Sentences, references: Sentences) -> float:
        if not self.averaged:
            matches, total = self._counts(n, translations, references)
            return matches / total if total > 0 else 0.0
        pairs = list(zip(translations, references, strict=True))
        shares = [self._counts(n, [one], [other]) for one, other in pairs]
        return sum(matches / total for matches, total in shares if total) / len(pairs)

    def _counts(
        self, n: int, translations: Sentences, references: Sentences
    ) -> tuple[float, float]:
        matches = total = self.smoothing if n >= self.smooth_from else 0.0
        everywhere = sum((ngrams(each, n) for each in references), Counter[tuple[str, ...]]())
        counted = [[ngrams(each, n) for each in side] for side in (translations, references)]
        if self.clipping == "pooled":
            found = sum(counted[0], Counter[tuple[str, ...]]())
            return matches + (found & everywhere).total(), total + found.total()
        for found, wanted, tokens in zip(*counted, translations, strict=True):
            if self.skips == "n" and not (found and wanted):
                continue
            if self.counts == "once":
                found, wanted = Counter({*found}), Counter({*wanted})
            bound = everywhere if self.clipping == "corpus" else wanted
            kept = found if self.clipping == "none" else found & bound
            if self.counts == "matches":
                kept = Counter({*kept})
            matches += sum(count for ngram, count in kept.items() if ngram in bound)
            divisor = wanted if self.recall else found
            number = len(divisor) if self.counts == "total" else sum(divisor.values())
            number = max(self.fewest, number - self.missed)
            total += len(tokens) - n + 1 if self.below_zero else number
        return matches, total

    def _mean(self, precisions: list[float]) -> float:
        if self.skips_zeros == "sum" and any(precisions):
            precisions = [share or 1.0 for share in precisions]
        if self.skips_zeros:
            precisions = [share for share in precisions if share]
        if not precisions or (0 in precisions and not self.arithmetic):
            return 0.0
        if self.arithmetic:
            return sum(precisions) / len(precisions)
        if self.weights:
            return math.prod(map(math.pow, precisions, self.weights))
        product = math.prod(precisions)
        if self.base_two:
            return math.exp(math.log2(product) / len(precisions))
        return product if self.multiplied else product ** (1 / (self.root or len(precisions)))

    def _penalty(self, c: int, r: int) -> float:
        if not c or self.penalty == "none":
            return 1.0
        if self.penalty in ("ratio", "exponent", "linear"):
            wrong = {"ratio": c / r, "exponent": math.exp(1 - c / r), "linear": 1 - r / c}
            return 1.0 if c > r else wrong[self.penalty]
        if self.penalty == "long":
            return math.exp(min(0.0, 1 - c / r))
        if self.penalty == "inverted":
            return 1.0 if c < r else math.exp(1 - c / r)
        return 1.0 if c > r and self.penalty != "unbounded" else math.exp(1 - r / c)


def ngrams(tokens: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    """Count the n-grams of a sentence; of no words there is one at each place."""
    if not n:
        return Counter({(): len(tokens) + 1})
    return Counter(zip(*(tokens[start:] for start in range(n)), strict=False))
