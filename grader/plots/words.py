"""Draws words, their contexts and their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grader.plots._draw import BACKWARD, FORWARD

if TYPE_CHECKING:
    from torch import Tensor


def arrows(vectors: dict[str, tuple[float, float]], x: str, y: str) -> None:
    """Draw two-dimensional word vectors, with an arrow from the first to the second of each pair.

    Args:
        vectors: the two numbers by word, pair after pair.
        x: the label of the first number.
        y: the label of the second number.
    """
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(5.2, 3.6), layout="constrained")
    words = [*vectors]
    for start, end in zip(words[::2], words[1::2], strict=True):
        style = {"arrowstyle": "->", "color": BACKWARD, "lw": 1.6, "shrinkA": 6, "shrinkB": 6}
        axes.annotate("", vectors[end], vectors[start], arrowprops=style)
    for word, place in vectors.items():
        axes.plot(*place, "o", color=FORWARD)
        axes.annotate(word, place, (7, 6), textcoords="offset points", fontsize=11)
    axes.margins(0.25)
    axes.set(xlabel=x, ylabel=y)
    axes.grid(color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)
    plt.show()


def similarities(names: Sequence[str], cosines: Tensor) -> None:
    """Plot the cosine similarities of vectors.

    Args:
        names: the names of the N vectors.
        cosines: shape (N, N), from -1 to 1.
    """
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(8, 0.8 + 0.5 * len(names)), layout="constrained")
    axes.pcolormesh(cosines, cmap="Blues", vmin=0, vmax=1.4, edgecolor="white", lw=1)
    for row, numbers in enumerate(cosines.tolist()):
        for column, number in enumerate(numbers):
            axes.text(column + 0.5, row + 0.5, f"{number:.2f}", ha="center", va="center")
    axes.invert_yaxis()
    places = [place + 0.5 for place in range(len(names))]
    axes.set_yticks(places, [f"{name}   {number}" for number, name in enumerate(names, 1)])
    axes.set_xticks(places, [*map(str, range(1, len(names) + 1))])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    plt.show()


def window(sentence: str, size: int) -> None:
    """Draw the context words of each word of a sentence.

    Args:
        sentence: words separated by spaces.
        size: the largest distance of a context word.
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import ListedColormap

    words = sentence.split()
    places = range(len(words))
    kinds = [[0 if i == j else 1 if abs(i - j) <= size else 2 for j in places] for i in places]
    _, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
    colours = ListedColormap([BACKWARD, FORWARD, "#eeeeee"])
    axes.pcolormesh(kinds, cmap=colours, vmin=0, vmax=2, edgecolor="white", lw=1)
    axes.invert_yaxis()
    middles = [place + 0.5 for place in places]
    axes.set_xticks(middles, words)
    axes.set_yticks(middles, words)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_ylabel("centre (orange)")
    axes.set_xlabel(f"blue: its context words, with window = {size}")
    plt.show()


def word_map(vectors: Tensor, words: Sequence[str], groups: Sequence[str]) -> None:
    """Plot words by the first two principal components of their vectors.

    Args:
        vectors: one per word, shape (N, F).
        words: the N words.
        groups: the group of each word, which determines its colour.
    """
    import matplotlib.pyplot as plt
    import torch

    unit = torch.nn.functional.normalize(vectors, dim=1)
    _, _, directions = torch.linalg.svd(unit - unit.mean(dim=0), full_matrices=False)
    places = ((unit - unit.mean(dim=0)) @ directions[:2].T).tolist()
    _, axes = plt.subplots(figsize=(8.2, 5.6), layout="constrained")
    names = sorted(set(groups))
    colours = dict(zip(names, (FORWARD, BACKWARD, "#2e8b57", "#8b3a8b"), strict=False))
    for name in names:
        xs, ys = zip(
            *(place for place, group in zip(places, groups, strict=True) if group == name),
            strict=True,
        )
        axes.scatter(xs, ys, s=14, color=colours[name], label=name)
    for (x, y), word, group in zip(places, words, groups, strict=True):
        beside = x + 0.01, y + 0.01
        axes.text(*beside, word, fontsize=8, color=colours[group])
    axes.legend(frameon=False, title="mostly in news of the class")
    axes.set_title("Word vectors, from F dimensions down to two", loc="left", fontsize=11)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#cccccc")
    plt.show()
