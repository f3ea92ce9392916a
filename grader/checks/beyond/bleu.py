"""Checks of the task bleu: `corpus_bleu`."""

from __future__ import annotations

import functools
import itertools
import random

from grader.checks._differences import about_number
from grader.checks._tools import (
    changed_fields,
    close_number,
    require_number,
    require_unchanged,
)
from grader.checks.oracles.bleu import Bleu
from grader.contract.messages import Failure
from grader.grading.answers import CallResult
from grader.grading.calls import Call
from grader.grading.leniency import lenient, local
from grader.grading.submission import Submission, evidence
from grader.grading.trials import end_trial
from grader.worker.wire import Raised

Corpus = tuple[list[list[str]], list[list[str]]]  # translations, with one reference each

# Variants of a mistake that the student makes in several ways, by the beginning of their names.
VARIANTS = (
    *("bleu-orders", "bleu-smoothed", "bleu-short-skipped", "bleu-counted-once"),
    *("bleu-penalty-inverted", "bleu-zeros-left-out", "bleu-empty-skipped"),
    *("bleu-weighted", "bleu-another-root"),
)
# Python's messages for a logarithm of 0 (before and since 3.14) and a geometric mean with 0.
NO_LOGARITHM = ("math domain error", "expected a positive input", "geometric mean requires")

ENOUGH = 3  # scores that two mistakes together must explain

WORDS = """market team coach oil bank phone court river goal minister film space price storm wheat
train ship engine match union voter garden bridge ticket planet doctor island teacher window"""
WEIGHTS = (  # of the precisions, in other variants of BLEU
    *((1 / 2, 1 / 4, 1 / 8, 1 / 16), (1.0, 1 / 2, 1 / 4, 1 / 8), (1.0, 1 / 2, 1 / 3, 1 / 4)),
    *((0.4, 0.3, 0.2, 0.1), (0.1, 0.2, 0.3, 0.4), (8 / 15, 4 / 15, 2 / 15, 1 / 15)),
    *(
        (1 / 2, 1 / 4, 1 / 8, 1 / 8),
        (1 / 2, 1 / 6, 1 / 6, 1 / 6),
        (12 / 25, 6 / 25, 4 / 25, 3 / 25),
    ),
)
BLEU_MISTAKES: dict[str, Bleu] = {
    "bleu-not-clipped": Bleu(clipping="none"),
    "bleu-clipped-by-the-corpus": Bleu(clipping="corpus"),
    "bleu-pooled": Bleu(clipping="pooled"),
    "bleu-mean-of-sentences": Bleu(by_sentence=True),
    "bleu-precisions-of-sentences": Bleu(averaged=True),
    "bleu-counted-once": Bleu(counts="once"),
    "bleu-counted-once-as-a-match": Bleu(counts="matches"),
    "bleu-different-ngrams": Bleu(counts="total"),
    "bleu-short-skipped": Bleu(skips="n"),
    "bleu-short-skipped-whole": Bleu(skips="four"),
    "bleu-short-skipped-for-the-reference": Bleu(skips="four", skipped_by="reference"),
    **{
        f"bleu-short-skipped-in-the-counts-{side}": Bleu(
            skips="four", skipped_by=side, skips_whole=False
        )
        for side in ("either", "translation", "reference")
    },
    "bleu-empty-skipped": Bleu(skips="empty"),
    "bleu-empty-skipped-and-short": Bleu(skips="four", skipped_by="translation"),
    "bleu-no-penalty": Bleu(penalty="none"),
    "bleu-penalty-inverted": Bleu(penalty="inverted"),
    "bleu-penalty-inverted-for-long": Bleu(penalty="long"),
    "bleu-penalty-rewards": Bleu(penalty="unbounded"),
    "bleu-penalty-is-the-ratio": Bleu(penalty="ratio"),
    "bleu-penalty-exponent-inverted": Bleu(penalty="exponent"),
    "bleu-penalty-exp-missing": Bleu(penalty="linear"),
    "bleu-penalty-of-sentences": Bleu(penalty="mean"),
    "bleu-arithmetic-mean": Bleu(arithmetic=True),
    "bleu-recall": Bleu(recall=True),
    "bleu-smoothed": Bleu(smoothing=1.0),
    "bleu-smoothed-from-two": Bleu(smoothing=1.0, smooth_from=2),
    "bleu-zeros-left-out": Bleu(skips_zeros="mean"),
    "bleu-zeros-left-out-of-the-sum": Bleu(skips_zeros="sum"),
    "bleu-product": Bleu(multiplied=True),
    "bleu-two-bases": Bleu(base_two=True),
    "bleu-lower-cased": Bleu(tokens="lower"),
    "bleu-of-characters": Bleu(tokens="characters"),
    "bleu-sentences-joined": Bleu(tokens="joined"),
    "bleu-one-too-few": Bleu(missed=1),
    "bleu-counts-below-zero": Bleu(below_zero=True),
    "bleu-counts-at-least-one": Bleu(fewest=1),
    "bleu-orders-from-0": Bleu(shortest=0, orders=3),
    **{f"bleu-orders-{n}": Bleu(orders=n) for n in (1, 2, 3, 5)},
    **{f"bleu-orders-{n}-of-4": Bleu(orders=n, root=4) for n in (1, 2, 3, 5)},
    **{f"bleu-another-root-{n}": Bleu(root=n) for n in (2, 3, 5, 10)},
    **{f"bleu-weighted-{each}": Bleu(weights=each) for each in WEIGHTS},
}


