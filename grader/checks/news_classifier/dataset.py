"""Checks of the task dataset: `NewsDataset`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from grader.checks._tools import is_list, is_tensor_of
from grader.checks.news_classifier._dataset_mistakes import (
    number_in,
    shares_lists,
    swaps_pairs,
    why_item,
    why_n_targets,
    why_targets,
    why_text,
    why_texts,
)
from grader.checks.news_classifier._samples import Samples, draw_samples
from grader.contract.messages import MAX_SHOWN, Failure, clean, show, waits_for
from grader.grading.answers import DatasetSeen, StudentError, unwrap
from grader.grading.leniency import lenient, local
from grader.grading.submission import Submission, evidence
from grader.sandbox.worker_client import WorkerLost
from grader.worker.wire import Raised, TensorData

T = TypeVar("T")


def samples_of(submission: Submission) -> Samples:
    """Return the samples for this submission's seed."""
    return draw_samples(submission.seed)


@evidence
def seen(submission: Submission) -> DatasetSeen:
    """Create a dataset from a list and read its attributes."""
    drawn = samples_of(submission)
    try:
        return submission.dataset(drawn.pairs)
    except StudentError as error:
        if not swaps_pairs(error.raised, drawn.texts):
            raise
        found, mistake = error.raised, "sample-pairs-swapped"
        raise Failure(
            drawn.call, found, "a dataset of these pairs (label, text)", mistake
        ) from None


# Items and length are read apart from the attributes, so that a loop in one costs that one only.
@evidence
def items(submission: Submission) -> list[Any]:
    """Read items of the dataset from a list."""
    drawn = samples_of(submission)
    seen(submission)
    return submission.dataset(drawn.pairs, drawn.indices, alone=share_lists(submission)).items


@evidence
def length(submission: Submission) -> Any:
    """Return the length of the dataset from a list."""
    drawn = samples_of(submission)
    seen(submission)
    return submission.dataset(drawn.pairs, length=True, alone=share_lists(submission)).length


@evidence
def seen_raw(submission: Submission) -> DatasetSeen:
    """Create a dataset from texts that invite cleaning and cutting, and read its attributes."""
    drawn = samples_of(submission)
    return submission.dataset(drawn.raw)


@evidence
def share_lists(submission: Submission) -> bool:
    """Return whether a dataset holds the samples of those that were created before it, too.

    Then the other checks look at datasets that are alone.
    """
    seen(submission)
    try:
        return shares_lists(seen_raw(submission).samples, samples_of(submission).raw_texts)
    except StudentError:
        return False


@evidence
def raw_items(submission: Submission) -> list[Any]:
    """Read items of the dataset from texts that invite cleaning and cutting."""
    drawn = samples_of(submission)
    alone = share_lists(submission)
    return submission.dataset(drawn.raw, range(len(drawn.raw)), alone=alone).items


@evidence
def seen_once(submission: Submission) -> DatasetSeen:
    """Create a dataset from an iterator."""
    drawn = samples_of(submission)
    return submission.dataset(drawn.pairs, once=True, alone=share_lists(submission))


@evidence
def items_once(submission: Submission) -> list[Any]:
    """Read items of the dataset from an iterator."""
    drawn, alone = samples_of(submission), share_lists(submission)
    return submission.dataset(drawn.pairs, range(drawn.n), once=True, alone=alone).items


@evidence
def length_once(submission: Submission) -> Any:
    """Return the length of the dataset from an iterator."""
    drawn, alone = samples_of(submission), share_lists(submission)
    return submission.dataset(drawn.pairs, once=True, length=True, alone=alone).length


@evidence
def seen_few(submission: Submission) -> DatasetSeen:
    """Create a dataset from few samples."""
    drawn = samples_of(submission)
    return submission.dataset(drawn.few, alone=share_lists(submission))


def check_texts(submission: Submission) -> None:
    """`samples` is a list or tuple of the texts, in order and unchanged."""
    drawn = samples_of(submission)
    texts = unwrap(seen(submission).samples)
    if is_list(texts) and list(texts) == drawn.texts:
        with local():
            _expect_raw(drawn, unwrap(seen_raw(submission).samples))
        return
    found, expected = f"It is {show_texts(texts)}", f"the texts in order, {drawn.texts}"
    with local(is_list(texts) and len(texts) == drawn.n and _are_made_from(drawn, texts)):
        raise Failure(f"{drawn.call}.samples", found, expected, why_texts(drawn, texts))


