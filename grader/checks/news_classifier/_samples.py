"""Generates what the checks of the task dataset make datasets of."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from grader.checks._texts import ACCENTED, Writer
from grader.checks._tools import quoted

# Labels of the samples, and their number N. N, the number of distinct texts (N - 1), the largest
# label, the largest target and the number of distinct targets all differ. No label is 1, and the
# labels have gaps: targets less the smallest one, and targets renumbered from 0, are different. The
# number of runs of equal labels is different, too. Remainders of a division by 4 differ, and they
# are not the numbers from 0.
SIZES = (((2, 4), 7), ((2, 5), 7), ((3, 5), 7), ((2, 3, 5), 8), ((3, 5, 6), 8))
Pairs = list[tuple[int, str]]


@dataclass(frozen=True)
class Samples:
    """What datasets are made of.

    Attributes:
        pairs: labels and texts. Sorting changes the order; a pair occurs twice; upper case, spaces
            and an empty text must survive.
        few: pairs with another number of distinct targets, another largest label and a smaller N.
        raw: texts that invite cleaning and cutting: digits, punctuation, an entity as AG_NEWS
            spells it, a tag, a link, a backslash, an accent; and one longer than common limits. The
            smaller label is not 2, so less the smallest one is not less 2.
    """

    pairs: Pairs
    few: Pairs
    raw: Pairs

    @property
    def texts(self) -> list[str]:
        """The texts of the pairs."""
        return [text for _, text in self.pairs]

    @property
    def targets(self) -> list[int]:
        """The targets of the pairs."""
        return [label - 1 for label, _ in self.pairs]

    @property
    def n(self) -> int:
        """N, the number of pairs."""
        return len(self.pairs)

    @property
    def indices(self) -> list[int]:
        """All indices, the last and the first one from the end, and one beyond each end."""
        return [*range(self.n), -1, -self.n, self.n, -self.n - 1]

    @property
    def raw_texts(self) -> list[str]:
        """The texts of `raw`."""
        return [text for _, text in self.raw]

    @property
    def call(self) -> str:
        """The call with the pairs."""
        return f"NewsDataset({self.pairs})"

    @property
    def raw_call(self) -> str:
        """The call with `raw`."""
        return f"NewsDataset([{', '.join(f'({n}, {quoted(text)})' for n, text in self.raw)}])"


@functools.cache
def draw_samples(seed: int) -> Samples:
    """Generate samples."""
    chance = random.Random(f"{seed} dataset")
    writer = Writer(chance)
    labels, n = chance.choice(SIZES)
    first, last = f"{writer.name()} {writer.verb()}", f"{writer.name()} {writer.verb()}"
    twice, spaced = f" {writer.name()} ", f"{writer.name()}  {writer.verb()}"
    between = [twice, twice, spaced, "", *(writer.name() for _ in range(n - 6))]
    pairs: Pairs = []
    while not _is_telling(pairs, labels):
        texts = [first, *chance.sample(between, n - 2), last]
        label_of = {text: chance.choice(labels) for text in texts}
        pairs = [(label_of[text], text) for text in texts]
    few = [
        (label, writer.name()) for label in _draw_few_labels(chance, [label for label, _ in pairs])
    ]
    raw = zip(chance.sample((1, 3, 4), 2), [_draw_raw(writer), writer.long()], strict=True)
    return Samples(pairs, few, [*raw])


def _draw_few_labels(chance: random.Random, labels: Sequence[int]) -> list[int]:
    """Generate labels, the first twice: their number is below the largest label and target.

    It is neither the number of different `labels` nor of runs of them.
    """
    taken = {len({*labels}), count_runs(labels)}
    count = chance.choice([count for count in (1, 2, 3) if count not in taken])
    largest = chance.choice([label for label in range(count + 3, 7) if label != max(labels)])
    others = [label for label in range(2, largest) if label != largest - 4]
    different = chance.sample([*chance.sample(others, count - 1), largest], count)
    return [different[0], *different]


def _is_telling(pairs: Pairs, labels: Sequence[int]) -> bool:
    """Return whether no text is alone with its label, equal pairs are apart, and orders show."""
    if any(len({text for label, text in pairs if label == each}) < 2 for each in labels):
        return False
    texts, targets = [text for _, text in pairs], [label for label, _ in pairs]
    if count_runs(targets) in (len(labels), labels[-1], labels[-1] - 1, len(texts), len({*texts})):
        return False
    orders: list[Callable[[list[Any]], list[Any]]] = [
        sorted,
        lambda each: sorted(each, reverse=True),
        lambda each: each[::-1],
    ]
    return all(one != other for one, other in pairwise(pairs)) and all(
        order(texts) != texts and len({*zip(targets, order(targets), strict=True)}) > len(labels)
        for order in orders
    )


def count_runs(labels: Sequence[int]) -> int:
    """Count the runs of equal labels."""
    return sum(1 for _ in groupby(labels))


def _draw_raw(writer: Writer) -> str:
    """Generate a text that invites cleaning."""
    chance, noun = writer.chance, writer.noun()
    price, share, company = chance.uniform(20, 90), chance.randrange(2, 10), writer.name()
    return (
        f"{noun.capitalize()} at ${price:.2f},#39;{writer.adjective()}#39;\\{writer.verb()} "
        f"{share}% &lt;b&gt;{chance.choice(ACCENTED)}&lt;/b&gt; &amp; <i>{company}.</i> "
        f"http://{noun}.org"
    )
