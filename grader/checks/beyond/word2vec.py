"""Checks of the task word2vec: `train_word_vectors`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from grader.checks._tools import require_tensor
from grader.checks.oracles.word_pairs import share_nearer, word_pairs
from grader.contract.messages import Failure
from grader.grading.answers import TableTraining
from grader.grading.submission import Submission, evidence
from grader.grading.trials import end_trial
from grader.worker.wire import Raised

if TYPE_CHECKING:
    from torch import Tensor


SIZE, EPOCHS, NEGATIVES = 24, 8, 4
# The reference reaches 0.828, with a standard deviation of 0.011 over 12 draws (at least 0.803);
# random vectors reach 0.499, with 0.014 over 100. With 6 epochs other correct ways (Adagrad, SGD
# with a large rate, a shared table, small batches) reach 0.77 to 0.82, without negatives 0.60.
ENOUGH = 0.7
# Adam with 536 steps: rates of 0.003 to 0.1 reach 0.716 to 0.830, 0.001 reaches 0.532, 0.5 0.545.
# SGD with rates of 0.01, 1 and 10: 0.489, 0.490 and 0.585.
NEAR = 2.9  # a table that changed less, relative to its first values, has learned little
FAR = 1.0  # the sum of the steps' sizes; a number of a trained vector is about 0.6
LARGE_RATE = 0.2
LARGE_START = (
    0.4  # normal numbers have 1, uniform ones from -1 to 1 have 0.58, from -0.5 to 0.5 0.29
)
# Of the words of two random rows, 84 in 100 are not a pair; if a loop looks up NEGATIVES per pair
# together with the contexts, 68 in 100.
STRANGERS = 0.76
FEW = 0.9  # the share of all ids that sampled ones reach at least
ALIKE = 0.8  # if the mean cosine of random words is larger, all vectors point the same way


@evidence
def word_vectors(submission: Submission) -> TableTraining:
    """Train word vectors on the news sample."""
    import torch

    pairs = word_pairs(submission.seed)
    return submission.word_vectors(
        "word2vec",
        word2vec_call(len(pairs.words)),
        pairs=torch.from_numpy(pairs.train),
        n_words=len(pairs.words),
        size=SIZE,
        epochs=EPOCHS,
        n_negatives=NEGATIVES,
    )


def word2vec_call(n_words: int) -> str:
    """Return the call as shown to the student."""
    return (
        f"train_word_vectors(pairs, n_words={n_words}, size={SIZE}, epochs={EPOCHS}, "
        f"n_negatives={NEGATIVES})"
    )


def require_vectors(submission: Submission) -> Tensor:
    """Return the trained vectors.

    Raises:
        Failure: the result is not a float32 tensor of shape (V, F).
    """
    n_words = len(word_pairs(submission.seed).words)
    seen = word_vectors(submission)
    found = seen.result
    if isinstance(found, Raised) and "does not require grad" in found.message and seen.cut:
        expected = f"a float32 tensor of shape (V, F) = ({n_words}, {SIZE})"
        raise Failure(word2vec_call(n_words), found, expected, "table-not-learned")
    return require_tensor(found, word2vec_call(n_words), "float32", "(V, F)", (n_words, SIZE))


def check_shape(submission: Submission) -> None:
    """The vectors have shape (V, F)."""
    require_vectors(submission)


def check_start(submission: Submission) -> None:
    """The vectors start with small numbers, and a pair has `n_negatives` random words."""
    call = word2vec_call(len(word_pairs(submission.seed).words))
    seen = word_vectors(submission)
    if seen.start > LARGE_START:
        found = f"The first values of a table have a standard deviation of about {seen.start:.2f}"
        raise Failure(call, found, "about 0.1", "vectors-start-large")
    if seen.n_negatives not in (0, NEGATIVES):
        found = f"Each pair has {seen.n_negatives} negatives"
        raise Failure(call, found, f"{NEGATIVES}, as n_negatives says", "n-negatives-ignored")


def check_neighbours(submission: Submission) -> None:
    """Words that occur together in news get similar vectors, even for pairs not trained on."""
    import torch

    found = require_vectors(submission).double()
    pairs = word_pairs(submission.seed)
    call = f"{word2vec_call(len(pairs.words))} on words of the news sample"
    if not bool(found.isfinite().all()):
        raise Failure(call, "Some numbers are nan or infinite", "finite numbers", "learning-wild")
    share = share_nearer(pairs, found.numpy())
    if share >= ENOUGH:
        return
    end_trial()
    seen = word_vectors(submission)
    why = why_untrained(seen, share, len(pairs.words))
    if why == "words-of-other-pairs":
        told = f"{seen.strangers:.0%} of the first centres and contexts are not two words of a row"
        raise Failure(call, told, "0%", why)
    if why == "negatives-from-few-words":
        ids = f"The random words have ids from {seen.lowest} to {seen.highest}"
        raise Failure(call, ids, f"from 0 to {len(pairs.words) - 1}, all words", why)
    directions = torch.nn.functional.normalize(found, dim=1)
    alike = (directions.mean(0) ** 2).sum().item()
    if why is None:
        why = "vectors-alike" if alike > ALIKE else "vectors-know-nothing" if share < 0.55 else None
        why = why or "vectors-learned-little"
    told = (
        "Of 100 times, two words that stand together in news lie nearer to each other than two "
        f"that never do {math.floor(100 * share)} times"
    )
    expected = f"at least {100 * ENOUGH:.0f} (random vectors reach 50, trained ones about 80)"
    raise Failure(call, told, expected, why)


def why_untrained(seen: TableTraining, share: float, n_words: int) -> str | None:
    """Return the known mistake that the course of the training shows, if there is one."""
    if not seen.steps:
        return "no-step" if seen.held and not seen.changed else None
    if seen.rows == 2:
        return "rows-for-columns"
    if seen.cut or not all(seen.held):
        return "table-not-learned"
    if seen.uphill:
        return "loss-maximised"
    if seen.strangers > STRANGERS:
        return "words-of-other-pairs"
    if share < 0.55 and not seen.returned:
        return "untrained-vectors-returned"
    if few_drawn(seen, n_words):
        return "negatives-from-few-words"
    if seen.piled_up:
        return "gradients-not-cleared"
    if is_adaptive(seen) and seen.rate >= LARGE_RATE:
        return "rate-too-large"
    if not seen.drawn:
        return None
    few = not is_adaptive(seen) or seen.steps * seen.rate < FAR
    return "vectors-hardly-moved" if few and seen.moved < NEAR else None


def few_drawn(seen: TableTraining, n_words: int) -> bool:
    """Return whether the random words are drawn from a part of the ids."""
    return seen.n_drawn > n_words and seen.highest - seen.lowest < FEW * n_words


def is_adaptive(seen: TableTraining) -> bool:
    """Return whether the optimizer's steps have about the size of its learning rate."""
    return seen.optimizer not in ("SGD", "ASGD")
