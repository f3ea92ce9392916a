"""The console that all commands print to."""

from __future__ import annotations

from typing import Any

from rich.console import Console


def plain_console(**options: Any) -> Console:
    """Return a console that prints text literally, without markup, emoji or highlighting."""
    return Console(highlight=False, markup=False, emoji=False, **options)
