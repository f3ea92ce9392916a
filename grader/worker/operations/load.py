"""Importing a submission's module, before anything else is done with it."""

from __future__ import annotations

from ..student import student


def module(name: str, needs: list[str]) -> None:
    """Import `exercise.<name>` and see that it defines the names in `needs`."""
    for attribute in needs:
        student.get(name, attribute)