def _are_made_from(drawn: Samples, texts: Sequence[object]) -> bool:
    """Return whether each text begins a word with letters of the pairs; prepared texts do not.

    Or it is a tensor with a number for each of its words.
    """
    if any(isinstance(text, TensorData) for text in texts):
        shapes = [(len(text.split()),) for text in drawn.texts]
        return [getattr(text, "shape", None) for text in texts] == shapes
    given = " ".join(f"{label} {text}" for label, text in drawn.pairs).lower()
    words = [re.findall(r"\w+", str(text).lower()) for text in texts]
    return any(words) and all(not some or any(word[:3] in given for word in some) for some in words)


def _expect_raw(drawn: Samples, texts: object) -> None:
    """Require that texts which invite cleaning and cutting are unchanged."""
    if not is_list(texts) or len(texts) != len(drawn.raw):
        expected = f"a list of {len(drawn.raw)} texts"
        mistake = "lists-shared" if shares_lists(texts, drawn.raw_texts) else None
        raise Failure(f"{drawn.raw_call}.samples", f"It is {show(texts)}", expected, mistake)
    for index, (found, text) in enumerate(zip(texts, drawn.raw_texts, strict=True)):
        if found != text:
            _differ(f"{drawn.raw_call}.samples[{index}]", found, text)


def _differ(call: str, found: object, text: str) -> None:
    """Fail with the first place where a text differs."""
    mistake = why_text(found, text)
    if not isinstance(found, str):
        raise Failure(call, f"It is {show(found)}", repr(text[:40]), mistake)
    if mistake == "texts-cut":
        found_length = f"It has {len(found)} characters"
        raise Failure(call, found_length, f"all {len(text)} of the text", mistake)
    pairs = zip(found, text, strict=False)
    start = next((i for i, (one, other) in enumerate(pairs) if one != other), len(found))
    start = max(0, start - 5)
    part = "..." if start else ""
    raise Failure(
        call,
        f"It is {part}{clean(repr(found[start : start + 30]))}",
        f"{part}{text[start : start + 30]!r}, unchanged",
        mistake,
    )


def show_texts(texts: object) -> str:
    """Format a list of short texts completely, with every space; anything else as usual."""
    if is_list(texts) and all(type(text) is str for text in texts):
        shown = clean(repr(texts))
        if len(shown) <= MAX_SHOWN:
            return shown
    return show(texts)


def check_targets(submission: Submission) -> None:
    """`targets` is an int64 tensor of shape (N,): the labels minus one."""
    drawn = samples_of(submission)
    targets = unwrap(seen(submission).targets)
    if is_tensor_of(targets, "int64", (drawn.n,)) and targets.tolist() == drawn.targets:
        return
    expected = f"an int64 tensor {drawn.targets} of shape (N,) = ({drawn.n},)"
    with local(_count(targets) == drawn.n and _follow_labels(drawn, seen(submission))):
        mistakes = why_targets(drawn, targets)
        is_twice = mistakes[:1] == ["one-subtracted-twice"]
        if is_twice and not _is_two_less(seen_raw(submission), drawn.raw):
            mistakes[0] = "targets-not-label-less-one"
        raise Failure(f"{drawn.call}.targets", f"It is {show(targets)}", expected, mistakes)


def _is_two_less(made: DatasetSeen, pairs: Sequence[tuple[int, str]]) -> bool:
    """Return whether the targets of a dataset are the labels minus two."""
    targets = [label - 2 for label, _ in pairs]
    return isinstance(made.targets, TensorData) and made.targets.tolist() == targets


def _follow_labels(drawn: Samples, made: DatasetSeen) -> bool:
    """Return whether different labels have different targets, and equal ones equal targets."""
    rows = made.targets.tolist() if isinstance(made.targets, TensorData) else made.targets
    if not is_list(rows):
        return False
    label_of = {text: label for label, text in drawn.pairs}
    labels = [label for label, _ in drawn.pairs]
    if is_list(made.samples) and all(
        type(text) is str and text in label_of for text in made.samples
    ):
        labels = [label_of[text] for text in made.samples]  # also in another order, or too few
    pairs = {(label, repr(row)) for label, row in zip(labels, rows, strict=False)}
    return len(pairs) == len(set(labels)) == len({row for _, row in pairs})


