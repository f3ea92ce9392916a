"""Draws recurrent layers over the tokens of a sentence."""

from __future__ import annotations

from typing import Any

from grader.plots._draw import BACKWARD, FORWARD, PALE

WORDS = ("Oil", "prices", "fall", "again")


def last_states() -> None:
    """Draw which states `h_n` holds, for a two-layer bidirectional LSTM and four tokens."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(8.2, 4.3))
    rows = {"layer 1, forward": 0, "layer 1, backward": 1, "layer 2, forward": 2.4}
    rows |= {"layer 2, backward": 3.4}
    for number, (name, y) in enumerate(rows.items()):
        forward = name.endswith("forward")
        _draw_direction(axes, y, forward=forward, last=number >= 2)
        axes.text(-0.75, y, name, ha="right", va="center", fontsize=10)
        note = f"h_n[{number}]"
        axes.text(4.05, y, note, va="center", family="monospace", fontsize=11)
    for x, word in enumerate(WORDS):
        axes.text(x, -0.85, f"{word}\nt = {x + 1}", ha="center", va="center", fontsize=10)
        axes.annotate("", (x, 1.95), (x, 1.45), arrowprops={"arrowstyle": "->", "color": "#999999"})
    axes.plot([5.05, 5.15, 5.15, 5.05], [2.2, 2.2, 3.6, 3.6], color="#555555", lw=1.2)
    axes.text(5.3, 2.9, "the last layer:\nread these two", va="center", fontsize=10)
    axes.set(xlim=(-2.4, 6.7), ylim=(-1.25, 4.1), aspect="equal")
    axes.axis("off")
    title = "L = 2 layers, D = 2 directions, T = 4 tokens: h_n has shape (L * D, B, H)"
    axes.set_title(title, fontsize=11, loc="left")
    plt.show()


def _draw_direction(axes: Any, y: float, *, forward: bool, last: bool) -> None:
    """Draw one direction of one layer; the state in h_n is filled."""
    from matplotlib.patches import FancyBboxPatch

    colour, letter = (FORWARD, "f") if forward else (BACKWARD, "b")
    end = len(WORDS) - 1 if forward else 0
    for x in range(len(WORDS)):
        kept = x == end
        face = (colour if last else "#b9b9b9") if kept else PALE
        style = "round,pad=0.02,rounding_size=0.08"
        box = FancyBboxPatch((x - 0.28, y - 0.26), 0.56, 0.52, style, fc=face, ec=colour, lw=1.3)
        axes.add_patch(box)
        text = {"color": "white" if kept and last else "black", "fontsize": 11}
        axes.text(x, y, f"{letter}{x + 1}", ha="center", va="center", **text)
    for x in range(len(WORDS) - 1):
        left, right = (x + 0.3, y), (x + 0.7, y)
        head, tail = (right, left) if forward else (left, right)
        axes.annotate("", head, tail, arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.5})


def unrolled() -> None:
    """Draw a recurrent cell over four tokens, with its inputs, states and outputs."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyBboxPatch

    _, axes = plt.subplots(figsize=(8.2, 3.4))
    arrow = {"arrowstyle": "->", "color": FORWARD, "lw": 1.5}
    style = "round,pad=0.02,rounding_size=0.08"
    for x, word in enumerate(WORDS):
        axes.add_patch(
            FancyBboxPatch((x - 0.28, -0.26), 0.56, 0.52, style, fc=PALE, ec=FORWARD, lw=1.3)
        )
        axes.text(x, 0, "cell", ha="center", va="center", fontsize=11)
        axes.text(x, -1.2, f"{word}\nt = {x + 1}", ha="center", va="center", fontsize=10)
        axes.annotate("", (x, -0.32), (x, -0.88), arrowprops={**arrow, "color": "#999999"})
        axes.annotate("", (x, 0.78), (x, 0.32), arrowprops=arrow)
        axes.text(x, 0.95, f"h{x + 1}", ha="center", va="center", fontsize=11)
        axes.annotate("", (x - 0.32, 0), (x - 0.68, 0), arrowprops=arrow)
        axes.text(x - 0.5, 0.16, f"h{x}", ha="center", va="center", fontsize=9, color="#555555")
    axes.text(-0.75, 0, "start", ha="right", va="center", fontsize=10)
    axes.annotate("", (3.68, 0), (3.32, 0), arrowprops=arrow)
    axes.text(3.75, 0, "h_n: the last state, h4", va="center", fontsize=10)
    axes.text(3.75, 0.95, "outputs: all states", va="center", fontsize=10)
    axes.text(3.75, -1.2, "inputs", va="center", fontsize=10)
    axes.set(xlim=(-1.5, 5.9), ylim=(-1.55, 1.35), aspect="equal")
    axes.axis("off")
    title = "One cell, T = 4 tokens: at every step the same weights"
    axes.set_title(title, fontsize=11, loc="left")
    plt.show()
