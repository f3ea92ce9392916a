"""Runs what parses the bytes of a submission in a process with limits.

One process serves all calls; a call that exceeds a limit ends it, and the next call starts a new
one. Arguments and results travel as JSON: a parser that hostile bytes got the better of may have
written what comes back.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import importlib
import json
import os
import struct
import subprocess
import sys
import threading
from typing import IO, Any

from grader.base.errors import UsageError
from grader.contract import course
from grader.contract.messages import clean, shorten

if sys.platform != "win32":
    import resource

MEMORY = 2 << 30  # bytes of address space
CPU_SECONDS, WALL_SECONDS = 10, 60  # of one call
MAX_ANSWER = 64 << 20  # bytes
MAX_REASON = 600  # characters
BYTES = "\0bytes"  # the key of bytes in JSON; no file and no variable has such a name
TOO_MUCH = (
    f"Reading it takes more than {CPU_SECONDS} s or {MEMORY >> 30} GiB of memory. Submit code "
    "as you would write it by hand, without generated lines."
)
READY = b"ready"  # what the process says first
START = "import sys; sys.path[:] = {path!r}; from grader.intake import limited; limited.serve()"


class NotStarted(Exception):
    """The process with limits does not start on this machine."""


def call(place: str, *arguments: Any) -> Any:
    """Call a function in the process with limits.

    Args:
        place: "module:function".
        arguments: JSON data and bytes.

    Returns:
        What the function returned: JSON data and bytes; tuples come back as lists.

    Raises:
        UsageError: it raised that, or anything else, or it exceeded a limit.
        NotStarted: there is no such process, which is not the fault of what it should parse.
    """
    with _lock:
        process = _running()
        timer = threading.Timer(WALL_SECONDS, process.kill)
        timer.start()
        try:
            _write(process.stdin, _packed([place, arguments, course.current().text()]))
            answer = _unpacked(_read(process.stdout, MAX_ANSWER))
            found, refused = answer["found"], answer["refused"]
        except (OSError, EOFError, ValueError, LookupError, TypeError, RecursionError):
            close()
            raise UsageError(TOO_MUCH) from None
        finally:
            timer.cancel()
    if refused is not None:
        raise UsageError(shorten(clean(str(refused)), MAX_REASON))
    return found


def close() -> None:
    """End the process, if there is one."""
    while _kept:
        owner, process = _kept.pop()
        if owner == os.getpid():
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    stream.close()  # type: ignore[union-attr]


_lock = threading.Lock()
_kept: list[tuple[int, subprocess.Popen[bytes]]] = []  # by the process that started it
atexit.register(close)


def _running() -> subprocess.Popen[bytes]:
    if _kept and _kept[0][0] == os.getpid() and _kept[0][1].poll() is None:
        return _kept[0][1]
    close()
    process = subprocess.Popen(
        [sys.executable, "-c", START.format(path=sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _kept.append((os.getpid(), process))
    try:
        _read(process.stdout, len(READY))
    except (OSError, EOFError, ValueError):
        close()
        raise NotStarted("the process that reads submissions did not start") from None
    return process


def serve() -> None:
    """Answer calls until there are no more: the process with limits does this."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may write where answers are read
    _write(answers, READY)
    while True:
        try:
            place, arguments, of = _unpacked(_read(sys.stdin.buffer))
        except EOFError:
            return
        _limit()
        course.use(of)
        _write(answers, _answer(place, arguments))


def _limit() -> None:
    """Allow the next call so much memory and processor time, where the system knows of limits."""
    if sys.platform == "win32":
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS
    for what, bound in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, MEMORY)):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(
            what, (bound if hard == resource.RLIM_INFINITY else min(bound, hard), hard)
        )


def _answer(place: str, arguments: list[Any]) -> bytes:
    module, function = place.split(":")
    found = refused = None
    try:
        found = getattr(importlib.import_module(module), function)(*arguments)
    except UsageError as error:
        refused = str(error)
    except MemoryError:
        refused = TOO_MUCH
    except Exception as error:
        refused = f"It cannot be read ({type(error).__name__}: {error}). Submit it again."
    return _packed({"found": found, "refused": refused})


def _packed(data: Any) -> bytes:
    return json.dumps(data, default=_encoded).encode("ascii")


def _unpacked(content: bytes) -> Any:
    return json.loads(content, object_hook=_decoded)


def _encoded(value: object) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} is not plain data")
    return {BYTES: base64.b64encode(value).decode("ascii")}


def _decoded(value: dict[str, Any]) -> Any:
    return base64.b64decode(value[BYTES]) if value.keys() == {BYTES} else value


def _write(stream: IO[bytes] | None, content: bytes) -> None:
    assert stream is not None
    stream.write(struct.pack(">Q", len(content)) + content)
    stream.flush()


def _read(stream: IO[bytes] | None, most: int = 1 << 40) -> bytes:
    assert stream is not None
    (size,) = struct.unpack(">Q", _exactly(stream, 8))
    if size > most:
        raise ValueError(f"{size} bytes")
    return _exactly(stream, size)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content
