"""Lists small changes of a function: one number, operator, name, call or line is different.

If one of them makes a wrong function right, it shows where the mistake is.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from . import edit_tables as tables

Parents: TypeAlias = Sequence[ast.AST]
Found: TypeAlias = Iterator[tuple[str, ast.AST, str, Any]]  # kind, shown, other, new
MOST_SHOWN = 70  # characters of code
KINDS = (  # in the order in which they are tried
    *("dimension", "index", "bound", "setting", "operator", "comparison", "sides", "sign"),
    *("order", "function", "argument-missing", "term", "not", "branches", "condition"),
    *("block-extra", "inside", "outside", "lines-order", "result-lost", "assignment"),
    *("line-extra", "direction", "call-extra", "argument-extra", "index-extra", "number"),
    *("name", "instead-of", "result-extra", "minus-missing", "rest-of-one", "value-missing"),
    *("part-of-it", "call-missing"),
)
EDITED = (ast.expr, ast.keyword, ast.stmt, ast.comprehension)
NEGATIONS = (ast.Not, ast.Invert, ast.USub)
SHOWN = (ast.Call, ast.Subscript, ast.BinOp, ast.Compare, ast.stmt)


@dataclass(frozen=True)
class Edit:
    """A small change of a function.

    Attributes:
        kind: one of `KINDS`.
        line: the line of the file.
        part: the code that is changed, as it is.
        other: what differs, depending on the kind.
        parent: the node with the part, in its field `name`, at the place `at` if that is a list.
        new: what is there instead.
    """

    kind: str
    line: int
    part: str
    other: str
    parent: ast.AST
    name: str
    at: int | None
    new: Any

    def swap(self, new: Any) -> Any:
        """Put something else at the changed place; return what was there."""
        held = getattr(self.parent, self.name)
        if self.at is None:
            setattr(self.parent, self.name, new)
            return held
        old, held[self.at] = held[self.at], new
        return old


def edits(function: ast.FunctionDef) -> list[Edit]:
    """Return all edits of a function, the most plausible ones first."""
    names = _Names(function)
    places = [*_places(function, [])]
    found = [
        Edit(kind, _line(node, shown), _code(shown), other, *place, new)
        for place, parents, node in places
        for kind, shown, other, new in _of(node, parents, place[1], names)
    ]
    values = [each for each in places if _is_value(each[2], each[0][1], names)]
    found += [
        Edit(kind, _line(node, node), _code(_shown(parents)), other, *place, new)
        for kind, template in tables.AROUND
        for place, parents, node in values
        for other, new in [_around(node, kind, template)]
    ]
    if function.decorator_list:
        line, code = function.decorator_list[0].lineno, _code(function.decorator_list[0])
        place = (function, "decorator_list", None)
        found.append(Edit("block-extra", line, f"@{code}", "", *place, []))
    found += [edit for node in ast.walk(function) for edit in _of_blocks(node)]
    return sorted(found, key=lambda edit: KINDS.index(edit.kind))


class _Names:
    """The names of a function: its parameters, then its variables."""

    def __init__(self, function: ast.FunctionDef) -> None:
        self.parameters = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        stored = (
            node.id
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        )
        self.all = [*dict.fromkeys([*self.parameters, *stored])]


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


def _of(node: ast.AST, parents: Parents, field: str, names: _Names) -> Found:
    """Yield what could be at the place of a node."""
    if isinstance(node, (ast.Constant, ast.UnaryOp)):
        yield from _of_number(node, parents, field)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, NEGATIONS) and _int(node) is None:
        yield "sign" if isinstance(node.op, ast.USub) else "not", node, "", node.operand
    if isinstance(node, (ast.BinOp, ast.Compare, ast.IfExp, ast.BoolOp)):
        yield from _of_operation(node)
    if isinstance(node, ast.Call):
        yield from _of_call(node, names)
    if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
        for value in tables.SETTINGS.get(node.arg or "", ()):
            if value != node.value.value:
                new = ast.keyword(node.arg, ast.Constant(value))
                yield "setting", _shown(parents), node.arg or "", new
    if isinstance(node, ast.Attribute):
        for other in _family(node.attr):
            yield "function", _shown(parents), node.attr, _with(node, attr=other)
        if node.attr in ("T", "mT"):
            yield "call-extra", node, f".{node.attr}", node.value
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield "index-extra", node, "", node.value
    if isinstance(node, ast.Slice):
        yield from _of_slice(node, parents)
    if isinstance(node, (ast.Tuple, ast.List)) and 1 < len(node.elts) < 5:
        yield from _of_row(node, parents)
    if isinstance(node, (ast.For, ast.comprehension)):
        turned = ast.Call(_name("reversed"), [ast.Call(_name("list"), [node.iter], [])], [])
        yield "direction", node.iter, "", _with(node, iter=turned)
    if _is_value(node, field, names):
        yield from _of_value(node, parents, field, names)


def _of_number(node: ast.Constant | ast.UnaryOp, parents: Parents, field: str) -> Found:
    value = _int(node)
    if value is None or _int(parents[-1]) is not None:
        return
    kind = _role(parents, field)
    others = [value + 1, value - 1, -value]
    others += [0, 1, 2, -1, -2] if kind in ("dimension", "index") else []
    for other in dict.fromkeys(others):
        if other != value:
            yield kind, _shown(parents), str(value), ast.Constant(other)


def _role(parents: Parents, field: str) -> str:
    """Return the kind of an edit of a whole number, by what the number is for."""
    parent = parents[-1]
    near = next((each for each in reversed(parents) if isinstance(each, ast.Call)), None)
    if isinstance(parent, ast.keyword):
        return "dimension" if parent.arg in tables.DIMENSION else "number"
    if isinstance(parent, ast.Slice) or (near is parent and _called(near) == "range"):
        return "bound"
    if isinstance(parent, ast.Call) and _called(parent) in tables.TAKE_DIMENSION:
        return "dimension"
    in_row = isinstance(parent, ast.Tuple) and len(parents) > 1 and parents[-2]
    if field == "slice" or isinstance(in_row, ast.Subscript):
        return "index"
    return "number"


def _of_operation(node: ast.expr) -> Found:
    if isinstance(node, ast.BinOp):
        for kind in tables.OPERATORS:
            if not isinstance(node.op, kind):
                yield "operator", node, _symbol(node.op), _with(node, op=kind())
        if not isinstance(node.op, (ast.Add, ast.Mult)):
            yield "sides", node, _symbol(node.op), _with(node, left=node.right, right=node.left)
        yield "term", node, _code(node.right), node.left
        yield "term", node, _code(node.left), node.right
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in tables.COMPARISONS.get(type(node.ops[0]), ()):
            yield "comparison", node, _symbol(node.ops[0]), _with(node, ops=[other()])
    if isinstance(node, ast.IfExp):
        yield "branches", node, "", _with(node, body=node.orelse, orelse=node.body)
    if isinstance(node, ast.BoolOp):
        other_op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield (
            "operator",
            node,
            "and" if isinstance(node.op, ast.And) else "or",
            _with(node, op=other_op),
        )


def _of_call(node: ast.Call, names: _Names) -> Found:
    name = _called(node)
    for at, keyword in enumerate(node.keywords):
        rest = [*node.keywords[:at], *node.keywords[at + 1 :]]
        yield "argument-extra", node, keyword.arg or "**", _with(node, keywords=rest)
    for at in range(len(node.args)):
        fewer = [*node.args[:at], *node.args[at + 1 :]]
        yield "argument-extra", node, _code(node.args[at]), _with(node, args=fewer)
    for other in names.all if node.args else ():
        yield "value-missing", node, other, _with(node, args=[*node.args, _name(other)])
    for at in range(len(node.args) - 1):
        swapped = [*node.args]
        swapped[at : at + 2] = swapped[at + 1], swapped[at]
        yield "order", node, "", _with(node, args=swapped)
    if isinstance(node.func, ast.Name):
        for other in _family(node.func.id):
            yield "function", node, node.func.id, _with(node, func=_name(other))
    given = {keyword.arg for keyword in node.keywords}
    has_dim = bool(given & {*tables.DIMENSION}) or any(_int(arg) is not None for arg in node.args)
    for key, value in tables.ADDED.get(name, ()):
        if key not in given and not (key == "dim" and has_dim):
            yield "argument-missing", node, key, _adding(node, key, ast.Constant(value))
    if name in tables.KEEP and "keepdim" not in given and has_dim:
        yield "argument-missing", node, "keepdim", _adding(node, "keepdim", ast.Constant(True))
    if (key := tables.NAMED.get(name, "")) and key not in given:
        for each in names.parameters:
            yield "argument-missing", node, key, _adding(node, key, _name(each))
    if name == "range" and len(node.args) == 1:
        yield "bound", node, "", _with(node, args=[ast.Constant(1), *node.args])
    if isinstance(node.func, ast.Attribute) and not _is_module(node.func.value, names):
        yield "call-extra", node, f".{name}()", node.func.value
    elif node.args and not isinstance(node.args[0], ast.Starred):
        yield "call-extra", node, f"{name}()", node.args[0]


def _of_slice(node: ast.Slice, parents: Parents) -> Found:
    for end in ("lower", "upper", "step"):
        if getattr(node, end) is not None:
            yield "bound", parents[-1], "", _with(node, **{end: None})


def _of_row(node: ast.Tuple | ast.List, parents: Parents) -> Found:
    if isinstance(parents[-1], ast.Subscript) and parents[-1].slice is node:
        return
    for one in range(len(node.elts)):
        for two in range(one + 1, len(node.elts)):
            elements = [*node.elts]
            elements[one], elements[two] = elements[two], elements[one]
            yield "order", node, "", _with(node, elts=elements)


def _is_value(node: ast.AST, field: str, names: _Names) -> bool:
    """Return whether a node is a value that something else could be instead of."""
    if not isinstance(node, (ast.Name, ast.Call, ast.BinOp, ast.Attribute, ast.Subscript)):
        return False
    is_read = isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
    return is_read and field != "func" and not _is_module(node, names)


def _of_value(node: Any, parents: Parents, field: str, names: _Names) -> Found:
    shown, parent = _shown(parents), parents[-1]
    if isinstance(node, ast.Name):
        for other in names.all:
            if other != node.id:
                yield "name", shown, node.id, _name(other)
    elif isinstance(node, ast.Call):
        for other in names.parameters:
            yield "instead-of", node, other, _name(other)
    in_range = isinstance(parent, ast.Call) and _called(parent) == "range"
    if in_range or field in ("lower", "upper", "slice"):
        for op in (ast.Add(), ast.Sub()):
            yield "bound", shown, "", ast.BinOp(node, op, ast.Constant(1))


class _Fill(ast.NodeTransformer):
    """Puts a value into the place `_` of a template."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def visit_Name(self, node: ast.Name) -> Any:
        """Replace the place."""
        return self.value if node.id == "_" else node


