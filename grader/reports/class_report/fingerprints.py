"""Digests of code that ignore local names, annotations, docstrings, comments and layout."""

from __future__ import annotations

import ast
import hashlib

from grader.intake.ipython import LONG_IMPORT, NOT_PYTHON

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def fingerprints(files: dict[str, bytes]) -> dict[str, str]:
    """Return a digest per module, except for modules that are not valid Python."""
    found = {}
    for module, source in files.items():
        if LONG_IMPORT.search(source.decode("latin-1")):
            continue
        try:
            tree = ast.parse(source)
            _drop_docstrings(tree)
            normal = ast.dump(Renaming(_locals(tree)).visit(tree))
        except NOT_PYTHON:
            continue
        found[module] = hashlib.sha256(normal.encode("utf-8", "replace")).hexdigest()
    return found


def _drop_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, Documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]


def _locals(tree: ast.Module) -> set[str]:
    """List the names that are bound in functions: arguments and variables."""
    found: set[str] = set()
    left: list[tuple[ast.AST, bool]] = [(tree, False)]
    while left:
        node, inside = left.pop()
        if inside and isinstance(node, ast.arg):
            found.add(node.arg)
        elif inside and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        inside = inside or isinstance(node, Function)
        left += [(child, inside) for child in ast.iter_child_nodes(node)]
    return found


class Renaming(ast.NodeTransformer):
    """Replaces names by numbers, in order of first use."""

    def __init__(self, names: set[str]) -> None:
        """Replace only these names."""
        self.names = names
        self.numbers: dict[str, str] = {}

    def _number(self, name: str) -> str:
        if name not in self.names:
            return name
        return self.numbers.setdefault(name, f"_{len(self.numbers)}")

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """Replace the name of a variable."""
        return ast.Name(self._number(node.id), node.ctx)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Drop the return annotation and visit the body."""
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """Replace the name of an argument and drop its annotation."""
        return ast.arg(self._number(node.arg))
