"""Explains in one line why a notebook's cell stops: a part that it needs is not written yet."""

from __future__ import annotations

import linecache
import re
from collections.abc import Sequence
from traceback import walk_tb

from grader.contract.tasks import tasks
from grader.intake.statements import Cell, Statement, statements
from grader.worker import placeholder

STUB = re.compile(r"Task (\w+): write ([\w.]+) ")
ASKS = re.compile(r"""\s*predict\(\s*(["'][\w-]+["'])""")


class Unfinished:
    """What the cells of a kernel could not compute, because a part is not written.

    Attributes:
        missing: the names that such a cell would have bound, with the part that it needs, until a
            cell binds them.
    """

    def __init__(self) -> None:
        """Begin with nothing missing."""
        self.missing: dict[str, str] = {}

    def explain(self, error: BaseException, cells: Sequence[str]) -> str | None:
        """Return a line about an exception; None if it has nothing to do with an unfinished part.

        Args:
            error: what a cell raised.
            cells: the cells that were run, the one that raised it last.
        """
        if isinstance(error, NotImplementedError) and (stub := STUB.match(str(error))):
            self._note(stub[2], cells[-1])
            if _is_left(error):
                return (
                    f"{stub[2]} still raises the placeholder of its stub, so the code that you "
                    "wrote there has no effect yet: delete the line `raise NotImplementedError"
                    "(...)`, run that cell again, then this one."
                )
            return (
                f"{stub[2]} is not written yet. Write it in its cell above and run that cell, "
                "then this one."
            )
        if isinstance(error, NameError) and error.name:
            return self._about_name(error.name, cells)
        for name, part in self.missing.items():
            if any(name in statement.needs for statement in _statements(cells[-1])):
                self._note(part, cells[-1])
                return (
                    f"`{name}` is still that of a cell further up: the last cell that computes it "
                    f"needs {part}. Write {part}, run that cell again, then this one."
                )
        return None

    def succeeded(self, cell: str) -> None:
        """Forget the names that a cell has bound."""
        for statement in _statements(cell) if self.missing else ():
            for name in statement.gives:
                self.missing.pop(name, None)

    def _about_name(self, name: str, cells: Sequence[str]) -> str | None:
        if part := self.missing.get(name):
            self._note(part, cells[-1])
            return (
                f"`{name}` does not exist yet: the cell that computes it needs {part}. Write "
                f"{part}, run that cell again, then this one."
            )
        if name != "predict" and (asked := ASKS.match(cells[-1])):
            return f'Write a word in quotes: predict({asked[1]}, "{name}").'
        if any(name in task.names for task in tasks().values()):
            return (
                f"`{name}` does not exist yet: run the cell above that defines it, then this one."
            )
        return None

    def _note(self, part: str, cell: str) -> None:
        for statement in _statements(cell):
            self.missing |= dict.fromkeys(statement.gives, part)


def _statements(cell: str) -> list[Statement]:
    return statements(Cell(cell)) or []


def _is_left(error: NotImplementedError) -> bool:
    """Return whether the placeholder comes after code of the student's own."""
    frame, line = [*walk_tb(error.__traceback__)][-1]
    return placeholder.is_left(linecache.getlines(frame.f_code.co_filename), line)
