"""Generates short texts for the checks: news in few words that a beginner can read at a glance."""

from __future__ import annotations

import random
from collections.abc import Sequence

# Each of these words is one token, lower-cased and capitalised, alone and in a sentence.
NOUNS = (
    *("bank", "bridge", "coach", "comet", "court", "engine", "ferry", "garden", "goal", "island"),
    *("market", "museum", "oil", "planet", "river", "rover", "ship", "storm", "team", "ticket"),
    *("train", "union", "valley", "wheat"),
)
VERBS = (
    *("cut", "dropped", "found", "held", "left", "lost", "missed", "opened", "passed", "saved"),
    *("sold", "stopped", "won"),
)
ADJECTIVES = ("calm", "closed", "cold", "empty", "fast", "huge", "late", "new", "quiet", "small")
ACCENTED = ("Café", "Curaçao", "Málaga", "Pelé", "São", "Zürich")
LONG_TEXT = 20  # how often the sentence of a long text is repeated, for 1,300 characters or more


class Writer:
    """Writes texts in which no noun occurs twice."""

    def __init__(self, chance: random.Random) -> None:
        """Start with all nouns, in an order drawn by `chance`."""
        self.chance = chance
        self.nouns = chance.sample(NOUNS, len(NOUNS))

    def noun(self) -> str:
        """Return a noun that was not used before."""
        return self.nouns.pop()

    def name(self) -> str:
        """Return a capitalised noun that was not used before."""
        return self.noun().capitalize()

    def verb(self) -> str:
        """Return a verb."""
        return self.chance.choice(VERBS)

    def adjective(self) -> str:
        """Return an adjective."""
        return self.chance.choice(ADJECTIVES)

    def sentences(self) -> list[str]:
        """Return four sentences of 2 and 3, 4 or 5, and 7, 8 or 9 tokens.

        One with more tokens has more characters. The longest is neither first nor last. Sorting by
        length, sorting twice and reversing give different orders.
        """
        end = f"all of {self.chance.choice(['it', f'the {self.noun()}'])}!"
        subject = self.chance.choice([self.noun(), f"{self.adjective()} {self.noun()}"])
        spaced = f"{self.name()}  {self.verb()}"
        short = [
            sentence
            for start in ("It's", "That's", "It isn't")
            for adjective in ADJECTIVES
            if len(sentence := f"{start} {adjective}.") > len(spaced)
        ]
        by_length = [
            f"{self.name()}!",
            spaced,
            self.chance.choice(short),
            f"The {subject} {self.verb()} {end}",
        ]
        order: list[int] = []
        while not _is_discriminating(order):
            order = self.chance.sample(range(4), 4)
        return [by_length[place] for place in order]

    def long(self, times: int = LONG_TEXT) -> str:
        """Return a sentence of 18 tokens `times` times, longer than common limits."""
        people = self.chance.randrange(20, 90)
        return (
            f"The {self.noun()} {self.verb()} at nine with {people} people; nobody aboard knew of "
            f"the {self.noun()}, yet. "
        ) * times


def _is_discriminating(order: Sequence[int]) -> bool:
    """Return whether the longest is inside, and sorting twice does not restore the order."""
    if not order or order.index(max(order)) in (0, len(order) - 1):
        return False
    up = sorted(range(len(order)), key=order.__getitem__)
    return all([each[place] for place in each] != [*range(len(order))] for each in (up, up[::-1]))
