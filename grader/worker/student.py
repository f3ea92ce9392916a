"""Imports the student's modules from text, calls them, and describes their exceptions."""

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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import CodeType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from . import clues, missing_imports, partial, placeholder
from .imports import PackageGuard, guarded_builtins
from .wire import MAX_FRAMES, MAX_TEXT, Frame, Raised, text, type_name

if TYPE_CHECKING:
    from .shape_trace import ShapeTrace

PACKAGE = "exercise"


class MissingName(Exception):
    """The module does not define the requested name."""


class MissingModule(Exception):
    """The submission does not have the requested module."""


KINDS: dict[str, type[BaseException]] = {
    "missing_module": MissingModule,
    "missing_name": MissingName,
    "exit": SystemExit,
    "memory": MemoryError,
}
SHAPE_SIGNS = ("shape", "size", "dimension", "mat1", "out of bounds", "out of range", "Expected")
OUT_OF_MEMORY = ("DefaultCPUAllocator", "CUDA out of memory", "MPS backend out of memory")


class SubmissionFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the submission's modules from memory.

    A module `x` is `exercise.x`; the bare name `x` refers to the same module. Both take precedence
    over installed modules, so that every machine finds the same ones. Modules that would shadow
    required packages never get here, see `sources.left_out`.
    """

    def __init__(
        self,
        files: dict[str, bytes],
        names: dict[str, str],
        *,
        bare: bool,
        builtins: dict[str, Any] | None = None,
        parts: Mapping[str, partial.Tasks] | None = None,
    ) -> None:
        """Serve a submission.

        Args:
            files: sources by module name.
            names: the file names for tracebacks.
            bare: whether modules are found by their bare names, or as `exercise.<name>`.
            builtins: the builtins that the modules use; None for Python's own.
            parts: the tasks of the modules that hold several.
        """
        self.files, self.names, self.bare = files, names, bare
        self.parts: Mapping[str, partial.Tasks] = parts or {}
        self.broken: dict[str, dict[str, BaseException]] = {}
        self.builtins = builtins

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a submission's module, or None."""
        parent, _, name = fullname.rpartition(".")
        found = name in self.files and parent == ("" if self.bare else PACKAGE)
        if not found and (self.bare or fullname != PACKAGE):
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=fullname == PACKAGE)

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's source, given as bytes that may declare an encoding."""
        name = module.__name__
        if self.bare:
            sys.modules[name] = importlib.import_module(f"{PACKAGE}.{name}")
            return
        stem = "__init__" if name == PACKAGE else name.rpartition(".")[2]
        source, file = self.files.get(stem, b""), self.names.get(stem, stem)
        module.__file__ = file
        # Tracebacks and `inspect` read the lines from here, not from the disk.
        linecache.cache[file] = (len(source), None, lines_of(source), file)
        if self.builtins is not None:
            module.__dict__["__builtins__"] = self.builtins
        fresh, costs = dict(module.__dict__), {}
        try:
            exec(_compile(source, file), module.__dict__)
        except BaseException as error:
            if stem not in self.parts:
                raise
            module.__dict__.clear()
            module.__dict__.update(fresh)
            run = partial.run(lines_of(source), file, module.__dict__, error, self.parts[stem])
            if run is None:
                raise
            costs = run
        if stem in self.parts:
            lines, namespace = lines_of(source), module.__dict__
            costs |= missing_imports.supply(lines, file, namespace, self.parts[stem])
            if costs:
                self.broken[stem] = costs


def lines_of(source: bytes) -> list[str]:
    """Decode a module's source, and split it into lines."""
    try:
        decoded = importlib.util.decode_source(source)
    except Exception:  # compiling reports what is wrong
        decoded = source.decode("utf-8", "replace")
    return io.StringIO(decoded).readlines()


