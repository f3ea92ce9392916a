"""Lists what could be instead of an expression, one small change at a time."""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from . import edit_tables as tables

Parents: TypeAlias = Sequence[ast.AST]
FACTOR = "factor"
MOST_SHOWN = 70  # characters of code
NEGATIONS = (ast.Not, ast.Invert, ast.USub)
SHOWN = (ast.Call, ast.Subscript, ast.BinOp, ast.Compare, ast.stmt)


class Option(NamedTuple):
    """What could be instead of an expression.

    Attributes:
        kind: the kind of the edit.
        shown: the code that is shown.
        other: what is said about it.
        new: what is there instead.
        alike: what edits of other places have in common with this one, if a mistake can be made in
            all of them.
    """

    kind: str
    shown: ast.AST
    other: str
    new: Any
    alike: str = ""


Found: TypeAlias = Iterator[Option]


class Names:
    """The names of a function: its parameters, then its variables; and what it reads of others."""

    def __init__(self, function: ast.FunctionDef, attributes: Iterable[str] = ()) -> None:
        """Read a function; `attributes` are those of the task's own classes."""
        nodes = [*ast.walk(function)]
        self.parameters = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
        self.parameters += [each.arg for each in function.args.kwonlyargs]
        self.stored: dict[str, list[int]] = {}  # the lines in which variables get values
        for node in nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.stored.setdefault(node.id, []).append(node.lineno)
        self.all = [*dict.fromkeys([*self.parameters, *self.stored])]
        self.loops = [
            range(node.lineno, (node.end_lineno or node.lineno) + 1)
            for node in nodes
            if isinstance(node, (ast.For, ast.While))
        ]
        self.attributes = [*attributes]
        read = [node.value for node in nodes if isinstance(node, ast.Attribute)]
        self.objects = {node.id for node in read if isinstance(node, ast.Name)}
        functions = [node.func for node in nodes if isinstance(node, ast.Call)]
        self.called = {node.id for node in functions if isinstance(node, ast.Name)}
        keys = [node.slice for node in nodes if isinstance(node, ast.Subscript)]
        self.keys = [*dict.fromkeys(filter(None, map(key_of, keys)))]

    def set_before(self, line: int) -> list[str]:
        """Return the parameters and the variables that can have a value in a line."""
        loops = [loop for loop in self.loops if line in loop]
        return [
            name
            for name in self.all
            if name in self.parameters
            or any(each < line or any(each in loop for loop in loops) for each in self.stored[name])
        ]


def key_of(node: ast.AST) -> str | None:
    """Return the text of a constant; None if it is no text."""
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else None  # type: ignore[attr-defined]


def options(node: ast.AST, parents: Parents, field: str, names: Names) -> Found:
    """Yield what could be at the place of a node."""
    if isinstance(node, (ast.Constant, ast.UnaryOp)):
        yield from _of_number(node, parents, field)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, NEGATIONS) and _int(node) is None:
        yield Option("sign" if isinstance(node.op, ast.USub) else "not", node, "", node.operand)
    if isinstance(node, (ast.BinOp, ast.Compare, ast.IfExp, ast.BoolOp)):
        yield from _of_operation(node)
    if isinstance(node, ast.Call):
        yield from _of_call(node, names)
    if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
        for value in tables.SETTINGS.get(node.arg or "", ()):
            if value != node.value.value:
                new = ast.keyword(node.arg, ast.Constant(value))
                yield Option("setting", shown_in(parents), node.arg or "", new, str(value))
    if isinstance(node, ast.Attribute):
        for other in _family(node.attr):
            yield Option(
                "function",
                shown_in(parents),
                node.attr,
                changed(node, attr=other),
                f"{node.attr} {other}",
            )
        if node.attr in ("T", "mT"):
            yield Option("call-extra", node, f".{node.attr}", node.value, "T")
        if node.attr in names.attributes and field != "func" and isinstance(node.ctx, ast.Load):
            for other in names.attributes:
                if other != node.attr:
                    new = changed(node, attr=other)
                    yield Option("attribute", shown_in(parents), node.attr, new)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        yield Option("index-extra", node, "", node.value)
        for other in names.keys if (own := key_of(node.slice)) else ():
            if other != own:
                yield Option(
                    "key", shown_in(parents), repr(own), changed(node, slice=ast.Constant(other))
                )
    if isinstance(node, ast.AugAssign):
        for kind in (ast.Add, ast.Sub, ast.Mult, ast.Div):
            if not isinstance(node.op, kind):
                yield Option("operator", node, f"{_symbol(node.op)}=", changed(node, op=kind()))
    if isinstance(node, ast.Dict) and 1 < len(node.values) < 5:
        for one, two in itertools.combinations(range(len(node.values)), 2):
            values = [*node.values]
            values[one], values[two] = values[two], values[one]
            yield Option("order", node, "", changed(node, values=values))
    if isinstance(node, ast.Slice):
        yield from _of_slice(node, parents)
    if isinstance(node, (ast.Tuple, ast.List)) and 1 < len(node.elts) < 5:
        yield from _of_row(node, parents)
    if isinstance(node, (ast.For, ast.comprehension)):
        turned = ast.Call(_name("reversed"), [ast.Call(_name("list"), [node.iter], [])], [])
        yield Option("direction", node.iter, "", changed(node, iter=turned))
    if is_value(node, field, names):
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
            yield Option(
                kind, shown_in(parents), str(value), ast.Constant(other), f"{value} {other}"
            )


