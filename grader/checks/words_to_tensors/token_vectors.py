"""Checks of the task token_vectors: `token_vectors`."""

from __future__ import annotations

import functools
import math
import random
from typing import TYPE_CHECKING, Any

from grader.checks._spacy import (
    TOLERANCE,
    close_to_spacy,
    holds_words,
    is_near_spacy,
    spacy_vectors,
    vectors_of_joined,
)
from grader.checks._texts import Writer
from grader.checks._tools import (
    argument_changed,
    first_difference,
    is_generator,
    is_list,
    matching_mistake,
    numbers,
    quoted,
    same_numbers,
)
from grader.checks.words_to_tensors._sentences import require_list
from grader.contract.messages import Failure, waits_for
from grader.grading import pipeline
from grader.grading.answers import PipelineCall, unwrap
from grader.grading.pipeline import FEATURES
from grader.grading.submission import Submission, evidence
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor


SHIFT = 20.0  # added to vectors of texts that are read together; their values are within 10 of 0


def texts_of(submission: Submission) -> tuple[list[str], list[str]]:
    """Draw four texts of different lengths, and two texts of which one is empty.

    Code may lose the stop words, punctuation, upper case or second space of the four.
    """
    writer = Writer(random.Random(f"{submission.seed} token vectors"))
    return writer.sentences(), [f"{writer.name()} {writer.verb()} {writer.noun()}", ""]


def calling_vectors(texts: list[str]) -> str:
    """Format the call with texts."""
    return f"token_vectors(nlp, {texts})"


@evidence
def vectors_seen(submission: Submission) -> list[PipelineCall]:
    """Call the function on some texts, on texts of which one is empty, and with other vectors."""
    four, two = texts_of(submission)
    batches = [(four, None), (two, None), (four, 0.0), (four, SHIFT)]
    calls = [(calling_vectors(texts), texts, shift) for texts, shift in batches]
    return submission.token_vectors("token_vectors", calls)


def vectors_of(submission: Submission, batch: int) -> list[Tensor]:
    """Return the vectors of a batch, which must have the correct shapes.

    Raises:
        Failure: the result has a different type or shape.
    """
    texts = texts_of(submission)[batch]
    lengths = [len(spacy_vectors(text)) for text in texts]
    result, call = vectors_seen(submission)[batch].result, calling_vectors(texts)
    if isinstance(result, Raised) and "E010" in result.message:
        expected = f"a list of {len(texts)} float32 tensors, each (tokens, F)"
        raise Failure(call, result, expected, "vocabulary-without-vectors")
    found = unwrap(result)
    why = functools.partial(why_vectors, lengths, vectors_seen(submission)[batch].given)
    return require_list(found, call, lengths, FEATURES, why)


def why_vectors(lengths: list[int], given: list[int], found: Any) -> str | None:
    """Return the known mistake behind wrong types or shapes.

    Args:
        lengths: the number of tokens of each text.
        given: how many documents tok2vec of the given pipeline got in each of its runs.
        found: the result.
    """
    if isinstance(found, TensorData):
        return "sentences-in-one-tensor"
    if not is_list(found):
        return "generator-returned" if is_generator(found) else None
    tensors = [part for part in found if isinstance(part, TensorData)]
    if len(tensors) < len(found):
        if any(is_list(part) for part in found):
            return "vectors-in-a-list"
        arrays = any(getattr(part, "type", "") == "ndarray" for part in found)
        return "arrays-for-tensors" if arrays else None
    if {part.shape for part in tensors} == {(FEATURES,)}:
        return "tokens-of-all-texts" if len(found) == sum(lengths) else "one-vector-per-text"
    if len(found) == 1 < sum(map(bool, lengths)) and tensors[0].shape[:1] == (lengths[0],):
        return "returned-in-the-loop"
    if given == [1] and all(lengths):
        return "texts-joined"
    if len(found) != len(lengths):
        return "empty-text-dropped" if len(found) == sum(map(bool, lengths)) else None
    sizes = [part.shape[:1] for part in tensors]
    if not any(math.prod(part.shape) for part in tensors):
        return "every-token-dropped" if given else "tok2vec-did-not-run"
    if len(set(sizes)) == 1 < len(set(lengths)) and sizes[0] >= (max(lengths),):
        return "sentences-padded"
    if sizes == [(length,) for length in lengths]:
        has_none = any(part.shape == (0,) for part in tensors)
        return "empty-without-features" if has_none else None
    if sizes == [(length or 1,) for length in lengths]:
        return "empty-text-has-a-row"
    if sorted(sizes) == sorted((length,) for length in lengths):
        return "sentences-reordered"
    fewer = all(size and size[0] <= length for size, length in zip(sizes, lengths, strict=True))
    return "tokens-dropped" if fewer else None


