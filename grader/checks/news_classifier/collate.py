"""Checks of the task collate: `Collate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grader.checks._spacy import TOLERANCE, close_to_spacy, spacy_vectors
from grader.checks._tools import (
    first_difference,
    is_list,
    is_tensor_of,
    quoted,
    repair,
    tensor_of,
    why_no_pair,
)
from grader.checks.news_classifier._batches import Batch, Batches, draw_batches
from grader.checks.news_classifier._collate_mistakes import (
    filled_steps,
    holds,
    is_left_over,
    lengths,
    why_altered,
    why_by_the_calls,
    why_padded,
    why_padding,
    why_raised,
    why_targets,
    why_text,
    why_vectors,
)
from grader.contract.messages import Failure, is_tensor, show
from grader.grading import pipeline
from grader.grading.answers import CollateSeen, unwrap
from grader.grading.leniency import lenient, local, still_wrong
from grader.grading.pipeline import FEATURES, MODEL
from grader.grading.submission import Submission, evidence
from grader.grading.trials import end_trial
from grader.sandbox.worker_client import FRESH
from grader.worker.wire import Opaque, Raised, TensorData

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def batches_of(submission: Submission) -> Batches:
    """Return the batches for this submission's seed."""
    return draw_batches(submission.seed)


@evidence
def seen(submission: Submission) -> CollateSeen:
    """Create a Collate and call it on all batches."""
    return submission.collate(batches_of(submission).small)


@evidence
def seen_long(submission: Submission) -> CollateSeen:
    """Create a Collate where a pipeline is ready, and call it on the two other batches."""
    drawn = batches_of(submission)
    return submission.collate([drawn.long, drawn.raw], apart=FRESH)


def call(batch: Batch) -> str:
    """Format the call with a batch."""
    return "Collate()([" + ", ".join(f"({quoted(text)}, tensor({t}))" for text, t in batch) + "])"


def padded(submission: Submission) -> Array:
    """Return the padded vectors (B, T, F) of the first batch."""
    drawn = batches_of(submission)
    return _pair(drawn.batch, unwrap(seen(submission).results[0]))[0]


def _pair(batch: Batch, found: Any) -> tuple[Array, list[int]]:
    """Return the padded vectors (B, T, F) and the targets of a batch.

    Raises:
        Failure: a type or shape is wrong.
        Blocked: it is, and it cannot be repaired for a check that is judged leniently.
    """
    if not lenient():
        _expect_pair(batch, found)
        return found[0].numpy(), found[1].tolist()
    if (pair := _repaired(batch, found)) is None:
        raise still_wrong()
    return pair


def _repaired(batch: Batch, found: Any) -> tuple[Array, list[int]] | None:
    """Return a pair of other dtypes or shapes, in another order, or padded too far."""
    b, t = len(batch), max(lengths(batch))
    for first in found if is_list(found) else ():
        rows = repair(first, "float32", (b, t, FEATURES))
        if rows is None and isinstance(first, TensorData) and len(first.shape) == 3:
            longer = repair(first, "float32", (b, max(first.shape[:2]), FEATURES))
            if longer is not None and longer.shape[1] > t and not bool(longer[:, t:].any()):
                rows = longer[:, :t]
        others = [repair(part, "int64", (b,)) for part in found if part is not first]
        targets = [part.tolist() for part in others if part is not None]
        if rows is not None and targets:
            own = [part for part in targets if part != lengths(batch)]
            return rows.numpy(), (own or targets)[0]
    return None


def check_loads_once(submission: Submission) -> None:
    """The pipeline is loaded once, in the constructor, and kept in `nlp`."""
    drawn = batches_of(submission)
    found = seen(submission)
    nlp = unwrap(found.nlp)
    if not (found.pipeline or "").startswith(MODEL):
        expected = f'the result of spacy.load("{MODEL}"), loaded in __init__'
        shown, mistake = _describe_pipeline(found.pipeline, nlp)
        raise Failure("Collate().nlp", f"It is {shown}", expected, mistake)
    if found.loads_called:
        every = found.loads_called >= len(drawn.small)
        raise Failure(
            call(drawn.batch),
            f"Pipelines loaded by {len(drawn.small)} such calls: {found.loads_called}",
            "0, because Collate() loads the one that they use",
            "pipeline-loaded-at-every-call" if every else None,
        )


