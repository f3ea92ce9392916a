"""Composes the message of a failed check, always in the same way.

`the call`
got:      X
expected: Y
An explanation, if a known mistake was recognised.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from grader.contract.enums import Status
from grader.contract.mistakes import advice, mistakes
from grader.worker.wire import Frame, Opaque, Raised, TensorData

# Errors of the system for what the sandbox forbids; see worker/layers.py and worker/scratch.py.
FORBIDDEN = (
    *("Operation not permitted", "Permission denied"),
    *("Read-only file system", "File too large", "No space left on device"),
)
PREFIX = re.compile("It (returned|is|gave|raised) ")
SENTENCE = re.compile(r"(?!None|True|False)[A-Z][a-z]* ")
LABEL = 10  # columns of "expected: "
COMPARED = re.compile(r"^  got: +(.+)\n  expected: +(.+)", re.MULTILINE)
DIRECTION = re.compile("[\u202a-\u2069]")
# Commands to GitHub's runner, which reads them in a log, and to others that use the same signs:
# `::error::`, `##[error]`, `##vso[...]`. https://docs.github.com/actions/reference/workflow-commands
COMMAND = re.compile(
    r"::(?=(?:add-mask|add-matcher|add-path|debug|echo|endgroup|error|group"
    r"|internal-set-repo-path|notice|remove-matcher|save-state|set-env|set-output"
    r"|stop-commands|warning)(?:\s|::))"
    r"|##(?=\w*\[)",
    re.IGNORECASE,
)
RETURN = "Is there a `return`?"
MAX_SHOWN = 200  # characters of a value in a message
MAX_TRACE = 400  # characters of the shapes on the way to an error


class Failure(Exception):
    """A check failed.

    Attributes:
        mistake: the id of a known mistake, see `mistakes.toml`, or None; of two, the first.
        share: the fraction of the points that is still earned.
        details: figures for the record.
        explained: whether the last line says what is wrong.
        local: whether the checks that depend on this one can still be judged.
        raised: the exception that was observed, if it was one.
    """

    def __init__(
        self,
        call: str,
        found: str | Raised,
        expected: str,
        mistake: str | Sequence[str] | None = None,
        share: float = 0.0,
        details: dict[str, Any] | None = None,
        note: str = "",
    ) -> None:
        """Compose the message from the call, the observed and the expected result.

        If several known mistakes together lead to the result, the first two are explained. If there
        is none, a `note` ends the message.
        """
        names = [mistake] if isinstance(mistake, str) else [*(mistake or ())][:2]
        self.raised = found if isinstance(found, Raised) else None
        text = show_raised(found) if isinstance(found, Raised) else found
        lines = [f"`{call}`", *_compare(text, expected)]
        if names:
            lines.append(_explain(names))
        elif found == "It returned None":
            lines.append(RETURN)
        elif note:
            lines.append(note)
        self.explained = bool(names or note)
        super().__init__("\n".join(lines))
        self.mistake = names[0] if names else None
        self.share, self.details = share, details or {}
        self.local = False

    def named(self, mistake: str) -> Failure:
        """Return this failure with another known mistake."""
        lines = str(self).split("\n")
        lines = lines[:-1] if self.explained else lines
        self.args = ("\n".join([*lines, _explain([mistake])]),)
        self.mistake, self.explained = mistake, True
        return self

    def advised(self, module: str) -> str:
        """Return the message; if an exception in this module explains nothing else, with advice."""
        raised, message = self.raised, str(self)
        if raised is None or self.mistake is not None or raised.kind != "exception":
            return message
        known = advice(raised.type, raised.message, module)
        return f"{message}\n{known}" if known else message

    def add_trace(self, trace: str) -> None:
        """Show the shapes on the way, below what was observed and expected."""
        alone = trace.startswith("matmul (") and "->" not in trace  # says nothing of its own
        if trace and not alone and f"\n{traced(trace)}" not in str(self):
            lines = str(self).split("\n")
            at = len(lines) - self.explained
            self.args = ("\n".join([*lines[:at], traced(trace), *lines[at:]]),)


def _explain(names: Sequence[str]) -> str:
    """Return the explanations of one or two known mistakes, on one line."""
    first, *more = (mistakes()[name].explanation for name in names)
    return f"Two mistakes: 1. {first} 2. {more[0]}" if more else first


def traced(trace: str) -> str:
    """Format the shapes on the way to a result or an exception."""
    return f"  {'shapes:':<{LABEL}}{clean(shorten(trace, MAX_TRACE))}"


def _compare(found: str, expected: str) -> list[str]:
    """Return the lines that show what was observed above what was expected.

    `found` is one sentence, such as "It returned X". If it begins with "It raised X", the student's
    line may follow on lines of its own.
    """
    first, *place = found.split("\n")
    label = "raised:" if first.startswith("It raised ") else "got:"
    text = PREFIX.sub("", first)
    if text == first and SENTENCE.match(text):
        text = text[0].lower() + text[1:]
    pairs = ((label, text), ("expected:", expected))
    return [*(f"  {name:<{LABEL}}{shown}" for name, shown in pairs), *place]


def compared(message: str) -> str:
    """Return in one line what a message compares; empty if it compares nothing."""
    found = COMPARED.search(message)
    return f"got {found[1]}, expected {found[2]}" if found else ""


class Blocked(Exception):
    """A check cannot run before other work is done; `status` is its resulting status."""

    def __init__(self, message: str, status: Status = Status.BLOCKED) -> None:
        """Take the message that says what to do first."""
        super().__init__(message)
        self.status = status


def waits_for(check: str) -> Blocked:
    """Return the exception of a check that cannot be judged before another one passes."""
    return Blocked(f"Not checked yet: fix {check} first.")


def clean(text: str) -> str:
    """Make text safe to show: no control or text direction characters, no workflow commands.

    A blank takes the meaning from `::error::` and the like. It does so within a line, too, because
    whatever prints the line may break it there.
    """
    if not text.replace("\n", "").isprintable() or DIRECTION.search(text):
        text = "".join(
            char if char == "\n" or (char.isprintable() and not DIRECTION.match(char)) else "?"
            for char in text
        )
    return COMMAND.sub(lambda found: ": :" if found[0] == "::" else "## ", text)


def show(value: Any) -> str:
    """Format a value for a message: short, and in the words of the exercise."""
    if isinstance(value, TensorData):
        return _show_tensor(value)
    if isinstance(value, Opaque):
        kind = _with_article(value.type)
        text = f"{value.text} ({kind})" if len(value.text) < 60 else kind
    elif isinstance(value, Raised):
        text = f"{value.type}: {value.message}"
    elif type(value) is tuple:
        text = f"({_show_parts(value)}{',' if len(value) == 1 else ''})"
    elif type(value) is list:
        text = f"[{_show_parts(value)}]"
    elif type(value) is dict and isinstance(value.get("array"), TensorData) and len(value) == 1:
        return _show_tensor(value["array"], "array")
    elif type(value) is dict:
        pairs = [f"{key!r}: {show(part)}" for key, part in value.items()]
        text = f"{{{', '.join(pairs[:4])}{', ...' if len(pairs) > 4 else ''}}}"
    else:
        text = repr(value)
    return shorten(clean(text), MAX_SHOWN)


def show_raised(raised: Raised) -> str:
    """Format an exception and the student's line that raised it."""
    exception = " ".join(show(raised).split())
    return "\n".join([f"It raised {exception}", *_frames(raised.frames[-1:]), *_clue(raised)])


