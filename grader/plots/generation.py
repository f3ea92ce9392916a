"""Draws how models that generate text are trained, and how they choose."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from grader.plots._draw import BACKWARD, FORWARD, PALE, arrow, box

if TYPE_CHECKING:
    from torch import Tensor

GREY, RIGHT, WRONG = "#777777", "#2e8b57", "#c0392b"
SOURCE, TARGET = ("Preise", "fallen", "wieder"), ("prices", "fall", "again")


def teacher() -> None:
    """Draw an encoder and a decoder that makes a mistake, with teacher forcing and without."""
    import matplotlib.pyplot as plt

    _, both = plt.subplots(2, 1, figsize=(8.6, 5.6), layout="constrained")
    _draw_decoder(both[0], ("prices", "rise", "again"), fed=TARGET)
    both[0].set_title("ratio = 1: the decoder is fed the right tokens", loc="left", fontsize=11)
    written = "prices", "rise", "sharply"
    _draw_decoder(both[1], written, fed=written)
    both[1].set_title("ratio = 0: the decoder is fed its own tokens", loc="left", fontsize=11)
    plt.show()


def _draw_decoder(axes: Any, written: Sequence[str], *, fed: Sequence[str]) -> None:
    """Draw one translation; the words that differ from the right ones are red."""
    text = {"ha": "center", "va": "center"}
    forced = fed is TARGET
    for x, word in enumerate(SOURCE):
        box(axes, x, 0, "read", PALE)
        axes.text(x, -0.95, word, **text)
        arrow(axes, (x, -0.75), (x, -0.34), GREY)
        arrow(axes, (x + 0.32, 0), (x + (0.68 if x < 2 else 1.68), 0), FORWARD)
    axes.text(3.18, 0.22, "state", color=FORWARD, fontsize=9, **text)
    for step, (word, right, below) in enumerate(
        zip(written, TARGET, ("start", *fed), strict=False)
    ):
        at = 4 + 1.3 * step
        box(axes, at, 0, "step", PALE)
        axes.text(at, 1.6, right, color=BACKWARD if forced else "black", **text)
        wrong = word != right
        said = f"{word} \N{BALLOT X}" if wrong else word
        axes.text(at, 0.9, said, color=WRONG if wrong else RIGHT, **text)
        fed_wrong = not forced and step > 0 and below != TARGET[step - 1]
        axes.text(at, -0.95, below, color=WRONG if fed_wrong else "black", **text)
        arrow(axes, (at, -0.75), (at, -0.34), GREY)
        arrow(axes, (at, 0.34), (at, 0.7), GREY)
        if step < len(TARGET) - 1:
            arrow(axes, (at + 0.32, 0), (at + 0.98, 0), FORWARD)
            top, colour = (1.5, BACKWARD) if forced else (0.8, RIGHT if not wrong else WRONG)
            arrow(axes, (at + 0.3, top), (at + 1.02, -0.82), colour)
    style = {"va": "center", "fontsize": 9, "color": "#555555"}
    for y, name in ((1.6, "right token"), (0.9, "token written"), (-0.95, "token fed")):
        axes.text(7.25, y, name, **style)
    axes.text(1, 0.9, "encoder", ha="center", **style)
    axes.set(xlim=(-0.5, 8.4), ylim=(-1.25, 1.85))
    axes.axis("off")


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


def temperatures(letters: Sequence[str], probabilities: dict[float, Tensor], most: int = 9) -> None:
    """Plot the probabilities of the next letter at several temperatures.

    Args:
        letters: the C letters.
        probabilities: shape (C,), by temperature.
        most: how many letters to show, the most probable first.
    """
    import matplotlib.pyplot as plt

    coldest = probabilities[min(probabilities)]
    order = coldest.argsort(descending=True)[:most].tolist()
    names = [letters[at].replace(" ", "space") for at in order]
    _, grid = plt.subplots(
        1, len(probabilities), figsize=(8.6, 2.4), layout="constrained", sharey=True
    )
    for axes, (temperature, values) in zip(grid, probabilities.items(), strict=True):
        axes.bar(names, values[order].tolist(), color=FORWARD)
        axes.set_title(f"temperature {temperature:g}", loc="left", fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="x", length=0, labelsize=9)
        axes.grid(axis="y", color="#dddddd")
        axes.set_axisbelow(True)
    grid[0].set_ylabel("probability")
    plt.show()


def by_position(plots: dict[str, dict[str, Tensor]]) -> None:
    """Plot the share of right tokens at each position, one plot beside the other.

    Args:
        plots: by the title of each plot, by the name of each line: a share for each of several runs
            and each position, shape (runs, T).
    """
    import matplotlib.pyplot as plt

    _, grid = plt.subplots(
        1, len(plots), figsize=(8.6, 3), layout="constrained", sharey=True, squeeze=False
    )
    for axes, (title, lines) in zip(grid[0], plots.items(), strict=True):
        for (name, shares), colour in zip(lines.items(), (FORWARD, RIGHT, BACKWARD), strict=False):
            places = range(1, shares.shape[1] + 1)
            axes.plot(places, shares.mean(dim=0), "o-", color=colour, label=name, ms=4)
            low, high = shares.amin(dim=0), shares.amax(dim=0)
            axes.fill_between(places, low, high, color=colour, alpha=0.2, lw=0)
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel("position")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dddddd")
    grid[0][0].set_ylabel("share of right digits")
    grid[0][0].legend(frameon=False, fontsize=9)
    plt.show()