def check_shape(submission: Submission) -> None:
    """Each text becomes a float32 tensor (tokens, F)."""
    vectors_of(submission, 0)


def check_values(submission: Submission) -> None:
    """The rows are `token.vector` of each token, in order."""
    import torch

    texts, _ = texts_of(submission)
    found = vectors_of(submission, 0)
    for b, (text, rows) in enumerate(zip(texts, found, strict=True)):
        expected = torch.from_numpy(spacy_vectors(text))
        if close_to_spacy(rows, expected):
            continue
        step = int((rows - expected).abs().amax(1).gt(TOLERANCE).int().argmax())
        at, number, right = first_difference(rows[step], expected[step], TOLERANCE)
        call = f"{calling_vectors(texts)}[{b}][{step}, {at}]"
        token = pipeline.tokens(text)[step]
        shown = f"{right}, from token.vector of {token!r} in {quoted(text)}"
        raise Failure(call, f"It is {number}", shown, why_values(texts, found, b))


def why_values(texts: list[str], found: list[Tensor], b: int) -> str | None:
    """Return the known mistake behind the vectors of text `b`."""
    import torch

    text, rows, expected = texts[b], found[b], torch.from_numpy(spacy_vectors(texts[b]))
    tokens = pipeline.tokens(text)
    means = [spacy_vectors(word).mean(0, keepdims=True) for word in tokens]
    known = {
        "read-without-neighbours": torch.cat([*map(torch.from_numpy, means)]),
        "one-vector-repeated": expected.mean(0, keepdim=True).expand_as(expected),
        "tokens-reversed": expected.flip(0),
    }
    if len(lower := spacy_vectors(text.lower())) == len(rows):
        known["texts-case-changed"] = torch.from_numpy(lower)
    if name := matching_mistake(rows, known.items(), close_to_spacy):
        return name
    if holds_words(rows, tokens, texts):
        return "vectors-kept-by-word"
    if any(close_to_spacy(rows, torch.from_numpy(parts[b])) for parts in vectors_of_joined(texts)):
        return "texts-joined"
    return "other-neighbours" if is_near_spacy(found, texts) else None


def check_empty(submission: Submission) -> None:
    """A text without a token becomes a tensor of shape (0, F)."""
    with_tokens, found = (each.result for each in vectors_seen(submission)[:2])
    if isinstance(found, Raised) and not isinstance(with_tokens, Raised):
        expected = f"a tensor of shape (0, {FEATURES}) for the empty text"
        call = calling_vectors(texts_of(submission)[1])
        raise Failure(call, found, expected, "no-token-to-stack")
    vectors_of(submission, 1)


def check_pipe(submission: Submission) -> None:
    """The texts go through the pipeline as one batch."""
    seen = vectors_seen(submission)[0]
    if is_generator(unwrap(seen.result)):  # nothing has run yet
        raise waits_for("token_vectors.shape")
    texts, _ = texts_of(submission)
    call, expected = calling_vectors(texts), f"all {len(texts)} together, with nlp.pipe"
    if not seen.given:
        if not list(numbers(unwrap(seen.result))):
            raise waits_for("token_vectors.shape")
        found = "The given pipeline nlp did not process any text"
        raise Failure(call, found, expected, "given-pipeline-unused")
    result = unwrap(seen.result)
    if seen.given == [1] and is_list(result) and len(result) == len(texts):
        found = "The pipeline processed a single document"
        raise Failure(call, found, f"{len(texts)} documents, with nlp.pipe", "texts-joined")
    if max(seen.given) == 1:
        found = f"The pipeline processed one text at a time, {len(seen.given)} times"
        raise Failure(call, found, expected, "texts-one-by-one")
    same, shifted = (each.result for each in vectors_seen(submission)[2:])
    if not list(numbers(unwrap(same))):
        raise waits_for("token_vectors.shape")
    if same_numbers(same, shifted):
        found = "The result was not computed for several texts together"
        raise Failure(call, found, expected)
    if seen.changed:
        raise argument_changed(call, "texts")
    if seen.switched:
        found = f"Components of nlp that are on or off afterwards: {', '.join(seen.switched)}"
        raise Failure(call, found, "nlp as it was", "given-pipeline-changed")
