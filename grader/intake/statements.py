"""The top-level statements of a notebook's cells: what each binds, changes, needs and calls."""

from __future__ import annotations

import ast
import re
import symtable
from collections.abc import Iterator
from dataclasses import dataclass, field

from grader.intake.ipython import NOT_PYTHON, parse
from grader.intake.sources import CellLine

KIT = "grader"  # a submission cannot import it
MAX_CELL = 1 << 16  # characters
SETUP = "#@title Setup: run this cell first"  # begins the cell that installs the kit
Function = ast.FunctionDef | ast.AsyncFunctionDef
SCOPES = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
# Built-in functions that change none of their arguments; of the others only these two matter.
CHANGING_BUILTINS = ("setattr", "delattr", "next")
# Modules whose functions change arguments: random.shuffle, heapq.heappush, nn.init.normal_.
CHANGING_MODULES = {"random", "numpy", "torch", "heapq", "bisect", "functools", "operator"}
WRITING = ("save", "savez", "savetxt", "dump")
FILLING = {
    *("append", "add", "update", "extend", "insert", "setdefault", "pop", "popitem", "remove"),
    *("discard", "clear", "sort", "reverse", "appendleft", "add_pipe", "fit", "index_fill_"),
}
EMPTY = ("dict", "list", "set", "defaultdict", "Counter", "OrderedDict", "deque")
DATA_MODULES = {"news", "torchtext", "datasets", "google", "kaggle", "requests", "urllib", "gdown"}
DATA_FUNCTIONS = {"open", "input", "get_ipython"}
DATA_METHODS = {
    *("read_csv", "read_json", "read_parquet", "read_table", "read_pickle", "read_text"),
    *("read_bytes", "load_dataset", "urlopen", "urlretrieve", "loadtxt"),
}
LOADING = {("torch", "load"), ("numpy", "load"), ("joblib", "load"), ("pickle", "load")}


@dataclass(frozen=True)
class Cell:
    """A code cell: `name` is what messages call it."""

    text: str
    name: str = "an earlier cell"


@dataclass
class Statement:
    """A top-level statement.

    Attributes:
        lines: its lines, and where they stand.
        gives: the names that it binds.
        needs: the names that it uses, also in the bodies of functions.
        reads: the names that it uses when it runs.
        fills: names whose objects it changes: `x.y = 1`, `x[0] = 1`, `x.append(1)`.
        touches: names whose objects it may change: `x.method()`, `f(x)`.
        calls: functions of the notebook's own that it calls when it runs.
        effects: for a function: global names whose objects a call of it may change.
        body_calls: for a function: what a call of it calls in turn.
        body_loads_data: for a function: whether a call of it reads data, by a method's name.
        empties: names that it binds to an empty list, dict or the like.
        imports: name to the module that it was imported from.
        defines: whether it is, or has in it, the definition of a class or a function.
        attributes: for a class: the attributes that it gives to `self`.
        parameters: for a function.
        loads_data: whether it calls what reads data, a file or the network.
        always: it is taken whatever is needed: the names that it gives are unknown.
        first: it has to stand at the top: `from __future__ import ...`.
    """

    lines: tuple[tuple[str, CellLine], ...] = ()
    gives: set[str] = field(default_factory=set)
    needs: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    fills: set[str] = field(default_factory=set)
    touches: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    effects: set[str] = field(default_factory=set)
    body_calls: set[str] = field(default_factory=set)
    body_loads_data: bool = False
    empties: set[str] = field(default_factory=set)
    imports: dict[str, str] = field(default_factory=dict)
    defines: bool = False
    is_class: bool = False
    attributes: set[str] = field(default_factory=set)
    parameters: list[str] = field(default_factory=list)
    loads_data: bool = False
    always: bool = False
    first: bool = False


def defined(text: str) -> set[str]:
    """List the functions and classes that a cell defines, also one that is no Python yet."""
    return set(re.findall(r"^(?:async\s+def|def|class)\s+(\w+)", text, re.MULTILINE))


def without_definitions(text: str) -> str:
    """Return a cell without its functions and classes, line for line; empty if it is no Python."""
    try:
        python, nodes = parse(text)
    except NOT_PYTHON:
        return ""
    lines = python.split("\n")
    for node in nodes:
        if isinstance(node, Function | ast.ClassDef):
            first = min(each.lineno for each in [node, *node.decorator_list]) - 1
            end = node.end_lineno or first
            lines[first:end] = [""] * (end - first)
    return "\n".join(lines)