def sentences_of(draw: random.Random, *lengths: int) -> list[list[str]]:
    """Draw sentences in which no word occurs twice."""
    words = iter(draw.sample(WORDS.split(), sum(lengths)))
    return [[*itertools.islice(words, length)] for length in lengths]


def changed(draw: random.Random) -> Corpus:
    """Draw translations that are longer than the references, by different numbers of words.

    They differ from the references in a word and in upper case.
    """
    long, short = sentences_of(draw, draw.randint(10, 13), draw.randint(6, 8))
    one, other = [*long, "here"], [*short, "one", "two"]
    one[draw.randint(5, len(long) - 3)] = "nobody"
    other[draw.randint(4, len(short) - 2)] = "no"
    long[0] = long[0].title()
    return [one, other], [long, short]


def repeated(draw: random.Random) -> Corpus:
    """Draw translations with repeated words; some n-grams match twice, some once.

    They have as many words as the references.
    """
    twice = draw.randint(4, 6)
    first, second = sentences_of(draw, twice + 4, draw.randint(7, 9))
    again = [*first[:twice], *first[:twice], second[0]]
    mixed = [*second[:-2], first[twice], second[-2], second[0]]
    return [again, mixed], [[*first, *first[: twice - 2]], second]


def cut(draw: random.Random) -> Corpus:
    """Draw translations of which one is much shorter than its reference."""
    brief, rest = sentences_of(draw, draw.randint(11, 14), draw.randint(5, 7))
    return [brief[: draw.randint(5, 7)], [*rest, "indeed"]], [brief, rest]


def broken(draw: random.Random) -> Corpus:
    """Draw translations in which at most three words in a row match."""
    runs = [3, draw.randint(2, 3), draw.randint(1, 2), 3, draw.randint(1, 2)]
    references = sentences_of(draw, sum(runs[:2]) + 1, sum(runs[2:]) + 2)
    one, other = map(list, references)
    one[runs[0]] = "but"
    other[runs[2]], other[runs[2] + runs[3] + 1] = "or", "and"
    return [one, other], references


def short(draw: random.Random) -> Corpus:
    """Draw sentences of at most three words, which are translated correctly."""
    references = sentences_of(draw, 3, *draw.choices((1, 2), k=draw.randint(1, 3)))
    return references, references


def unequal(draw: random.Random) -> Corpus:
    """Draw three translations; the reference of one has two words."""
    long, few, brief = sentences_of(draw, draw.randint(10, 12), 3, draw.randint(9, 12))
    return [long, few, brief[:4]], [long, few[:2], brief]


def one_empty(draw: random.Random) -> Corpus:
    """Draw a corpus with an empty translation."""
    translations, references = changed(draw)
    return [[], translations[0]], references[::-1]


def all_empty(draw: random.Random) -> Corpus:
    """Draw a corpus with empty translations only."""
    references = sentences_of(draw, draw.randint(8, 12), draw.randint(4, 7))
    return [[] for _ in references], references


