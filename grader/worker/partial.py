"""Runs what can be run of a module with several tasks that does not run as a whole.

A statement that cannot be compiled, or that raises, costs the task that it belongs to: the one that
it defines, otherwise the one that is defined before it. The other tasks are still there.
"""

from __future__ import annotations
import __future__

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

Tasks = Mapping[str, Sequence[str]]  # the names that each task of a module defines

# Annotations are not evaluated, so that a missing import costs what uses it when it is called.
FLAGS = __future__.annotations.compiler_flag
INSIDE = re.compile(r"[#)\]}]|(?:else|elif|except|finally)\b")  # begins no statement
DEFINED = re.compile(r"^(?:(?:async\s+)?def|class)\s+(\w+)|^(\w+)\s*(?::|=(?!=))", re.MULTILINE)
MOST_LINES = 400  # unindented lines in one statement, such as those of a long text
MOST_TRIES = 10_000  # pieces that are compiled


@dataclass(frozen=True)
class Statement:
    """A statement of a module: its text, where it begins, and its code or what is wrong with it."""

    text: str
    line: int
    code: CodeType | None
    error: BaseException | None = None


def statements(lines: Sequence[str], file: str) -> Iterator[Statement]:
    """Split a module into its statements, however broken some of them are.

    A statement reaches to the nearest unindented line with which it can be compiled. If there is
    none, it is broken and reaches to the next unindented line.
    """
    starts = [i for i, line in enumerate(lines) if line[:1].strip() and not INSIDE.match(line)]
    starts.append(len(lines))
    at, tries = 0, 0
    while at < len(starts) - 1:
        start, broken, first = starts[at], None, at + 1
        while first < len(starts) - 1 and lines[starts[first - 1]].startswith("@"):
            first += 1  # a decorator is part of what follows
        for end in range(first, min(first + MOST_LINES, len(starts))):
            tries += 1
            text = "".join(lines[start : starts[end]])
            code = _compile(text, start, file)
            if isinstance(code, CodeType):
                yield Statement(text, start + 1, code)
                break
            broken = broken or Statement(text, start + 1, None, code)
            if tries > MOST_TRIES:
                return
        else:
            end = first
            if broken is not None:
                yield broken
        at = end


def _compile(text: str, start: int, file: str) -> CodeType | BaseException:
    try:
        code: CodeType = compile("\n" * start + text, file, "exec", FLAGS, dont_inherit=True)
        return code
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        return error


def run(
    lines: Sequence[str], file: str, namespace: dict[str, Any], first: BaseException, tasks: Tasks
) -> dict[str, BaseException] | None:
    """Run a module's statements one by one.

    Args:
        lines: its source.
        file: its name in tracebacks.
        namespace: where it is run.
        first: why it does not run as a whole.
        tasks: its tasks, with the names that they define.

    Returns:
        The exceptions by the names of the tasks that they cost, or None if the module cannot be
        split by its tasks.
    """
    owners: list[tuple[int, str | None]] = []  # the first line of each statement, and its task
    failed: list[tuple[int, BaseException]] = []
    for statement in statements(lines, file):
        owners.append((statement.line, task_of(statement.text, tasks)))
        error = statement.error
        if statement.code is not None:
            try:
                exec(statement.code, namespace)
            except BaseException as raised:
                error = raised
        if error is not None:
            failed.append((statement.line, error))
    costs: dict[str, BaseException] = {}
    for line, error in failed or [(_line(first, file), first)]:
        task = _owner(owners, line)
        if task is None:
            return None
        for name in tasks[task]:
            costs.setdefault(name, error)
    return costs


def task_of(text: str, tasks: Tasks) -> str | None:
    """Return the task that a statement defines a name of."""
    names = {one or other for one, other in DEFINED.findall(text)}
    return next((task for task, defined in tasks.items() if names & {*defined}), None)


def _owner(owners: Sequence[tuple[int, str | None]], line: int) -> str | None:
    """Return the task that the statement at a line belongs to: its own, or the nearest before."""
    before = [task for first, task in owners if first <= line and task is not None]
    after = [task for first, task in owners if first > line and task is not None]
    return before[-1] if before else after[0] if after else None


def _line(error: BaseException, file: str) -> int:
    """Return the line of a module at which it raised."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if (code.co_filename, code.co_name) == (file, "<module>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
