"""The student's modules: imported from text, called under watch, their exceptions described."""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

from .wire import MAX_TEXT, Frame, Raised

PACKAGE = "exercise"


class MissingName(Exception):
    """The module has no such name."""


class MissingModule(Exception):
    """The submission has no such module."""


class SubmissionFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the submission's modules from memory.

    A module `x` can be imported as `exercise.x`, `.x` or `x`. The finder stands last in
    `sys.meta_path`, so that a submission cannot shadow an installed module.
    """

    def __init__(self, files: dict[str, bytes], names: dict[str, str]) -> None:
        """Serve `files` (module name to source); `names` are the file names for tracebacks."""
        self.files = files
        self.names = names

    def _file(self, fullname: str) -> str | None:
        name = "__init__" if fullname == PACKAGE else fullname.removeprefix(PACKAGE + ".")
        return name if name in self.files or fullname == PACKAGE else None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module of the submission."""
        file = self._file(fullname)
        if file is None:
            return None
        return importlib.util.spec_from_loader(
            fullname, self, origin=self.names.get(file), is_package=fullname == PACKAGE
        )

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's source, bytes with the encoding that they declare."""
        file = self._file(module.__name__)
        assert file is not None
        module.__file__ = self.names.get(file, file)
        code = compile(self.files.get(file, b""), module.__file__, "exec", dont_inherit=True)
        exec(code, module.__dict__)

    def get_source(self, fullname: str) -> str | None:
        """Return a module's source, for tracebacks."""
        file = self._file(fullname)
        return importlib.util.decode_source(self.files.get(file, b"")) if file else None


class Student:
    """The submission that this worker serves."""

    def __init__(self) -> None:
        """Start with no submission."""
        self.call = ""
        self.names: dict[str, str] = {}

    def receive(self, files: dict[str, bytes], names: dict[str, str]) -> None:
        """Take over a submission's files; nothing is imported yet."""
        for name in [PACKAGE, *files]:
            sys.modules.pop(name, None)
            sys.modules.pop(f"{PACKAGE}.{name}", None)
        sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, SubmissionFinder)]
        sys.meta_path.append(SubmissionFinder(files, names))
        self.files, self.names = files, names

    def get(self, module: str, name: str) -> Any:
        """Import `exercise.<module>` and return its attribute `name`.

        Raises:
            MissingModule: the submission has no such file.
            MissingName: the module does not define it.
        """
        if module not in self.files:
            raise MissingModule(module)
        with self.calling(f"from {PACKAGE}.{module} import {name}"):
            imported = importlib.import_module(f"{PACKAGE}.{module}")
            try:
                return getattr(imported, name)
            except AttributeError:
                raise MissingName(name) from None

    @contextlib.contextmanager
    def calling(self, call: str) -> Iterator[None]:
        """Note which call is under way, in the words that the student will read."""
        self.call = call
        yield

    def attempt(self, call: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `function`; return its value, or the `Raised` that describes its exception."""
        try:
            with self.calling(call):
                return function(*args, **kwargs)
        except BaseException as error:
            return self.describe(error)

    def describe(self, error: BaseException) -> Raised:
        """Describe an exception with the student's own frames only."""
        kinds = {
            MissingModule: "missing_module",
            MissingName: "missing_name",
            SystemExit: "exit",
            MemoryError: "memory",
        }
        kind = kinds.get(type(error), "exception")
        try:
            message = str(error)[:MAX_TEXT]
        except BaseException:
            message = ""
        if kind == "exception" and "can't allocate memory" in message:
            kind = "memory"
        return Raised(kind, type(error).__name__, message, self.call, self._frames(error))

    def _frames(self, error: BaseException) -> tuple[Frame, ...]:
        own = set(self.names.values())
        frames = [
            Frame(entry.filename, entry.lineno or 0, entry.name, entry.line or "")
            for entry in traceback.extract_tb(error.__traceback__)
            if entry.filename in own
        ]
        if isinstance(error, SyntaxError) and error.filename in own:
            line = (error.text or "").strip()
            frames.append(Frame(error.filename, error.lineno or 0, "<module>", line))
        return tuple(frames)


student = Student()
