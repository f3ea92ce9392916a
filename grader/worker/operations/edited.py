"""Runs operations on a submission with one small change, see `edits`."""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import importlib
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from .. import edits
from ..edit_expressions import called, code_of
from ..partial import FLAGS
from ..serve import reset_random_state
from ..student import PACKAGE, lines_of, student

STEPPED = (b"breakpoint", b"set_trace")  # code that somebody steps through is left alone
MOST_ROUNDS = 20_000  # of all loops together, and calls
RETURN_NOTHING = {
    *("append", "extend", "insert", "sort", "reverse", "shuffle", "clear"),
    *("print", "backward", "zero_grad"),
}
ROUND, ROUNDS = "__round__", "__rounds__"


def listed(module: str, names: list[str], most: int) -> list[tuple[str, int, str, str]]:
    """Return kind, line, part and other of the edits of a function and of what it uses.

    Args:
        module: the student's module.
        names: the functions of a task, the one to look at first; edits of the others come last.
        most: how many to return.
    """
    found = _edits(module, tuple(names), student.files[module])
    return [(edit.kind, edit.line, edit.part, edit.other) for _, edit in found[:most]]


def run(
    module: str, names: list[str], number: int, seed: int, do: str, arguments: dict[str, Any]
) -> Any:
    """Run another operation on the submission with one of the edits.

    Args:
        module: the student's module.
        names: the functions of a task.
        number: which edit of those that `listed` returns.
        seed: for the random numbers.
        do: the operation, as "module.function".
        arguments: its arguments.
    """
    definition, edit = _edits(module, tuple(names), student.files[module])[number]
    place, _, name = do.partition(".")
    operation = getattr(importlib.import_module(f".{place}", __package__), name)
    with _edited(module, definition, edit), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reset_random_state(seed)
        return operation(**arguments)


Definition: TypeAlias = "ast.FunctionDef | ast.ClassDef"


def nothing(module: str, names: list[str]) -> list[tuple[int, str, str]]:
    """Return where a task's functions use the result of a call that returns nothing.

    Returns:
        The line, its code, and the function that is called.
    """
    definitions = _definitions(module, student.files[module])
    return [
        (node.lineno, code_of(node), call)
        for name in _used(tuple(names), definitions)
        for node in ast.walk(definitions[name])
        if isinstance(node, (ast.Return, ast.Assign)) and isinstance(node.value, ast.Call)
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple))
        if (call := called(node.value)) in RETURN_NOTHING
    ]


def _definitions(module: str, source: bytes) -> dict[str, Definition]:
    tree = ast.parse("".join(lines_of(source)), student.names.get(module, module))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {each.name: each for each in tree.body if isinstance(each, kinds)}


@functools.lru_cache(maxsize=1)
def _edits(
    module: str, names: tuple[str, ...], source: bytes
) -> list[tuple[Definition, edits.Edit]]:
    if any(word in source for word in STEPPED):
        return []
    definitions = _definitions(module, source)
    others = {name: each for name, each in definitions.items() if name not in names[1:]}
    own = _used(names[:1], others)
    used = [definitions[name] for name in _used(names, definitions)]
    attributes = [*dict.fromkeys(name for each in used for name in _attributes(each))]
    found = [
        (definition, edit)
        for definition in used
        for function in _functions(definition)
        for edit in edits.edits(function, attributes)
    ]
    kinds = edits.KINDS.index
    return sorted(found, key=lambda pair: (pair[0].name not in own, kinds(pair[1].kind)))


def _attributes(definition: Definition) -> Iterator[str]:
    """Yield the attributes that a class gives its objects: those that are set, and properties."""
    for node in ast.walk(definition) if isinstance(definition, ast.ClassDef) else ():
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.FunctionDef) and node.decorator_list:
            yield node.name


def _functions(definition: Definition) -> list[ast.FunctionDef]:
    """Return a function, or the methods of a class."""
    parts = definition.body if isinstance(definition, ast.ClassDef) else [definition]
    return [part for part in parts if isinstance(part, ast.FunctionDef)]


def _used(names: tuple[str, ...], definitions: Mapping[str, Definition]) -> list[str]:
    """Return the functions and classes of a task, and those that they use."""
    found = [name for name in names if name in definitions]
    for name in found:
        found += [
            node.id
            for node in ast.walk(definitions[name])
            if isinstance(node, ast.Name) and node.id in definitions and node.id not in found
        ]
    return [*dict.fromkeys(found)]


def _counting(definition: Definition) -> Definition:
    """Return a definition that raises after many rounds of loops, and calls.

    A list may grow while a loop goes through it, and a loop over a dataset may never end.
    """
    definition = copy.deepcopy(definition)
    for node in [*ast.walk(definition)]:
        count = ast.Call(ast.Name(ROUND, ast.Load()), [], [])
        if isinstance(node, ast.FunctionDef):
            node.body.insert(0, ast.Expr(count))
        elif isinstance(node, ast.While):
            node.test = ast.BoolOp(ast.And(), [count, node.test])
        elif isinstance(node, ast.For):
            node.iter = ast.Call(ast.Name(ROUNDS, ast.Load()), [node.iter], [])
    return definition


@contextlib.contextmanager
def _edited(module: str, function: Definition, edit: edits.Edit) -> Iterator[None]:
    """Replace a function or a class of the submission by an edited one."""
    student.get(module, function.name)
    namespace = sys.modules[f"{PACKAGE}.{module}"].__dict__
    own, left = namespace[function.name], iter(range(MOST_ROUNDS))

    def count() -> bool:
        if next(left, None) is None:
            raise RuntimeError("an edit made a loop endless")
        return True

    def counted(values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            count()
            yield value

    with edit.made():
        tree = ast.fix_missing_locations(ast.Module([_counting(function)], []))
        code = compile(tree, student.names.get(module, module), "exec", FLAGS, dont_inherit=True)
    try:
        exec(code, namespace)
        namespace[ROUND], namespace[ROUNDS] = count, counted
        student.is_edited = True
        yield
    finally:
        student.is_edited = False
        namespace[function.name] = own
        for name in (ROUND, ROUNDS):
            namespace.pop(name, None)
