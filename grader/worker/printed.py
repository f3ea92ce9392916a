"""Keeps what student code prints during a request, call by call, beside passing it on."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from .wire import MAX_TEXT

MAX_CALLS = 50  # that print something, per request

Printed = list[tuple[str, str]]  # the text of each call that printed, and the beginning of that


class Tee:
    """A text stream that keeps what is written; for everything else it is another stream."""

    def __init__(self, stream: TextIO, keep: Callable[[str], None]) -> None:
        """Write to `stream`, and pass each text to `keep`."""
        self.stream, self.keep = stream, keep

    def write(self, text: str) -> int:
        """Write a text."""
        if type(text) is str:
            self.keep(text)
        return self.stream.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def kept(call: Callable[[], str]) -> Iterator[Printed]:
    """Keep what is printed inside; `call` returns the text of the current call."""
    printed: Printed = []

    def keep(text: str) -> None:
        last = call()[:MAX_TEXT]
        if printed and printed[-1][0] == last:
            so_far = printed[-1][1]
            printed[-1] = (last, so_far + text[: MAX_TEXT - len(so_far)])
        elif len(printed) < MAX_CALLS:
            printed.append((last, text[:MAX_TEXT]))

    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (Tee(stream, keep) for stream in streams)
    try:
        yield printed
    finally:
        sys.stdout, sys.stderr = streams