def _role(parents: Parents, field: str) -> str:
    """Return the kind of an edit of a whole number, by what the number is for."""
    parent = parents[-1]
    near = next((each for each in reversed(parents) if isinstance(each, ast.Call)), None)
    if isinstance(parent, ast.keyword):
        return "dimension" if parent.arg in tables.DIMENSION else "number"
    if isinstance(parent, ast.Slice) or (near is parent and called(near) == "range"):
        return "bound"
    if isinstance(parent, ast.Call) and called(parent) in tables.TAKE_DIMENSION:
        is_builtin = getattr(parent.func, "id", "") in ("max", "min", "sum")
        return "number" if is_builtin else "dimension"
    in_row = isinstance(parent, ast.Tuple) and len(parents) > 1 and parents[-2]
    if field == "slice" or isinstance(in_row, ast.Subscript):
        return "index"
    return "number"


def _of_operation(node: ast.expr) -> Found:
    if isinstance(node, ast.BinOp):
        said = _symbol(node.op)
        is_one = any(_int(part) in (0, 1) for part in (node.left, node.right))
        for kind in tables.OPERATORS if not is_one else (ast.Add, ast.Sub):
            if not isinstance(node.op, kind):
                yield Option(
                    "operator", node, said, changed(node, op=kind()), f"{said} {_symbol(kind())}"
                )
        if not isinstance(node.op, (ast.Add, ast.Mult)):
            yield Option("sides", node, said, changed(node, left=node.right, right=node.left), said)
        yield from _of_brackets(node)
        if isinstance(node.op, ast.Mult) and isinstance(node.left, ast.List):
            yield Option("same-object", node, "", _apart(node.left, node.right))
        yield Option("term", node, code_of(node.right), node.left, code_of(node.right))
        yield Option("term", node, code_of(node.left), node.right)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        said = _symbol(node.ops[0])
        for other in tables.COMPARISONS.get(type(node.ops[0]), ()):
            alike = f"{said} {tables.SYMBOLS[other]}"
            yield Option("comparison", node, said, changed(node, ops=[other()]), alike)
    if isinstance(node, ast.IfExp):
        yield Option("branches", node, "", changed(node, body=node.orelse, orelse=node.body))
    if isinstance(node, ast.BoolOp):
        other_op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        said = "and" if isinstance(node.op, ast.And) else "or"
        yield Option("operator", node, said, changed(node, op=other_op))


