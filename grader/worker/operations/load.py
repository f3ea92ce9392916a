"""The operation that imports a submission's module, before any other uses it."""

from __future__ import annotations

from ..student import student


def module(name: str, needs: list[str]) -> None:
    """Import `exercise.<name>` and check that it defines the names in `needs`."""
    for attribute in needs:
        student.get(name, attribute)