def _count(targets: object) -> int | None:
    """Return the number of targets in a list or tensor."""
    if isinstance(targets, TensorData) and targets.shape:
        return targets.shape[0]
    return len(targets) if is_list(targets) else None


def require_different_texts(submission: Submission) -> None:
    """Require that the samples are not all the same: constants agree with themselves.

    Raises:
        Blocked: they are.
    """
    texts = seen(submission).samples
    if is_list(texts) and len({repr(text) for text in texts}) < 2:
        raise waits_for("dataset.texts")


def check_reads_once(submission: Submission) -> None:
    """`samples` may be an iterator that can be read only once."""
    drawn = samples_of(submission)
    call, mistake = f"NewsDataset(iter({drawn.pairs}))", "iterator-not-listed"
    try:
        found = seen_once(submission)
        texts, targets = unwrap(found.samples), unwrap(found.targets)
    except StudentError as error:
        text = error.raised
        raise Failure(error.raised.call, text, "the same as from a list", mistake) from None
    if lenient() and (texts, targets) == (seen(submission).samples, seen(submission).targets):
        require_different_texts(submission)
        _expect_the_rest(submission, call)
        return
    if not is_list(texts) or list(texts) != drawn.texts:
        expected = f"all {drawn.n} texts, as from a list"
        if is_list(texts) and 0 < len(texts) < drawn.n and [*texts] == drawn.texts[-len(texts) :]:
            mistake = "iterator-begun"
        raise Failure(f"{call}.samples", f"It is {show_texts(texts)}", expected, mistake)
    if not is_tensor_of(targets, "int64", (drawn.n,)) or targets.tolist() != drawn.targets:
        expected = f"all {drawn.n} targets, as from a list"
        raise Failure(f"{call}.targets", f"It is {show(targets)}", expected, mistake)
    _expect_the_rest(submission, call)


def _expect_the_rest(submission: Submission, call: str) -> None:
    """Require that all else is as from a list; what is wrong there costs a check of its own."""
    _expect(f"{call}.n_targets", seen(submission).n_targets, seen_once(submission).n_targets)
    if (found := _attempt(length, submission)) is not None:
        _expect(f"len({call})", found, length_once(submission))
    if (read := _attempt(items, submission)) is not None:
        drawn = samples_of(submission)
        for index, one in enumerate(items_once(submission)):
            target = read[index][1] if is_list(read[index]) and len(read[index]) == 2 else None
            if number_in(target) == drawn.targets[index]:
                _expect(f"{call}[{index}]", read[index], one)


def _attempt(gather: Callable[[Submission], T], submission: Submission) -> T | None:
    """Gather evidence; return None if there is none, which costs a check of its own."""
    try:
        return gather(submission)
    except (StudentError, WorkerLost):
        return None


def _expect(call: str, wanted: Any, found: Any) -> None:
    """Require the same from an iterator as from a list, unless that raises."""
    if found != wanted and not isinstance(wanted, Raised):
        text = found if isinstance(found, Raised) else f"It is {show(found)}"
        raise Failure(call, text, f"{show(wanted)}, as from a list", "iterator-not-listed")


def check_n_targets(submission: Submission) -> None:
    """`n_targets` is the number of distinct targets, an `int`."""
    drawn = samples_of(submission)
    several, one = (unwrap(made.n_targets) for made in (seen(submission), seen_few(submission)))
    for samples, found in ((drawn.pairs, several), (drawn.few, one)):
        distinct = len({label for label, _ in samples})
        if type(found) is not int or found != distinct:
            mistake = why_n_targets(found, samples)
            if mistake != "n-targets-not-int" and number_in(several) == number_in(one) is not None:
                mistake = "n-targets-fixed"
            largest = [max(label for label, _ in given) for given in (drawn.pairs, drawn.few)]
            if [number_in(several), number_in(one)] == [number + 1 for number in largest]:
                mistake = "n-targets-largest"  # the length of a bincount
            call = f"NewsDataset({samples}).n_targets"
            raise Failure(call, f"It is {show(found)}", f"the int {distinct}", mistake)


