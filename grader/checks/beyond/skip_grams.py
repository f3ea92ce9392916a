"""Checks of the task skip_grams: `skip_gram_pairs`."""

from __future__ import annotations

import operator
import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product

from grader.checks._tools import (
    is_list,
    matching_mistake,
    repair,
    require_unchanged,
    two_mistakes,
)
from grader.contract.messages import Failure, show
from grader.grading.answers import CallResult, unwrap
from grader.grading.calls import Call
from grader.grading.leniency import lenient, local, still_wrong
from grader.grading.submission import Submission, evidence
from grader.grading.trials import end_trial
from grader.worker.wire import TensorData

Pairs = Counter[tuple[int, int]]
Change = Callable[[Pairs], Pairs]

WINDOW = 3  # half of it, and 1 less, differ
MOST_PAIRS = 500  # that are compared; the longest sentence has 30


def sentence(submission: Submission) -> list[int]:
    """Sample the ids of 7 words, one of which is at positions 0 and 2."""
    first, *rest = random.Random(submission.seed).sample(range(10, 100), 6)
    return [first, rest[0], first, *rest[1:]]


def sentences(submission: Submission) -> list[tuple[list[int], int]]:
    """Return the sentences that the function is called with."""
    drawn = sentence(submission)
    return [(drawn, WINDOW), (drawn[3:6], 5), (drawn[:1], WINDOW), ([], WINDOW)]


@evidence
def skip_grams(submission: Submission) -> list[tuple[str, CallResult]]:
    """Call the function on a sentence, one shorter than the window, one word, and no words."""
    asked = sentences(submission)
    calls = [Call(f"skip_gram_pairs({tokens}, window={n})", [tokens, n]) for tokens, n in asked]
    called = submission.call("skip_grams", "skip_gram_pairs", calls)
    return [(call.text, each) for call, each in zip(calls, called, strict=True)]


def pairs_of(tokens: list[int], fits: Callable[[int, int], bool]) -> Pairs:
    """List pairs of words whose positions (centre, context) fit; positions may be negative."""
    places = range(len(tokens))
    found: Pairs = Counter()
    for centre in places:
        for other in range(-len(tokens), len(tokens)):
            if fits(centre, other):
                found[tokens[centre], tokens[other]] += 1
    return found


def require_pairs(call: str, called: CallResult) -> Pairs:
    """Return the pairs of a call.

    Raises:
        Failure: the result is not an int64 tensor of shape (N, 2), or far too long.
    """
    found = unwrap(called.result)
    if lenient():
        return _repaired_pairs(found)
    fits = isinstance(found, TensorData) and found.dtype == "int64"
    if not fits or len(found.shape) != 2 or found.shape[1] != 2:
        expected = "an int64 tensor of shape (N, 2)"
        with local(_count(found) is not None):
            raise Failure(call, f"It returned {show(found)}", expected, _why_form(found))
    if found.shape[0] > MOST_PAIRS:
        raise Failure(call, f"It returned {found.shape[0]:,} pairs", f"{MOST_PAIRS} at most")
    return Counter((one, other) for one, other in found.tolist())


def _count(found: object) -> int | None:
    """Return how many pairs a list or a tensor of another form holds."""
    if isinstance(found, TensorData) and 2 in found.shape and len(found.shape) == 2:
        return found.shape[found.shape.index(2) - 1]
    if not is_list(found) or len(found) > MOST_PAIRS:
        return None
    if all(is_list(pair) and len(pair) == 2 and set(map(type, pair)) == {int} for pair in found):
        return len(found)
    columns = len(found) == 2 and all(isinstance(part, TensorData) for part in found)
    return found[0].shape[0] if columns and len(found[0].shape) == 1 else None


def _repaired_pairs(found: object) -> Pairs:
    """Return pairs of another form: a list, two columns or rows, or another dtype."""
    if (count := _count(found)) is None or count > MOST_PAIRS:
        raise still_wrong()
    if is_list(found) and (not found or is_list(found[0])):
        return Counter(map(tuple, found))
    table = repair(found, "int64", (count, 2))
    if table is None:
        raise still_wrong()
    return Counter((one, other) for one, other in table.tolist())


