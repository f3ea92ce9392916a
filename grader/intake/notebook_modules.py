"""Extracts the modules of a submission, one per task, from the code cells of a notebook.

A module gets the statements that define its names, such as `Collate`, and whatever those need:
helpers, imports and constants of earlier cells. Everything else at the top level (calls, plots,
training runs) is removed. The result is what running the cells from the top down to the task's
check would define. So a notebook means the same in a kernel, which has no cell metadata, and in
`nbgrader autograde`, even if its cells were renamed, duplicated or moved.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import symtable
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader.base.errors import UsageError
from grader.contract.record import Record
from grader.contract.tasks import Assignment, Task
from grader.intake.sources import MAX_FILE, Sources

MAX_CELL = 1 << 16  # characters
KIT = "grader"  # submissions cannot import it
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)

CellLine = tuple[str, int]  # a cell's name, a line in it


@dataclass(frozen=True)
class Cell:
    """A code cell; messages refer to it by `name`."""

    text: str
    name: str = "an earlier cell"


def cell_label(cell: Mapping[str, Any]) -> str:
    """Return the name of a cell in messages."""
    name = cell.get("metadata", {}).get("nbgrader", {}).get("grade_id")
    return f"the cell {name}" if name else "a cell of your own"


@dataclass(frozen=True)
class ExtractedModules:
    """The modules as a submission, and the cell that each of their lines came from."""

    sources: Sources
    origins: dict[str, list[CellLine]]

    def with_cell_locations(self, record: Record) -> Record:
        """Replace modules and lines by cells and their lines in the messages of a record."""
        checks = [
            dataclasses.replace(check, message=self._with_cell_locations(check.message))
            for check in record.checks
        ]
        return dataclasses.replace(record, checks=checks)

    def _with_cell_locations(self, message: str) -> str:
        for module, origins in self.origins.items():

            def place(found: re.Match[str], origins: list[CellLine] = origins) -> str:
                line = int(found[1])
                if not 0 < line <= len(origins):
                    return found[0]
                return "{}, line {}".format(*origins[line - 1])

            file = re.escape(self.sources.names[module])
            message = re.sub(rf"{file}, line (\d+)", place, message)
        return message


@dataclass(frozen=True)
class Statement:
    """A top-level statement: its lines, the names it defines or changes, the names it needs."""

    lines: tuple[tuple[str, CellLine], ...]
    gives: frozenset[str]
    needs: frozenset[str]
    always: bool  # always kept, because the names it defines are unknown
    first: bool  # must be at the top: `from __future__ import ...`


def extract_modules(name: str, cells: Sequence[Cell], assignment: Assignment) -> ExtractedModules:
    """Make a submission from a notebook's code cells, given from top to bottom.

    Each task gets a module of its own, named after the task, even if tasks share a file. So a cell
    that is not valid Python, or a name that is used twice, does not affect the other tasks.

    Raises:
        UsageError: a cell or a module is too long.
    """
    for cell in cells:
        if len(cell.text) > MAX_CELL:
            raise UsageError(
                f"{name}: a code cell of {len(cell.text):,} characters; at most {MAX_CELL:,} are "
                "allowed. Submit code only, without data in it."
            )
    written = [task for task in assignment.tasks.values() if task.module]
    lines = {task.id: _module(task, cells) for task in written}
    files = {module: "".join(f"{text}\n" for text, _ in found) for module, found in lines.items()}
    if any(len(text) > MAX_FILE for text in files.values()):
        raise UsageError(f"{name}: more than {MAX_FILE >> 20} MiB of code. Submit code only.")
    sources = Sources(
        name,
        {module: text.encode("utf-8", "replace") for module, text in files.items()},
        {module: f"notebook-{module}" for module in files},
    )
    origins = {module: [origin for _, origin in found] for module, found in lines.items()}
    return ExtractedModules(sources, origins)


def last_versions(history: Sequence[str]) -> list[Cell]:
    """Return the cells that a kernel ran, in the order of their first run, with their last text.

    A kernel only knows texts, not cells. A text that defines everything that an earlier one defined
    counts as the same cell, edited and run again.
    """
    kept: list[str] = []
    for text in history:
        names = defined(text)
        old = [index for index, before in enumerate(kept) if _same_cell(before, text, names)]
        place = old[0] if old else len(kept)
        for index in reversed(old):
            del kept[index]
        kept.insert(place, text)
    return [Cell(text, "a cell") for text in kept]


def _same_cell(before: str, text: str, names: set[str]) -> bool:
    old = defined(before)
    return before == text or (bool(old) and old <= names)


def defined(text: str) -> set[str]:
    """List the functions and classes that a cell defines, even if it is not valid Python."""
    return set(re.findall(r"^(?:async\s+def|def|class)\s+(\w+)", text, re.MULTILINE))


def _module(task: Task, cells: Sequence[Cell]) -> list[tuple[str, CellLine]]:
    """Collect the lines of a task's module."""
    wanted = set(task.names)
    parsed = [_statements(cell) for cell in cells]
    end = _end(task.id, cells)
    if not wanted <= _given(parsed[:end]):  # the check may have been moved
        end = len(cells)
    broken = [
        cell
        for cell, statements in zip(cells[:end], parsed, strict=False)
        if statements is None and defined(cell.text) & (wanted - _given(parsed[:end]))
    ]
    statements = [statement for found in parsed[:end] for statement in found or []]
    lines = [line for statement in _needed(statements, wanted) for line in statement.lines]
    return lines + [line for cell in broken for line in _lines(cell)]


