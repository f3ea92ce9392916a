"""The student's modules: imported from text, called under watch, their exceptions described."""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import linecache
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, ModuleType, TracebackType
from typing import Any

from .wire import MAX_FRAMES, MAX_TEXT, Frame, Raised, text, type_name

PACKAGE = "exercise"


class MissingName(Exception):
    """The module has no such name."""


class MissingModule(Exception):
    """The submission has no such module."""


KINDS: dict[str, type[BaseException]] = {
    "missing_module": MissingModule,
    "missing_name": MissingName,
    "exit": SystemExit,
    "memory": MemoryError,
}
OUT_OF_MEMORY = ("DefaultCPUAllocator", "CUDA out of memory", "MPS backend out of memory")


class SubmissionFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the submission's modules from memory.

    A module `x` is `exercise.x`; the bare name `x` is another name for the same module. Both are
    found before anything else, so that the same modules are found on every machine. Names that
    would shadow what is needed do not come here, see `sources.left_out`.
    """

    def __init__(self, files: dict[str, bytes], names: dict[str, str], *, bare: bool) -> None:
        """Serve `files` (module name to source); `names` are the file names for tracebacks."""
        self.files, self.names, self.bare = files, names, bare

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module of the submission."""
        parent, _, name = fullname.rpartition(".")
        found = name in self.files and parent == ("" if self.bare else PACKAGE)
        if not found and (self.bare or fullname != PACKAGE):
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=fullname == PACKAGE)

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's source, bytes with the encoding that they declare."""
        name = module.__name__
        if self.bare:
            sys.modules[name] = importlib.import_module(f"{PACKAGE}.{name}")
            return
        stem = "__init__" if name == PACKAGE else name.rpartition(".")[2]
        source, file = self.files.get(stem, b""), self.names.get(stem, stem)
        module.__file__ = file
        # Tracebacks and `inspect` take the lines from here, whatever lies on the disk.
        linecache.cache[file] = (len(source), None, _lines(source), file)
        exec(_compile(source, file), module.__dict__)


def _lines(source: bytes) -> list[str]:
    try:
        decoded = importlib.util.decode_source(source)
    except Exception:  # compiling tells what is wrong with it
        decoded = source.decode("utf-8", "replace")
    return io.StringIO(decoded).readlines()


def _compile(source: bytes, file: str) -> CodeType:
    """Compile a module; whatever is wrong with its source is a SyntaxError with file and line."""
    line = 1
    try:
        if b"\0" in source:
            line += source[: source.index(b"\0")].count(b"\n")
            raise ValueError("the file holds null bytes: save it as UTF-8 text")
        return compile(source, file, "exec", dont_inherit=True)
    except SyntaxError:
        raise
    except (ValueError, MemoryError, RecursionError) as error:
        reason = str(error) or "the source is too complex to compile"
        raise SyntaxError(reason, (file, line, None, None)) from None


class Student:
    """The submission that this worker serves."""

    def __init__(self) -> None:
        """Start with no submission."""
        self.call = ""
        self.files: dict[str, bytes] = {}
        self.names: dict[str, str] = {}

    def receive(self, files: dict[str, bytes], names: dict[str, str]) -> None:
        """Take over a submission's files; nothing is imported yet."""
        # A worker that was just forked has none, and would copy the memory of all that it looks at.
        earlier = list(sys.modules.items()) if self.files or PACKAGE in sys.modules else []
        for name, module in earlier:
            loader = getattr(module, "__loader__", None)
            if name.partition(".")[0] == PACKAGE or isinstance(loader, SubmissionFinder):
                del sys.modules[name]
        sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, SubmissionFinder)]
        sys.meta_path[:0] = [SubmissionFinder(files, names, bare=b) for b in (False, True)]
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
        """Describe an exception with the student's own frames only; the class has no say in it."""
        kinds = (kind for kind, base in KINDS.items() if issubclass(type(error), base))
        kind = next(kinds, "exception")
        trace = vars(BaseException)["__traceback__"].__get__(error)
        message = text(str, error)
        if kind == "exception" and any(sign in message for sign in OUT_OF_MEMORY):
            kind = "memory"
        return Raised(
            kind, type_name(error), message, self.call[:MAX_TEXT], self._frames(error, trace)
        )

    def _frames(self, error: BaseException, trace: TracebackType | None) -> tuple[Frame, ...]:
        own = set(self.names.values())
        frames = deque(
            (
                Frame(code.co_filename, line, code.co_name, _source(code.co_filename, line))
                for code, line in ((frame.f_code, line) for frame, line in traceback.walk_tb(trace))
                if code.co_filename in own
            ),
            maxlen=MAX_FRAMES,
        )
        if any(type(error) is kind for kind in (SyntaxError, IndentationError, TabError)):
            file, line = error.filename, error.lineno or 1  # type: ignore[attr-defined]
            if type(file) is str and type(line) is int and file in own:
                frames.append(Frame(file, line, "<module>", _source(file, line)))
        return tuple(frames)


def _source(file: str, line: int) -> str:
    return linecache.getline(file, line).strip()


student = Student()