def probably_given(text: str) -> set[str]:
    """List the names that a text too long to be parsed seems to bind, by how its lines begin."""
    bound = re.findall(r"^(\w{1,99})\b[^=\n]{0,200}=", text, re.MULTILINE)
    imported = re.findall(r"^(?:import|from)\b[^\n]{0,200}?\b(\w{1,99})[ \t]*$", text, re.MULTILINE)
    return {*defined(text), *bound, *imported}


def statements(cell: Cell) -> list[Statement] | None:
    """Split a cell into its statements; None if it is no Python."""
    try:
        text, nodes = parse(cell.text)
        lines = lines_of(Cell(text, cell.name))
        return [_statement(node, lines) for node in nodes]
    except NOT_PYTHON:
        return None


def lines_of(cell: Cell) -> list[tuple[str, CellLine]]:
    """Return the lines of a cell, each with where it stands."""
    return [(text, (cell.name, line)) for line, text in enumerate(cell.text.split("\n"), 1)]


def _statement(node: ast.stmt, lines: list[tuple[str, CellLine]]) -> Statement:
    decorators = getattr(node, "decorator_list", [])
    first = min(each.lineno for each in [node, *decorators])
    found = Statement(lines=tuple(lines[first - 1 : node.end_lineno]))
    if isinstance(node, ast.Import | ast.ImportFrom):
        _import(found, node)
        return found
    found.empties = _empties(node)
    _names(found, node)
    _effects_when_run(found, node)
    if isinstance(node, Function | ast.ClassDef):
        _effects_when_called(found, node)
    if isinstance(node, Function):
        given = node.args
        found.parameters = [
            each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)
        ]
    if isinstance(node, ast.ClassDef):
        found.is_class = True
        found.attributes = {
            each.attr
            for each in ast.walk(node)
            if isinstance(each, ast.Attribute)
            and isinstance(each.ctx, ast.Store)
            and isinstance(each.value, ast.Name)
            and each.value.id == "self"
        }
    return found


def _empties(node: ast.stmt) -> set[str]:
    """List the names that an assignment binds to something empty, which is to be filled later."""
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return set()
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    value = node.value
    empty = isinstance(value, ast.List | ast.Dict) and not [*ast.iter_child_nodes(value)][1:]
    if isinstance(value, ast.Call):
        kind = value.func.attr if isinstance(value.func, ast.Attribute) else _root(value.func)
        empty = kind in EMPTY and all(isinstance(each, ast.Name) for each in value.args)
    return {each.id for each in targets if isinstance(each, ast.Name)} if empty else set()


def is_of_the_kit(statement: Statement) -> bool:
    """Whether a statement imports the grader itself."""
    first = next(iter(statement.imports.values()), "")
    return first.split(".")[0] == KIT


def _import(found: Statement, node: ast.Import | ast.ImportFrom) -> None:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            source = f"{node.module or ''}"
            found.imports[alias.asname or alias.name] = source
        else:
            found.imports[alias.asname or alias.name.split(".")[0]] = alias.name
    found.gives = {*found.imports} - {"*"}
    found.first = isinstance(node, ast.ImportFrom) and node.module == "__future__"
    found.always = found.first or "*" in found.imports


def _names(found: Statement, node: ast.stmt) -> None:
    """List what a statement binds and uses; scopes inside it need the compiler's own tables."""
    nodes = [*ast.walk(node)]
    if not any(isinstance(each, SCOPES) for each in nodes):
        for each in nodes:
            if isinstance(each, ast.Name):
                (found.needs if isinstance(each.ctx, ast.Load) else found.gives).add(each.id)
            elif isinstance(each, ast.Import | ast.ImportFrom):
                names = [alias.asname or alias.name.split(".")[0] for alias in each.names]
                found.gives.update(names)
            elif isinstance(each, ast.ExceptHandler) and each.name:
                found.gives.add(each.name)
            elif type(each).__name__ in ("MatchAs", "MatchStar") and each.name:  # type: ignore[attr-defined]
                found.gives.add(each.name)  # type: ignore[attr-defined]
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            found.needs.add(node.target.id)
        return
    table = symtable.symtable(ast.unparse(node), "cell", "exec")
    for symbol in table.get_symbols():
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            found.gives.add(symbol.get_name())
        if symbol.is_referenced():
            found.needs.add(symbol.get_name())
    found.needs |= _globals(table)