def _end(task: str, cells: Sequence[Cell]) -> int:
    """Return the index of the cell that checks a task, or the number of cells if none does."""
    call = re.compile(rf"^check\(\s*[\"']{task}[\"']", re.MULTILINE)
    checks = [index for index, cell in enumerate(cells) if call.search(cell.text)]
    return checks[-1] if checks else len(cells)


def _given(parsed: Sequence[list[Statement] | None]) -> set[str]:
    return {name for statements in parsed for each in statements or [] for name in each.gives}


def _needed(statements: list[Statement], wanted: set[str]) -> list[Statement]:
    """Keep the statements that define the wanted names, and what those need in turn."""
    names = set(wanted)
    statements = sorted(statements, key=lambda each: not each.first)
    kept = {index for index, each in enumerate(statements) if each.always}
    while True:
        more = {
            index
            for index, each in enumerate(statements)
            if index not in kept and each.gives & names
        }
        if not more:
            return [statements[index] for index in sorted(kept)]
        kept |= more
        names |= {name for index in more for name in statements[index].needs}


def _statements(cell: Cell) -> list[Statement] | None:
    """Split a cell into its statements; None if it is not valid Python."""
    try:
        text = _python(cell.text)
        nodes = ast.parse(text).body
        lines = _lines(Cell(text, cell.name))
        return [_statement(node, lines) for node in nodes if not _is_of_the_kit(node)]
    except NOT_PYTHON:
        return None


def _python(text: str) -> str:
    """Translate IPython syntax (`%magic`, `!command`, `help?`) to Python."""
    text = re.sub(r"\A\s*%%(time|capture)\b.*", "", text)
    try:
        ast.parse(text)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        return str(TransformerManager().transform_cell(text))
    return text


def _lines(cell: Cell) -> list[tuple[str, CellLine]]:
    return [(text, (cell.name, line)) for line, text in enumerate(cell.text.split("\n"), 1)]


def _is_of_the_kit(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] == KIT
    return isinstance(node, ast.Import) and node.names[0].name.split(".")[0] == KIT


def _statement(node: ast.stmt, lines: list[tuple[str, CellLine]]) -> Statement:
    decorators = getattr(node, "decorator_list", [])
    first = min(each.lineno for each in [node, *decorators])
    table = symtable.symtable(ast.unparse(node), "cell", "exec")
    top = table.get_symbols()
    source = node.module if isinstance(node, ast.ImportFrom) else None
    star = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    return Statement(
        lines=tuple(lines[first - 1 : node.end_lineno]),
        gives=frozenset({each.get_name() for each in top if _binds(each)} | set(_changed(node))),
        needs=frozenset({each.get_name() for each in top if each.is_referenced()})
        | frozenset(_globals(table)),
        always=star or source == "__future__",
        first=source == "__future__",
    )


def _binds(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    """List the module-level names that the functions and classes of a statement use."""
    for child in table.get_children():
        yield from (each.get_name() for each in child.get_symbols() if each.is_global())
        yield from _globals(child)


def _changed(node: ast.stmt) -> Iterator[str]:
    """List names whose objects a statement changes: `Name.x = 1`, `Name[x] = 1`, `@to(Name)`."""
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    for target in targets:
        while isinstance(target, ast.Attribute | ast.Subscript):
            target = target.value
            if isinstance(target, ast.Name):
                yield target.id
    for decorator in getattr(node, "decorator_list", []):
        if isinstance(decorator, ast.Call):
            yield from (each.id for each in decorator.args if isinstance(each, ast.Name))
