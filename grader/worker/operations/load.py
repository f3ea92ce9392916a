"""The operation that imports a submission's module, before any other uses it."""

from __future__ import annotations

import importlib
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType

from ..fixed_sizes import fixed_sizes
from ..lints import lints
from ..pipeline import MODEL
from ..student import lines_of, student
from ..wire import Raised, text

MAX_PARAMETERS = 300  # characters


def module(name: str, needs: list[str]) -> list[Raised]:
    """Import `exercise.<name>` and check that it defines the names in `needs`.

    Returns:
        Why it does not run as a whole, if only some of its tasks can be graded.
    """
    broken: list[Raised] = []
    for attribute in needs:
        try:
            student.get(name, attribute)
        except BaseException as error:
            if error is not student.broken.get(name, {}).get(attribute):
                raise
            broken = broken or [student.describe(error)]
    return broken


def packages(names: list[str]) -> dict[str, str]:
    """Import packages and write a file, as a submission may; return what failed, and why."""
    found = {}
    for name in names:
        try:
            importlib.import_module(name)
            if name == MODEL:
                importlib.import_module("spacy").load(MODEL)
        except BaseException as error:
            found[name] = text(str, error).partition("\n")[0]
    try:
        with open("probe", "w") as stream:
            stream.write("probe")
    except OSError as error:
        found["the working folder"] = text(str, error)
    return found


def odd_lines(
    module: str, skip: list[str], raising: list[int], names: list[str]
) -> list[tuple[int, str, bool]]:
    """Return the lines of a module that do not do what they seem to do, see `lints`."""
    found = lints("".join(lines_of(student.files[module])), skip, raising, names)
    return [(each.line, each.says, each.is_weak) for each in found]


def sizes(
    module: str, skip: list[str], numbers: list[int], length: int, is_split: bool
) -> list[tuple[int, int, str]]:
    """Return line, size and text of the fixed sizes in a module, see `fixed_sizes`."""
    source = "".join(lines_of(student.files[module]))
    return fixed_sizes(source, skip, numbers, length, is_split)


def signatures(module: str, names: list[str]) -> dict[str, str]:
    """Describe the parameters of a module's functions and of its classes' methods.

    Args:
        module: the student's module.
        names: functions, or methods as "Class.method".

    Returns:
        For each plain function its parameters, such as "self, padded, lengths, *, mode=".
    """
    found = {}
    for name in names:
        owner, _, method = name.rpartition(".")
        value = student.get(module, owner or method)
        if owner and isinstance(value, type):
            value = vars(type)["__dict__"].__get__(value).get(method)
        if type(value) is FunctionType:
            found[name] = _parameters(value)
    return found


def _parameters(function: FunctionType) -> str:
    code, defaults = function.__code__, len(function.__defaults__ or ())
    names, count = code.co_varnames, code.co_argcount
    parts = [
        f"{name}=" if at >= count - defaults else name for at, name in enumerate(names[:count])
    ]
    end = count + code.co_kwonlyargcount
    if code.co_flags & CO_VARARGS:
        parts.append("*args")
    elif end > count:
        parts.append("*")
    given = function.__kwdefaults__ or {}
    parts += [f"{name}=" if name in given else name for name in names[count:end]]
    if code.co_flags & CO_VARKEYWORDS:
        parts.append("**kwargs")
    return ", ".join(parts)[:MAX_PARAMETERS]
