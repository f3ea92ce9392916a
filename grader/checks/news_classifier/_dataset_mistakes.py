"""Names the mistakes behind what a `NewsDataset` holds."""

from __future__ import annotations

import difflib
import re
from typing import Any

from grader.checks._tools import is_list
from grader.checks.news_classifier._samples import Samples, count_runs
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


def why_targets(drawn: Samples, targets: object) -> list[str]:
    """Return the known mistakes behind the targets: a wrong form, wrong values, a wrong dtype."""
    if not isinstance(targets, TensorData):
        if is_list(targets) and targets and all(type(target) is str for target in targets):
            return ["targets-class-names"]
        if targets is None or is_tensor(targets):
            return []
        numbers = [*map(number_in, targets)] if is_list(targets) else [None]
        values = None if None in numbers else _why_values(drawn, (len(numbers),), numbers)
        return ["targets-not-a-tensor", *([values] if values else [])]
    numbers, dims = targets.tolist(), targets.shape
    is_column = drawn.n > 1 and dims in ((drawn.n, 1), (1, drawn.n))
    if is_column:
        numbers, dims = targets.numpy().ravel().tolist(), (drawn.n,)
    known = {
        "targets-not-flat": is_column,
        (_why_values(drawn, dims, numbers) or ""): True,
        "targets-not-int64": targets.dtype != "int64",
    }
    names = [name for name, is_so in known.items() if name and is_so]
    is_other = dims == (drawn.n,) and numbers != drawn.targets
    return names or (["targets-not-label-less-one"] if is_other else [])


def _why_values(drawn: Samples, dims: tuple[int, ...], numbers: Any) -> str | None:
    """Return the known mistake behind the values of targets with this shape."""
    distinct = set(drawn.targets)
    if numbers == [label for label, _ in drawn.pairs]:
        return "targets-from-one"
    if numbers == [label - 2 for label, _ in drawn.pairs]:
        return "one-subtracted-twice"
    if dims in ((), (1,)) and drawn.targets[-1] in (numbers, *(numbers if dims else ())):
        return "only-last-sample"
    if dims == (drawn.n,) and _renumber(drawn.targets, numbers):
        return "targets-renumbered"
    if dims == (len(distinct),) and {*numbers} in (distinct, {n + 1 for n in distinct}):
        return "targets-of-distinct-labels"
    if len(dims) == 2 and all(sorted(row)[-2:] == [0, 1] == [*{*row}] for row in numbers):
        return "targets-one-hot"
    return None


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
    if number == count_runs(labels):
        return "n-targets-runs"
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


def why_item(found: object, text: str, target: int, offsets: set[float]) -> list[str]:
    """Return the known mistakes behind an item: of the pair, of its text, and of its target.

    Args:
        found: the item.
        text: what its text should be.
        target: what its target should be.
        offsets: what the targets of all items are too large by.
    """
    if not is_list(found) or len(found) != 2:
        known = {
            "item-a-dict": isinstance(found, Opaque) and found.type == "dict",
            "item-without-target": found == text,
        }
        return [name for name, is_so in known.items() if is_so]
    is_swapped = found[1] == text and found[0] != text
    first, second = reversed(found) if is_swapped else found
    if is_list(first):
        return ["item-a-slice"]
    names = ["item-swapped"] if is_swapped else []
    if first != text and (name := _why_item_text(first, text)):
        names.append(name)
    names += _why_item_target(second, target, offsets)
    return names or (["item-a-list"] if type(found) is list and number_in(second) == target else [])


def _why_item_text(found: object, text: str) -> str | None:
    is_character = isinstance(found, str) and len(found) == 1 < len(text) and found in text
    return "item-one-character" if is_character else why_text(found, text)


def _why_item_target(found: object, target: int, offsets: set[float]) -> list[str]:
    """Return the known mistakes behind the target of an item: its value, and its form."""
    if isinstance(found, TensorData):
        if found.shape not in ((), (1,)) and target in found.tolist() and found.dtype == "int64":
            return ["item-all-targets"]
        if found.shape == (target,) and number_in(found) != target:
            return ["item-target-uninitialised"]
    value = {-1: "item-target-subtracted-again", 1: "item-target-label"}
    names = [value[int(each)] for each in offsets if len(offsets) == 1 and each in value]
    if number_in(found) is None or (number_in(found) != target and not names):
        return []
    if not isinstance(found, TensorData):
        return [*names, "item-target-not-a-tensor"]
    if found.shape == (1,):
        names.append("item-target-one-dimension")
    return [*names, "item-target-not-int64"] if found.dtype != "int64" else names
