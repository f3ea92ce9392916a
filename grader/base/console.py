"""The terminal, as every command writes to it."""

from __future__ import annotations

from typing import Any

from rich.console import Console


def plain_console(**options: Any) -> Console:
    """Return a console that shows text as it is: no markup, emoji or highlighted numbers."""
    return Console(highlight=False, markup=False, emoji=False, **options)
