"""Draws recurrent layers over the tokens of a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grader.plots._draw import BACKWARD, FORWARD, PALE

WORDS = ("Oil", "prices", "fall", "again")
CLASSES = ("World", "Sports", "Business", "Sci/Tech")
GREY = "#8a8a8a"
STEP = 1.45  # the distance of two tokens
Point = tuple[float, float]


def unrolled() -> None:
    """Draw a recurrent cell over four tokens, with its inputs, states and outputs."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(8.6, 3.3), layout="constrained")
    _draw_cells(axes)
    for step in range(1, len(WORDS) + 1):
        x = STEP * (step - 1)
        _arrow(axes, (x, 0.3), (x, 0.85), FORWARD)
        axes.text(x, 1.05, f"$h_{step}$", ha="center", va="center", fontsize=12)
    end = STEP * (len(WORDS) - 1)
    _arrow(axes, (end + 0.33, 0), (end + 1.2, 0), FORWARD)
    axes.text(end + 0.85, 1.05, "outputs: all states", va="center", fontsize=10)
    axes.text(end + 1.35, 0, "h_n: the last state", va="center", fontsize=10)
    axes.set(xlim=(-1.2, 7.6), ylim=(-1.6, 1.35), aspect="equal")
    axes.axis("off")
    title = "One cell, T = 4 tokens: at every step the same weights"
    axes.set_title(title, fontsize=11, loc="left")
    plt.show()


def classifier() -> None:
    """Draw a layer over four tokens whose last state goes through a Linear to the scores."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(8.6, 2.9), layout="constrained")
    _draw_cells(axes)
    end = STEP * (len(WORDS) - 1)
    _arrow(axes, (end + 0.33, 0), (end + 1.55, 0), FORWARD)
    _draw_scores(axes, end + 2.3, 0, ("nn.Linear(H, 4)",))
    axes.text(end + 0.72, -0.4, "h_n\n(B, H)", ha="center", va="center", fontsize=9)
    axes.set(xlim=(-1.2, 8.9), ylim=(-1.6, 1.0), aspect="equal")
    axes.axis("off")
    title = "A classifier of sentences: only the last state is used"
    axes.set_title(title, fontsize=11, loc="left")
    plt.show()


def _draw_cells(axes: Any) -> None:
    """Draw the cells of one direction with the words below them."""
    for step, word in enumerate(WORDS, 1):
        x = STEP * (step - 1)
        _box(axes, x, 0, "cell", PALE, FORWARD)
        axes.text(x, -1.2, f"{word}\n$x_{step}$", ha="center", va="center", fontsize=10)
        _arrow(axes, (x, -0.85), (x, -0.3), GREY)
        before, after = (x - STEP + 0.33, 0), (x - 0.31, 0)
        _arrow(axes, before if step > 1 else (x - 0.8, 0), after, FORWARD)
        place = x - (STEP / 2 if step > 1 else 0.56)
        axes.text(place, 0.2, f"$h_{step - 1}$", ha="center", va="center", fontsize=11)
    end = STEP * (len(WORDS) - 1)
    axes.text(end + 0.72, 0.2, f"$h_{len(WORDS)}$", ha="center", va="center", fontsize=11)


def last_states() -> None:
    """Draw which states `outputs` and `h_n` hold, for two layers, two directions, four tokens."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(9, 6.1), layout="constrained")
    for layer, bottom in enumerate((0.0, 3.1)):
        _draw_layer(axes, bottom, last=layer == 1)
        for direction, name in enumerate(("forward", "backward")):
            y = bottom + 0.95 * direction
            text = f"layer {layer + 1}, {name}"
            axes.text(-0.8, y, text, ha="right", va="center", fontsize=10)
            note = f"h_n[{2 * layer + direction}]"
            axes.text(5.05, y, note, va="center", family="monospace", fontsize=10.5)
    for step, word in enumerate(WORDS, 1):
        x = STEP * (step - 1)
        axes.text(x, -1.15, f"{word}\n$x_{step}$", ha="center", va="center", fontsize=10)
        _fork(axes, x, -0.8, 0)
        _fork(axes, x, 2.17, 3.1)
    axes.text(-0.8, 1.93, "outputs of layer 1,\n2 * H numbers per token", ha="right", va="center")
    axes.text(-0.8, 5.03, "outputs (B, T, 2 * H)", ha="right", va="center")
    axes.plot([6.05, 6.15, 6.15, 6.05], [3.0, 3.0, 4.15, 4.15], color="#555555", lw=1.2)
    _draw_scores(axes, 7.35, 3.58, ("cat: 2 * H", "ReLU, Linear"))
    _arrow(axes, (6.2, 3.58), (6.62, 3.58), "#555555")
    axes.set(xlim=(-3.1, 9.9), ylim=(-1.5, 5.35), aspect="equal")
    axes.axis("off")
    title = "L = 2 layers, D = 2 directions, T = 4 tokens: h_n has shape (L * D, B, H)"
    axes.set_title(title, fontsize=11, loc="left")
    plt.show()


