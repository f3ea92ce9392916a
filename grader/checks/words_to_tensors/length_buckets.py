"""Checks of the task length_buckets: `length_buckets`."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from grader.checks._tools import is_generator, is_list, require_unchanged
from grader.contract.messages import Failure, show, waits_for
from grader.grading.answers import CallResult, unwrap
from grader.grading.calls import Call, construct
from grader.grading.leniency import lenient, local, still_wrong
from grader.grading.submission import Submission, evidence
from grader.sandbox.worker_client import FRESH
from grader.worker.wire import Opaque, Raised, TensorData

N, BATCH_SIZE = 13, 3  # 5 batches, one of which is smaller by more than 1
LONGEST = 40
Batches = list[list[int]]


@dataclass(frozen=True)
class Case:
    """Arguments of a call: the lengths, the batch size, and the seed of the generator."""

    lengths: list[int]
    batch_size: int
    seed: int

    @property
    def text(self) -> str:
        """The call as shown to the student."""
        generator = f"torch.Generator().manual_seed({self.seed})"
        return f"length_buckets({self.lengths}, {self.batch_size}, {generator})"

    def call(self) -> Call:
        """Return the call."""
        reseed = construct("operator.methodcaller", "manual_seed", self.seed)
        seeded = construct("builtins.map", reseed, [construct("torch.Generator")])
        return Call(self.text, [self.lengths, self.batch_size, construct("builtins.next", seeded)])


def cases_of(submission: Submission) -> list[Case]:
    """Draw lengths and four seeds, of which two are used twice; then two smaller cases.

    The lengths differ from the indices and from each other, but for one pair, and are not in order.
    """
    chance = random.Random(f"{submission.seed} buckets")
    some = chance.sample(range(N + 1, LONGEST), N - 1)
    lengths = [*some, some[0]]
    chance.shuffle(lengths)
    one, two, three, four = chance.sample(range(1000), 4)
    large = [Case(lengths, BATCH_SIZE, seed) for seed in (one, two, three, four, one, two)]
    return [*large, Case(lengths[: 2 * BATCH_SIZE], BATCH_SIZE, one), Case(lengths[:2], 4, one)]


@evidence
def buckets_seen(submission: Submission) -> list[CallResult]:
    """Call the function for all cases; with a seed again, it cannot remember the order."""
    calls, name = [case.call() for case in cases_of(submission)], "length_buckets"
    first = submission.call(name, name, [*calls[:4], *calls[6:]])
    again = submission.call(name, name, calls[4:6], seed=submission.seed + 1, apart=FRESH)
    return [*first[:4], *again, *first[4:]]


def buckets_of(submission: Submission, which: int) -> Batches:
    """Return the batches for one of the cases, which must be lists of ints.

    Raises:
        Failure: they are not.
    """
    case, result = cases_of(submission)[which], buckets_seen(submission)[which].result
    expected = f"a list of lists of ints: batches of indices from 0 to {len(case.lengths) - 1}"
    if isinstance(result, Raised) and which:
        raise Failure(case.text, result, expected)
    found = unwrap(result)
    batches = _as_lists(found)
    if lenient():
        if batches is None:
            raise still_wrong()
        return batches
    if batches is not None and all(is_list(batch) for batch in found):
        return batches
    with local(batches is not None):
        raise Failure(case.text, f"It returned {show(found)}", expected, _why_form(found))


def _as_lists(found: Any) -> Batches | None:
    """Return batches of ints, or of tensors of ints, as lists; None for anything else."""
    if not is_list(found):
        return None
    batches = [
        part.tolist() if isinstance(part, TensorData) and len(part.shape) == 1 else part
        for part in found
    ]
    if all(is_list(batch) and all(type(index) is int for index in batch) for batch in batches):
        return [[*batch] for batch in batches]
    return None


def _why_form(found: Any) -> str | None:
    """Return the known mistake behind something other than lists of ints."""
    if is_generator(found):
        return "generator-returned"
    if isinstance(found, TensorData) or not is_list(found):
        return None
    if found and all(type(part) is int for part in found):
        return "indices-not-in-batches"
    parts = [part for batch in found if is_list(batch) for part in batch]
    if all(isinstance(part, (TensorData, Opaque)) for part in parts or found):
        return "indices-not-ints"
    if parts and all(is_list(part) and len(part) == 2 for part in parts):
        return "pairs-for-indices"
    return None


def check_indices(submission: Submission) -> None:
    """The batches hold every index exactly once."""
    case = cases_of(submission)[0]
    found = sorted(index for batch in buckets_of(submission, 0) for index in batch)
    places = [*range(len(case.lengths))]
    if found == places:
        parameters = "lengths, batch_size, generator"
        require_unchanged(buckets_seen(submission)[0], case.text, parameters)
        return
    why = None
    if found == sorted(case.lengths):
        why = "lengths-for-indices"
    elif len(found) == N - N % BATCH_SIZE and {*found} < {*places}:
        why = "last-batch-dropped"
    elif found == [place + 1 for place in places]:
        why = "indices-from-one"
    elif {*found} < {*places} and sorted(case.lengths[place] for place in found) == sorted(
        case.lengths
    ):
        why = "first-of-equal-lengths"
    count = Counter(found)
    text = f"It holds {len(found)} numbers"
    if missing := [place for place in places if place not in count]:
        text += f"; {missing[0]} is not among them"
    elif twice := [place for place, times in count.items() if times > 1]:
        text += f"; {twice[0]} occurs {count[twice[0]]} times"
    note = "Batch i begins where the batch before it ends, at i * batch_size of the sorted indices."
    wanted = f"each index from 0 to {N - 1} once"
    with local(why == "last-batch-dropped"):
        raise Failure(case.text, text, wanted, why, note=note)


def check_sizes(submission: Submission) -> None:
    """Every batch has `batch_size` sentences; only one can be smaller, and none is empty."""
    for which in (0, 6, 7):
        case = cases_of(submission)[which]
        full, rest = divmod(len(case.lengths), case.batch_size)
        expected = [case.batch_size] * full + [rest] * bool(rest)
        sizes = [len(batch) for batch in buckets_of(submission, which)]
        if sorted(sizes) == sorted(expected):
            continue
        why = None
        if sorted(sizes) == sorted([*expected, 0]):
            why = "empty-batch"
        elif len(sizes) == case.batch_size != len(expected) and max(sizes) - min(sizes) < 3:
            why = "batch-size-as-count"  # chunk(3) of 13 gives 5, 5 and 3
        elif len(sizes) == len(expected) and max(sizes) - min(sizes) < 2:
            why = "batches-evened-out"
        elif expected[:full] == sizes and rest:
            why = "last-batch-dropped"
        elif _are_neighbours(case, buckets_of(submission, which)):
            why = "batches-of-other-sizes"
        with local():
            raise Failure(case.text, f"The sizes of the batches are {sizes}", f"{expected}", why)


def check_similar(submission: Submission) -> None:
    """The ranges of lengths in the batches do not overlap."""
    case = cases_of(submission)[0]
    batches = [batch for batch in buckets_of(submission, 0) if batch]
    if not all(0 <= index < N for batch in batches for index in batch):
        raise still_wrong()
    if max(map(len, batches), default=0) in (0, 1, N):  # any lengths are similar then
        raise waits_for("length_buckets.sizes")
    if pair := _overlap(case, batches):
        one, other = pair
        text = f"One batch has lengths {one[0]} to {one[-1]}, another {other[0]} to {other[-1]}"
        expected = "ranges of lengths that do not overlap"
        why = "batches-by-index" if _by_index(batches) else "lengths-overlap"
        for order in (range(N), range(N)[::-1]):  # of the two equal lengths
            places = sorted(order, key=case.lengths.__getitem__)
            if _by_index([[places[rank] for rank in batch] for batch in batches]):
                why = "ranks-for-indices"
        with local():
            raise Failure(case.text, text, expected, why)


def _by_index(batches: Batches) -> bool:
    """Return whether each batch holds indices that follow one another."""
    return all([*range(min(b), min(b) + len(b))] == sorted(b) for b in batches)


def _are_neighbours(case: Case, batches: Batches) -> bool:
    """Return whether batches hold indices, and their ranges of lengths do not overlap."""
    in_range = all(0 <= index < len(case.lengths) for batch in batches for index in batch)
    return in_range and _overlap(case, batches) is None


def _overlap(case: Case, batches: Batches) -> tuple[list[int], list[int]] | None:
    """Return the lengths in two batches whose ranges overlap, if there are two."""
    ranges = sorted(sorted(case.lengths[index] for index in batch) for batch in batches if batch)
    pairs = itertools.pairwise(ranges)
    return next(((one, other) for one, other in pairs if one[-1] > other[0]), None)


def check_shuffled(submission: Submission) -> None:
    """The order of the batches follows from the generator, and differs between seeds."""
    cases = cases_of(submission)
    orders = [[sorted(batch) for batch in buckets_of(submission, which)] for which in range(6)]
    for first, again in ((0, 4), (1, 5)):
        if orders[first] != orders[again]:
            text = "Two calls with generators of the same seed returned the batches in two orders"
            raise Failure(cases[first].text, text, "the same order", "generator-unused")
    if all(order == orders[0] for order in orders):
        lengths = [max(cases[0].lengths[index] for index in batch) for batch in orders[0]]
        in_order = lengths in (sorted(lengths), sorted(lengths, reverse=True))
        text = "The batches come in the same order for generators of four different seeds"
        why = "batches-not-shuffled" if in_order else "seed-ignored"
        raise Failure(cases[0].text, text, "an order that the generator decides", why)
