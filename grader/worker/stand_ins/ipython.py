"""Stands in for IPython: there is no notebook round code that is graded."""

from __future__ import annotations

from IPython import display

__all__ = ["display", "get_ipython", "version_info"]

version_info = (9, 0, 0)


def get_ipython() -> None:
    """Return None, as outside of a notebook."""
