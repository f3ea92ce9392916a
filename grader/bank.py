"""Banks of submissions: right variants and known mistakes, each as a change of a reference.

`right/<variant>/` holds the modules in which a variant differs from the reference;
`wrong/<task>.toml` holds mistakes, a table each:
    replace: pairs of a text that stands once in the task's module, and what takes its place;
    file: the module to change, where it is not the task's own;
    check: what must catch it;
    mistake: the name of the known mistake that the student must read, if it is one;
    says: what the message holds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grader.errors import UsageError
from grader.sources import Sources

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Entry:
    """A submission of a bank.

    Attributes:
        name: what it is called.
        files: module name to source, the reference's where it does not differ.
        changed: the modules in which it differs.
        task: the task that its mistake belongs to; empty for a right variant.
        expected: what its table says must happen; empty for a right variant.
    """

    name: str
    files: dict[str, bytes]
    changed: frozenset[str]
    task: str = ""
    expected: dict[str, Any] = field(default_factory=dict)

    @property
    def sources(self) -> Sources:
        """The submission, as a student would hand it in."""
        return Sources(self.name, self.files, {name: f"exercise/{name}.py" for name in self.files})


@dataclass(frozen=True)
class Bank:
    """The reference in `solution`, and the banks in `folder`."""

    solution: Path
    folder: Path

    @property
    def reference(self) -> dict[str, bytes]:
        """Module name to source."""
        return {path.stem: path.read_bytes() for path in sorted(self.solution.glob("*.py"))}

    def right(self) -> Iterator[Entry]:
        """Read the right variants."""
        reference = self.reference
        for variant in sorted((self.folder / "right").iterdir()):
            changed = {path.stem: path.read_bytes() for path in variant.glob("*.py")}
            yield Entry(variant.name, reference | changed, frozenset(changed))

    def wrong(self) -> Iterator[Entry]:
        """Read the mistakes.

        Raises:
            UsageError: a text to replace does not stand in its module, or more than once.
        """
        reference = self.reference
        for path in sorted((self.folder / "wrong").glob("*.toml")):
            for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
                module = table.get("file", path.stem)
                changed = {module: _patched(reference[module], table["replace"], path.name, name)}
                yield Entry(name, reference | changed, frozenset(changed), path.stem, table)


def _patched(source: bytes, replacements: list[list[str]], file: str, name: str) -> bytes:
    text = source.decode()
    for old, new in replacements:
        if text.count(old) != 1:
            raise UsageError(
                f"{file}, {name}: {old!r} stands {text.count(old)} times in the reference. "
                "Give a text that stands there once."
            )
        text = text.replace(old, new)
    return text.encode()
