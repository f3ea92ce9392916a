"""Checks of the task collate_with_lengths: `collate_with_lengths`."""

from __future__ import annotations

import functools
import operator
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grader.checks._differences import about_form, about_tensor
from grader.checks._tools import (
    close,
    is_list,
    is_tensor_of,
    matching_mistake,
    require_tensor,
    require_unchanged,
    tensor_of,
)
from grader.checks.words_to_tensors._sentences import (
    F,
    by_hand,
    draw_lengths,
    sentences_of,
)
from grader.checks.words_to_tensors.pack_sentences import is_packed, shown_packed
from grader.checks.words_to_tensors.pad import why_padded
from grader.contract.messages import Failure, is_tensor, show
from grader.grading.answers import CallResult, unwrap
from grader.grading.calls import Call
from grader.grading.leniency import lenient, local, still_wrong
from grader.grading.submission import Submission, evidence
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from torch import Tensor

    Samples = list[tuple[Tensor, int]]

PARTS = ("padded", "lengths", "targets")
ALL = "a tuple of three: padded, lengths, targets"


def batches_of(submission: Submission) -> list[Samples]:
    """Sample several sentences, a single one, and one beside a sentence without a token.

    In the first batch, one sentence ends with a token of zeros. No two have the same target, and
    several targets are never sorted.
    """
    chance = random.Random(f"{submission.seed} targets")
    lengths = draw_lengths(submission)
    batches = []
    for each in (lengths, (3,), (0, 2)):
        targets: list[int] = []
        while len(targets) != len(each) or (len(each) > 1 and targets == sorted(targets)):
            targets = chance.sample(range(10, 30), len(each))
        batches.append([*zip(sentences_of(submission, each), targets, strict=True)])
    sentence, _ = batches[0][lengths.index(sorted(lengths)[2])]
    sentence[-1] = 0.0
    return batches


def calling(samples: Samples) -> str:
    """Format the call with a batch."""
    pairs = [f"(torch.randn({len(sentence)}, {F}), {target})" for sentence, target in samples]
    return f"collate_with_lengths([{', '.join(pairs)}])"


@evidence
def batches_seen(submission: Submission) -> list[CallResult]:
    """Call the function on all batches."""
    name = "collate_with_lengths"
    calls = [Call(calling(samples), [samples]) for samples in batches_of(submission)]
    return submission.call(name, name, calls)


def part_of(submission: Submission, which: int, part: str) -> Tensor:
    """Return a part of the result for one of the batches, which must have the correct form.

    Raises:
        Failure: the result is not three, or the part has a different type, dtype or shape.
    """
    samples = batches_of(submission)[which]
    call, result = calling(samples), batches_seen(submission)[which].result
    if isinstance(result, Raised) and which:
        raise Failure(call, result, ALL)
    found = unwrap(result)
    if not is_list(found) or len(found) != len(PARTS):
        if lenient():
            raise still_wrong()
        note = about_form(found, "float32", ())
        raise Failure(call, f"It returned {show(found)}", ALL, _why_not_three(found), note=note)
    b, t = len(samples), max(len(sentence) for sentence, _ in samples)
    place = PARTS.index(part)
    dims, letters = ((b, t, F), "(B, T, F)") if part == "padded" else ((b,), "(B,)")
    dtype = "float32" if part == "padded" else "int64"
    tokens = sum(len(sentence) > 0 for sentence, _ in samples)
    known = functools.partial(_why_form, part, (tokens, b, t))
    if is_packed(found[place]) and not lenient():
        text, expected = shown_packed(found[place]), tensor_of(dtype, letters, dims)
        raise Failure(f"{call}[{place}]", f"It is {text}", expected)
    return require_tensor(found[place], f"{call}[{place}]", dtype, letters, dims, known)


def numbers_of(submission: Submission, which: int, part: str) -> list[int]:
    """Return the lengths or the targets; if they are known to be swapped, take them back."""
    if lenient():
        samples = batches_of(submission)[0]
        found = [part_of(submission, 0, each).tolist() for each in PARTS[1:]]
        if found == [[target for _, target in samples], [len(each) for each, _ in samples]]:
            part = "targets" if part == "lengths" else "lengths"
    numbers: list[int] = part_of(submission, which, part).tolist()
    return numbers


def _why_not_three(found: Any) -> str | None:
    """Return the known mistake behind a result that does not have three parts."""
    if not is_list(found) or len(found) != 2:
        return None
    if all(map(is_tensor, found)):
        return "lengths-missing"
    nested = [part for part in found if is_list(part) and len(part) == 2]
    return "two-of-three-nested" if any(all(map(is_tensor, part)) for part in nested) else None


def _why_form(part: str, sizes: tuple[int, int, int], found: Any) -> str | None:
    """Return the known mistake behind a wrong type or shape of a part.

    `sizes` are the number of sentences that are not empty, of all sentences, and T.
    """
    filled, b, t = sizes
    if part == "padded":
        if is_list(found) and all(map(is_tensor, found)):
            return "list-for-box"
        if not isinstance(found, TensorData):
            return None
        known = {(t, b, F): "time-first", (t, F): "one-sentence-squeezed"}
        if len(found.shape) == 3 and found.shape[0] == b and found.shape[1] > t:
            return "padded-too-long"
        if found.shape == (filled, t, F) and filled < b:
            return "sentence-without-row"
        return known.get(found.shape)
    if is_list(found):
        return "lengths-in-a-list" if part == "lengths" else "targets-in-a-list"
    if isinstance(found, TensorData) and part == "targets" and _is_one_hot(found):
        return "one-hot-rows"
    if isinstance(found, TensorData) and found.shape == (b,):
        return "lengths-not-int64" if part == "lengths" else "targets-not-int64"
    if isinstance(found, TensorData) and part == "lengths":
        shapes = {(b, 1): "lengths-a-column", (b, 2): "shapes-for-lengths"}
        return shapes.get((*found.shape,)) if len(found.shape) == 2 else None
    return None


