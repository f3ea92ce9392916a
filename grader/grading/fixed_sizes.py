"""Says which fixed number in a student's code is not a size of the inputs, if shapes are wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

from grader.base.errors import UsageError
from grader.contract.messages import clean
from grader.contract.tasks import written_in
from grader.grading.answers import structured
from grader.grading.pipeline import FEATURES
from grader.grading.submission import Submission
from grader.sandbox.worker_client import WorkerLost
from grader.worker.fixed_sizes import SMALL

OBSERVED = ("  got:", "  raised:", "Your code raised ")
TRACE = "  shapes:"
GIVEN = ("`", "  expected:")
ABOUT_SIZES = re.compile(r"shape|size|dimension|mat1|bounds|unpack")
SHAPE = re.compile(r"[(\[](\d[\d, ]*)[)\]]")
NUMBER = re.compile(r"\d+")
# What torch says of sizes that do not fit.
EXPANDED = re.compile(
    r"expanded size of the tensor \((\d+)\) must match the existing size \((\d+)\)"
)
STATES = re.compile(r"size \(([\d, ]+)\), got \[([\d, ]+)\]")
PARTS = "values to unpack (expected"
VIEW = re.compile(r"shape '\[([-\d, ]+)\]' is invalid for input of size (\d+)")
LENGTH = re.compile(r"out of bounds for dimension \d+ with size (\d+)")
OF_SPACY = ("collate", "token_vectors")  # tasks whose features are always those of spaCy
INSTEAD = "Take it from the arguments: a size that is given, or a tensor's shape."
SECONDS = 5.0


def fixed_size(task: str, message: str, submission: Submission) -> str:
    """Return the line that has a fixed number where the inputs have another size, if there is one.

    Args:
        task: the task's id.
        message: what the student reads of its first failure.
        submission: the submission.
    """
    lines = message.split("\n")
    seen = [line for line in lines if line.startswith(OBSERVED)]
    if not any(map(ABOUT_SIZES.search, seen)):
        return ""
    wrong = dict(_wrong_sizes(lines))
    length = next((int(found[1]) for line in seen if (found := LENGTH.search(line))), 0)
    module = submission.module(task)
    skip = [name for each in written_in(module) if each.id != task for name in each.names]
    arguments = {"module": module, "skip": skip, "length": length}
    arguments["is_split"] = any(PARTS in line for line in seen)
    right = {FEATURES} if task in OF_SPACY else set[int]()
    arguments["numbers"] = sorted({*wrong, *_unknown_sizes(lines)} - right)
    try:
        submission.worker.use_modules(frozenset([module]), "edits")
        found = submission.worker.call("load.sizes", arguments, SECONDS, submission.seed, None)
        listed = structured(found, list[tuple[int, int, str]])
    except (WorkerLost, UsageError):
        return ""
    for line, size, says in sorted(listed, key=lambda each: not wrong.get(each[1]))[:1]:
        fits = wrong.get(size, length if size > length else 0)
        here = f", and here the size is {fits}" if fits else ""
        place = f"{submission.names.get(module, module)}, line {line}"
        return f"See {place}: {clean(says)}{here}. {INSTEAD}"
    return ""


def _unknown_sizes(lines: list[str]) -> set[int]:
    """Return the large sizes that an error speaks of and that were neither given nor expected."""
    seen = {size for line in lines if line.startswith(OBSERVED) for size in _sizes(line)}
    seen |= {size for line in lines if line.startswith(TRACE) for size in _cut_short(line)}
    given = {number for line in lines if line.startswith(GIVEN) for number in _numbers(line)}
    return {size for size in seen - given if size >= SMALL}


def _cut_short(trace: str) -> Iterator[int]:
    """Yield the ends of slices that are not ends of what they cut: `[:, :64] (3, 14)`."""
    for step in trace.split(" -> "):
        *_, shape = SHAPE.findall(step) or [""]
        for part in re.findall(r"\d*:\d*", step.rpartition(" (")[0]):
            yield from {*_numbers(part)} - {*_numbers(shape)}


def _sizes(line: str) -> Iterator[int]:
    """Yield the sizes in a line; a result that it shows may hold other numbers."""
    for part in SHAPE.findall(line) if line.startswith("  got:") else [line]:
        yield from _numbers(part)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in NUMBER.findall(text)]


def _wrong_sizes(lines: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the sizes that must be wrong, each with the right one, or 0 if that is not clear."""
    shapes = [
        found[-1]
        for start in ("  got:", "  expected:")
        for line in lines
        if line.startswith(start) and (found := SHAPE.findall(line))
    ]
    if len(shapes) == 2:
        yield from _differing(*shapes)
    for line in (each for each in lines if each.startswith(OBSERVED)):
        if expanded := EXPANDED.search(line):
            yield int(expanded[1]), int(expanded[2])
        if states := STATES.search(line):
            yield from _differing(states[2], states[1])
        if view := VIEW.search(line):
            sizes = [size for size in _numbers(view[1]) if size]
            yield from ((size, 0) for size in sizes if int(view[2]) % size)


def _differing(found: str, expected: str) -> Iterator[tuple[int, int]]:
    """Yield the sizes of a shape that differ from those of another one with as many dimensions.

    In a shape whose dimensions are in another order, no size is wrong.
    """
    one, other = _numbers(found), _numbers(expected)
    if len(one) == len(other) and sorted(one) != sorted(other):
        yield from ((a, b) for a, b in zip(one, other, strict=True) if a != b)
