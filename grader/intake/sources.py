"""The modules of a submission, whatever it was handed in as, and what is to be said about them."""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import PurePosixPath
from typing import TypeVar

from grader.base.errors import UsageError
from grader.contract.mistakes import advice
from grader.contract.names import shown
from grader.contract.tasks import assignments
from grader.worker.pipeline import MODEL

MAX_FILE = 1 << 20  # bytes of one Python file
MAX_FILES = 64
MAX_TOTAL = 4 << 20  # bytes of all of them
MAX_NOTES = 20  # lines about a submission, of each kind
# What student code is run with; these packages and what they need keep their names.
PACKAGES = ("matplotlib", "pytest", "rich", "spacy", "torch", "torchdata", "torchtext", "tqdm")
KIT = ("exercise", "grader", "news", MODEL)
RUN_UNASKED = ("sitecustomize", "usercustomize", "conftest", "__main__")
CellLine = tuple[str, int]  # a cell's name, a line in it
T = TypeVar("T")


@dataclass(frozen=True)
class Sources:
    """The Python files of one submission.

    Attributes:
        name: what reports call it.
        files: module name to source.
        names: module name to the file name that tracebacks show.
        only: the one module that was handed in, if it was a single file.
        left_out: modules that were there and are not taken, each with a line that says why.
        notes: lines on what was read in another way than it was sent, or not at all.
        origins: module name to the cell, and the line in it, that each of its lines comes from.
        variables: names that a notebook defines but its modules do not, each with a line that
            says what to do about it.
    """

    name: str
    files: dict[str, bytes]
    names: dict[str, str]
    only: str | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    origins: dict[str, list[CellLine]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The SHA-256 digest of names and contents."""
        total = hashlib.sha256()
        for name, data in sorted(self.files.items()):
            total.update(f"{name}\0{len(data)}\0".encode() + data)
        return total.hexdigest()

    def explain(self, message: str) -> str:
        """Return a message about this submission in the terms of what was handed in.

        It names cells and their lines instead of modules, and says why a name or a module is not
        there.
        """
        for module, origins in self.origins.items():

            def place(found: re.Match[str], origins: list[CellLine] = origins) -> str:
                line = int(found[1])
                if not 0 < line <= len(origins):
                    return found[0]
                return "{}, line {}".format(*origins[line - 1])

            file = re.escape(self.names[module])
            message = re.sub(rf"{file}, line (\d{{1,9}})", place, message)
        for name, why in self.variables.items():
            undefined = f"name '{name}' is not defined"
            if undefined in message:
                general = advice("NameError", undefined)
                lines = [line for line in message.split("\n") if line != general]
                message = "\n".join([*lines, why])
        named = (
            why
            for name, why in self.left_out.items()
            if re.search(rf"\b{re.escape(name)}'", message)
        )
        return "\n".join([message, *named])


def bounded(lines: Sequence[str], most: int = MAX_NOTES) -> list[str]:
    """Return at most so many lines, the last of which says how many more there are."""
    if len(lines) <= most:
        return [*lines]
    return [*lines[: most - 1], f"and {len(lines) - most + 1:,} more"]


def left_out(module: str) -> str | None:
    """Return why a submission's module with this name is skipped, or None if it is used.

    The rule is the same on every machine: it does not depend on what else is installed.
    """
    why = None
    if module == "__init__" or any(module in each.modules for each in assignments().values()):
        pass  # avoids `_packages`, which is slow
    elif module in sys.stdlib_module_names:
        why = "Python already has a module with this name. Rename it."
    elif module in RUN_UNASKED:
        why = "Python or pytest would run it automatically. Rename it."
    elif module.startswith("test_") or module.endswith("_test"):
        why = "it is named like a test file. Rename it if your code needs it."
    elif module in KIT or module in _packages():
        why = "a package that the exercise uses has this name. Rename it."
    return why and f"{shown(module)}.py was skipped: {why}"


@functools.cache
def _packages() -> frozenset[str]:
    """List the installed modules of `PACKAGES` and of their dependencies."""
    found: set[str] = set()
    seen: set[str] = set()
    to_see = [*PACKAGES]
    while to_see:
        name = re.sub(r"[-_.]+", "-", to_see.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found |= {_module(PurePosixPath(file)) for file in package.files or ()}
        for needed in package.requires or ():
            if not re.search(r"\bextra\s*==", needed):
                to_see += re.findall(r"^[\w.-]+", needed)
    return frozenset(found)


def _module(file: PurePosixPath) -> str:
    """Return the import name of a package's file, or of the folder that contains it."""
    return file.parts[0].partition(".")[0] if file.suffix in (".py", ".so", ".pyd") else ""


def take_out(found: dict[str, T], wanted: Sequence[str]) -> dict[str, str]:
    """Remove from `found` what is not taken; return the reasons, of the first ones."""
    reasons = {name: left_out(name) for name in found if name not in wanted}
    out = {name: reason for name, reason in reasons.items() if reason}
    for name in out:
        del found[name]
    if len(out) <= MAX_NOTES:
        return out
    some = dict([*out.items()][: MAX_NOTES - 1])
    return some | {"...": f"{len(out) - len(some):,} more files were skipped"}


def check_count(label: str, count: int) -> None:
    """Check that a submission has not too many files.

    Raises:
        UsageError: it has.
    """
    if count > MAX_FILES:
        raise UsageError(
            f"{label}: {count} Python files; at most {MAX_FILES} are allowed. "
            "Submit only what the exercise needs."
        )


def check_size(label: str, files: dict[str, bytes]) -> None:
    """Check that the files of a submission are not too large in all.

    Raises:
        UsageError: the files are too large.
    """
    if sum(map(len, files.values())) > MAX_TOTAL:
        raise UsageError(
            f"{label}: the Python files are larger than {MAX_TOTAL >> 20} MiB in total. "
            "Submit source code only."
        )