def check_length(submission: Submission) -> None:
    """`len(dataset)` is N."""
    drawn = samples_of(submission)
    found = length(submission)
    if isinstance(found, Raised) and "has no len()" in found.message and not found.frames:
        raise Failure(f"len({drawn.call})", f"It raised {show(found)}", str(drawn.n), "no-len")
    if unwrap(found) != drawn.n:
        raise Failure(f"len({drawn.call})", f"It returned {show(found)}", str(drawn.n))


def check_item(submission: Submission) -> None:
    """`dataset[i]` is the text and its target, an int64 tensor of shape ()."""
    drawn = samples_of(submission)
    require_different_texts(submission)
    made = seen(submission)
    is_work = (
        is_list(made.samples)
        and _are_made_from(drawn, made.samples)
        and _follow_labels(drawn, made)
    )
    for index in range(drawn.n):
        found = unwrap(items(submission)[index])
        text, target = drawn.texts[index], drawn.targets[index]
        right = type(found) is tuple and len(found) == 2
        if (
            right
            and found[0] == text
            and is_tensor_of(found[1], "int64", ())
            and found[1].tolist() == target
        ) or (right and is_work and _is_own(made, index, found)):
            continue
        expected = f"({text!r}, tensor({target})), the tensor int64 of shape ()"
        mistakes = why_item(found, text, target, _offsets(submission))
        shown = f"It returned {show(found)}"
        with local(found is not None):
            raise Failure(f"{drawn.call}[{index}]", shown, expected, mistakes)
    for index, text in enumerate(drawn.raw_texts):
        found = unwrap(raw_items(submission)[index])
        if is_list(found) and len(found) == 2 and _is_own(seen_raw(submission), index, found):
            continue
        if not is_list(found) or not found or found[0] != text:
            with local():
                first = found[0] if is_list(found) else found
                _differ(f"{drawn.raw_call}[{index}][0]", first, text)


def _offsets(submission: Submission) -> set[float]:
    """Return by how much the targets of the items are too large; empty if one is no number."""
    drawn = samples_of(submission)
    found = [each if is_list(each) else () for each in items(submission)[: drawn.n]]
    values = [[n for n in map(number_in, each) if n is not None] for each in found]
    if not all(len(each) == 1 for each in values):
        return set()
    return {each[0] - target for each, target in zip(values, drawn.targets, strict=True)}


def _is_own(made: DatasetSeen, index: int, found: Sequence[Any]) -> bool:
    """Return whether an item is what the dataset's own attributes hold, right or wrong."""
    texts, targets = made.samples, made.targets
    if not is_list(texts) or len(texts) <= index or found[0] != texts[index]:
        return False
    if isinstance(targets, TensorData) and targets.shape and isinstance(found[1], TensorData):
        own = targets.numpy()[index]
        same_dtype = found[1].dtype == targets.dtype
        return same_dtype and own.shape == found[1].shape and own.tolist() == found[1].tolist()
    return is_list(targets) and len(targets) > index and found[1] == targets[index]


def check_index(submission: Submission) -> None:
    """Negative indices count from the end; indices beyond the ends raise IndexError."""
    drawn = samples_of(submission)
    read = items(submission)
    last, first, beyond, before = read[drawn.n :]
    for index, found, sample in ((-1, last, drawn.n - 1), (-drawn.n, first, 0)):
        if found != read[sample]:
            text = found if isinstance(found, Raised) else f"It returned {show(found)}"
            item = f"({drawn.texts[sample]!r}, tensor({drawn.targets[sample]}))"
            expected = f"the same as index {sample} gives, {item}"
            raise Failure(f"{drawn.call}[{index}]", text, expected, "negative-index")
    for index, found in ((drawn.n, beyond), (-drawn.n - 1, before)):
        if not isinstance(found, Raised) or found.type != "IndexError":
            text = found if isinstance(found, Raised) else f"It returned {show(found)}"
            expected = f"an IndexError, because there are only {drawn.n} samples"
            raise Failure(f"{drawn.call}[{index}]", text, expected, "no-index-error")