def _why_form(found: object) -> str | None:
    """Return the known mistake behind a wrong type or shape."""
    if is_list(found):
        columns = len(found) == 2 and all(isinstance(part, TensorData) for part in found)
        return "pairs-in-two-columns" if columns else "pairs-in-a-list"
    if not isinstance(found, TensorData):
        return None
    if len(found.shape) == 1:
        return "pairs-one-after-another"
    if len(found.shape) == 2 and found.shape[0] == 2:
        return "pairs-in-rows"
    if len(found.shape) == 2 and found.shape[1] == 2:
        return "pairs-not-int64"
    return None


def random_windows(tokens: list[int], window: int, found: Pairs, keep: Change) -> bool:
    """Return whether each centre has all neighbours in a window of its own, of 1 to `window`.

    `keep` says which of them are listed.
    """
    places = range(len(tokens))
    around = [
        [
            keep(Counter((tokens[i], tokens[j]) for j in places if 0 < abs(i - j) <= own))
            for own in range(1, window + 1)
        ]
        for i in places
    ]
    return any(sum(some_, Counter()) == found for some_ in product(*around))


def listed_once(pairs: Pairs) -> Pairs:
    """List each pair once."""
    return Counter(pairs.keys())


def of_different_words(pairs: Pairs) -> Pairs:
    """Leave out pairs of a word with itself."""
    return Counter({pair: n for pair, n in pairs.items() if pair[0] != pair[1]})


CHANGES: dict[str, Change] = {
    "pairs-listed-once": listed_once,
    "pairs-equal-words-left-out": of_different_words,
}


def pairs_of_mistakes(
    tokens: list[int], window: int, found: Pairs, right: Pairs
) -> Iterator[tuple[str, str, Pairs]]:
    """Yield the pairs of words that two known mistakes together lead to."""
    for changed, keep in CHANGES.items():
        for name, wrongs in known_mistakes(tokens, window, right).items():
            yield from ((name, changed, keep(wrong)) for wrong in wrongs if keep(wrong) != wrong)
        if random_windows(tokens, window, found, keep):
            yield "pairs-window-drawn", changed, found


def some(pairs: Pairs) -> str:
    """Format a few pairs."""
    listed = list(pairs.elements())
    return ", ".join(map(str, listed[:4])) + (", ..." if len(listed) > 4 else "")


def check_shape(submission: Submission) -> None:
    """The pairs are an int64 tensor of shape (N, 2)."""
    require_pairs(*skip_grams(submission)[0])


def check_neighbours(submission: Submission) -> None:
    """Each word is paired with all its neighbours on both sides, and with nothing else."""
    require_neighbours(submission, 0)


