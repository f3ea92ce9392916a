"""Writes `grader/contract/signatures.toml`: the parameters of all functions of the exercise."""

from __future__ import annotations

import ast
from pathlib import Path

from grader.contract.signatures import TABLE
from grader.contract.tasks import Task, all_tasks

HEAD = "# Generated from solution/ by `python -m grader build`: the parameters of each function.\n"


def text(solution: Path) -> str:
    """Return the table."""
    found = {task.id: _of_task(task, solution) for task in all_tasks().values() if task.module}
    parts = [
        f"\n[{id_}]\n" + "".join(f'"{name}" = "{own}"\n' for name, own in functions.items())
        for id_, functions in found.items()
    ]
    return HEAD + "".join(parts)


def build(solution: Path) -> list[Path]:
    """Write the table, and return its path if it changed."""
    if not check(solution):
        return []
    TABLE.write_text(text(solution), encoding="utf-8", newline="\n")
    return [TABLE]


def check(solution: Path) -> list[str]:
    """Return a line if the table is not what `build` would write."""
    now = TABLE.read_text(encoding="utf-8") if TABLE.exists() else ""
    outdated = "grader/contract/signatures.toml:1: outdated; run `python -m grader build`"
    return [] if now == text(solution) else [outdated]


def _of_task(task: Task, solution: Path) -> dict[str, str]:
    found = {}
    tree = ast.parse((solution / f"{task.module}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in task.names:
            found[node.name] = _parameters(node.args)
        elif isinstance(node, ast.ClassDef) and node.name in task.names:
            methods = (each for each in node.body if isinstance(each, ast.FunctionDef))
            found |= {f"{node.name}.{each.name}": _parameters(each.args) for each in methods}
    return found


def _parameters(args: ast.arguments) -> str:
    required = len(args.args) - len(args.defaults)
    parts = [f"{arg.arg}=" if at >= required else arg.arg for at, arg in enumerate(args.args)]
    parts += ["*"] if args.kwonlyargs else []
    pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    return ", ".join([*parts, *(f"{arg.arg}=" if value else arg.arg for arg, value in pairs)])
