"""Checks of the task word2vec: `train_word_vectors`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from grader.checks._tools import require_tensor
from grader.checks.oracles.word_pairs import share_nearer, word_pairs
from grader.contract.messages import Failure
from grader.grading.submission import Submission, evidence

if TYPE_CHECKING:
    from torch import Tensor


SIZE, EPOCHS, NEGATIVES = 24, 8, 4
# The reference reaches 0.820, with a standard deviation of 0.008 over 60 seeds (at least 0.803);
# random vectors reach 0.499, with 0.014 over 100. With 6 epochs other correct ways (Adagrad, SGD
# with a large rate, a shared table, small batches) reach 0.77 to 0.82, without negatives 0.60.
ENOUGH = 0.7
ALIKE = 0.8  # if the mean cosine of random words is larger, all vectors point the same way


@evidence
def word_vectors(submission: Submission) -> Any:
    """Train word vectors on the news sample."""
    import torch

    pairs = word_pairs()
    return submission.word_vectors(
        "word2vec",
        word2vec_call(),
        pairs=torch.from_numpy(pairs.train),
        n_words=len(pairs.words),
        size=SIZE,
        epochs=EPOCHS,
        n_negatives=NEGATIVES,
    )


def word2vec_call() -> str:
    """Return the call as shown to the student."""
    n_words = len(word_pairs().words)
    return (
        f"train_word_vectors(pairs, n_words={n_words}, size={SIZE}, epochs={EPOCHS}, "
        f"n_negatives={NEGATIVES})"
    )


def require_vectors(submission: Submission) -> Tensor:
    """Return the trained vectors.

    Raises:
        Failure: the result is not a float32 tensor of shape (V, F).
    """
    dims = len(word_pairs().words), SIZE
    return require_tensor(word_vectors(submission), word2vec_call(), "float32", "(V, F)", dims)


def check_shape(submission: Submission) -> None:
    """The vectors have shape (V, F)."""
    require_vectors(submission)


def check_neighbours(submission: Submission) -> None:
    """Words that occur together in news get similar vectors, even for pairs not trained on."""
    import torch

    found = require_vectors(submission).double()
    call = f"{word2vec_call()} on words of the news sample"
    if not bool(found.isfinite().all()):
        raise Failure(call, "Some numbers are nan or infinite", "finite numbers", "learning-wild")
    share = share_nearer(found.numpy())
    if share >= ENOUGH:
        return
    directions = torch.nn.functional.normalize(found, dim=1)
    alike = (directions.mean(0) ** 2).sum().item()
    why = "vectors-alike" if alike > ALIKE else "vectors-know-nothing" if share < 0.55 else None
    told = (
        "Of 100 times, two words that stand together in news lie nearer to each other than two "
        f"that never do {math.floor(100 * share)} times"
    )
    expected = f"at least {100 * ENOUGH:.0f} (drawn vectors reach 50, trained ones about 80)"
    raise Failure(call, told, expected, why)