def _compile(source: bytes, file: str) -> CodeType:
    """Compile a module; any defect of its source is a SyntaxError with file and line."""
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
    """The submission of this worker."""

    def __init__(self) -> None:
        """Start without a submission."""
        self.call = ""
        self.is_edited = False  # whether it has an edit at the moment, see `operations.edited`
        self.trace: ShapeTrace | None = None  # of the current call
        self.files: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.broken: dict[str, dict[str, BaseException]] = {}

    def receive(
        self,
        files: dict[str, bytes],
        names: dict[str, str],
        packages: Collection[str] | None = None,
        parts: Mapping[str, partial.Tasks] | None = None,
    ) -> None:
        """Take a submission's files, without importing anything.

        Args:
            files: sources by module name.
            names: the file names for tracebacks.
            packages: what it may import besides Python's standard library; None for everything.
            parts: the tasks of the modules that hold several, with the names that they define.
        """
        # A freshly forked worker has none. Searching would copy the memory of everything it visits.
        earlier = list(sys.modules.items()) if self.files or PACKAGE in sys.modules else []
        for name, module in earlier:
            loader = getattr(module, "__loader__", None)
            if name.partition(".")[0] == PACKAGE or isinstance(loader, SubmissionFinder):
                del sys.modules[name]
        own = (SubmissionFinder, PackageGuard)
        sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, own)]
        builtins = None
        if packages is not None:
            builtins = guarded_builtins(packages, {PACKAGE, *files})
            sys.meta_path.insert(0, PackageGuard(packages, {PACKAGE, *files}))
        finders = [
            SubmissionFinder(files, names, bare=bare, builtins=builtins, parts=parts)
            for bare in (False, True)
        ]
        sys.meta_path[:0] = finders
        self.finder = finders[0]
        self.files, self.names, self.broken = files, names, self.finder.broken

    def get(self, module: str, name: str) -> Any:
        """Import `exercise.<module>` and return its attribute `name`.

        Raises:
            MissingModule: the submission does not have the module.
            MissingName: the module does not define it.
            BaseException: the module does not run as a whole, and that costs the name's task.
        """
        if module not in self.files:
            raise MissingModule(module)
        with self.calling(f"from {PACKAGE}.{module} import {name}"):
            imported = importlib.import_module(f"{PACKAGE}.{module}")
            if (error := self.broken.get(module, {}).get(name)) is not None:
                raise error
            try:
                return getattr(imported, name)
            except AttributeError:
                raise MissingName(name) from None

    def get_defined(self, module: str, name: str) -> Any:
        """Return an attribute as `get` does, even if statements of its module raise.

        They may have compared it with something that is refused in this process.
        """
        self.finder.parts = {module: {name: [name]}, **self.finder.parts}
        try:
            return self.get(module, name)
        except BaseException:
            if hasattr(imported := sys.modules.get(f"{PACKAGE}.{module}"), name):
                return getattr(imported, name)
            raise

    @contextlib.contextmanager
    def calling(self, call: str) -> Iterator[None]:
        """Store the text of the current call, as shown to the student."""
        self.call, self.trace = call, None
        yield

    def attempt(self, call: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `function` and return its result, or a `Raised` that describes its exception."""
        try:
            with self.calling(call):
                return function(*args, **kwargs)
        except BaseException as error:
            return self.describe(error)

    def describe(self, error: BaseException) -> Raised:
        """Describe an exception with the student's own frames only, without calling its methods."""
        kinds = (kind for kind, base in KINDS.items() if issubclass(type(error), base))
        kind = next(kinds, "exception")
        trace = vars(BaseException)["__traceback__"].__get__(error)
        message = text(str, error)
        if kind == "exception" and any(sign in message for sign in OUT_OF_MEMORY):
            kind = "memory"
        frames = self._frames(error, trace)
        if type(error) is NotImplementedError and message.startswith(placeholder.SAYS) and frames:
            last = frames[-1]
            if placeholder.is_left(linecache.getlines(last.file), last.line):
                kind = "placeholder"
        shapes = self.trace.text if self.trace is not None and about_shapes(error, message) else ""
        clue = "" if shapes or kind != "exception" else self._clue(error, trace)
        call = self.call[:MAX_TEXT]
        return Raised(kind, type_name(error), message, call, frames, shapes, clue)

    def _clue(self, error: BaseException, trace: TracebackType | None) -> str:
        """Say what is in the last line of the student's, see `clues`."""
        own = set(self.names.values())
        walked = (each for each in traceback.walk_tb(trace) if each[0].f_code.co_filename in own)
        last = deque(walked, maxlen=1)
        try:
            return clues.clue(error, last[0][0], _source(last[0][0].f_code.co_filename, last[0][1]))
        except Exception:  # there is no such line, or a student's object objects to being looked at
            return ""

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


def about_shapes(error: BaseException, message: str) -> bool:
    """Return whether an exception says that shapes do not fit together."""
    kinds = (RuntimeError, ValueError, IndexError, AssertionError)
    return type(error) in kinds and any(sign in message for sign in SHAPE_SIGNS)


def _source(file: str, line: int) -> str:
    return linecache.getline(file, line).strip()


student = Student()
