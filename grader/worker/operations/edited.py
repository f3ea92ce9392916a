"""Runs operations on a submission with one small change, see `edits`."""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import importlib
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from .. import edits
from ..edit_expressions import called, code_of
from ..partial import FLAGS
from ..serve import reset_random_state
from ..student import PACKAGE, lines_of, student

STEPPED = (b"breakpoint", b"set_trace")  # code that somebody steps through is left alone
MOST_ROUNDS = 10_000  # of a `while` loop
RETURN_NOTHING = {
    *("append", "extend", "insert", "sort", "reverse", "shuffle", "clear"),
    *("print", "backward", "zero_grad"),
}
ROUND = "__round__"


def listed(module: str, names: list[str], most: int) -> list[tuple[str, int, str, str]]:
    """Return kind, line, part and other of the edits of a task's functions, at most so many."""
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
    function, edit = _edits(module, tuple(names), student.files[module])[number]
    place, _, name = do.partition(".")
    operation = getattr(importlib.import_module(f".{place}", __package__), name)
    with _edited(module, function, edit), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reset_random_state(seed)
        return operation(**arguments)


def nothing(module: str, names: list[str]) -> list[tuple[int, str, str]]:
    """Return where a task's functions use the result of a call that returns nothing.

    Returns:
        The line, its code, and the function that is called.
    """
    functions = _functions(module, student.files[module])
    return [
        (node.lineno, code_of(node), call)
        for name in _used(tuple(names), functions)
        for node in ast.walk(functions[name])
        if isinstance(node, (ast.Return, ast.Assign)) and isinstance(node.value, ast.Call)
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple))
        if (call := called(node.value)) in RETURN_NOTHING
    ]


def _functions(module: str, source: bytes) -> dict[str, ast.FunctionDef]:
    tree = ast.parse("".join(lines_of(source)), student.names.get(module, module))
    return {each.name: each for each in tree.body if isinstance(each, ast.FunctionDef)}


@functools.lru_cache(maxsize=1)
def _edits(
    module: str, names: tuple[str, ...], source: bytes
) -> list[tuple[ast.FunctionDef, edits.Edit]]:
    if any(word in source for word in STEPPED):
        return []
    functions = _functions(module, source)
    found = [
        (functions[name], edit)
        for name in _used(names, functions)
        for edit in edits.edits(functions[name])
    ]
    return sorted(found, key=lambda pair: edits.KINDS.index(pair[1].kind))


def _used(names: tuple[str, ...], functions: dict[str, ast.FunctionDef]) -> list[str]:
    """Return the functions of a task, and those that they use."""
    found = [name for name in names if name in functions]
    for name in found:
        found += [
            node.id
            for node in ast.walk(functions[name])
            if isinstance(node, ast.Name) and node.id in functions and node.id not in found
        ]
    return [*dict.fromkeys(found)]


def _counting(function: ast.FunctionDef) -> ast.FunctionDef:
    """Return a function whose `while` loops raise after many rounds."""
    if not any(isinstance(node, ast.While) for node in ast.walk(function)):
        return function
    function = copy.deepcopy(function)
    for node in [*ast.walk(function)]:
        if isinstance(node, ast.While):
            rounds = ast.Call(ast.Name(ROUND, ast.Load()), [], [])
            node.test = ast.BoolOp(ast.And(), [rounds, node.test])
    return function


@contextlib.contextmanager
def _edited(module: str, function: ast.FunctionDef, edit: edits.Edit) -> Iterator[None]:
    """Replace a function of the submission by an edited one."""
    student.get(module, function.name)
    namespace = sys.modules[f"{PACKAGE}.{module}"].__dict__
    own, left = namespace[function.name], iter(range(MOST_ROUNDS))

    def count() -> bool:
        if next(left, None) is None:
            raise RuntimeError("an edit made a loop endless")
        return True

    with edit.made():
        tree = ast.fix_missing_locations(ast.Module([_counting(function)], []))
        code = compile(tree, student.names.get(module, module), "exec", FLAGS, dont_inherit=True)
    try:
        exec(code, namespace)
        namespace[ROUND] = count
        yield
    finally:
        namespace[function.name] = own
        namespace.pop(ROUND, None)
