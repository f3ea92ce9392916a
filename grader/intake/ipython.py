"""Turns a cell into Python: what only IPython understands becomes `pass`, line for line.

It takes one pass over the lines. IPython's own transformer would give calls that a worker cannot
make, and its time grows with the square of the number of such lines.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection

from grader.base.errors import UsageError

MAX_DOTTED = 100  # names in an import; CPython's parser needs memory with the square of them
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
# `%%time` and the like run the rest of the cell; all other cell magics keep it to themselves.
RUNS_THE_REST = re.compile(r"%%(?:time|capture|prun|debug)\b.*")
CELL_MAGIC = re.compile(r"\s*%%(\w+)")
WRITTEN = re.compile(r"\s*%%writefile[ \t]+(-a[ \t]+)?[\"']?(?:\./)?(\w+)\.py[\"']?[ \t]*\n")
RUN = re.compile(r"^%run[ \t]+(?:-i[ \t]+)?[\"']?(?:\./)?(\w+)\.py[\"']?[ \t]*$", re.MULTILINE)
RUNS_THE_LINE = re.compile(r"^(\s*)%(?:time|prun|memit)[ \t]+(?!-)(?=\S)")
MAGIC_LINE = re.compile(
    r"^(\s*)(?=\S)(?!%(?:time|prun|memit)[ \t]+[^-\s])"
    r"(?:[!%]|\?{1,2}\w|[\w.]+\?{1,2}\s*$|([\w, ]+)=\s*[!%])"
)
LONG_IMPORT = re.compile(rf"\b(?:import|from)\b[\s\\]+(?:\w+[\s\\]*\.[\s\\]*){{{MAX_DOTTED}}}")
# What decides whether a line begins inside a string or a bracket.
LEXEME = re.compile(
    r"#[^\n]*|\"\"\"|'''|\"(?:[^\"\\\n]|\\.)*\"?|'(?:[^'\\\n]|\\.)*'?|[\[({]|[\])}]|\\."
)


def parse(text: str) -> tuple[str, list[ast.stmt]]:
    """Return a cell as Python, with the same lines, and its statements.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it is no Python.
    """
    if LONG_IMPORT.search(text):
        raise SyntaxError("an import of very many names")
    try:
        return text, ast.parse(text).body
    except NOT_PYTHON:
        python = to_python(text)
        return python, ast.parse(python).body


def written_module(text: str) -> tuple[str, str, bool] | None:
    """Return the module that a cell writes with `%%writefile name.py`, and its source.

    The third value says whether that is appended to what there is.
    """
    found = WRITTEN.match(text)
    if not found:
        return None
    return found[2], "\n" * found[0].count("\n") + text[found.end() :], bool(found[1])


def run(text: str, modules: Collection[str]) -> str:
    """Replace `%run name.py`, of one of the modules, by an import of all its names."""
    return RUN.sub(
        lambda found: f"from {found[1]} import *" if found[1] in modules else found[0], text
    )


def to_python(text: str) -> str:
    """Replace what only IPython understands; a cell that is all magic has nothing left."""
    found = CELL_MAGIC.match(text)
    if found and not RUNS_THE_REST.match(text.lstrip()):
        return ""
    indent = re.match(r"(?:[ \t]*\n)*([ \t]*)", text)
    if indent and indent[1]:  # a block that was pasted with its indentation
        text = re.sub(rf"^{indent[1]}", "", text, flags=re.MULTILINE)
    lines: list[str] = []
    inside = ""  # the quotes of a string that goes on, or brackets that are open
    magic = goes_on = False  # whether the line before was magic; whether it ended in a backslash
    for line in text.split("\n"):
        ends = line.endswith("\\")
        if magic and goes_on:
            lines.append("")
        elif not inside and not goes_on and (match := MAGIC_LINE.match(line)):
            magic = True
            bound = f"{match[2]}= get_ipython()" if match[2] else "pass"
            lines.append(f"{match[1]}{bound}")
        else:
            magic = False
            line = RUNS_THE_LINE.sub(r"\1", line)
            inside = _after(line, inside)
            lines.append(line)
        goes_on = ends
    return "\n".join(lines)


def _after(line: str, inside: str) -> str:
    """Return what is open behind a line: triple quotes, brackets, or nothing."""
    at = 0
    if inside[:1] in ("'", '"'):
        at = _end_of_string(line, 0, inside)
        if at < 0:
            return inside
        inside = ""
    while found := LEXEME.search(line, at):
        at, text = found.end(), found[0]
        if text in ('"""', "'''"):
            at = _end_of_string(line, at, text)
            if at < 0:
                return text
        elif text in "[({":
            inside += text
        elif text in "])}":
            inside = inside[:-1]
    return inside


def _end_of_string(line: str, start: int, quotes: str) -> int:
    """Return the index behind triple quotes that are not escaped; -1 if there are none."""
    found = re.compile(rf"(?:[^\\]|\\.)*?{quotes}").match(line, start)
    return found.end() if found else -1


def require_short(name: str, texts: list[str], most: int) -> None:
    """Check the size of all code before any of it is parsed.

    Raises:
        UsageError: it is too large.
    """
    if sum(map(len, texts)) > most:
        raise UsageError(
            f"{name}: more than {most >> 10} KiB of code. Submit code only, without data in it."
        )
