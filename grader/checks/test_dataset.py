"""Task dataset: what `NewsDataset` promises."""

from __future__ import annotations

from grader.messages import Failure, show
from grader.submission import DatasetSeen, Submission, evidence, value
from grader.worker.wire import Other, Raised, TensorData

# Label 3 is missing, so that the number of distinct targets is not the largest one; labels are
# not sorted; a text comes twice; upper case, blanks and an empty text must survive.
SAMPLES = [
    (4, "Rover  finds ice"),
    (1, "Talks resume"),
    (2, " Keeper saves twice "),
    (1, "Talks resume"),
    (2, ""),
]
TEXTS = [text for _, text in SAMPLES]
TARGETS = [label - 1 for label, _ in SAMPLES]
CALL = f"NewsDataset({SAMPLES})"
N = len(SAMPLES)
INDICES = [*range(N), -1, -N, N, -N - 1]


@evidence
def seen(submission: Submission) -> DatasetSeen:
    """Make a data set from a list."""
    return submission.dataset(SAMPLES, INDICES)


@evidence
def seen_once(submission: Submission) -> DatasetSeen:
    """Make a data set from an iterator."""
    return submission.dataset(SAMPLES, [], once=True)


def test_texts(submission: Submission) -> None:
    """`samples` holds the texts, in order, unchanged, in a list or tuple."""
    texts = value(seen(submission).samples)
    if type(texts) in (list, tuple) and list(texts) == TEXTS:
        return
    expected = f"the texts in order: {show(TEXTS)}"
    raise Failure(f"{CALL}.samples", f"It is {show(texts)}", expected, _why_texts(texts))


def _why_texts(texts: object) -> str | None:
    if type(texts) not in (list, tuple):
        return "texts-not-a-list"
    found: list[object] = list(texts)  # type: ignore[call-overload]
    if found == list(SAMPLES):
        return "texts-with-labels"
    if len(found) == N and all(type(text) is str for text in found):
        if sorted(map(str, found)) == sorted(TEXTS):
            return "texts-reordered"
        if [str(text).split() for text in found] != [text.split() for text in TEXTS]:
            return "texts-lower-cased" if found == [text.lower() for text in TEXTS] else None
        return "texts-stripped"
    return "texts-dropped" if len(found) < N else None


def test_targets(submission: Submission) -> None:
    """`targets` is an int64 tensor of shape (N,): the labels less one."""
    targets = value(seen(submission).targets)
    if is_int64(targets, (N,)) and targets.tolist() == TARGETS:
        return
    mistake = None
    if type(targets) in (list, tuple):
        mistake = "targets-a-list"
    elif isinstance(targets, TensorData):
        numbers = targets.tolist()
        if numbers == [target + 1 for target in TARGETS]:
            mistake = "targets-from-one"
        elif targets.dtype != "int64":
            mistake = "targets-not-int64"
    expected = f"an int64 tensor {TARGETS} of shape ({N},)"
    raise Failure(f"{CALL}.targets", f"It is {show(targets)}", expected, mistake)


def is_int64(seen: object, shape: tuple[int, ...]) -> bool:
    """Tell whether something is an int64 tensor of a shape."""
    return isinstance(seen, TensorData) and seen.dtype == "int64" and seen.shape == shape


def test_reads_once(submission: Submission) -> None:
    """`samples` may be an iterator that can be read only once."""
    call = "NewsDataset(iter(samples))"
    found = seen_once(submission)
    texts, targets = value(found.samples), value(found.targets)
    if type(texts) not in (list, tuple) or list(texts) != TEXTS:
        expected = f"all {N} texts, as from a list"
        raise Failure(f"{call}.samples", f"It is {show(texts)}", expected, "iterator-read-twice")
    if not is_int64(targets, (N,)) or targets.tolist() != TARGETS:
        expected = f"all {N} targets, as from a list"
        raise Failure(f"{call}.targets", f"It is {show(targets)}", expected, "iterator-read-twice")


def test_n_targets(submission: Submission) -> None:
    """`n_targets` is the number of distinct targets, an `int`."""
    found = value(seen(submission).n_targets)
    distinct = len(set(TARGETS))
    if type(found) is int and found == distinct:
        return
    guesses = {
        max(TARGETS) + 1: "n-targets-largest",
        max(TARGETS): "n-targets-largest",
        N: "n-targets-all",
    }
    number = found.tolist() if isinstance(found, TensorData) and found.shape == () else found
    mistake = guesses.get(number) if type(number) is int else None
    if number == distinct:
        mistake = "n-targets-not-int"
    raise Failure(f"{CALL}.n_targets", f"It is {show(found)}", f"the int {distinct}", mistake)


def test_length(submission: Submission) -> None:
    """`len(dataset)` is N."""
    found = seen(submission).length
    if isinstance(found, Raised) and found.type == "TypeError" and "len()" in found.message:
        raise Failure(f"len({CALL})", f"It raised {show(found)}", str(N), "no-len")
    if type(value(found)) is not int or found != N:
        raise Failure(f"len({CALL})", f"It returned {show(found)}", str(N))


def test_item(submission: Submission) -> None:
    """`dataset[i]` is the text and its target, an int64 tensor of shape ()."""
    for index in range(N):
        found = value(seen(submission).items[index])
        text, target = TEXTS[index], TARGETS[index]
        right = type(found) is tuple and len(found) == 2
        if right and found[0] == text and is_int64(found[1], ()) and found[1].tolist() == target:
            continue
        expected = f"({text!r}, tensor({target})), the tensor int64 of shape ()"
        why = _why_item(found, text, target)
        raise Failure(f"{CALL}[{index}]", f"It returned {show(found)}", expected, why)


def _why_item(found: object, text: str, target: int) -> str | None:
    if type(found) not in (tuple, list) or len(found) != 2:  # type: ignore[arg-type]
        return None
    first, second = found  # type: ignore[misc]
    if second == text and first != text:
        return "item-swapped"
    if first == text and type(second) is int:
        return "item-target-int"
    if first == text and isinstance(second, TensorData) and second.shape == (1,):
        return "item-target-one-dimension"
    if isinstance(second, Other):
        return None
    return "item-a-list" if type(found) is list else None


def test_index(submission: Submission) -> None:
    """Negative indices count from the end; there is no item beyond the ends."""
    last, first, beyond, before = seen(submission).items[N:]
    for index, found, sample in ((-1, last, N - 1), (-N, first, 0)):
        item = value(found)
        if type(item) is not tuple or len(item) != 2 or item[0] != TEXTS[sample]:
            expected = f"what index {sample} gives, ({TEXTS[sample]!r}, ...)"
            call = f"{CALL}[{index}]"
            raise Failure(call, f"It returned {show(item)}", expected, "negative-index")
    for index, found in ((N, beyond), (-N - 1, before)):
        if not isinstance(found, Raised):
            found_text = f"It returned {show(found)}"
        elif found.type != "IndexError":
            found_text = f"It raised {show(found)}"
        else:
            continue
        call = f"{CALL}[{index}]"
        raise Failure(call, found_text, "an IndexError (there are only " f"{N} samples)", "no-index-error")
