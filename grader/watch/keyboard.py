"""Reads single keys from the terminal, in a thread."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def keys(pressed: Callable[[str], Any]) -> Iterator[None]:
    """Call a function with each key, as one lower-case character, without waiting for Enter.

    Nothing happens if the standard input is not a terminal. Ctrl-C still interrupts.
    """
    if not sys.stdin.isatty():
        yield
        return
    with _without_enter():
        threading.Thread(target=_read, args=[pressed], daemon=True).start()
        yield


if sys.platform == "win32":
    import msvcrt

    @contextlib.contextmanager
    def _without_enter() -> Iterator[None]:
        yield

    def _read(pressed: Callable[[str], Any]) -> None:
        while True:
            pressed(msvcrt.getwch().lower())

else:
    import termios
    import tty

    @contextlib.contextmanager
    def _without_enter() -> Iterator[None]:
        """Switch the terminal to single keys, and back at the end."""
        before = termios.tcgetattr(0)
        try:
            tty.setcbreak(0)
            yield
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)

    def _read(pressed: Callable[[str], Any]) -> None:
        while data := os.read(0, 64):  # an arrow key sends several bytes: it is no command
            pressed(data.decode("utf-8", "replace").lower())
