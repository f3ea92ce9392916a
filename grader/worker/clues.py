"""Says what the variables of a line that raised hold, or what a misspelt name may have meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from .wire import TensorData, tensor_data, type_name

NAMES = re.compile(r"(?<![\w.])(self\.[A-Za-z_]\w*|[A-Za-z_]\w*)(?![\w]*[\"'])")
MOST, LONGEST = 4, 240  # variables, and characters in all
SEQUENCES = (list, tuple, dict, set)
PLAIN = (bool, int, float, type(None))
CLOSE = 0.75  # how alike a misspelt name is to the right one


def clue(error: BaseException, frame: FrameType, line: str) -> str:
    """Return one sentence about the line at which an exception was raised, or nothing."""
    if isinstance(error, NameError) and not isinstance(error, UnboundLocalError):
        return _about_name(str(getattr(error, "name", "")), frame)
    if isinstance(error, AttributeError) and (meant := _about_attribute(error)):
        return meant
    if isinstance(error, (ImportError, SyntaxError)):
        return ""
    told: list[str] = []
    for name, value in _variables(frame, line):
        text = f"`{name}` is {_described(value)}"
        if len(told) == MOST or sum(map(len, told)) + len(text) > LONGEST:
            break
        told.append(text)
    return f"In this line {', '.join(told)}." if told else ""


# --- values ------------------------------------------------------------------------------------


def _variables(frame: FrameType, line: str) -> Iterator[tuple[str, Any]]:
    """Yield the variables and the attributes of `self` that a line names."""
    local = frame.f_locals
    for name in dict.fromkeys(NAMES.findall(line.partition("#")[0])):
        first, _, attribute = name.partition(".")
        if first not in local or name == "self":
            continue
        value = local[first]
        if attribute:
            own = _own(value)
            if attribute not in own:
                continue
            value = own[attribute]
        if not _is_code(value) and not type(value).__module__.startswith("grader."):
            yield name, value


def _own(value: object) -> dict[str, Any]:
    """Return the attributes of an object, without calling any of its methods."""
    try:
        found = dict(object.__getattribute__(value, "__dict__"))
    except Exception:
        return {}
    for name in ("_modules", "_parameters", "_buffers"):  # of an nn.Module
        if type(found.get(name)) is dict:
            found |= found[name]
    return found


def _is_code(value: object) -> bool:
    kinds = (ModuleType, type, FunctionType, type(len))
    return isinstance(type(value), type) and issubclass(type(value), kinds)


def _described(value: object) -> str:
    """Describe a value in a few words, without calling methods of a student's class."""
    kind = type(value)
    if kind in PLAIN:
        return str(value)[:30]
    if kind is str:
        text: str = value  # type: ignore[assignment]
        return repr(text if len(text) <= 30 else f"{text[:26]} ...")
    if kind in SEQUENCES:
        return _sequence(value)
    if kind.__module__.startswith("torch.nn.modules") and not _own(value).get("_modules"):
        return repr(value)[:80]
    try:
        return _tensor(tensor_data(value), "array" if kind.__module__ == "numpy" else "tensor")
    except Exception:
        return _a(type_name(value))


def _tensor(data: TensorData, name: str) -> str:
    if data.shape == () and data.dtype != "bfloat16":
        number = data.tolist()
        shown = f"{number:.4g}" if isinstance(number, float) else str(number)
        return f"{_a(data.dtype)} {name} of shape (), {shown}"
    return f"{_a(data.dtype)} {name} of shape {tuple(data.shape)}"


def _sequence(value: Any) -> str:
    name, count = type(value).__name__, len(value)
    if not count:
        return f"an empty {name}"
    kinds = {type_name(part) for part in value}
    if len(kinds) > 1:
        return f"a {name} of {count}: {', '.join(_described(part) for part in [*value][:3])}"
    what = f"a {name} of {count} {kinds.pop()}{'s' if count > 1 else ''}"
    first = next(iter(value))
    if type(first) is not tuple or len(first) > 3:
        return what
    return f"{what} such as ({', '.join(map(_described, first))})"


def _a(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


# --- names -------------------------------------------------------------------------------------


def _about_name(name: str, frame: FrameType) -> str:
    """Say what an unknown name may have meant."""
    if not name:
        return ""
    own = frame.f_locals.get("self")
    if own is not None and (name in _own(own) or name in vars(type(own))):
        return f"Did you mean `self.{name}`?"
    known = [*frame.f_locals, *frame.f_globals, *_builtins()]
    if meant := _close(name, known):
        return f"Did you mean `{meant}`?"
    code = _other_function(name, frame)
    if code is not None:
        return (
            f"`{name}` is a variable of {code.co_name} only. Pass it on as an argument, or keep it "
            "in an attribute of self."
        )
    return ""


def _builtins() -> Iterable[str]:
    import builtins

    return vars(builtins)


def _other_function(name: str, frame: FrameType) -> CodeType | None:
    """Return the code of another function of the module that has a variable of this name."""
    for value in [*frame.f_globals.values()]:
        parts = [value, *vars(value).values()] if type(value) is type else [value]
        for part in parts:
            if not isinstance(part, FunctionType) or part.__code__ is frame.f_code:
                continue
            code = part.__code__
            if code.co_filename == frame.f_code.co_filename and name in code.co_varnames:
                return code
    return None


def _about_attribute(error: AttributeError) -> str:
    """Say which attribute a misspelt one may have meant."""
    name, owner = getattr(error, "name", None), getattr(error, "obj", None)
    if type(name) is not str or owner is None:
        return ""
    kind = owner if isinstance(owner, (type, ModuleType)) else type(owner)
    names = {*_own(owner)}
    for each in getattr(kind, "__mro__", (kind,)):
        names |= {*vars(each)}
    names = {each for each in names if type(each) is str and not each.startswith("_")}
    meant = _close(name, names)
    return f"Did you mean `.{meant}`?" if meant else ""


def _close(name: str, known: Iterable[str]) -> str:
    others = sorted({each for each in known if each != name})
    return next(iter(difflib.get_close_matches(name, others, 1, CLOSE)), "")
