"""Stands in for IPython.display: nothing is shown."""

from __future__ import annotations

from typing import Any


def display(*_objects: Any, **_options: Any) -> None:
    """Show nothing."""


def clear_output(wait: bool = False) -> None:
    """Clear nothing."""
    del wait


class DisplayObject:
    """Something that a notebook would show."""

    def __init__(self, data: Any = None, *_arguments: Any, **_options: Any) -> None:
        """Keep it."""
        self.data = data


class HTML(DisplayObject):
    """A piece of a page."""


class Image(DisplayObject):
    """A picture."""


class Markdown(DisplayObject):
    """A formatted text."""
