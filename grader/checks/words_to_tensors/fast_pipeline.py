"""Checks of the task fast_pipeline: `fast_pipeline`."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from grader.checks._tools import first_difference, is_tensor_of, quoted
from grader.contract.messages import Failure, shape, show
from grader.grading import pipeline
from grader.grading.answers import PipelineSeen, unwrap
from grader.grading.pipeline import FEATURES, MODEL, UNUSED
from grader.grading.submission import Submission, evidence

if TYPE_CHECKING:
    from torch import Tensor

BATCH_SIZE = 8
NOT_NEEDED = (*UNUSED, "senter")
BATCHES = 2  # full batches in which calls are counted
STEPS = (64, 1024)  # range of the step added per call; the vectors' values are within 10 of 0
MOST_CALLS = 10_000  # counted at most; float32 can distinguish this many steps
FAST, RUN = "fast_pipeline()", "fast_pipeline().pipe(texts)"


@functools.cache
def texts() -> list[str]:
    """Return news texts for the pipeline."""
    from news.embedded import kit_sample

    return [text for _, text in kit_sample("valid")][:24]


def shuffled(text: str, chance: random.Random) -> str:
    """Shuffle the words of a text."""
    words = text.split()
    return " ".join(chance.sample(words, len(words)))


@evidence
def fast_seen(submission: Submission) -> PipelineSeen:
    """Call the function, and run the pipeline that it returns."""
    return submission.fast_pipeline("fast_pipeline", texts(), BATCH_SIZE)


def check_pipeline(submission: Submission) -> None:
    """The function returns a pipeline that computes vectors."""
    seen = fast_seen(submission)
    expected = f'a pipeline, the result of spacy.load("{MODEL}", ...)'
    if seen.components is None:
        raise Failure(FAST, f"It returned {show(seen.made)}", expected)
    if "tok2vec" not in seen.components:
        text = f"Its components are {', '.join(seen.components) or 'none'}"
        raise Failure(FAST, text, "tok2vec among them", "pipeline-without-vectors")


def require_documents(texts: list[str], seen: Any) -> list[Any]:
    """Return a pipeline's results for these texts, one per text.

    Raises:
        Failure: it raised, or returned the wrong number of documents.
    """
    found = unwrap(seen)
    if type(found) is not list or len(found) != len(texts):
        raise Failure(RUN, f"It gave {show(found)}", f"{len(texts)} documents")
    return found


def plain_vectors(texts: list[str]) -> Iterator[Tensor]:
    """Compute the plain pipeline's vectors (tokens, F) of each text."""
    import torch

    for found in pipeline.vectors(texts, BATCH_SIZE):
        yield torch.from_numpy(found)


def check_same_vectors(submission: Submission) -> None:
    """The vectors equal those of the plain pipeline, bit for bit."""
    import torch

    found = require_documents(texts(), fast_seen(submission).vectors)
    for text, one, expected in zip(texts(), found, plain_vectors(texts()), strict=True):
        if is_tensor_of(one, "float32", expected.shape) and torch.equal(one.torch(), expected):
            continue
        shown, wanted, why = show(one), f"a float32 tensor of shape {shape(expected.shape)}", None
        if is_tensor_of(one, "float32", (len(text.split()), FEATURES)):
            why = "tokenizer-replaced"
        elif is_tensor_of(one, "float32", expected.shape):
            differs = (one.torch() != expected).any(1)
            step = int(differs.int().argmax())
            at, number, wanted = first_difference(one.torch()[step], expected[step], 0.0)
            shown, why = f"{number} as element {at} of token {step}", "other-vectors"
        wanted = f"{wanted}, as in the plain pipeline"
        raise Failure(RUN, f"It gave {shown} for {quoted(text)}", wanted, why)


def check_components(submission: Submission) -> None:
    """Only components that the vectors need are enabled."""
    running = [name for name in fast_seen(submission).components or [] if name in NOT_NEEDED]
    if running:
        text = f"It runs the components {', '.join(running)}"
        raise Failure(FAST, text, "none of these: they compute no vectors", "components-not-needed")


def check_calls(submission: Submission) -> None:
    """Each batch of texts goes through tok2vec once, and through nothing else of spaCy.

    Calls are counted in the vectors: each call of a component of any pipeline adds one more step to
    all later vectors, so the last text shows how many calls came before it. No text occurs twice,
    so results cannot be cached.
    """
    chance = random.Random(f"{submission.seed} calls")
    *most, last = [shuffled(text, chance) for text in texts()[: BATCHES * BATCH_SIZE + 1]]
    step = chance.randrange(*STEPS)
    seen = submission.fast_pipeline_calls("fast_pipeline", [most, [last]], BATCH_SIZE, step)
    *before, count = calls_before(most, seen[0], step) + calls_before([last], seen[1], step)
    if count < 1:
        raise not_by_tok2vec(last)
    if count > BATCHES:
        one_by_one = count == len(set(before)) == len(most)
        raise Failure(
            RUN,
            f"It called components {count} times for {len(most)} texts",
            f"{BATCHES} calls of tok2vec, one per batch of {BATCH_SIZE} texts",
            "texts-one-by-one" if one_by_one else "called-too-often",
        )


def calls_before(texts: list[str], seen: Any, step: int) -> list[int]:
    """Read from the vectors of each text how many calls came before the one that computed them.

    Raises:
        Failure: they are not the plain pipeline's vectors plus a count of calls.
    """
    import torch

    counts = []
    found = require_documents(texts, seen)
    for text, one, expected in zip(texts, found, plain_vectors(texts), strict=True):
        if is_tensor_of(one, "float32", expected.shape):
            vectors = one.torch()
            count = (vectors - expected)[0, 0].div(step).round().nan_to_num().clamp(0, MOST_CALLS)
            if torch.equal(vectors, expected + count * step):
                counts.append(int(count))
                continue
        raise not_by_tok2vec(text)
    return counts


def not_by_tok2vec(text: str) -> Failure:
    """Return the failure for vectors that tok2vec did not compute."""
    found = f"It gave {quoted(text)} vectors that its tok2vec did not compute for it"
    return Failure(RUN, found, "what tok2vec computes for each text")