def _of_brackets(node: ast.BinOp) -> Found:
    one, other = node.left, node.right
    if isinstance(other, ast.BinOp):
        new = changed(other, left=changed(node, right=other.left))
        yield Option("brackets", node, "", new, f"{_symbol(node.op)}{_symbol(other.op)} right")
    if isinstance(one, ast.BinOp):
        new = changed(one, right=changed(node, left=one.right))
        yield Option("brackets", node, "", new, f"{_symbol(one.op)}{_symbol(node.op)} left")
        if isinstance(inner := one.right, ast.BinOp):  # the exponent in `a * b ** 1 / 4`
            new = changed(one, right=changed(inner, right=changed(node, left=inner.right)))
            yield Option("brackets", node, "", new, f"{_symbol(inner.op)}{_symbol(node.op)} inner")


def _apart(row: ast.List, count: ast.expr) -> ast.expr:
    """Return a list like `[x] * n`, of copies."""
    copies: list[ast.expr] = [
        ast.Call(ast.Attribute(each, "clone", ast.Load()), [], [])
        if isinstance(each, ast.Name)
        else each
        for each in row.elts
    ]
    times = ast.Call(_name("range"), [count], [])
    place = ast.comprehension(ast.Name("_", ast.Store()), times, [], 0)
    return ast.ListComp(copies[0] if copies else ast.Constant(None), [place])


def _of_call(node: ast.Call, names: Names) -> Found:
    name = called(node)
    for at, keyword in enumerate(node.keywords):
        rest = [*node.keywords[:at], *node.keywords[at + 1 :]]
        key = keyword.arg or "**"
        yield Option("argument-extra", node, key, changed(node, keywords=rest), key)
    for at in range(len(node.args)):
        fewer = [*node.args[:at], *node.args[at + 1 :]]
        yield Option("argument-extra", node, code_of(node.args[at]), changed(node, args=fewer))
    for other in names.set_before(node.lineno) if node.args else ():
        yield Option("value-missing", node, other, changed(node, args=[*node.args, _name(other)]))
    for one, two in itertools.combinations(range(min(len(node.args), 4)), 2):
        swapped = [*node.args]
        swapped[one], swapped[two] = swapped[two], swapped[one]
        yield Option("order", node, "", changed(node, args=swapped))
    if isinstance(node.func, ast.Name):
        for other in [
            *_family(node.func.id),
            *(sorted(names.called & {*names.all} - {node.func.id})),
        ]:
            yield Option(
                "function",
                node,
                node.func.id,
                changed(node, func=_name(other)),
                f"{node.func.id} {other}",
            )
    given = {keyword.arg for keyword in node.keywords}
    has_dim = bool(given & {*tables.DIMENSION}) or any(_int(arg) is not None for arg in node.args)
    for key, value in tables.ADDED.get(name, ()):
        if key not in given and not (key == "dim" and has_dim):
            new = _adding(node, key, ast.Constant(value))
            yield Option("argument-missing", node, key, new, f"{name} {value}")
    if name in tables.KEEP and "keepdim" not in given and has_dim:
        new = _adding(node, "keepdim", ast.Constant(True))
        yield Option("argument-missing", node, "keepdim", new, name)
    if (key := tables.NAMED.get(name, "")) and key not in given:
        for each in names.parameters:
            yield Option("argument-missing", node, key, _adding(node, key, _name(each)))
    if name == "range" and len(node.args) == 1:
        yield Option("bound", node, "", changed(node, args=[ast.Constant(1), *node.args]))
    if isinstance(node.func, ast.Attribute) and not _is_module(node.func.value, names):
        yield Option("call-extra", node, f".{name}()", node.func.value, name)
    elif node.args and not isinstance(node.args[0], ast.Starred):
        yield Option("call-extra", node, f"{name}()", node.args[0], name)


def _of_slice(node: ast.Slice, parents: Parents) -> Found:
    for end in ("lower", "upper", "step"):
        if getattr(node, end) is not None:
            yield Option("bound", parents[-1], "", changed(node, **{end: None}))


def _of_row(node: ast.Tuple | ast.List, parents: Parents) -> Found:
    if isinstance(parents[-1], ast.Subscript) and parents[-1].slice is node:
        return
    for one in range(len(node.elts)):
        for two in range(one + 1, len(node.elts)):
            elements = [*node.elts]
            elements[one], elements[two] = elements[two], elements[one]
            yield Option("order", node, "", changed(node, elts=elements))


