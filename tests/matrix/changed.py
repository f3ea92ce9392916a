"""Finds out what changed since git's HEAD, and which entries that affects."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from grader.base.errors import UsageError
from grader.base.paths import ROOT
from grader.contract.tasks import assignments, tasks
from grader.maintain.submission_bank import REFERENCE, Variant, reference
from tests.matrix.code import code_of, own_checks, own_tasks
from tests.matrix.run import MatrixJob

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Read = Callable[[str], str]  # maps a path in the kit to its text, "" if the file does not exist


def at_head(path: str) -> str:
    """Read a file at git's HEAD."""
    shown = _git("show", f"HEAD:./{path}")
    return shown.stdout if shown.returncode == 0 else ""


def in_tree(path: str) -> str:
    """Read a file in the working tree."""
    file = ROOT / path
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(line, capture_output=True, text=True, encoding="utf-8", check=False)


def changed_files() -> list[str]:
    """Return the paths of the files that differ from HEAD or are new.

    Raises:
        UsageError: this is not a clone with a commit.
    """
    found = _git("diff", "--name-only", "--relative", "-z", "HEAD")
    if found.returncode:
        raise UsageError(f"--changed compares with git's HEAD: {found.stderr.strip()}")
    new = _git("ls-files", "--others", "--exclude-standard", "-z")
    return sorted({path for path in (found.stdout + new.stdout).split("\0") if path})


CHECKS = "grader.checks."
SHARED = (
    *(f"grader/{name}/" for name in ("base", "contract", "grading", "intake", "sandbox", "worker")),
    "news/",
)
OWN = ("grader/contract/assignments/", "grader/contract/mistakes.toml")  # of tasks and mistakes


@dataclass(frozen=True)
class Changes:
    """What changed in the working tree.

    Attributes:
        entries: ids of mutants and accepted variants.
        tasks: tasks whose checks, table or reference changed.
        mistakes: known mistakes whose title or explanation changed.
    """

    entries: frozenset[str]
    tasks: frozenset[str]
    mistakes: frozenset[str]

    def concern(self, entry: Variant) -> bool:
        """Return whether an entry must be graded again."""
        return (
            entry.id in self.entries
            or entry.expected.get("mistake") in self.mistakes
            or entry.task in self.tasks
            or (not entry.task and bool(self.tasks and self.tasks & {*own_tasks(entry)}))
        )


def changes(files: Sequence[str], before: Read = at_head, now: Read = in_tree) -> Changes:
    """Compare old and new contents of `files`."""
    before, now = functools.cache(before), functools.cache(now)
    return Changes(
        entries=frozenset(_entries(files, before, now)),
        tasks=frozenset(
            [
                *_tables(files, before, now),
                *_solution(files, before, now),
                *_checks(files, before, now),
            ]
        ),
        mistakes=frozenset(_rows("grader/contract/mistakes.toml", before, now)),
    )


def _entries(files: Sequence[str], before: Read, now: Read) -> Iterator[str]:
    for path in files:
        match PurePosixPath(path).parts:
            case ("tests", "submissions", "mutants", name):
                yield from (f"{Path(name).stem}-{id_}" for id_ in _rows(path, before, now))
            case ("tests", "submissions", "accepted", name):
                yield from (f"{Path(name).stem}_{id_}" for id_ in _rows(path, before, now))
            case ("tests", "submissions", "accepted", folder, *_):
                yield folder


def _rows(path: str, before: Read, now: Read) -> list[str]:
    """Return the keys of a TOML file whose values changed."""
    old, new = (tomllib.loads(read(path)) for read in (before, now))
    return [key for key in {**old, **new} if old.get(key) != new.get(key)]


def _tables(files: Sequence[str], before: Read, now: Read) -> Iterator[str]:
    for path in files:
        if PurePosixPath(path).match("grader/contract/assignments/*.toml"):
            old, new = (_tasks_of(tomllib.loads(read(path))) for read in (before, now))
            yield from (id_ for id_ in new if old.get(id_) != new[id_])


def _tasks_of(table: dict[str, Any]) -> dict[str, Any]:
    return {task["id"]: task for task in table.get("task", [])}


def _solution(files: Sequence[str], before: Read, now: Read) -> Iterator[str]:
    old, new = (
        {name: read(f"solution/{name}.py").encode() for name in REFERENCE} for read in (before, now)
    )
    for task in tasks().values():
        changed = task.module and f"solution/{task.module}.py" in files
        if changed and code_of(task.id, old) != code_of(task.id, new):
            yield task.id


def _checks(files: Sequence[str], before: Read, now: Read) -> Iterator[str]:
    """Return the tasks with a check whose function, or any code it uses in `checks/`, changed."""
    if not any(path.startswith("grader/checks/") for path in files):
        return
    for task in tasks().values():
        for check in task.checks:
            place = check.module, check.function
            if _uses(before, *place) != _uses(now, *place):
                yield task.id
                break


def _uses(read: Read, module: str, function: str) -> dict[tuple[str, str], str]:
    """Return the syntax of a function and of everything it uses in `checks/`, by module and name.

    Of code that is imported from elsewhere, only the import counts.
    """
    found: dict[tuple[str, str], str] = {}
    waiting = [(module, function)]
    while waiting:
        module, name = waiting.pop()
        source = read(f"grader/checks/{module.replace('.', '/')}.py")
        definition = _definitions(source).get(name)
        if (module, name) in found or definition is None:
            continue
        found[module, name] = definition.syntax
        if definition.source:
            waiting.append((definition.source, name))
        waiting += [(module, used) for used in definition.uses]
    return found


@dataclass(frozen=True)
class Definition:
    """The definition of a name at the top level of a module of checks.

    Attributes:
        syntax: the syntax tree, without positions.
        uses: the names in it.
        source: the module of checks that it is imported from, if any.
    """

    syntax: str
    uses: frozenset[str] = frozenset()
    source: str = ""


@functools.cache
def _definitions(text: str) -> dict[str, Definition]:
    """Return the definitions of all names at the top level."""
    bound: dict[str, Definition] = {}
    for node in ast.parse(text).body:
        uses = frozenset(each.id for each in ast.walk(node) if isinstance(each, ast.Name))
        module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
        source = module.removeprefix(CHECKS) if module.startswith(CHECKS) else ""
        for name in _bound(node):
            before = bound.get(name, Definition(""))
            syntax = before.syntax + ast.dump(node)
            bound[name] = Definition(syntax, before.uses | uses, source)
    return bound


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    else:
        names = (each for each in ast.walk(node) if isinstance(each, ast.Name))
        yield from {each.id for each in names if isinstance(each.ctx, ast.Store)}


def shared(files: Sequence[str]) -> list[str]:
    """Return the changed files that grading depends on and that belong to no task."""
    return [path for path in files if path.startswith(SHARED) and not path.startswith(OWN)]


def jobs(entries: Sequence[Variant], changed: Changes) -> list[MatrixJob]:
    """Return jobs for the entries that must be graded again, and for the reference."""
    found = [_job(entry, changed) for entry in entries if changed.concern(entry)]
    for each in assignments().values():
        checks = frozenset(check.id for check in each.checks if check.task in changed.tasks)
        if checks:
            found.append(MatrixJob(reference(each.id), checks))
    return found


def _job(entry: Variant, changed: Changes) -> MatrixJob:
    """Return a job for an entry's own tasks, or, for an unchanged variant, the changed ones."""
    checks = own_checks(entry)
    if not entry.task and entry.id not in changed.entries:
        checks = [check for check in checks if check.task in changed.tasks]
    return MatrixJob(entry, frozenset(check.id for check in checks))