def _clue(raised: Raised) -> Iterator[str]:
    if raised.clue:
        yield f"  {clean(shorten(raised.clue, MAX_TRACE))}"


def _frames(frames: Sequence[Frame]) -> Iterator[str]:
    """Format a traceback."""
    for frame in frames:
        yield f"  {clean(frame.file)}, line {frame.line}, in {clean(frame.function)}"
        if frame.source:
            yield f"    {clean(frame.source)}"


def is_tensor(seen: object) -> bool:
    """Return whether a value is a tensor, even one that the wire cannot carry (sparse, meta)."""
    return isinstance(seen, TensorData) or (isinstance(seen, Opaque) and seen.type == "Tensor")


def shorten(text: str, most: int) -> str:
    """Shorten a text to at most `most` characters."""
    return text if len(text) <= most else text[: most - 4] + " ..."


def _with_article(noun: str) -> str:
    return f"{'an' if noun.lower().startswith((*'aeiou', 'nd')) else 'a'} {noun}"


def _show_parts(parts: tuple[Any, ...] | list[Any]) -> str:
    return ", ".join(show(part) for part in parts[:4]) + (", ..." if len(parts) > 4 else "")


def _show_tensor(tensor: TensorData, name: str = "tensor") -> str:
    kind = _with_article(f"{tensor.dtype} {name}")
    content = f" {_round(tensor.tolist())}" if 0 < math.prod(tensor.shape) <= 12 else ""
    return f"{kind}{content} of shape {shape(tensor.shape)}"


def _round(content: Any) -> Any:
    if isinstance(content, list):
        return [_round(part) for part in content]
    return round(content, 4) if isinstance(content, float) else content


def shape(sizes: tuple[int, ...]) -> str:
    """Format a shape as (2, 3, 96), (4,) or ()."""
    return str(tuple(sizes))


def explain_raised(raised: Raised, module: str, exercise: str = "") -> str:
    """Explain an exception in student code, showing only the student's own frames.

    Args:
        raised: the exception.
        module: the student's module.
        exercise: the module of the exercise; in a notebook each task has a module of its own.
    """
    if raised.kind == "missing_module":
        return (
            f"{module}.py is missing. Put it beside the other files, or copy it from the kit again."
        )
    if raised.kind == "missing_name":
        return f"{module}.py does not define {raised.message}. Keep the names of the exercise."
    call, message = clean(raised.call), shorten(clean(raised.message), 600)
    imports = call.startswith("from exercise.")
    lines = [f"Importing your {module}.py failed." if imports else f"`{shorten(call, MAX_SHOWN)}`"]
    if raised.kind == "exit":
        lines.append("Your code called exit() or sys.exit(), so it never returned: remove that.")
    elif raised.kind == "memory":
        lines.append("Your code asked for more memory than there is.")
    else:
        lines.append(f"Your code raised {raised.type}{': ' if message else ''}{message}")
    lines += _frames(raised.frames)
    lines += _clue(raised)
    if raised.trace:
        lines.append(traced(raised.trace))
    is_syntax = raised.type == "SyntaxError" and raised.frames
    said = f"{message}\n{raised.frames[-1].source}" if is_syntax else message
    if raised.kind == "exception" and (known := advice(raised.type, said, exercise or module)):
        lines.append(known)
    if raised.kind == "exception" and any(sign in raised.message for sign in FORBIDDEN):
        lines.append(
            "While your code is graded, it can write files only in its working folder (4 MB each, "
            "16 MB in total), and can neither start processes nor use the network (for a "
            "DataLoader: num_workers=0)."
        )
    return "\n".join(lines)
