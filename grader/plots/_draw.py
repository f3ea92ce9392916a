"""The colours and shapes of the drawings."""

from __future__ import annotations

from typing import Any

FORWARD, BACKWARD = "#1f5fa8", "#d9701e"
PALE = "#f4f4f4"


def box(axes: Any, x: float, y: float, text: str, colour: str) -> None:
    """Draw a box around a text, centred at x and y."""
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0.02,rounding_size=0.08"
    box = FancyBboxPatch((x - 0.28, y - 0.3), 0.56, 0.6, style, fc=colour, ec="#777777", lw=1.2)
    axes.add_patch(box)
    axes.text(x, y, text, ha="center", va="center", fontsize=10)


def arrow(axes: Any, tail: tuple[float, float], head: tuple[float, float], colour: str) -> None:
    """Draw an arrow from its tail to its head."""
    axes.annotate("", head, tail, arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.3})
