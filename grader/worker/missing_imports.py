"""Supplies the imports that a module with several tasks has forgotten.

A missing `import torch` raises in every function that is called. It is one mistake, so it costs the
first task that needs it, and the others are judged with the import.
"""

from __future__ import annotations

import builtins
import dis
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType
from typing import Any

from .partial import DEFINED, Statement, Tasks, statements, task_of

IMPORTS = {  # a name, and where it comes from
    "torch": "torch",
    "Tensor": "torch:Tensor",
    "nn": "torch:nn",
    "functional": "torch.nn:functional",
    "F": "torch.nn:functional",
    "rnn": "torch.nn.utils:rnn",
    "spacy": "spacy",
    "Language": "spacy:Language",
    "np": "numpy",
    "math": "math",
    "random": "random",
    "Counter": "collections:Counter",
}


def supply(
    lines: Sequence[str], file: str, namespace: dict[str, Any], tasks: Tasks
) -> dict[str, BaseException]:
    """Add the missing imports to a module that has been run.

    Returns:
        The exceptions by the names of the tasks that they cost.
    """
    parts = [part for part in statements(lines, file) if part.code is not None]
    used = {part.line: _used(part) for part in parts}
    helpers = {name: used[part.line] for part in parts for name in _defined(part)}
    costs: dict[str, BaseException] = {}
    for part in parts:
        task = task_of(part.text, tasks)
        if task is None:
            continue
        names = _reached(used[part.line], helpers)
        for name in sorted(names & IMPORTS.keys() - namespace.keys() - vars(builtins).keys()):
            error = _name_error(name, part, file)
            namespace[name] = pkgutil.resolve_name(IMPORTS[name])
            for defined in tasks[task]:
                costs.setdefault(defined, error)
    return costs


def _defined(part: Statement) -> list[str]:
    return [one or other for one, other in DEFINED.findall(part.text)]


def _used(part: Statement) -> set[str]:
    """Return the names that the functions of a statement look up in the module."""
    return {*_globals(part.code)} if part.code is not None else set()


def _globals(code: CodeType) -> Iterator[str]:
    instructions = [(each.opname, each.argval) for each in dis.get_instructions(code)]
    for name, looked_up in instructions:
        if name in ("LOAD_GLOBAL", "LOAD_NAME") and ("STORE_GLOBAL", looked_up) not in instructions:
            yield looked_up
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals(constant)


def _reached(names: set[str], helpers: Mapping[str, set[str]]) -> set[str]:
    """Return these names, and those that the functions of the module behind them look up."""
    found, new = set(names), set(names)
    while new:
        new = {name for one in new for name in helpers.get(one, ())} - found
        found |= new
    return found


def _name_error(name: str, part: Statement, file: str) -> BaseException:
    """Return the exception that looking up a name raises, at the line of a statement."""
    try:
        exec(compile("\n" * (part.line - 1) + name, file, "exec"), {})
    except NameError as error:
        return error
    raise AssertionError(name)