def known_mistakes(tokens: list[int], window: int, right: Pairs) -> dict[str, list[Pairs]]:
    """Return the pairs that known mistakes lead to."""
    last = len(tokens) - 1
    return {
        "pairs-one-sided": [
            pairs_of(tokens, lambda i, j: 0 < j - i <= window),
            pairs_of(tokens, lambda i, j: j >= 0 and 0 < i - j <= window),
        ],
        "pairs-window-ends-early": [
            pairs_of(tokens, lambda i, j: j >= 0 and j != i and -window <= j - i < window),
            pairs_of(tokens, lambda i, j: j >= 0 and j != i and abs(j - i) < window),
        ],
        "pairs-without-the-ends": [
            pairs_of(tokens, lambda i, j: 0 <= j < last and 0 < abs(j - i) <= window),
            pairs_of(tokens, lambda i, j: j > 0 and 0 < abs(j - i) <= window),
            pairs_of(tokens, lambda i, j: i < last and j >= 0 and 0 < abs(j - i) <= window),
            pairs_of(tokens, lambda i, j: i > 0 and j >= 0 and 0 < abs(j - i) <= window),
        ],
        "pairs-half-window": [
            pairs_of(tokens, lambda i, j: j >= 0 and 0 < abs(j - i) <= window // 2),
        ],
        "pairs-negative-slice": [
            pairs_of(
                tokens,
                lambda i, j: j >= 0 and 0 < abs(i - j) <= window and (j > i or i >= window),
            )
        ],
        "pairs-listed-twice": [right + right],
        "pairs-with-itself": [pairs_of(tokens, lambda i, j: j >= 0 and abs(i - j) <= window)],
        "pairs-of-places": [
            pairs_of([*range(len(tokens))], lambda i, j: j >= 0 and 0 < abs(i - j) <= window)
        ],
        "pairs-around-the-first-place": around_first_places(tokens, window),
        **{name: [keep(right)] for name, keep in CHANGES.items()},
        "pairs-around-the-end": [pairs_of(tokens, lambda i, j: 0 < abs(i - j) <= window)],
        "pairs-outermost-only": [pairs_of(tokens, lambda i, j: j >= 0 and abs(i - j) == window)],
        "pairs-full-windows-only": [
            pairs_of(
                tokens,
                lambda i, j: (
                    window <= i < len(tokens) - window and j >= 0 and 0 < abs(i - j) <= window
                ),
            )
        ],
    }


def around_first_places(tokens: list[int], window: int) -> list[Pairs]:
    """Return the pairs if the place of centres, of contexts or of both is the first of a word."""
    places = [*range(len(tokens))]
    first = [tokens.index(word) for word in tokens]
    return [
        Counter(
            (tokens[i], tokens[j])
            for i in places
            for j in places
            if 0 < abs(centres[i] - contexts[j]) <= window
        )
        for centres, contexts in [(first, places), (places, first), (first, first)]
    ]


def why_by_distance(tokens: list[int], window: int, found: Pairs, right: Pairs) -> str | None:
    """Return what all pairs have in common that are missing or too many, if it is a known mistake.

    A word that occurs twice has two distances to another one.
    """
    distances = [
        {
            at - place
            for place, word in enumerate(tokens)
            for at, other in enumerate(tokens)
            if (word, other) == pair and at != place
        }
        for pair in found
    ]
    if not found or not all(distances):
        return None
    if any(min(map(abs, each)) > window for each in distances):
        return "pairs-too-far"
    for sign in (1, -1):
        if all(max(sign * distance for distance in each) > 0 for each in distances):
            return "pairs-one-sided"
    if {*found} == {*right} and found > right:
        return "pairs-listed-twice"
    centres = {centre for centre, _ in found}
    places = [place for place, word in enumerate(tokens) if word in centres]
    inner = places == [*range(places[0], places[-1] + 1)] and len(places) < len(tokens)
    return "pairs-full-windows-only" if inner and found < right else None


def require_neighbours(submission: Submission, number: int) -> None:
    """Require the correct pairs from one of the calls.

    Raises:
        Failure: the pairs differ.
    """
    call, called = skip_grams(submission)[number]
    tokens, window = sentences(submission)[number]
    found = require_pairs(call, called)
    right = pairs_of(tokens, lambda i, j: j >= 0 and 0 < abs(i - j) <= window)
    if found == right:
        require_unchanged(called, call, "tokens, window")
        return
    end_trial()
    why = matching_mistake(
        found, known_mistakes(tokens, window, right).items(), lambda pairs, wrongs: pairs in wrongs
    )
    if why is None and random_windows(tokens, window, found, Counter):
        why = "pairs-window-drawn"
    pairs = pairs_of_mistakes(tokens, window, found, right)
    names = [why] if why else two_mistakes(found, pairs, operator.eq)
    by_distance = None if names else why_by_distance(tokens, window, found, right)
    missing, more = right - found, found - right
    parts = [f"It returned {found.total()} pairs"]
    parts += [f"missing are {some(missing)}"] if missing else []
    parts += [f"too many are {some(more)}"] if more else []
    raise Failure(call, "; ".join(parts), f"{right.total()} pairs", names or by_distance)


def check_short(submission: Submission) -> None:
    """A sentence may be shorter than the window, a single word, or empty."""
    require_neighbours(submission, 1)
    for call, called in skip_grams(submission)[2:]:
        found = require_tensor_of_no_pairs(call, called)
        if found.total():
            raise Failure(call, f"It returned {found.total()} pairs", "no pair, shape (0, 2)")


def require_tensor_of_no_pairs(call: str, called: CallResult) -> Pairs:
    """Return the pairs of a sentence without pairs; a tensor of an empty list is a known mistake.

    Raises:
        Failure: the result is not a tensor of pairs.
    """
    found = unwrap(called.result)
    if isinstance(found, TensorData) and found.shape == (0,):
        raise Failure(
            call, f"It returned {show(found)}", "an int64 tensor of shape (0, 2)", "pairs-flat"
        )
    if isinstance(found, TensorData) and found.shape == (0, 2) and found.dtype != "int64":
        raise Failure(
            call, f"It returned {show(found)}", "an int64 tensor of shape (0, 2)", "pairs-float"
        )
    return require_pairs(call, called)