def _around(node: Any, kind: str, template: str) -> tuple[str, ast.expr]:
    """Return what is said about a value with something around it, and that expression."""
    code, new = _code(node), _Fill(node).visit(ast.parse(template, mode="eval").body)
    if kind != "call-missing":
        return code, new
    name = template.removeprefix("_.").partition("(")[0]
    return f"`{name}` is missing around `{code}`", new


def _of_blocks(node: ast.AST) -> Iterator[Edit]:
    """Yield changes of the lines of a block: a line that is too much or in the wrong place."""
    for field in ("body", "orelse"):
        block = getattr(node, field, None)
        if not isinstance(block, list):
            continue
        for kind, line, other, new in _of_block(block):
            yield Edit(kind, line.lineno, _code(line), other, node, field, None, new)


def _of_block(block: list[Any]) -> Iterator[tuple[str, ast.stmt, str, list[ast.stmt]]]:
    for at, line in enumerate(block):
        before, after = block[:at], block[at + 1 :]
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
            continue
        if not isinstance(line, (ast.Return, ast.FunctionDef)):
            yield "line-extra", line, "", [*before, *after] or [ast.Pass()]
        if after and not isinstance(line, ast.Return):
            for by in range(1, min(len(after), 4) + 1):
                moved = [*before, *after[:by], line, *after[by:]]
                yield "lines-order", line, str(after[by - 1].lineno), moved
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            new: ast.stmt = ast.AugAssign(line.targets[0], ast.Add(), line.value)
            yield "assignment", line, "", [*before, ast.copy_location(new, line), *after]
        if isinstance(line, ast.AugAssign):
            new = ast.Assign([line.target], line.value)
            yield "assignment", line, "", [*before, ast.copy_location(new, line), *after]
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Call):
            alone: list[ast.stmt] = [ast.copy_location(ast.Expr(line.value), line)]
            yield "result-extra", line, "", [*before, *alone, *after]
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call):
            used = [each.id for each in ast.walk(line.value) if isinstance(each, ast.Name)]
            for name in dict.fromkeys(used):
                kept = ast.Assign([ast.Name(name, ast.Store())], line.value)
                yield "result-lost", line, name, [*before, ast.copy_location(kept, line), *after]
        if isinstance(line, ast.If):
            turned = _with(line, test=ast.UnaryOp(ast.Not(), line.test))
            yield "condition", line.test, "", [*before, turned, *after]  # type: ignore[misc]
            yield "condition", line.test, "", [*before, *line.body, *after]  # type: ignore[misc]
        if isinstance(line, ast.With):
            yield "block-extra", line, "", [*before, *line.body, *after]
        if isinstance(line, (ast.For, ast.While, ast.If, ast.With)):
            yield from _of_inner_block(line, before, after)


