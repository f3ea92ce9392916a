"""Checks of the task dataset: `NewsDataset`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from grader.checks._tools import is_list, is_tensor_of, quoted
from grader.contract.messages import MAX_SHOWN, Failure, clean, is_tensor, show, show_raised
from grader.grading.answers import DatasetSeen, StudentError, unwrap
from grader.grading.leniency import lenient, local
from grader.grading.submission import Submission, evidence
from grader.worker.wire import Opaque, Raised, TensorData

# The number of samples (6), of distinct texts (5), the largest label (4), the largest target (3)
# and the number of distinct targets (2) all differ; sorting changes the order; a pair occurs
# twice; upper case, spaces and an empty text must survive.
SAMPLES = [(4, "AI wins"), (2, " Goal "), (4, "Rover  lands"), (2, " Goal "), (4, ""), (2, "Won")]
TEXTS = [text for _, text in SAMPLES]
TARGETS = [label - 1 for label, _ in SAMPLES]
FEW = [(2, "Goal")]  # a different number of distinct targets
N = len(SAMPLES)
INDICES = [*range(N), -1, -N, N, -N - 1]
CALL = f"NewsDataset({SAMPLES})"
# What cleaning and cutting change: digits, punctuation, an entity as AG_NEWS spells it, a tag, a
# link, a backslash, an accent, and a text longer than common limits.
RAW_TEXTS = [
    "Oil at $54.50,#39;again#39;\\up 2% &lt;b&gt;Café&lt;/b&gt; &amp; <i>Co.</i> http://ap.org",
    "The ferry left at nine with 40 people; nobody aboard knew of the storm, yet. " * 20,
]
RAW = [(3, RAW_TEXTS[0]), (1, RAW_TEXTS[1])]
RAW_CALL = f"NewsDataset([(3, {quoted(RAW_TEXTS[0])}), (1, {quoted(RAW_TEXTS[1])})])"


@evidence
def seen(submission: Submission) -> DatasetSeen:
    """Create a dataset from a list and read its attributes."""
    try:
        return submission.dataset(SAMPLES)
    except StudentError as error:
        if not _swaps_pairs(error.raised):
            raise
        found, mistake = show_raised(error.raised), "sample-pairs-swapped"
        raise Failure(CALL, found, "a dataset of these pairs (label, text)", mistake) from None


def _swaps_pairs(raised: Raised) -> bool:
    """Return whether an exception says that a text was used as a label."""
    literal = raised.message.removeprefix("invalid literal for int() with base 10: ")
    as_label = "unsupported operand type(s) for -: 'str' and 'int'"
    return raised.message == as_label or literal in map(repr, TEXTS)


# Items and length are read apart from the attributes, so that a loop in one costs that one only.
@evidence
def items(submission: Submission) -> list[Any]:
    """Read items of the dataset from a list."""
    seen(submission)
    return submission.dataset(SAMPLES, INDICES).items


@evidence
def length(submission: Submission) -> Any:
    """Return the length of the dataset from a list."""
    seen(submission)
    return submission.dataset(SAMPLES, length=True).length


@evidence
def seen_raw(submission: Submission) -> DatasetSeen:
    """Create a dataset from texts that invite cleaning and cutting, and read its attributes."""
    return submission.dataset(RAW)


@evidence
def raw_items(submission: Submission) -> list[Any]:
    """Read items of the dataset from texts that invite cleaning and cutting."""
    return submission.dataset(RAW, range(len(RAW))).items


@evidence
def seen_once(submission: Submission) -> DatasetSeen:
    """Create a dataset from an iterator."""
    return submission.dataset(SAMPLES, once=True)


@evidence
def seen_few(submission: Submission) -> DatasetSeen:
    """Create a dataset from one sample."""
    return submission.dataset(FEW)


def check_texts(submission: Submission) -> None:
    """`samples` is a list or tuple of the texts, in order and unchanged."""
    texts = unwrap(seen(submission).samples)
    if is_list(texts) and list(texts) == TEXTS:
        with local():
            _expect_raw(unwrap(seen_raw(submission).samples))
        return
    expected = f"the texts in order, {TEXTS}"
    with local(is_list(texts) and len(texts) == N):
        raise Failure(f"{CALL}.samples", f"It is {show_texts(texts)}", expected, _why_texts(texts))


def _expect_raw(texts: object) -> None:
    """Require that texts which invite cleaning and cutting are unchanged."""
    if not is_list(texts) or len(texts) != len(RAW):
        expected = f"a list of {len(RAW)} texts"
        raise Failure(f"{RAW_CALL}.samples", f"It is {show(texts)}", expected)
    for index, (found, text) in enumerate(zip(texts, RAW_TEXTS, strict=True)):
        if found != text:
            _differ(f"{RAW_CALL}.samples[{index}]", found, text)


def _differ(call: str, found: object, text: str) -> None:
    """Fail with the first place where a text differs."""
    mistake = _why_text(found, text)
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


def _why_text(found: object, text: str) -> str | None:
    """Return the known mistake that turns a text into another."""
    if not isinstance(found, str):
        return None
    if found.split() == text.split():
        return "texts-stripped"
    if found == text.lower():
        return "texts-lower-cased"
    if found and text.startswith((found, found.rstrip(". "))):
        return "texts-cut"
    alike = difflib.SequenceMatcher(None, found.lower(), text.lower(), autojunk=False)
    return "texts-cleaned" if alike.ratio() > 0.5 else None


def show_texts(texts: object) -> str:
    """Format a list of short texts completely, with every space; anything else as usual."""
    if is_list(texts) and all(type(text) is str for text in texts):
        shown = clean(repr(texts))
        if len(shown) <= MAX_SHOWN:
            return shown
    return show(texts)


def _why_texts(texts: object) -> str | None:
    if not is_list(texts):
        return "texts-not-a-list"
    if list(texts) == SAMPLES:
        return "texts-with-labels"
    if list(texts) == [label for label, _ in SAMPLES]:
        return "labels-for-texts"
    if not texts or not all(type(text) is str for text in texts):
        return None
    words = [text.split() for text in texts]
    if words == [text.split() for text in TEXTS]:
        return "texts-stripped"
    if words == [text.lower().split() for text in TEXTS]:
        return "texts-lower-cased"
    if sorted(texts) == sorted(TEXTS):
        return "texts-reordered"
    if len(texts) < N and set(texts) <= set(TEXTS):
        return "texts-dropped"
    known = {_why_text(*pair) for pair in zip(texts, TEXTS, strict=False) if pair[0] != pair[1]}
    return known.pop() if len(texts) == N and len(known) == 1 else None


def check_targets(submission: Submission) -> None:
    """`targets` is an int64 tensor of shape (N,): the labels minus one."""
    targets = unwrap(seen(submission).targets)
    if is_tensor_of(targets, "int64", (N,)) and targets.tolist() == TARGETS:
        return
    expected = f"an int64 tensor {TARGETS} of shape (N,) = ({N},)"
    with local(_count(targets) == N):
        raise Failure(f"{CALL}.targets", f"It is {show(targets)}", expected, _why_targets(targets))


def _count(targets: object) -> int | None:
    """Return the number of targets in a list or tensor."""
    if isinstance(targets, TensorData) and targets.shape:
        return targets.shape[0]
    return len(targets) if is_list(targets) else None


def _why_targets(targets: object) -> str | None:
    if not isinstance(targets, TensorData):
        return None if targets is None or is_tensor(targets) else "targets-not-a-tensor"
    numbers = targets.tolist()
    if numbers == [label for label, _ in SAMPLES]:
        return "targets-from-one"
    if numbers == [sorted(set(TARGETS)).index(target) for target in TARGETS]:
        return "targets-renumbered"
    return "targets-not-int64" if targets.dtype != "int64" else None


def check_reads_once(submission: Submission) -> None:
    """`samples` may be an iterator that can be read only once."""
    call, mistake = f"NewsDataset(iter({SAMPLES}))", "iterator-not-listed"
    try:
        found = seen_once(submission)
        texts, targets = unwrap(found.samples), unwrap(found.targets)
    except StudentError as error:
        text = show_raised(error.raised)
        raise Failure(error.raised.call, text, "the same as from a list", mistake) from None
    if lenient() and (texts, targets) == (seen(submission).samples, seen(submission).targets):
        return
    if not is_list(texts) or list(texts) != TEXTS:
        expected = f"all {N} texts, as from a list"
        raise Failure(f"{call}.samples", f"It is {show_texts(texts)}", expected, mistake)
    if not is_tensor_of(targets, "int64", (N,)) or targets.tolist() != TARGETS:
        expected = f"all {N} targets, as from a list"
        raise Failure(f"{call}.targets", f"It is {show(targets)}", expected, mistake)


def check_n_targets(submission: Submission) -> None:
    """`n_targets` is the number of distinct targets, an `int`."""
    several, one = (unwrap(made.n_targets) for made in (seen(submission), seen_few(submission)))
    for samples, found in ((SAMPLES, several), (FEW, one)):
        distinct = len({label for label, _ in samples})
        if type(found) is not int or found != distinct:
            mistake = _why_n_targets(found, samples)
            if mistake != "n-targets-not-int" and _number(several) == _number(one) is not None:
                mistake = "n-targets-fixed"
            call = f"NewsDataset({samples}).n_targets"
            raise Failure(call, f"It is {show(found)}", f"the int {distinct}", mistake)


def _why_n_targets(found: object, samples: list[tuple[int, str]]) -> str | None:
    number = _number(found)
    labels = [label for label, _ in samples]
    if number == len(set(labels)):
        return "n-targets-not-int"
    if number in (max(labels), max(labels) - 1):
        return "n-targets-largest"
    return "n-targets-all" if number == len(samples) else None


def _number(found: object) -> float | None:
    """Return the value of a tensor with one element or of a NumPy scalar."""
    if isinstance(found, (int, float)):
        return found
    if isinstance(found, TensorData) and found.shape in ((), (1,)):
        return float(found.numpy().reshape(())[()])
    if isinstance(found, Opaque) and (digits := re.fullmatch(r"(?:[\w.]+\()?(\d+)\)?", found.text)):
        return int(digits[1])
    return None


def check_length(submission: Submission) -> None:
    """`len(dataset)` is N."""
    found = length(submission)
    if isinstance(found, Raised) and "has no len()" in found.message and not found.frames:
        raise Failure(f"len({CALL})", f"It raised {show(found)}", str(N), "no-len")
    if unwrap(found) != N:
        raise Failure(f"len({CALL})", f"It returned {show(found)}", str(N))


def check_item(submission: Submission) -> None:
    """`dataset[i]` is the text and its target, an int64 tensor of shape ()."""
    for index in range(N):
        found = unwrap(items(submission)[index])
        text, target = TEXTS[index], TARGETS[index]
        right = type(found) is tuple and len(found) == 2
        if (
            right
            and found[0] == text
            and is_tensor_of(found[1], "int64", ())
            and found[1].tolist() == target
        ) or (right and _is_own(seen(submission), index, found)):
            continue
        expected = f"({text!r}, tensor({target})), the tensor int64 of shape ()"
        why = _why_item(found, text, target)
        with local(found is not None):
            raise Failure(f"{CALL}[{index}]", f"It returned {show(found)}", expected, why)
    for index, text in enumerate(RAW_TEXTS):
        found = unwrap(raw_items(submission)[index])
        if is_list(found) and len(found) == 2 and _is_own(seen_raw(submission), index, found):
            continue
        if not is_list(found) or not found or found[0] != text:
            with local():
                _differ(f"{RAW_CALL}[{index}][0]", found[0] if is_list(found) else found, text)


def _is_own(made: DatasetSeen, index: int, found: Sequence[Any]) -> bool:
    """Return whether an item is what the dataset's own attributes hold, right or wrong."""
    texts, targets = made.samples, made.targets
    if not is_list(texts) or len(texts) <= index or found[0] != texts[index]:
        return False
    if isinstance(targets, TensorData) and targets.shape and isinstance(found[1], TensorData):
        own = targets.torch()[index]
        same_dtype = found[1].dtype == targets.dtype
        return same_dtype and own.shape == found[1].shape and own.tolist() == found[1].tolist()
    return is_list(targets) and len(targets) > index and found[1] == targets[index]