def _draw_layer(axes: Any, bottom: float, *, last: bool) -> None:
    """Draw both directions of a layer and, above them, its outputs; states in h_n are filled."""
    top, count = bottom + 0.95, len(WORDS)
    for step in range(1, count + 1):
        x = STEP * (step - 1)
        for letter, place, y, colour, end in (
            ("f", x - 0.2, bottom, FORWARD, count),
            ("b", x + 0.2, top, BACKWARD, 1),
        ):
            kept = step == end
            face = (colour if last else "#b9b9b9") if kept else PALE
            text = "white" if kept and last else "black"
            _box(axes, place, y, f"${letter}_{step}$", face, colour, text)
            _arrow(axes, (place, y + 0.3), (place, bottom + 1.67), GREY)
        _box(axes, x, bottom + 1.93, f"$[f_{step}, b_{step}]$", "white", GREY, width=0.95)
        if step < count:
            _arrow(axes, (x + 0.08, bottom), (x - 0.48 + STEP, bottom), FORWARD)
            _arrow(axes, (x - 0.08 + STEP, top), (x + 0.48, top), BACKWARD)


def _fork(axes: Any, x: float, below: float, bottom: float) -> None:
    """Draw arrows from what is below a layer to both of its directions."""
    _arrow(axes, (x - 0.2, below), (x - 0.2, bottom - 0.27), GREY)
    _arrow(axes, (x + 0.25, below), (x + 0.25, bottom + 0.68), GREY)


def _draw_scores(axes: Any, x: float, y: float, layers: Sequence[str]) -> None:
    """Draw a box with the layers at the end of a classifier, and a score per class."""
    _box(axes, x, y, "\n".join(layers), "#cfe0f3", "#666666", width=1.4)
    for row, name in enumerate(CLASSES):
        place = y + 0.6 - 0.4 * row
        _arrow(axes, (x + 0.74, y), (x + 1.25, place), GREY)
        axes.text(x + 1.3, place, name, va="center", fontsize=9)


def _box(
    axes: Any,
    x: float,
    y: float,
    text: str,
    face: str,
    edge: str,
    colour: str = "black",
    *,
    width: float = 0.5,
) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0.02,rounding_size=0.08"
    height = 0.62 if "\n" in text else 0.44
    corner = x - width / 2, y - height / 2
    box = FancyBboxPatch(corner, width, height, style, fc=face, ec=edge, lw=1.3, zorder=3)
    axes.add_patch(box)
    size = 9 if width > 1 else 10.5
    axes.text(x, y, text, ha="center", va="center", fontsize=size, color=colour, zorder=4)


def _arrow(axes: Any, tail: Point, head: Point, colour: str) -> None:
    style = {"arrowstyle": "-|>", "color": colour, "lw": 1.4, "mutation_scale": 10}
    axes.annotate("", head, tail, arrowprops=style | {"shrinkA": 0, "shrinkB": 0}, zorder=2)
