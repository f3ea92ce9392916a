"""The mutants and accepted variants in `tests/submissions/`, each a change of the reference.

`accepted/<variant>/` holds the modules in which an accepted variant differs from the reference;
`accepted/<task>.toml` holds variants of one task, and `mutants/<task>.toml` its mutants, one table
for each:
    replace: pairs of a text that stands once in the task's module, and what takes its place;
    write: definitions that take the place of those of the same names;
    file: the module to change, where it is not the task's own;
    check: what must catch it;
    mistake: the name of the known mistake that the student must read, if it is one;
    says: what the message holds.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grader.errors import UsageError
from grader.sources import Sources
from grader.tasks import assignment_of, tasks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
BANK = ROOT / "tests" / "submissions"
REFERENCE = {path.stem: path.read_bytes() for path in sorted((ROOT / "solution").glob("*.py"))}


class OfTheBank(Sources):
    """A submission of a bank: what is drawn by a submission's digest is the same for all."""

    @property
    def digest(self) -> str:
        """A name in place of a digest."""
        return "bank"


@dataclass(frozen=True)
class Entry:
    """A submission of a bank.

    Attributes:
        name: what it is called.
        changed: the modules in which it differs from the reference, with their sources.
        task: the task that its mistake belongs to; empty for a right variant.
        expected: what its table says must happen; empty for a right variant.
    """

    name: str
    changed: dict[str, bytes] = field(repr=False)
    task: str = ""
    expected: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The name, and for a mistake the task before it: unique over both banks."""
        return f"{self.task}-{self.name}" if self.task else self.name

    @property
    def assignment(self) -> str:
        """The id of the assignment that it is graded as."""
        return tasks()[self.task].assignment if self.task else assignment_of(self.changed).id

    @property
    def files(self) -> dict[str, bytes]:
        """Module name to source."""
        return {**REFERENCE, **self.changed}

    @property
    def sources(self) -> Sources:
        """The submission, as a student would hand it in."""
        files = self.files
        return OfTheBank(self.name, files, {stem: f"exercise/{stem}.py" for stem in files})


def accepted_variants() -> Iterator[Entry]:
    """Read the right variants."""
    for variant in sorted((BANK / "accepted").iterdir()):
        if variant.is_dir():
            changed = {path.stem: path.read_bytes() for path in variant.glob("*.py")}
            yield Entry(variant.name, changed)
    for task, name, changed, _ in _tables("accepted"):
        yield Entry(f"{task}_{name}", changed)


def mutants() -> Iterator[Entry]:
    """Read the mistakes."""
    for task, name, changed, expected in _tables("mutants"):
        yield Entry(name, changed, task, expected)


def _tables(bank: str) -> Iterator[tuple[str, str, dict[str, bytes], dict[str, str]]]:
    """Read a bank's changes of single tasks: task, name, the module changed, the rest."""
    for path in sorted((BANK / bank).glob("*.toml")):
        for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
            module = table.pop("file", tasks()[path.stem].module)
            source = patched(module, table.pop("replace", []), table.pop("write", ""))
            yield path.stem, name, {module: source}, table


def patched(module: str, replacements: list[list[str]], written: str = "") -> bytes:
    """Return a module of the reference with texts and whole definitions replaced.

    Raises:
        UsageError: a text or a definition does not stand there, or more than once.
    """
    text = REFERENCE[module].decode()
    for name, definition in definitions(written).items():
        if name not in (found := definitions(text)):
            raise UsageError(f"solution/{module}.py does not define {name}.")
        replacements = [*replacements, [found[name], definition]]
    for old, new in replacements:
        if text.count(old) != 1:
            raise UsageError(
                f"{old!r} stands {text.count(old)} times in solution/{module}.py. "
                "Replace a text that stands there once."
            )
        text = text.replace(old, new)
    return text.encode()


def definitions(text: str) -> dict[str, str]:
    """Return the text of each function and class at the top level, by name."""
    nodes = ast.parse(text).body
    kinds = ast.FunctionDef | ast.ClassDef
    return {
        node.name: ast.get_source_segment(text, node) or ""
        for node in nodes
        if isinstance(node, kinds)
    }