def _why_item(found: object, text: str, target: int) -> str | None:
    if not is_list(found) or len(found) != 2:
        return None
    first, second = found
    if second == text and first != text:
        return "item-swapped"
    if first != text:
        return _why_text(first, text)
    if isinstance(second, TensorData):
        if second.shape == (1,):
            return "item-target-one-dimension"
        return "item-a-list" if type(found) is list and second.tolist() == target else None
    return "item-target-not-a-tensor" if _number(second) == target else None


def check_index(submission: Submission) -> None:
    """Negative indices count from the end; indices beyond the ends raise IndexError."""
    read = items(submission)
    last, first, beyond, before = read[N:]
    for index, found, sample in ((-1, last, N - 1), (-N, first, 0)):
        if found != read[sample]:
            text = show_raised(found) if isinstance(found, Raised) else f"It returned {show(found)}"
            expected = f"what index {sample} gives, ({TEXTS[sample]!r}, tensor({TARGETS[sample]}))"
            raise Failure(f"{CALL}[{index}]", text, expected, "negative-index")
    for index, found in ((N, beyond), (-N - 1, before)):
        if not isinstance(found, Raised) or found.type != "IndexError":
            text = show_raised(found) if isinstance(found, Raised) else f"It returned {show(found)}"
            expected = f"an IndexError, because there are only {N} samples"
            raise Failure(f"{CALL}[{index}]", text, expected, "no-index-error")
