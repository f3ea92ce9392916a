"""Generates short texts for the checks: news in few words that a beginner can read at a glance."""

from __future__ import annotations

import random

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

    def long(self, times: int = LONG_TEXT) -> str:
        """Return a sentence of 18 tokens `times` times, longer than common limits."""
        people = self.chance.randrange(20, 90)
        return (
            f"The {self.noun()} {self.verb()} at nine with {people} people; nobody aboard knew of "
            f"the {self.noun()}, yet. "
        ) * times
