"""Draws how models that generate text are trained."""

from __future__ import annotations

from itertools import pairwise

from grader.plots._draw import BACKWARD, FORWARD, PALE, arrow, box


def teacher() -> None:
    """Draw the inputs of a decoder with teacher forcing and without."""
    import matplotlib.pyplot as plt

    right, said = ("prices", "fall", "again"), ("prices", "rise", "now")
    _, both = plt.subplots(1, 2, figsize=(9.4, 2.6), layout="constrained")
    for axes, (title, fed) in zip(
        both,
        {"ratio = 1: the teacher's words": right, "ratio = 0: its own words": said}.items(),
        strict=True,
    ):
        words = said if fed is said else ("prices", "rise", "again")
        for x, (below, above) in enumerate(zip(("start", *fed), words, strict=False)):
            box(axes, x, 0, "step", PALE)
            axes.text(x, 0.85, above, ha="center", va="center", color=FORWARD)
            colour = "black" if x == 0 else FORWARD if fed is said else BACKWARD
            axes.text(x, -0.85, below, ha="center", va="center", color=colour)
            for y in (-0.65, 0.35):
                arrow(axes, (x, y), (x, y + 0.3), "#777777")
            if x < len(words) - 1:
                arrow(axes, (x + 0.3, 0), (x + 0.7, 0), "#777777")
                if fed is said:
                    arrow(axes, (x + 0.2, 0.75), (x + 0.8, -0.72), FORWARD)
        axes.set(xlim=(-0.6, 2.6), ylim=(-1.2, 1.2))
        axes.set_title(title, loc="left", fontsize=11)
        axes.axis("off")
    plt.show()


def chunks() -> None:
    """Draw how the state passes from chunk to chunk, and where the gradient stops."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(8.6, 2.5), layout="constrained")
    text = "Oil_prices_fall"  # a space would be invisible
    for x, (letter, target) in enumerate(pairwise(text)):
        place = x + 0.8 * (x // 5)
        box(axes, place, 0, "", PALE)
        axes.text(place, -0.75, letter, ha="center", va="center", family="monospace")
        axes.text(place, 0.75, target, ha="center", va="center", family="monospace")
        if x % 5 < 4 and x < len(text) - 2:
            arrow(axes, (place + 0.3, 0.1), (place + 0.7, 0.1), FORWARD)
            arrow(axes, (place + 0.7, -0.12), (place + 0.3, -0.12), BACKWARD)
        elif x < len(text) - 2:
            arrow(axes, (place + 0.3, 0.1), (place + 1.5, 0.1), FORWARD)
            axes.text(place + 0.9, -0.2, "detach", ha="center", va="center", color=BACKWARD)
    axes.text(-0.6, 0.75, "to predict", ha="right", va="center", fontsize=9)
    axes.text(-0.6, -0.75, "read", ha="right", va="center", fontsize=9)
    axes.set(xlim=(-2.4, 16.2), ylim=(-1.2, 1.2))
    axes.set_title("blue: the state goes on; orange: the gradient stays in its chunk", loc="left")
    axes.axis("off")
    plt.show()
