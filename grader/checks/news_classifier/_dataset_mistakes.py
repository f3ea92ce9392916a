"""Names the mistakes behind what a `NewsDataset` holds."""

from __future__ import annotations

import difflib
import re

from grader.checks._tools import is_list
from grader.checks.news_classifier._samples import Samples
from grader.contract.messages import is_tensor
from grader.worker.wire import Opaque, Raised, TensorData

SHORT = 20  # characters: two texts of this length may be alike by chance


def swaps_pairs(raised: Raised, texts: list[str]) -> bool:
    """Return whether an exception says that a text was used as a label."""
    literal = raised.message.removeprefix("invalid literal for int() with base 10: ")
    as_label = "unsupported operand type(s) for -: 'str' and 'int'"
    return raised.message == as_label or literal in map(repr, texts)


def shares_lists(samples: object, texts: list[str]) -> bool:
    """Return whether more texts are in front of those that a dataset was created from."""
    return is_list(samples) and len(samples) > len(texts) and [*samples[-len(texts) :]] == texts


def why_text(found: object, text: str) -> str | None:
    """Return the known mistake that turns a text into another."""
    if not isinstance(found, str):
        return None
    if found.split() == text.split():
        return "texts-stripped"
    if found.lower() == text.lower():
        return "texts-case-changed"
    if found.lower().split() == text.lower().split():
        return "texts-normalised"
    if found and text.startswith((found, found.rstrip(". "))):
        return "texts-cut"
    if text in found:
        return "texts-added-to"
    if len(text) <= SHORT:
        return None
    alike = difflib.SequenceMatcher(None, found.lower(), text.lower(), autojunk=False)
    return "texts-cleaned" if alike.ratio() > 0.5 else None


def why_texts(drawn: Samples, texts: object) -> str | None:
    if not is_list(texts):
        return "texts-not-a-list"
    if list(texts) == drawn.pairs:
        return "texts-with-labels"
    if list(texts) == [label for label, _ in drawn.pairs]:
        return "labels-for-texts"
    if texts and not any(type(text) is str for text in texts):
        return "texts-not-strings"
    if not texts or not all(type(text) is str for text in texts):
        return None
    if list(texts) in (drawn.texts[-1:], drawn.texts[:1]):
        return "only-last-sample" if list(texts) == drawn.texts[-1:] else "only-first-sample"
    if [text.split() for text in texts] == [text.split() for text in drawn.texts]:
        return "texts-stripped"
    plain = [" ".join(text.lower().split()) for text in texts]
    plain_texts = [" ".join(text.lower().split()) for text in drawn.texts]
    if plain == plain_texts:
        same_spaces = [text.lower() for text in texts] == [text.lower() for text in drawn.texts]
        return "texts-case-changed" if same_spaces else "texts-normalised"
    if sorted(texts) == sorted(drawn.texts):
        return "texts-reordered"
    if len(texts) < drawn.n and {*plain} <= {*plain_texts}:
        return "texts-dropped"
    differ = [pair for pair in zip(texts, drawn.texts, strict=False) if pair[0] != pair[1]]
    known = {why_text(*pair) for pair in differ}
    return known.pop() if len(texts) == drawn.n and len(known) == 1 else None


def why_targets(drawn: Samples, targets: object) -> str | None:
    if not isinstance(targets, TensorData):
        if is_list(targets) and targets and all(type(target) is str for target in targets):
            return "targets-class-names"
        return None if targets is None or is_tensor(targets) else "targets-not-a-tensor"
    numbers, distinct = targets.tolist(), set(drawn.targets)
    if numbers == [label for label, _ in drawn.pairs]:
        return "targets-from-one"
    if targets.shape in ((), (1,)) and number_in(targets) == drawn.targets[-1]:
        return "only-last-sample"
    if targets.shape == (drawn.n,) and _renumber(drawn.targets, numbers):
        return "targets-renumbered"
    if targets.shape == (len(distinct),) and {*numbers} in ({*distinct}, {n + 1 for n in distinct}):
        return "targets-of-distinct-labels"
    if len(targets.shape) == 2 and all(sorted(row)[-2:] == [0, 1] == [*{*row}] for row in numbers):
        return "targets-one-hot"
    if targets.dtype != "int64":
        return "targets-not-int64"
    return "targets-not-label-less-one" if targets.shape == (drawn.n,) else None


def _renumber(targets: list[int], found: list[float]) -> bool:
    """Return whether only the targets that occur are numbered from 0, in any order."""
    pairs = {*zip(targets, found, strict=True)}
    return len(pairs) == len({*targets}) and {*found} == {*range(len(pairs))}


def why_n_targets(found: object, samples: list[tuple[int, str]]) -> str | None:
    if isinstance(found, Opaque) and found.type in ("method", "function"):
        return "n-targets-a-method"
    number = number_in(found)
    labels = [label for label, _ in samples]
    if _counts(found, len(set(labels))):
        return "n-targets-not-counted"
    if number == len(set(labels)):
        return "n-targets-not-int"
    if number in (max(labels), max(labels) - 1):
        return "n-targets-largest"
    return "n-targets-all" if number == len(samples) else None


COLLECTIONS = {"Counter", "dict", "dict_keys", "set", "frozenset"}


def _counts(found: object, distinct: int) -> bool:
    """Return whether a value is a collection of the distinct targets instead of their number."""
    if isinstance(found, TensorData):
        return found.shape == (distinct,) and distinct > 1
    if isinstance(found, (list, tuple)):
        return len(found) == distinct
    return isinstance(found, Opaque) and found.type in COLLECTIONS


def number_in(found: object) -> float | None:
    """Return the value of a tensor with one element or of a NumPy scalar."""
    if isinstance(found, (int, float)):
        return found
    if isinstance(found, TensorData) and found.shape in ((), (1,)):
        return float(found.numpy().reshape(())[()])
    if isinstance(found, Opaque) and (digits := re.fullmatch(r"(?:[\w.]+\()?(\d+)\)?", found.text)):
        return int(digits[1])
    return None


def why_item(found: object, text: str, target: int) -> str | None:
    if not is_list(found) or len(found) != 2:
        known = {
            "item-a-dict": isinstance(found, Opaque) and found.type == "dict",
            "item-without-target": found == text,
        }
        return next((name for name, is_so in known.items() if is_so), None)
    first, second = found
    if second == text and first != text:
        return "item-swapped"
    if is_list(first):
        return "item-a-slice"
    if first != text:
        is_character = isinstance(first, str) and len(first) == 1 < len(text) and first in text
        return "item-one-character" if is_character else why_text(first, text)
    if isinstance(second, TensorData):
        if second.tolist() == [target]:
            return "item-target-one-dimension"
        if second.shape and target in second.tolist() and second.dtype == "int64":
            return "item-all-targets"
        if second.shape == (target,):
            return "item-target-uninitialised"
        return "item-a-list" if type(found) is list and second.tolist() == target else None
    return "item-target-not-a-tensor" if number_in(second) == target else None