CASES = {
    "with a word changed in each sentence": changed,
    "with words repeated": repeated,
    "with a translation cut short": cut,
    "without a match of four words": broken,
    "with an empty translation": one_empty,
    "with sentences of at most three words": short,
    "with empty translations only": all_empty,
    "with a reference of two words": unequal,
}
ONE_SENTENCE = ("with an empty translation", "with a reference of two words")
MODEL = 5  # with this draw, each case tells as many mistakes apart as it can


def corpora(submission: Submission) -> dict[str, Corpus]:
    """Draw corpora (translations and references) by what they test."""
    return _corpora(submission.seed)


@functools.lru_cache(maxsize=4)
def _corpora(seed: int) -> dict[str, Corpus]:
    """Draw corpora.

    A draw on which two mistakes look alike that can be told apart is rejected.
    """
    draw = random.Random(seed)
    found = {}
    for case, drawn in CASES.items():
        tries = (drawn(draw) for _ in itertools.count())
        found[case] = next(each for each in tries if confusions(each) == confusions_of(case))
    return found


@functools.cache
def confusions_of(case: str) -> list[int]:
    """Return the confusions of the model of a case."""
    return confusions(CASES[case](random.Random(MODEL)))


def confusions(corpus: Corpus) -> list[int]:
    """Return for the correct score and each mistake's the first of them that is equal."""
    scores = [way.score(*corpus) for way in (Bleu(), *BLEU_MISTAKES.values())]
    return [
        next(at for at, other in enumerate(scores) if close_number(score, other))
        for score in scores
    ]


BLEU_CALL = "corpus_bleu(translations, references)"


@evidence
def bleus(submission: Submission) -> dict[str, CallResult]:
    """Call the student's function on all corpora."""
    cases = corpora(submission)
    calls = [Call(f"{BLEU_CALL} {case}", list(corpus)) for case, corpus in cases.items()]
    return dict(zip(cases, submission.call("bleu", "corpus_bleu", calls), strict=True))


def require_bleu(submission: Submission, case: str) -> None:
    """Require the correct score of a corpus.

    Raises:
        Failure: the score differs.
    """
    corpus, result = corpora(submission)[case], bleus(submission)[case].result
    if isinstance(result, Raised) and case != "with a word changed in each sentence":
        explain_raised_score(case, corpus, result)
    found = require_number(result, f"{BLEU_CALL} {case}")
    if lenient():
        found *= 100
    right = Bleu().score(*corpus)
    if close_number(found, right):
        called = bleus(submission)[case]
        require_unchanged(called, f"{BLEU_CALL} {case}", "translations, references")
        return
    end_trial()
    why = explaining(submission, found, right, corpus)
    if why is None and case == "without a match of four words" and found > 0:
        why = "bleu-zero-replaced"
    if why is None and not found:
        one_sentence = case in ONE_SENTENCE and _scores(submission, case)
        why = "bleu-zero-for-one-sentence" if one_sentence else "bleu-nothing-matches"
    more = second_mistake(submission, case, why) if why in BLEU_MISTAKES else []
    names = [why, *more] if why else two_mistakes(submission, case)
    note = "" if names else about_number(found, right, {"4": 4})
    names = [_variant(name) for name in names] or ([] if note else ["bleu-differs"])
    if names == ["bleu-short-skipped"] and case == "with an empty translation":
        names = ["bleu-empty-skipped"]
    said = f"{right:.4f}" if right else "0.0"
    with local(names == ["bleu-not-in-percent"]):
        raise BleuFailure(case, corpus, found, said, names, note)


def explaining(submission: Submission, found: float, right: float, corpus: Corpus) -> str | None:
    """Return the known mistake behind a score; of several, the one that explains most scores."""
    if right and close_number(found, right / 100):
        return "bleu-not-in-percent"
    scores = {name: way.score(*corpus) for name, way in BLEU_MISTAKES.items()}
    fits = [
        name
        for name, score in scores.items()
        if close_number(found, score) and not close_number(score, right)
    ]

    def explained(name: str) -> int:
        pairs = (
            (bleus(submission)[case].result, BLEU_MISTAKES[name].score(*drawn))
            for case, drawn in corpora(submission).items()
        )
        return sum(isinstance(one, float) and close_number(one, other) for one, other in pairs)

    return max(fits, key=explained, default=None)