def is_value(node: ast.AST, field: str, names: Names) -> bool:
    """Return whether a node is a value that something else could be instead of."""
    if not isinstance(node, (ast.Name, ast.Call, ast.BinOp, ast.Attribute, ast.Subscript)):
        return False
    is_read = isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
    return is_read and field != "func" and not _is_module(node, names)


def _of_value(node: Any, parents: Parents, field: str, names: Names) -> Found:
    shown, parent = shown_in(parents), parents[-1]
    if isinstance(node, ast.Name):
        method = isinstance(parent, ast.Attribute) and isinstance(parents[-2], ast.Call)
        for other in names.set_before(node.lineno):
            if other != node.id and (other in names.objects or not method):
                yield Option("name", shown, node.id, _name(other), f"{node.id} {other}")
    elif isinstance(node, ast.Call):
        for other in names.parameters:
            yield Option("instead-of", node, other, _name(other))
    in_range = isinstance(parent, ast.Call) and called(parent) == "range"
    if in_range or field in ("lower", "upper", "slice"):
        for op in (ast.Add(), ast.Sub()):
            new = ast.BinOp(node, op, ast.Constant(1))
            yield Option("bound", shown, "", new, f"{code_of(node)} {_symbol(op)}")


class _Fill(ast.NodeTransformer):
    """Puts a value into the place `_` of a template."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def visit_Name(self, node: ast.Name) -> Any:
        """Replace the place."""
        return self.value if node.id == "_" else node


def around(node: Any, place: str, kind: str, template: str) -> Option:
    """Return a value with something around it; `place` says where it is."""
    code, new = code_of(node), _Fill(node).visit(ast.parse(template, mode="eval").body)
    alike = template if place == FACTOR and template == "_.T" else f"{template} {code}"
    if kind != "call-missing":
        return Option(kind, node, code, new, alike)
    name = template.removeprefix("_.").partition("(")[0]
    return Option(kind, node, f"`{name}` is missing around `{code}`", new, alike)


def place_of(parent: ast.AST, field: str) -> str:
    """Return where a value is, if that is the second factor of a matrix product."""
    is_product = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.MatMult)
    return FACTOR if is_product and field == "right" else ""


def changed(node: Any, **fields: Any) -> Any:
    """Return a shallow copy of a node with other fields."""
    new = copy.copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


def _adding(call: ast.Call, key: str, value: ast.expr) -> Any:
    return changed(call, keywords=[*call.keywords, ast.keyword(key, value)])


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _int(node: ast.AST) -> int | None:
    """Return the value of a whole number, which may have a minus sign."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _int(node.operand)
        return None if value is None else -value
    is_int = isinstance(node, ast.Constant) and type(node.value) is int
    return node.value if is_int else None  # type: ignore[attr-defined]


def called(call: ast.Call | None) -> str:
    """Return the name of the function or method that is called; empty if it has none."""
    func = None if call is None else call.func
    if isinstance(func, ast.Attribute):
        return func.attr
    return func.id if isinstance(func, ast.Name) else ""


def _family(name: str) -> list[str]:
    return [
        *dict.fromkeys(o for each in tables.FAMILIES if name in each for o in each if o != name)
    ]


def _is_module(node: ast.AST, names: Names) -> bool:
    """Return whether an expression is a name of the module, such as `torch` or `nn.functional`."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and node.id not in names.all


def line_of(node: ast.AST, shown: ast.AST) -> int:
    """Return the line of a node; some have none, but what is shown has."""
    return int(getattr(node, "lineno", 0) or getattr(shown, "lineno", 1))


def shown_in(parents: Parents) -> ast.AST:
    """Return the nearest parent that says enough if it is shown alone."""
    return next((each for each in reversed(parents) if isinstance(each, SHOWN)), parents[-1])


def _symbol(op: ast.AST) -> str:
    return tables.SYMBOLS.get(type(op), "")


def code_of(node: ast.AST) -> str:
    """Return the code of a node on one line, shortened."""
    text: str = ast.unparse(node).strip().split("\n")[0]
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 4]} ..."
