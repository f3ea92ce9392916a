"""Generates the batches of the task collate."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass

from grader.checks._texts import ACCENTED, Writer

Batch = list[tuple[str, int]]
LONG = 32  # sentences of 18 tokens: more than common limits, such as 512


@dataclass(frozen=True)
class Batches:
    """Batches of texts and targets.

    Attributes:
        batch: sentences of different lengths; the longest is neither first nor last, and sorting
            by length, sorting twice and reversing give different orders. B differs from T. Code
            may lose the stop words, punctuation, upper case or second space; splitting at spaces
            gives different tokens. No two rows have the same target.
        one: a batch of one sentence.
        empty: a sentence, and an empty text.
        long: a sentence longer than common limits on the number of tokens, and a short one.
        raw: what cleaning changes: digits, entities as AG_NEWS spells them, a tag, a backslash and
            an accent. The last text is the first one again, with another target.
    """

    batch: Batch
    one: Batch
    empty: Batch
    long: Batch
    raw: Batch

    @property
    def small(self) -> list[Batch]:
        """The batches without the long one and the one with raw texts."""
        return [self.batch, self.one, self.empty]

    @property
    def texts(self) -> list[str]:
        """The texts of `batch`."""
        return [text for text, _ in self.batch]


@functools.lru_cache(maxsize=64)
def draw_batches(seed: int) -> Batches:
    """Generate batches."""
    writer = Writer(random.Random(f"{seed} collate"))
    chance = writer.chance
    with_numbers = (
        f"{writer.name()} at #36;{chance.uniform(20, 90):.2f} &amp; up\\{writer.verb()}",
        f"A <b>{chance.choice(ACCENTED)}</b> &lt;b&gt; #39;{chance.randrange(10, 100)}",
    )
    return Batches(
        batch=_draw_batch(writer),
        one=[(f"{writer.name()} {writer.verb()}", chance.randrange(4))],
        empty=_targeted(chance, [f"{writer.name()} {writer.verb()} {writer.noun()}", ""]),
        long=_targeted(chance, [writer.long(LONG), f"{writer.name()}!"]),
        raw=_targeted(chance, [*with_numbers, with_numbers[0]]),
    )


def _draw_batch(writer: Writer) -> Batch:
    """Generate sentences with targets that do not follow from the order of the texts."""
    batch = _targeted(writer.chance, writer.sentences())
    return batch if sorted(batch) != batch else _draw_batch(writer)


def _targeted(chance: random.Random, texts: Sequence[str]) -> Batch:
    """Add different targets to texts; more than two neither rise nor fall."""
    targets: list[int] = []
    while len(targets) != len(texts) or (len(texts) > 2 and _in_order(targets)):
        targets = chance.sample(range(4), len(texts))
    return [*zip(texts, targets, strict=True)]


def _in_order(targets: list[int]) -> bool:
    return sorted(targets) in (targets, targets[::-1])