def two_mistakes(submission: Submission, case: str) -> list[str]:
    """Return the two known mistakes that together explain every score but 0, or nothing.

    Code may return 0 before it comes to its mistakes.
    """
    seen = _scores(submission, case)
    if len(seen) < ENOUGH:
        return []
    for (one, first), (other, second) in itertools.combinations(BLEU_MISTAKES.items(), 2):
        changes = [changed_fields(way) for way in (first, second)]
        if changes[0].keys() & changes[1].keys():
            continue
        way = Bleu(**changes[0], **changes[1])
        if _explains(way, seen):
            return [one, other]
    return []


def second_mistake(submission: Submission, case: str, first: str) -> list[str]:
    """Return the known mistake that explains every score but 0 only together with the first one."""
    seen, known = _scores(submission, case), BLEU_MISTAKES[first]
    if len(seen) < ENOUGH or _explains(known, seen):
        return []
    own = changed_fields(known)
    others = {
        _variant(name)
        for name, way in BLEU_MISTAKES.items()
        if not own.keys() & changed_fields(way).keys()
        and _explains(Bleu(**own, **changed_fields(way)), seen)
    }
    return [*others] if len(others) == 1 else []


def _scores(submission: Submission, case: str) -> list[tuple[float, Corpus]]:
    """Return every score but 0 with its corpus, that of a case first."""
    seen = [
        (called.result, corpora(submission)[each])
        for each, called in bleus(submission).items()
        if isinstance(called.result, float) and called.result
    ]
    return sorted(seen, key=lambda pair: pair[1] is not corpora(submission)[case])


def _explains(way: Bleu, seen: list[tuple[float, Corpus]]) -> bool:
    return all(close_number(score, way.score(*corpus)) for score, corpus in seen)


def _variant(name: str) -> str:
    """Return the mistake that a variant is one of."""
    return next((each for each in VARIANTS if name.startswith(each)), name)


def explain_raised_score(case: str, corpus: Corpus, raised: Raised) -> None:
    """Name the known mistake behind an exception, if there is one.

    Raises:
        BleuFailure: it is the logarithm of 0, or a division by 0.
    """
    why = "bleu-divided-by-zero" if raised.type == "ZeroDivisionError" else None
    if raised.type in ("ValueError", "StatisticsError") and any(
        words in raised.message for words in NO_LOGARITHM
    ):
        why = "bleu-logarithm-of-zero"
    if why is not None:
        right = f"{Bleu().score(*corpus):.4f}" if Bleu().score(*corpus) else "0.0"
        raise BleuFailure(case, corpus, raised, right, why)


class BleuFailure(Failure):
    """A wrong score; the message shows the sentences, so that students can count n-grams."""

    def __init__(
        self,
        case: str,
        corpus: Corpus,
        found: float | Raised,
        expected: str,
        why: str | list[str],
        note: str = "",
    ) -> None:
        """Compose the message with the sentences."""
        told = f"It returned {found:.4f}" if isinstance(found, float) else found
        super().__init__(f"{BLEU_CALL} {case}", told, expected, why, note=note)
        lines = [
            f"  {name}: {' '.join(sentence) or '(empty)'}"
            for pair in zip(*corpus, strict=True)
            for name, sentence in zip(("translation", "reference"), pair, strict=True)
        ]
        first, *rest = str(self).split("\n")
        self.args = ("\n".join([first, *lines, *rest]),)


def check_number(submission: Submission) -> None:
    """BLEU is a float."""
    require_number(bleus(submission)["with a word changed in each sentence"].result, BLEU_CALL)


def check_precisions(submission: Submission) -> None:
    """BLEU is the geometric mean of four precisions, each counted over the whole corpus."""
    require_bleu(submission, "with a word changed in each sentence")


def check_clipping(submission: Submission) -> None:
    """An n-gram counts at most as often as it occurs in the sentence's own reference."""
    require_bleu(submission, "with words repeated")


def check_penalty(submission: Submission) -> None:
    """A corpus that is shorter than its references gets a brevity penalty."""
    require_bleu(submission, "with a translation cut short")


def check_zero(submission: Submission) -> None:
    """No smoothing: if n-grams of some length never match, BLEU is 0; sentences may be short."""
    for case in (
        "without a match of four words",
        "with an empty translation",
        "with sentences of at most three words",
        "with empty translations only",
        "with a reference of two words",
    ):
        require_bleu(submission, case)
