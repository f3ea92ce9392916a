"""Checks of the task bleu: `corpus_bleu`."""

from __future__ import annotations

import random

from grader.checks._tools import close_number, matching_mistake, require_number
from grader.checks.oracles.bleu import Bleu
from grader.contract.messages import Failure, show_raised
from grader.grading.answers import Call, CallResult
from grader.grading.leniency import lenient, local
from grader.grading.submission import Submission, evidence
from grader.worker.wire import Raised

Corpus = tuple[list[list[str]], list[list[str]]]  # translations, with one reference each

# Variants of a mistake that the student makes in several ways, by the beginning of their names.
VARIANTS = ("bleu-orders", "bleu-smoothed", "bleu-short-skipped", "bleu-counted-once")
# Python's messages for a logarithm of 0 (before and since 3.14) and a geometric mean with 0.
NO_LOGARITHM = ("math domain error", "expected a positive input", "geometric mean requires")

WORDS = """market team coach oil bank phone court river goal minister film space price storm wheat
train ship engine match union voter garden bridge ticket planet doctor island teacher window"""
BLEU_MISTAKES: dict[str, Bleu] = {
    "bleu-not-clipped": Bleu(clipping="none"),
    "bleu-clipped-by-the-corpus": Bleu(clipping="corpus"),
    "bleu-mean-of-sentences": Bleu(by_sentence=True),
    "bleu-precisions-of-sentences": Bleu(averaged=True),
    "bleu-counted-once": Bleu(counts="once"),
    "bleu-counted-once-as-a-match": Bleu(counts="matches"),
    "bleu-different-ngrams": Bleu(counts="total"),
    "bleu-short-skipped": Bleu(skips="n"),
    "bleu-short-skipped-whole": Bleu(skips="four"),
    "bleu-short-skipped-in-the-counts": Bleu(skips="four-in-the-counts"),
    "bleu-no-penalty": Bleu(penalty="none"),
    "bleu-penalty-inverted": Bleu(penalty="inverted"),
    "bleu-penalty-rewards": Bleu(penalty="unbounded"),
    "bleu-penalty-is-the-ratio": Bleu(penalty="ratio"),
    "bleu-penalty-exponent-inverted": Bleu(penalty="exponent"),
    "bleu-penalty-exp-missing": Bleu(penalty="linear"),
    "bleu-arithmetic-mean": Bleu(arithmetic=True),
    "bleu-recall": Bleu(recall=True),
    "bleu-smoothed": Bleu(smoothing=1.0),
    "bleu-smoothed-from-two": Bleu(smoothing=1.0, smooth_from=2),
    "bleu-zeros-left-out": Bleu(skips_zeros=True),
    "bleu-product": Bleu(multiplied=True),
    "bleu-two-bases": Bleu(base_two=True),
    "bleu-lower-cased": Bleu(tokens="lower"),
    "bleu-of-characters": Bleu(tokens="characters"),
    "bleu-one-too-few": Bleu(missed=1),
    **{f"bleu-orders-{n}": Bleu(orders=n) for n in (1, 2, 3, 5)},
}


def sentences_of(submission: Submission, more: int, *lengths: int) -> list[list[str]]:
    """Generate sentences of different words."""
    draw = random.Random(100 * submission.seed + more)
    return [draw.sample(WORDS.split(), length) for length in lengths]


def corpora(submission: Submission) -> dict[str, Corpus]:
    """Generate corpora (translations and references) by what they test."""
    long, short = sentences_of(submission, 0, 11, 6)
    # The translations are longer by different numbers of words, and differ from the references in
    # a word and in upper case.
    long[0] = long[0].title()
    one, other = (
        [*long[:5], "nobody", *long[6:], "here"],
        [*short[:4], "no", short[5], "one", "two"],
    )
    changed = [[one[0].lower(), *one[1:]], other]
    first, second = sentences_of(submission, 1, 9, 8)
    twice = [*first, *first[:3]]  # of the n-grams of `again`, some match twice
    again = [[*first[:5], *first[:5], "so"], [*second[:6], first[0], second[6], second[0]]]
    brief, rest = sentences_of(submission, 2, 12, 5)
    four, five = sentences_of(submission, 3, 7, 9)
    broken = [[*four[:3], "but", *four[4:]], [*five[:2], "or", *five[3:6], "and", *five[7:]]]
    few = sentences_of(submission, 4, 3, 2)
    return {
        "with a word changed in each sentence": (changed, [long, short]),
        "with words repeated": (again, [twice, second]),
        "with a translation cut short": ([brief[:6], [*rest, "indeed"]], [brief, rest]),
        "without a match of four words": (broken, [four, five]),
        "with an empty translation": ([[], changed[0]], [short, long]),
        "with sentences of at most three words": (few, few),
        "with empty translations only": ([[], []], [long, short]),
        "with a reference of two words": ([long, few[0], brief[:4]], [long, few[0][:2], brief]),
    }


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
        return
    mistakes = {"bleu-not-in-percent": right / 100}
    for name, wrong in BLEU_MISTAKES.items():
        mistakes[name] = wrong.score(*corpus)
    differ = [(name, score) for name, score in mistakes.items() if not close_number(score, right)]
    why = matching_mistake(found, differ, close_number)
    if why is None and case == "without a match of four words" and found > 0:
        why = "bleu-smoothed"
    why = why or "bleu-differs"
    why = next((name for name in VARIANTS if why is not None and why.startswith(name)), why)
    said = f"{right:.4f}" if right else "0.0"
    with local(why == "bleu-not-in-percent"):
        raise BleuFailure(case, corpus, found, said, why)


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
        raise BleuFailure(case, corpus, show_raised(raised), right, why)


class BleuFailure(Failure):
    """A wrong score; the message shows the sentences, so that students can count n-grams."""

    def __init__(
        self, case: str, corpus: Corpus, found: float | str, expected: str, why: str | None
    ) -> None:
        """Compose the message with the sentences."""
        told = found if isinstance(found, str) else f"It returned {found:.4f}"
        super().__init__(f"{BLEU_CALL} {case}", told, expected, why)
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