def _describe_pipeline(name: str | None, nlp: Any) -> tuple[str, str]:
    """Return what a wrong `nlp` is, and the known mistake."""
    if name is None:
        is_tokenizer = isinstance(nlp, Opaque) and nlp.type == "Tokenizer"
        return show(nlp), "tokenizer-alone" if is_tokenizer else "pipeline-not-loaded"
    if name.partition(" ")[0].endswith("_pipeline"):  # what spaCy calls one that was not loaded
        without = " without components" if name.endswith("without components") else ""
        return f"a blank pipeline{without}", "pipeline-blank"
    return f"the pipeline {name}", "another-pipeline"


def check_shape(submission: Submission) -> None:
    """A batch becomes float32 (B, T, F) and int64 (B,), where T is the longest sentence."""
    drawn = batches_of(submission)
    found = seen(submission).results[0]
    lacks_tok2vec = " without " in str(seen(submission).pipeline)
    if isinstance(found, Raised) and not seen(submission).texts[0]:  # such as nlp.tokenizer(text)
        lacks_tok2vec |= "size (0)" in found.message or "[0]" in found.message
    if isinstance(found, Raised) and found.type != "NotImplementedError":
        mistake = "no-tok2vec" if lacks_tok2vec else why_raised(found)
        if mistake:
            expected = "a pair (padded, targets)"
            raise Failure(call(drawn.batch), found, expected, mistake)
    try:
        _expect_pair(drawn.batch, unwrap(found))
    except Failure as failure:
        read = why_text(drawn.batch, seen(submission).texts[0])
        mistake = why_by_the_calls(drawn, seen(submission), failure.mistake)
        mistake = read if read == "words-split-and-read-alone" else mistake
        with local(_repaired(drawn.batch, unwrap(found)) is not None):
            raise (failure.named(mistake) if mistake else failure) from None


def _expect_pair(batch: Batch, found: Any) -> None:
    """Require the correct types and shapes."""
    if not is_list(found) or len(found) != 2:
        several = is_list(found) and len(found) > 2 and is_tensor(found[0])
        mistake = "more-than-a-pair" if several else why_no_pair(found)
        raise Failure(
            call(batch), f"It returned {show(found)}", "a pair (padded, targets)", mistake
        )
    first, targets = found
    right_shape = (len(batch), max(lengths(batch)), FEATURES)
    if not is_tensor_of(first, "float32", right_shape):
        expected = tensor_of("float32", "(B, T, F)", right_shape)
        mistakes = why_padded(batch, first, targets)
        raise Failure(f"{call(batch)}[0]", f"It is {show(first)}", expected, mistakes)
    b = right_shape[:1]
    if not is_tensor_of(targets, "int64", b):
        expected = tensor_of("int64", "(B,)", b)
        mistake = why_targets(batch, targets)
        raise Failure(f"{call(batch)}[1]", f"It is {show(targets)}", expected, mistake)


def check_vectors(submission: Submission) -> None:
    """Row b holds `token.vector` for each token of one sentence of any length."""
    drawn = batches_of(submission)
    rows = padded(submission)
    for text in sorted(drawn.texts, key=lambda text: -len(spacy_vectors(text))):
        if not any(holds(row, spacy_vectors(text)) for row in rows):
            end_trial()
            read = why_text(drawn.batch, seen(submission).texts[0])
            exact = read if read != "texts-changed" else None
            if not rows.any() and not seen(submission).embedded[0]:
                exact = "no-tok2vec"
            mistake = exact or why_vectors(drawn.batch, rows, text) or read
            mistakes = mistake or why_altered(drawn.batch, rows)
            _expect_vectors(drawn.batch, rows, drawn.texts.index(text), mistakes)
    rows, _ = _pair(drawn.long, unwrap(seen_long(submission).results[0]))
    if not any(holds(row, spacy_vectors(drawn.long[0][0])) for row in rows):
        mistake = why_text(drawn.long, seen_long(submission).texts[0])
        _expect_vectors(drawn.long, rows, 0, mistake)
    _expect_raw(submission)


def _expect_raw(submission: Submission) -> None:
    """Compare the vectors of texts that invite cleaning."""
    drawn = batches_of(submission)
    found = unwrap(seen_long(submission).results[1])
    mistake = why_text(drawn.raw, seen_long(submission).texts[1])
    try:
        rows, _ = _pair(drawn.raw, found)
    except Failure as failure:
        if failure.mistake == "rows-not-of-the-batch" and len(found[0].numpy()) == len(
            {text for text, _ in drawn.raw}
        ):
            raise failure.named("same-text-once") from None
        if not mistake:
            raise
        shown = f"It is {show(found[0] if is_list(found) and found else found)}"
        expected = f"the vectors of {sum(lengths(drawn.raw))} tokens"
        raise Failure(f"{call(drawn.raw)}[0]", shown, expected, mistake) from None
    for text, _ in drawn.raw:
        if not any(holds(row, spacy_vectors(text)) for row in rows):
            _expect_vectors(drawn.raw, rows, [text for text, _ in drawn.raw].index(text), mistake)


