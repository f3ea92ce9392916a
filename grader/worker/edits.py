"""Lists small changes of a function: one number, operator, name, call or line is different.

If one of them makes a wrong function right, it shows where the mistake is. A mistake that was made
in the same way in several places is changed in all of them.
"""

from __future__ import annotations

import ast
import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from . import edit_blocks, edit_tables
from .edit_expressions import (
    Names,
    Parents,
    around,
    code_of,
    is_value,
    line_of,
    options,
    place_of,
    shown_in,
)

KINDS = (  # in the order in which they are tried
    *("term", "call-extra", "argument-extra", "line-extra", "index-extra"),
    *("lines-extra", "condition-extra"),
    *("same-object", "dimension", "index", "bound", "setting", "operator", "comparison"),
    *("sides", "sign", "order", "function", "argument-missing", "brackets", "not", "branches"),
    "condition",
    *("block-extra", "inside", "outside", "lines-order", "result-lost", "assignment"),
    *("direction", "number", "key", "attribute", "name", "exchanged", "instead-of"),
    "result-extra",
    *("minus-missing", "rest-of-one", "value-missing", "part-of-it", "call-missing"),
)
EDITED = (ast.expr, ast.keyword, ast.stmt, ast.comprehension)
MOST_ALIKE = 6  # places that are changed together


@dataclass(frozen=True)
class Change:
    """A change at one place of a tree.

    Attributes:
        parent: the node whose field `name` has the place, at `at` if that is a list.
        new: what is there instead.
    """

    parent: ast.AST
    name: str
    at: int | None
    new: Any

    def swap(self, new: Any) -> Any:
        """Put something at the place; return what was there."""
        held = getattr(self.parent, self.name)
        if self.at is None:
            setattr(self.parent, self.name, new)
            return held
        old, held[self.at] = held[self.at], new
        return old


@dataclass(frozen=True)
class Edit:
    """A small change of a function.

    Attributes:
        kind: one of `KINDS`.
        line: the line of the file.
        part: the code that is changed, as it is.
        other: what differs, depending on the kind.
        changes: the changes; several of the same kind are made together.
    """

    kind: str
    line: int
    part: str
    other: str
    changes: tuple[Change, ...]

    @contextlib.contextmanager
    def made(self) -> Iterator[None]:
        """Make the changes, and undo them at the end."""
        olds = [(change, change.swap(change.new)) for change in self.changes]
        try:
            yield
        finally:
            for change, old in reversed(olds):
                change.swap(old)


def edits(function: ast.FunctionDef, attributes: Iterable[str] = ()) -> list[Edit]:
    """Return all edits of a function, the most plausible ones first.

    Args:
        function: the function.
        attributes: those of the classes that its code may use.
    """
    found = [*_expressions(function, Names(function, attributes)), *_blocks(function)]
    return sorted(found, key=lambda edit: KINDS.index(edit.kind))


def _expressions(function: ast.FunctionDef, names: Names) -> Iterator[Edit]:
    places = [*_places(function, [])]
    found = [
        (option, line_of(node, option.shown), option.shown, Change(*place, option.new))
        for place, parents, node in places
        for option in options(node, parents, place[1], names)
    ]
    found += [
        (option, line_of(node, node), shown_in(parents), Change(*place, option.new))
        for kind, template in edit_tables.AROUND
        for place, parents, node in places
        if is_value(node, place[1], names)
        for option in [around(node, place_of(*place[:2]), kind, template)]
    ]
    alike: dict[tuple[str, str], list[Edit]] = {}
    for option, line, shown, change in found:
        edit = Edit(option.kind, line, code_of(shown), option.other, (change,))
        if option.alike:
            alike.setdefault((option.kind, option.alike), []).append(edit)
        yield edit
    for same in alike.values():
        if 1 < len(same) <= MOST_ALIKE:
            yield _together(same)
    yield from _exchanged(function, names)


def _together(same: list[Edit]) -> Edit:
    """Return edits that are made together."""
    parts = "` and `".join(dict.fromkeys(edit.part for edit in same))
    changes = tuple(change for edit in same for change in edit.changes)
    return Edit(same[0].kind, same[0].line, parts, same[0].other, changes)


def _exchanged(function: ast.FunctionDef, names: Names) -> Iterator[Edit]:
    """Yield exchanges of two variables wherever they are read."""
    read = [
        (place, node)
        for place, _, node in _places(function, [])
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    ]
    for one, other in itertools.combinations(names.all, 2):
        turned = {one: other, other: one}
        both = [(place, node) for place, node in read if node.id in turned]
        if len({node.id for _, node in both}) == len(turned):
            new = [Change(*place, ast.Name(turned[node.id], ast.Load())) for place, node in both]
            yield Edit("exchanged", both[0][1].lineno, one, other, tuple(new))


def _blocks(function: ast.FunctionDef) -> Iterator[Edit]:
    if function.decorator_list:
        first = function.decorator_list[0]
        change = Change(function, "decorator_list", None, [])
        yield Edit("block-extra", first.lineno, f"@{code_of(first)}", "", (change,))
    for node in ast.walk(function):
        for field in ("body", "orelse"):
            if isinstance(block := getattr(node, field, None), list):
                for kind, line, other, new in edit_blocks.options(block):
                    change = Change(node, field, None, new)
                    yield Edit(kind, line.lineno, code_of(line), other, (change,))


Place: TypeAlias = tuple[ast.AST, str, "int | None"]
SKIPPED = {
    "args": (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda),
    "decorator_list": (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef),
    "returns": (ast.FunctionDef, ast.AsyncFunctionDef),
    "annotation": (ast.AnnAssign,),
    "exc": (ast.Raise,),
    "msg": (ast.Assert,),
}


def _places(node: ast.AST, parents: list[ast.AST]) -> Iterator[tuple[Place, Parents, ast.AST]]:
    """Yield each place in a tree with its parents, the nearest last, and the node that is there."""
    inner = [*parents, node]
    for name, value in ast.iter_fields(node):
        if isinstance(node, SKIPPED.get(name, ())):
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for at, child in children:
            if isinstance(child, EDITED) and not isinstance(child, ast.JoinedStr):
                yield (node, name, at), inner, child
                yield from _places(child, inner)
