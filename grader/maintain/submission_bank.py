"""The mutants and accepted variants in `tests/submissions/`, each a change to the reference.

`accepted/<variant>/` holds the modules in which an accepted variant differs from the reference.
`accepted/<task>.toml` holds variants of one task and `mutants/<task>.toml` its mutants, one table
each:
    replace: pairs of a text that occurs once in the task's module, and its replacement;
    write: definitions that replace those with the same names;
    file: the module to change, if it is not the task's own;
    check: the check that must catch it;
    mistake: the id of the known mistake that the message must name, if any;
    says: a text that the message must contain;
    also: ids of other known mistakes that later checks name, as they follow from this one.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from grader.base.errors import UsageError
from grader.base.files import read_toml
from grader.base.paths import ROOT, SOLUTION
from grader.contract.tasks import all_tasks, assignment_of, assignments, tasks
from grader.intake.sources import Sources

BANK = ROOT / "tests" / "submissions"
REFERENCE = {path.stem: path.read_bytes() for path in sorted(SOLUTION.glob("*.py"))}


class SameDigest(Sources):
    """Sources with a constant digest, so that all submissions get the same split of the news."""

    @property
    def digest(self) -> str:
        """A constant instead of a digest."""
        return "bank"


@dataclass(frozen=True)
class Variant:
    """A mutant or an accepted variant.

    Attributes:
        name: unique among the mutants of its task, or among the accepted variants.
        changed: the sources of the modules that differ from the reference.
        task: the task with the mistake; empty for an accepted variant.
        expected: the expectations in its table; empty for an accepted variant.
    """

    name: str
    changed: dict[str, bytes] = field(repr=False)
    task: str = ""
    expected: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The name, prefixed with the task for a mutant; unique among all entries."""
        return f"{self.task}-{self.name}" if self.task else self.name

    @property
    def assignment(self) -> str:
        """The id of its assignment."""
        return all_tasks()[self.task].assignment if self.task else assignment_of(self.changed).id

    @property
    def files(self) -> dict[str, bytes]:
        """The sources by module name."""
        return {**REFERENCE, **self.changed}

    @property
    def sources(self) -> Sources:
        """The files as a submission."""
        files = self.files
        return SameDigest(self.name, files, {stem: f"exercise/{stem}.py" for stem in files})


def accepted_variants() -> Iterator[Variant]:
    """Read all accepted variants."""
    for variant in sorted((BANK / "accepted").iterdir()):
        if variant.is_dir():
            changed = {path.stem: path.read_bytes() for path in variant.glob("*.py")}
            yield Variant(variant.name, changed)
    for task, name, changed, _ in _tables("accepted"):
        yield Variant(f"{task}_{name}", changed)


def mutants() -> Iterator[Variant]:
    """Read all mutants."""
    for task, name, changed, expected in _tables("mutants"):
        yield Variant(name, changed, task, expected)


def all_entries() -> list[Variant]:
    """Return all mutants, followed by all accepted variants."""
    return [*mutants(), *accepted_variants()]


def reference(assignment: str) -> Variant:
    """Return the reference of an assignment as an accepted variant that changes nothing."""
    modules = assignments()[assignment].modules
    return Variant(f"reference-{assignment}", {module: REFERENCE[module] for module in modules})


def _tables(folder: str) -> Iterator[tuple[str, str, dict[str, bytes], dict[str, Any]]]:
    """Read tables of single tasks; yield task, name, changed module and the other fields."""
    for path in sorted((BANK / folder).glob("*.toml")):
        if path.stem not in tasks():  # the course leaves it out
            continue
        for name, table in read_toml(path).items():
            module = table.pop("file", tasks()[path.stem].module)
            source = patched(module, table.pop("replace", []), table.pop("write", ""))
            yield path.stem, name, {module: source}, table


def patched(module: str, replacements: list[list[str]], written: str = "") -> bytes:
    """Return a module of the reference with texts and whole definitions replaced.

    Raises:
        UsageError: a text does not occur exactly once, or a definition is missing.
    """
    text = REFERENCE[module].decode()
    for name, definition in definitions(written).items():
        if name not in (found := definitions(text)):
            raise UsageError(f"solution/{module}.py does not define {name}.")
        replacements = [*replacements, [found[name], definition]]
    for old, new in replacements:
        if text.count(old) != 1:
            raise UsageError(
                f"{old!r} occurs {text.count(old)} times in solution/{module}.py. "
                "Replace a text that occurs there once."
            )
        text = text.replace(old, new)
    return text.encode()


@functools.cache
def definitions(text: str) -> Mapping[str, str]:
    """Return the texts of the top-level functions and classes by name."""
    lines = text.split("\n")  # as the parser counts them; `ast.get_source_segment` is slow
    return {
        node.name: "\n".join([*lines[node.lineno - 1 : node.end_lineno - 1], _last(lines, node)])
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.end_lineno is not None
    }


def _last(lines: list[str], node: ast.FunctionDef | ast.ClassDef) -> str:
    """Return the last line of a definition up to its end."""
    assert node.end_lineno is not None
    return lines[node.end_lineno - 1].encode()[: node.end_col_offset].decode()
