"""Puts a task back to its stub, and keeps a copy of the student's file."""

from __future__ import annotations

import ast
import shutil
import time
from pathlib import Path

from grader.base.errors import UsageError
from grader.contract.tasks import Task

COPIES = ".copies"  # a folder beside the file; the grader does not look into hidden folders


def reset(file: Path, stub: str, task: Task) -> Path:
    """Replace a task's definitions in a file by those of its stub; return the path of the copy.

    If other tasks share the file, they stay as they are.

    Raises:
        UsageError: the file cannot be changed, or it has to be replaced as a whole and holds the
            work of other tasks.
    """
    try:
        old = file.read_text(encoding="utf-8") if file.exists() else ""
        new = _with_stub(old, stub, task) if old and task.shares_module else stub
        copy = file.parent / COPIES / f"{file.stem}-{time.strftime('%Y-%m-%d-%H-%M-%S')}.py"
        if file.exists():
            copy.parent.mkdir(exist_ok=True)
            shutil.copy2(file, copy)
        file.write_text(new, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{file}: cannot be reset ({reason}).") from None
    return copy


def _with_stub(old: str, stub: str, task: Task) -> str:
    """Return a file's text with the definitions of one task replaced by the stub's.

    Raises:
        UsageError: the text has a syntax error, or one of the definitions is not in it.
    """
    try:
        places = _definitions(old)
        lines = old.split("\n")
        fresh = _definitions(stub)
        for name in sorted(task.names, key=lambda name: -places[name][0]):
            start, end = places[name]
            first, last = fresh[name]
            lines[start:end] = stub.split("\n")[first:last]
    except SyntaxError as error:
        raise UsageError(
            f"Line {error.lineno} has a syntax error, so {task.id} cannot be found. Fix it first."
        ) from None
    except KeyError as error:
        raise UsageError(f"There is no {error.args[0]} in the file. Write it first.") from None
    return "\n".join(lines)


def _definitions(text: str) -> dict[str, tuple[int, int]]:
    """Return where the functions and classes of a module are: indices of their lines, by name."""
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            assert node.end_lineno is not None
            found[node.name] = (first - 1, node.end_lineno)
    return found