def _globals(table: symtable.SymbolTable) -> set[str]:
    """List the names that the functions and classes of a statement take from the module."""
    found: set[str] = set()
    left = [*table.get_children()]
    while left:
        child = left.pop()
        in_class = isinstance(child, symtable.Class)  # where `x = x` takes the module's
        found |= {
            each.get_name()
            for each in child.get_symbols()
            if each.is_global() or (in_class and each.is_referenced())
        }
        left += child.get_children()
    return found


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """List the nodes that run when a statement runs: no bodies of functions."""
    left = [node]
    while left:
        each = left.pop()
        yield each
        if isinstance(each, Function):
            left += each.decorator_list
        if isinstance(each, Function | ast.Lambda):
            left += [default for default in each.args.kw_defaults if default is not None]
            left += each.args.defaults
        else:
            left += ast.iter_child_nodes(each)


def _effects_when_run(found: Statement, node: ast.stmt) -> None:
    for each in _executed(node):
        if isinstance(each, Function | ast.ClassDef):
            found.defines = True
            found.calls |= {_root(decorator) for decorator in each.decorator_list}
            found.touches |= {_owner(decorator) for decorator in each.decorator_list} - {""}
            calls = [call for call in each.decorator_list if isinstance(call, ast.Call)]
            roots = {_root(argument) for call in calls for argument in call.args}
            found.fills |= roots - {""}
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load):
            found.reads.add(each.id)
        elif isinstance(each, ast.Await | ast.AsyncFor | ast.AsyncWith):
            found.loads_data = True  # a module cannot wait
        found.gives |= _put_into_globals(each)
        _effect(found, each)


def _owner(decorator: ast.expr) -> str:
    """Return `f` of a decorator such as `f.register` or `f.register(int)`, which changes it."""
    decorator = decorator.func if isinstance(decorator, ast.Call) else decorator
    return _root(decorator) if isinstance(decorator, ast.Attribute) else ""


def _put_into_globals(node: ast.AST) -> set[str]:
    """List the names that `globals()["x"] = 1` or `globals().update(x=1)` binds."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        names, of = [getattr(node.slice, "value", None)], node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        names, of = [keyword.arg for keyword in node.keywords], node.func.value
    else:
        return set()
    is_globals = isinstance(of, ast.Call) and _root(of.func) in ("globals", "locals", "vars")
    return {name for name in names if isinstance(name, str)} if is_globals else set()


def _effect(found: Statement, node: ast.AST) -> None:
    """Note what a node changes or calls."""
    if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        if root := _root(node):
            found.fills.add(root)
    elif isinstance(node, ast.Call):
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        roots = {root for each in arguments if (root := _root(each))}
        if isinstance(node.func, ast.Name):
            found.calls.add(node.func.id)
            if node.func.id in CHANGING_BUILTINS:
                found.fills |= {root for each in node.args[:1] if (root := _root(each))}
            found.touches |= {f"{node.func.id}({root}" for root in roots}
        elif isinstance(node.func, ast.Attribute) and (root := _root(node.func)):
            method = node.func.attr
            found.calls.add(f"{root}.{method}")
            found.touches.add(root)
            if method in FILLING:
                found.fills.add(root)
            if method not in WRITING:
                found.touches |= {f"{root}({each}" for each in roots}
        if isinstance(node.func, ast.Attribute) and node.func.attr in DATA_METHODS:
            found.loads_data = True


def _effects_when_called(found: Statement, node: Function | ast.ClassDef) -> None:
    """Note the global objects that a function, or a method of a class, changes."""
    body = Statement()
    stored: set[str] = set()
    declared: set[str] = set()
    for each in ast.walk(node):
        _effect(body, each)
        if isinstance(each, ast.Global):
            declared.update(each.names)
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            stored.add(each.id)
    found.effects = (body.fills & found.needs) | (declared & stored)
    found.body_calls = body.calls
    found.body_loads_data = body.loads_data


def _root(node: ast.AST) -> str:
    """Return the name that an expression such as `a.b[0].c` begins with; empty if there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def is_data(call: str, imports: dict[str, str]) -> bool:
    """Whether a call reads data, a file or the network: `open`, `news.sample`."""
    root, _, method = call.partition(".")
    module = imports.get(root, "").split(".")[0]
    return call in DATA_FUNCTIONS or module in DATA_MODULES or (module, method) in LOADING


def touched(statement: Statement, imports: dict[str, str], known: set[str]) -> set[str]:
    """List names whose objects a statement may change; `known` are those of the notebook."""
    found = {*statement.fills}
    for touch in statement.touches:
        function, _, argument = touch.partition("(")
        if not argument:
            if function not in imports:
                found.add(function)
        elif function in imports:
            if imports[function].split(".")[0] in CHANGING_MODULES and argument not in imports:
                found.add(argument)
        elif imports.get(argument, "").split(".")[0] in CHANGING_MODULES:
            pass  # a helper that is given nn.RNN or torch.optim.Adam does not change torch
        elif function in CHANGING_BUILTINS or function in known:
            found.add(argument)
    return found
