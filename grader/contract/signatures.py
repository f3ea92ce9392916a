"""Compares the parameters of a student's functions with those of the exercise.

`signatures.toml` is generated from the reference. Parameters are text, as in "self, padded" or
"model, train_loader, val_loader, *, epochs, lr, device=": a parameter with a default ends in "=".
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from grader.base.files import read_toml
from grader.base.paths import GRADER

TABLE = GRADER / "contract" / "signatures.toml"
DIFFER, SWAPPED = "parameters-differ", "parameters-swapped"
CANNOT_CALL = re.compile(
    r"^(?:\w+\.)*?((?:\w+\.)?\w+)\(\) (?:missing \d+ required|takes |got an unexpected keyword"
    r"|got multiple values)"
)

KEYWORD = re.compile(r"unexpected keyword argument '(\w+)'")


@dataclass(frozen=True)
class Parameters:
    """The parameters of a function; `any_number` says whether it has `*args` or `**kwargs`."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    keyword: tuple[str, ...]
    required_keyword: tuple[str, ...]
    any_number: bool

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        return (*self.required, *self.optional, *self.keyword)


@dataclass(frozen=True)
class Difference:
    """How a function's parameters differ: a known mistake, if any, and lines for the student."""

    mistake: str | None
    lines: tuple[str, ...]


def parse(text: str) -> Parameters:
    """Read parameters from their text."""
    parts = [part for part in text.split(", ") if part]
    star = next((at for at, part in enumerate(parts) if part.startswith("*")), len(parts))
    before, after = parts[:star], [part for part in parts[star:] if not part.startswith("*")]
    return Parameters(
        required=tuple(part for part in before if not part.endswith("=")),
        optional=tuple(part[:-1] for part in before if part.endswith("=")),
        keyword=tuple(part.rstrip("=") for part in after),
        required_keyword=tuple(part for part in after if not part.endswith("=")),
        any_number=any(part.startswith("*") and part != "*" for part in parts),
    )


@functools.cache
def expected() -> dict[str, dict[str, str]]:
    """Return the parameters of all functions and methods of the exercise, by task and name."""
    return read_toml(TABLE)


def difference(task: str, own: dict[str, str], raised: str, line: str) -> Difference | None:
    """Compare a task's functions with the exercise.

    Args:
        task: the task's id.
        own: the parameters of the student's functions, by name.
        raised: the message of the TypeError that a check ended with; empty if it did not.
        line: the student's line that raised it.

    Returns:
        Parameters that made the call impossible, are in a different order, or are used on the line
        that raised, under a name of the student's; or None.
    """
    failed = CANNOT_CALL.match(raised)
    for name, wanted in expected().get(task, {}).items():
        if name not in own or own[name] == wanted:
            continue
        found, right = parse(own[name]), parse(wanted)
        lines = (f"  yours:    {name}({own[name]})", f"  expected: {name}({wanted})")
        if failed and failed[1] in (name, name.rpartition(".")[2]):
            unknown = KEYWORD.search(raised)
            if not _accepts(found, right) or (unknown and unknown[1] in right.names):
                return Difference(DIFFER, (*lines, *_why(found, right)))
        if len(found.required) != len(right.required):
            continue
        pairs = [*zip(found.required, right.required, strict=True)]
        if any(one != other and one in right.required for one, other in pairs):
            return Difference(SWAPPED, lines)
        for at, (one, other) in enumerate(pairs, 1):
            if raised and one != other and re.search(rf"\b{one}\b", line):
                told = f"`{one}` is parameter {at}: the exercise passes `{other}` there."
                return Difference(None, (*lines, told))
    return None


def _accepts(found: Parameters, right: Parameters) -> bool:
    """Return whether every call that the exercise makes fits these parameters."""
    if found.any_number:
        return True
    count, most = len(right.required), len(found.required) + len(found.optional)
    if not len(found.required) <= count <= most:
        return False
    named = {*right.optional, *right.keyword}
    return named <= {*found.names[count:]} and {*found.required_keyword} <= named


def _why(found: Parameters, right: Parameters) -> tuple[str, ...]:
    """Name the parameters that are missing, and those that the exercise does not have."""
    if right.names[:1] == ("self",) and "self" not in found.names:
        return ("`self` is missing: it is the first parameter of every method.",)
    missing = [name for name in right.names if name not in found.names]
    extra = [name for name in (*found.required, *found.required_keyword) if name not in right.names]
    required = [name for name in found.required if name in right.optional]
    lines = [f"Without a default value: {_listed(required)}."]
    if (missing and len(found.names) != len(right.names)) or not (extra or required):
        lines.append(f"Missing: {_listed(missing)}.")
    if extra:
        lines.append(f"Not passed by the exercise: {_listed(extra)}.")
    return tuple(line for line in lines if "`" in line)


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