def _of_inner_block(
    outer: Any, before: list[ast.stmt], after: list[ast.stmt]
) -> Iterator[tuple[str, ast.stmt, str, list[ast.stmt]]]:
    """Yield what moves lines into or out of a block such as the body of a loop."""
    body, what = outer.body, "loop" if isinstance(outer, (ast.For, ast.While)) else "block"
    for count in range(1, min(len(body), 4)):
        rest = _with(outer, body=body[:-count])
        yield "inside", body[-count], what, [*before, rest, *body[-count:], *after]
    if len(body) > 1:
        yield "inside", body[0], what, [*before, body[0], _with(outer, body=body[1:]), *after]
    for count in range(1, min(len(after), 3) + 1):
        longer = _with(outer, body=[*body, *after[:count]])
        yield "outside", after[0], what, [*before, longer, *after[count:]]
    if before and isinstance(before[-1], (ast.Assign, ast.Expr, ast.AugAssign)):
        longer = _with(outer, body=[before[-1], *body])
        yield "outside", before[-1], what, [*before[:-1], longer, *after]


def _with(node: Any, **fields: Any) -> Any:
    """Return a shallow copy of a node with other fields."""
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _adding(call: ast.Call, key: str, value: ast.expr) -> Any:
    return _with(call, keywords=[*call.keywords, ast.keyword(key, value)])


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _int(node: ast.AST) -> int | None:
    """Return the value of a whole number, which may have a minus sign."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _int(node.operand)
        return None if value is None else -value
    is_int = isinstance(node, ast.Constant) and type(node.value) is int
    return node.value if is_int else None  # type: ignore[attr-defined]


def _called(call: ast.Call | None) -> str:
    func = None if call is None else call.func
    if isinstance(func, ast.Attribute):
        return func.attr
    return func.id if isinstance(func, ast.Name) else ""


def _family(name: str) -> list[str]:
    return [
        *dict.fromkeys(o for each in tables.FAMILIES if name in each for o in each if o != name)
    ]


def _is_module(node: ast.AST, names: _Names) -> bool:
    """Return whether an expression is a name of the module, such as `torch` or `nn.functional`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id not in names.all


def _line(node: ast.AST, shown: ast.AST) -> int:
    return int(getattr(node, "lineno", 0) or getattr(shown, "lineno", 1))


def _shown(parents: Parents) -> ast.AST:
    return next((each for each in reversed(parents) if isinstance(each, SHOWN)), parents[-1])


def _symbol(op: ast.AST) -> str:
    return tables.SYMBOLS.get(type(op), "")


def _code(node: ast.AST) -> str:
    """Return the code of a node on one line, shortened."""
    text: str = ast.unparse(node).strip().split("\n")[0]
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 4]} ..."
