"""Finds sizes of tensors and layers that a student's code writes as numbers."""

from __future__ import annotations

import ast
import operator
from collections.abc import Collection, Iterable, Iterator, Mapping

from .edit_expressions import called, code_of
from .lints import DEFINITIONS

CREATE = {
    *("zeros", "ones", "empty", "full", "randn", "rand"),
    *("new_zeros", "new_ones", "new_empty", "new_full"),
}
# Functions and layers whose arguments are sizes, but for those with certain names.
TAKE_SIZES = {
    *CREATE,
    *("view", "reshape", "expand", "unflatten", "narrow", "split", "repeat", "range", "arange"),
    *("Linear", "LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell", "Embedding", "LayerNorm"),
}
NO_SIZES = {*("dim", "axis", "p", "dropout", "padding_idx", "fill_value", "num_layers")}
OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}
SMALL = 5  # smaller numbers, such as the 4 gates of an LSTM or an index of 0, are rarely sizes
Constants = Mapping[str, tuple[int, int]]  # the value and the line, by name


def fixed_sizes(
    source: str,
    skip: Collection[str],
    numbers: Collection[int],
    length: int = 0,
    is_split: bool = False,
) -> list[tuple[int, int, str]]:
    """Return line, size and text of the places that use one of the numbers as a size, in order.

    Args:
        source: the module.
        skip: names of definitions that are left out.
        numbers: the sizes that an error speaks of.
        length: if an index was out of bounds, the length: then a `range` that ends later is found,
            too, or a tensor that was created with it.
        is_split: whether there were too few or too many parts: then any size of them is found.
    """
    tree = ast.parse(source)
    everywhere = dict(_constants(tree, tree.body))
    found = []
    for part in tree.body:
        if not isinstance(part, (*DEFINITIONS, ast.ClassDef)) or part.name in skip:
            continue
        known = everywhere | dict(_constants(part, ast.walk(part)))
        for size, shown in _sizes(part):
            value = _value(size, known)
            name = called(shown) if isinstance(shown, ast.Call) else ""
            if value is None or value < (SMALL if isinstance(shown, ast.Subscript) else 2):
                continue
            if name == "range":
                is_wrong = 0 < length < value
            else:
                is_wrong = value in numbers or (0 < value == length and name in CREATE)
                is_wrong |= is_split and name == "split" and value >= SMALL
            if is_wrong:
                found.append((size.lineno, value, _says(size, value, shown, known)))
    return sorted(found, key=lambda each: each[0])


def _constants(tree: ast.AST, nodes: Iterable[ast.AST]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the names that stand for a whole number, and are assigned once in a tree."""
    every = [each for each in ast.walk(tree) if isinstance(each, ast.Name)]
    stored = [each.id for each in every if isinstance(each.ctx, ast.Store)]
    for node in nodes:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name, number = node.targets[0].id, getattr(node.value, "value", None)
        if type(number) is int and stored.count(name) == 1:
            yield name, (number, node.lineno)


def _sizes(definition: ast.AST) -> Iterator[tuple[ast.expr, ast.AST]]:
    """Yield the expressions that are sizes, and ends of slices, each with what to show of it."""
    for node in ast.walk(definition):
        if isinstance(node, ast.Subscript):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            for part in parts:
                ends = [part.lower, part.upper] if isinstance(part, ast.Slice) else [part]
                yield from ((end, node) for end in ends if end is not None)
        elif isinstance(node, ast.Call) and called(node) == "arange" and len(node.args) == 2:
            first, last = node.args
            yield ast.copy_location(ast.BinOp(last, ast.Sub(), first), node), node
        elif isinstance(node, ast.Call) and called(node) in TAKE_SIZES:
            given = [*node.args, *(k.value for k in node.keywords if k.arg not in NO_SIZES)]
            for each in given:
                parts = each.elts if isinstance(each, (ast.Tuple, ast.List)) else [each]
                yield from ((part, node) for part in parts)


def _value(size: ast.expr, known: Constants) -> int | None:
    """Return the value of an expression of whole numbers and names that stand for one."""
    if isinstance(size, ast.Constant):
        return size.value if type(size.value) is int else None
    if isinstance(size, ast.Name):
        return known.get(size.id, (None, 0))[0]
    if isinstance(size, ast.BinOp) and (compute := OPERATIONS.get(type(size.op))):
        left, right = _value(size.left, known), _value(size.right, known)
        if left is not None and right:
            return int(compute(left, right))
    return None


def _says(size: ast.expr, value: int, shown: ast.AST, known: Constants) -> str:
    names = [each.id for each in ast.walk(size) if isinstance(each, ast.Name)]
    lines = sorted({known[name][1] for name in names})
    where = f" of line {', '.join(map(str, lines))}" if lines else ""
    number = "a fixed number" if isinstance(size, ast.Constant) else f"the fixed number {value}"
    return f"`{code_of(size)}` in `{code_of(shown)}` is {number}{where}"
