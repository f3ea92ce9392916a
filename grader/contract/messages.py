"""Composes the message of a failed check, always in the same way.

"Called `the call`. It returned X, expected Y.", followed by an explanation if a known mistake was
recognised.
"""

from __future__ import annotations

import math
import re
from typing import Any

from grader.contract.enums import Status
from grader.contract.mistakes import advice, mistakes
from grader.worker.wire import Opaque, Raised, TensorData

# Errors of the system for what the sandbox forbids; see worker/layers.py and worker/scratch.py.
FORBIDDEN = (
    *("Operation not permitted", "Permission denied"),
    *("Read-only file system", "File too large", "No space left on device"),
)
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
MAX_SHOWN = 200  # characters of a value in a message


class Failure(Exception):
    """A check failed.

    Attributes:
        mistake: the id of a known mistake, see `mistakes.toml`, or None.
        share: the fraction of the points that is still earned.
        details: figures for the record.
        local: whether the checks that depend on this one can still be judged.
    """

    def __init__(
        self,
        call: str,
        found: str,
        expected: str,
        mistake: str | None = None,
        share: float = 0.0,
        details: dict[str, Any] | None = None,
    ) -> None:
        """Compose the message from the call, the observed and the expected result."""
        lines = [f"Called `{call}`.", f"{found}, expected {expected}."]
        if mistake is not None:
            lines.append(mistakes()[mistake].explanation)
        elif found == "It returned None":
            lines.append("Is there a `return`?")
        super().__init__("\n".join(lines))
        self.mistake, self.share, self.details = mistake, share, details or {}
        self.local = False


class Blocked(Exception):
    """A check cannot run before other work is done; `status` is its resulting status."""

    def __init__(self, message: str, status: Status = Status.BLOCKED) -> None:
        """Take the message that says what to do first."""
        super().__init__(message)
        self.status = status


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
    elif type(value) is dict:
        pairs = [f"{key!r}: {show(part)}" for key, part in value.items()]
        text = f"{{{', '.join(pairs[:4])}{', ...' if len(pairs) > 4 else ''}}}"
    else:
        text = repr(value)
    return shorten(clean(text), MAX_SHOWN)


def show_raised(raised: Raised) -> str:
    """Format an exception and the student's line that raised it."""
    text = f"It raised {show(raised)}"
    if not raised.frames:
        return text
    last = raised.frames[-1]
    return f"{text} ({clean(last.file)}, line {last.line}: `{clean(last.source)}`)"


def is_tensor(seen: object) -> bool:
    """Return whether a value is a tensor, even one that the wire cannot carry (sparse, meta)."""
    return isinstance(seen, TensorData) or (isinstance(seen, Opaque) and seen.type == "Tensor")


def shorten(text: str, most: int) -> str:
    """Shorten a text to at most `most` characters."""
    return text if len(text) <= most else text[: most - 4] + " ..."


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _show_parts(parts: tuple[Any, ...] | list[Any]) -> str:
    return ", ".join(show(part) for part in parts[:4]) + (", ..." if len(parts) > 4 else "")


def _show_tensor(tensor: TensorData) -> str:
    kind = _with_article(f"{tensor.dtype} tensor")
    content = f" {_round(tensor.tolist())}" if 0 < math.prod(tensor.shape) <= 12 else ""
    return f"{kind}{content} of shape {shape(tensor.shape)}"


def _round(content: Any) -> Any:
    if isinstance(content, list):
        return [_round(part) for part in content]
    return round(content, 4) if isinstance(content, float) else content


def shape(sizes: tuple[int, ...]) -> str:
    """Format a shape as (2, 3, 96), (4,) or ()."""
    return str(tuple(sizes))


def explain_raised(raised: Raised, module: str) -> str:
    """Explain an exception in student code, showing only the student's own frames."""
    if raised.kind == "missing_module":
        return (
            f"{module}.py is not there. Put it beside the other files, "
            "or take it from the kit again."
        )
    if raised.kind == "missing_name":
        return (
            f"{module}.py does not define {raised.message}. "
            "Keep the name that the exercise gives it."
        )
    lines = [f"Called `{shorten(clean(raised.call), MAX_SHOWN)}`."]
    message = shorten(clean(raised.message), 600)
    if raised.kind == "exit":
        lines.append("It exited (sys.exit or exit), expected it to return.")
    elif raised.kind == "memory":
        lines.append("It asked for more memory than there is, expected it to return.")
    else:
        lines.append(f"It raised {raised.type}{': ' if message else ''}{message}")
    for frame in raised.frames:
        lines.append(f"  {clean(frame.file)}, line {frame.line}, in {clean(frame.function)}")
        if frame.source:
            lines.append(f"    {clean(frame.source)}")
    if raised.kind == "exception" and (known := advice(raised.type, message)):
        lines.append(known)
    if raised.kind == "exception" and any(sign in raised.message for sign in FORBIDDEN):
        lines.append(
            "While your code is graded, it can write files in its working folder only (4 MB each, "
            "16 MB in all), and can neither start processes nor use the network (for a DataLoader: "
            "num_workers=0)."
        )
    return "\n".join(lines)