def _expect_vectors(
    batch: Batch, rows: Array, b: int, mistake: str | Sequence[str] | None = None
) -> None:
    """Compare row b with the vectors of sentence b, step by step."""
    text = batch[b][0]
    tokens = pipeline.tokens(text)
    for step, (token, found, vector) in enumerate(
        zip(tokens, rows[b], spacy_vectors(text), strict=False)
    ):
        if not close_to_spacy(found, vector):
            at, number, right = first_difference(found, vector, TOLERANCE)
            place = f"{call(batch)}[0][{b}, {step}, {at}]"
            expected = f"{right}, from token.vector of {token!r} in {quoted(text)}"
            raise Failure(place, f"It is {number}", expected, mistake)


def check_padding(submission: Submission) -> None:
    """After the last token of a sentence there are zeros, up to T."""
    drawn = batches_of(submission)
    rows, right_lengths = padded(submission), lengths(drawn.batch)
    found = [filled_steps(row) for row in rows]
    if sorted(found) == sorted(right_lengths):
        return
    b = next(b for b, length in enumerate(found) if length != right_lengths[b])
    zeros = [step for step, is_filled in enumerate(rows[b].any(1)) if not is_filled]
    expected = (
        f"{[*range(right_lengths[b], len(rows[b]))]}, those after the {right_lengths[b]} tokens "
        f"of {drawn.batch[b][0]!r}"
    )
    text = f"The steps that are all zero are {zeros or 'none'}"
    raise Failure(f"{call(drawn.batch)}[0][{b}]", text, expected, why_padding(drawn.batch, rows[b]))


def check_order(submission: Submission) -> None:
    """Row b and target b belong to item b of the batch."""
    drawn = batches_of(submission)
    rows, targets = _pair(drawn.batch, unwrap(seen(submission).results[0]))
    texts, right_targets = zip(*drawn.batch, strict=True)
    order = [
        next(b for b, row in enumerate(rows) if holds(row, spacy_vectors(text))) for text in texts
    ]
    given = [*range(len(drawn.batch))]
    if order != given:
        found = f"The sentences of the batch are in rows {order}"
        raise Failure(f"{call(drawn.batch)}[0]", found, f"rows {given}", "rows-reordered")
    if targets != [*right_targets]:
        mistake = "targets-reordered" if sorted(targets) == sorted(right_targets) else None
        if targets == given:
            mistake = "targets-counted"
        if targets == [target - 1 for target in right_targets]:
            mistake = "targets-subtracted-again"
        if targets == lengths(drawn.batch):
            mistake = "lengths-for-targets"
        expected = f"{[*right_targets]}, the targets of the batch"
        raise Failure(f"{call(drawn.batch)}[1]", f"It is {targets}", expected, mistake)
    _, targets = _pair(drawn.raw, unwrap(seen_long(submission).results[1]))
    if targets != (right := [target for _, target in drawn.raw]):
        expected = f"{right}, the targets of the batch"
        raise Failure(f"{call(drawn.raw)}[1]", f"It is {targets}", expected, "same-text-once")


def check_one_sentence(submission: Submission) -> None:
    """A batch of one sentence works."""
    drawn = batches_of(submission)
    rows, _ = _pair(drawn.one, unwrap(seen(submission).results[1]))
    if not holds(rows[0], spacy_vectors(drawn.one[0][0])):
        _expect_vectors(drawn.one, rows, 0)


def check_empty_sentence(submission: Submission) -> None:
    """A sentence without a token is all zeros, and a call leaves earlier batches as they are."""
    drawn = batches_of(submission)
    found = seen(submission).results[2]
    if isinstance(found, Raised):
        expected = "a row of zeros for the empty text"
        raise Failure(call(drawn.empty), found, expected, "empty-sentence-fails")
    (first, second), _ = _pair(drawn.empty, found)
    if not first.any():
        raise Failure(
            f"{call(drawn.empty)}[0][0]", "It contains only zeros", "the vectors of the first text"
        )
    if second.any():
        earlier = drawn.small[: drawn.small.index(drawn.empty)]
        mistake = "buffer-not-cleared" if is_left_over(second, 1, earlier) else None
        raise Failure(f"{call(drawn.empty)}[0][1]", "It is not all zeros", "only zeros", mistake)
    if seen(submission).overwritten:
        found, expected = "It has other numbers after later calls", "the numbers that it had before"
        raise Failure(f"{call(drawn.batch)}[0]", found, expected, "batch-overwritten")
