"""Lists what could be instead of the lines of a block: a line is too much, or in another place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from .edit_expressions import changed


def options(block: list[Any]) -> Iterator[tuple[str, ast.stmt, str, list[ast.stmt]]]:
    """Yield what could be instead of a block: the kind, what is shown, what is said, the lines."""
    for at, line in enumerate(block):
        before, after = block[:at], block[at + 1 :]
        if isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
            continue
        if not isinstance(line, (ast.Return, ast.FunctionDef)):
            kind = "lines-extra" if hasattr(line, "body") else "line-extra"
            yield kind, line, "", [*before, *after] or [ast.Pass()]
        if after and not isinstance(line, ast.Return):
            for by in range(1, min(len(after), 4) + 1):
                moved = [*before, *after[:by], line, *after[by:]]
                yield "lines-order", line, str(after[by - 1].lineno), moved
        if isinstance(line, ast.Assign) and not isinstance(line.targets[0], (ast.Tuple, ast.List)):
            new: ast.stmt = ast.AugAssign(line.targets[0], ast.Add(), line.value)  # type: ignore[arg-type]
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
            turned = changed(line, test=ast.UnaryOp(ast.Not(), line.test))
            yield "condition", line.test, "", [*before, turned, *after]  # type: ignore[misc]
            kind = "condition" if line.orelse else "condition-extra"
            yield kind, line.test, "", [*before, *line.body, *after]  # type: ignore[misc]
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
        rest = changed(outer, body=body[:-count])
        yield "inside", body[-count], what, [*before, rest, *body[-count:], *after]
    if len(body) > 1:
        yield "inside", body[0], what, [*before, body[0], changed(outer, body=body[1:]), *after]
    for count in range(1, min(len(after), 3) + 1):
        longer = changed(outer, body=[*body, *after[:count]])
        yield "outside", after[0], what, [*before, longer, *after[count:]]
    if before and isinstance(before[-1], (ast.Assign, ast.Expr, ast.AugAssign)):
        longer = changed(outer, body=[before[-1], *body])
        yield "outside", before[-1], what, [*before[:-1], longer, *after]
