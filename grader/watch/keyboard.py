"""Reads single keys from the terminal, in a thread."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

REDRAW = ""  # no key: the terminal has another size, or the program goes on after Ctrl-Z


@contextlib.contextmanager
def keys(pressed: Callable[[str], Any]) -> Iterator[None]:
    """Call a function with each key, as one lower-case character, without waiting for Enter.

    Nothing happens if the standard input is not a terminal. Ctrl-C still interrupts. `REDRAW`
    comes when the screen must be drawn again.
    """
    if not sys.stdin.isatty():
        yield
        return
    with _without_enter(pressed):
        threading.Thread(target=_read, args=[pressed], daemon=True).start()
        yield


if sys.platform == "win32":
    import msvcrt

    @contextlib.contextmanager
    def _without_enter(pressed: Callable[[str], Any]) -> Iterator[None]:  # noqa: ARG001
        yield

    def _read(pressed: Callable[[str], Any]) -> None:
        while True:
            pressed(msvcrt.getwch().lower())

else:
    import signal
    import termios
    import tty
    from signal import SIGCONT, SIGWINCH
    from types import FrameType

    @contextlib.contextmanager
    def _without_enter(pressed: Callable[[str], Any]) -> Iterator[None]:
        """Switch the terminal to single keys, and back at the end."""
        before = termios.tcgetattr(0)

        def draw_again(number: int, _: FrameType | None) -> None:
            if number == SIGCONT:  # the shell had the terminal in between
                tty.setcbreak(0)
            pressed(REDRAW)

        others = {each: signal.signal(each, draw_again) for each in (SIGCONT, SIGWINCH)}
        try:
            tty.setcbreak(0)
            yield
        finally:
            for each, other in others.items():
                signal.signal(each, other)
            termios.tcsetattr(0, termios.TCSADRAIN, before)

    def _read(pressed: Callable[[str], Any]) -> None:
        while data := os.read(0, 64):  # an arrow key sends several bytes: it is no command
            pressed(data.decode("utf-8", "replace").lower())