def _is_one_hot(found: TensorData) -> bool:
    """Return whether each row holds a single 1 beside zeros."""
    table = found.torch()
    if table.dim() != 2 or table.shape[1] < 2:
        return False
    return bool((table.double().sum(1) == 1).all() and ((table == 0) | (table == 1)).all())


def check_shape(submission: Submission) -> None:
    """The result is three tensors: (B, T, F) float32, (B,) int64 and (B,) int64."""
    for part in PARTS:
        found = batches_seen(submission)[0].result
        with local(is_list(found) and len(found) == len(PARTS)):
            part_of(submission, 0, part)


def check_padded(submission: Submission) -> None:
    """Each row holds its sentence, followed by zeros."""
    samples = batches_of(submission)[0]
    sentences = [sentence for sentence, _ in samples]
    found, expected = part_of(submission, 0, "padded"), by_hand(sentences)
    if not close(found, expected):
        b = next(b for b, row in enumerate(found) if not close(row, expected[b]))
        text = f"It is not sentence {b}, followed by zeros"
        wanted = f"its {len(sentences[b])} vectors, then zeros"
        why, note = why_padded(found, sentences), about_tensor(found, expected)
        raise Failure(f"{calling(samples)}[0][{b}]", text, wanted, why, note=note)
    require_unchanged(batches_seen(submission)[0], calling(samples), "samples")


def check_lengths(submission: Submission) -> None:
    """The lengths are the numbers of tokens, even if the last token's vector is all zeros."""
    samples = batches_of(submission)[0]
    sentences = [sentence for sentence, _ in samples]
    found = part_of(submission, 0, "lengths").tolist()
    expected = [len(sentence) for sentence in sentences]
    filled = [sentence.any(dim=1).tolist() for sentence in sentences]
    mistakes = {
        "lengths-from-zeros": [sum(steps) for steps in filled],
        "numbers-for-tokens": [sum(steps) * F for steps in filled],
        "length-t": [max(expected)] * len(expected),
        "lengths-and-targets-swapped": [target for _, target in samples],
        _of_sorted(submission): found if sorted(found) == sorted(expected) else None,
    }
    b = next(b for b, steps in enumerate(filled) if not steps[-1])
    remark = f"; the last token of sentence {b} is all zeros"
    with local():
        _require_equal(samples, "lengths", found, expected, mistakes, remark)


def _of_sorted(submission: Submission) -> str:
    """Return the known mistake of lengths in another order; the sentences may be in it, too."""
    expected = by_hand([sentence for sentence, _ in batches_of(submission)[0]])
    padded = unwrap(batches_seen(submission)[0].result)[0]
    same_form = is_tensor_of(padded, "float32", (*expected.shape,))
    moved = same_form and not close(padded.torch(), expected)
    return "sentences-reordered" if moved else "lengths-sorted"


def check_targets(submission: Submission) -> None:
    """The targets are those of the samples, in order."""
    samples = batches_of(submission)[0]
    found = numbers_of(submission, 0, "targets")
    expected = [target for _, target in samples]
    mistakes = {
        "targets-reordered": found if sorted(found) == sorted(expected) else None,
        "targets-subtracted-again": [target - 1 for target in expected],
    }
    _require_equal(samples, "targets", found, expected, mistakes)


def _require_equal(
    samples: Samples,
    part: str,
    found: list[int],
    expected: list[int],
    mistakes: dict[str, Any],
    remark: str = "",
) -> None:
    """Require the correct numbers.

    Raises:
        Failure: a number differs.
    """
    if found != expected:
        why = matching_mistake(found, mistakes.items(), operator.eq)
        call = f"{calling(samples)}[{PARTS.index(part)}]"
        raise Failure(call, f"It is {found}", f"{expected}{remark}", why)


def check_small(submission: Submission) -> None:
    """A batch of one works, and so does a sentence without a token."""
    for which, samples in enumerate(batches_of(submission)):
        if which:
            sentences: Sequence[Tensor] = [sentence for sentence, _ in samples]
            padded = part_of(submission, which, "padded")
            if not close(padded, by_hand(sentences)):
                text = "Its rows are not the sentences, followed by zeros"
                why = why_padded(padded, sentences)
                raise Failure(f"{calling(samples)}[0]", text, "the vectors, then zeros", why)
            lengths = [len(sentence) for sentence in sentences]
            targets = [target for _, target in samples]
            for part, expected in (("lengths", lengths), ("targets", targets)):
                if part == "lengths" and lenient():
                    continue  # `lengths` has said what is wrong
                found = numbers_of(submission, which, part)
                at_least_one = [max(length, 1) for length in lengths]
                known = {"length-of-an-empty-sentence": at_least_one} if part == "lengths" else {}
                _require_equal(samples, part, found, expected, known)
