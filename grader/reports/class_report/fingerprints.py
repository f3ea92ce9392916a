"""Digests of code that ignore local names, annotations, docstrings, comments and layout."""

from __future__ import annotations

import ast
import hashlib

from grader.intake.notebook_modules import NOT_PYTHON

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def fingerprints(files: dict[str, bytes]) -> dict[str, str]:
    """Return a digest per module, except for modules that are not valid Python."""
    found = {}
    for module, source in files.items():
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
    """List the names that functions bind: arguments and variables."""
    functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
    return {
        each.arg if isinstance(each, ast.arg) else each.id
        for function in functions
        for each in ast.walk(function)
        if isinstance(each, ast.arg)
        or (isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store))
    }


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
