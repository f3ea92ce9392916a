"""Draws words, their contexts and their vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

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
    used = [sorted({*numbers}) for numbers in zip(*vectors.values(), strict=True)]
    axes.set(xlabel=x, ylabel=y, xticks=used[0], yticks=used[1])
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
    mesh = axes.pcolormesh(cosines, cmap="Blues", vmin=0, vmax=1, edgecolor="white", lw=1)
    for row, numbers in enumerate(cosines.tolist()):
        for column, number in enumerate(numbers):
            place, colour = (column + 0.5, row + 0.5), "white" if number > 0.6 else "black"
            axes.text(*place, f"{number:.2f}", ha="center", va="center", color=colour)
    axes.figure.colorbar(mesh, ax=axes, label="cosine similarity")
    axes.invert_yaxis()
    places = [place + 0.5 for place in range(len(names))]
    axes.set_yticks(places, [f"{name}   {number}" for number, name in enumerate(names, 1)])
    axes.set_xticks(places, [*map(str, range(1, len(names) + 1))])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    plt.show()


def window(sentence: str, size: int) -> None:
    """Draw the windows of the first, a middle and the last word of a sentence.

    Args:
        sentence: words separated by spaces.
        size: the largest distance of a context word.
    """
    import matplotlib.pyplot as plt

    words = sentence.split()
    last = len(words) - 1
    _, axes = plt.subplots(figsize=(8.6, 2.6), layout="constrained")
    for x, word in enumerate(words):
        axes.text(x, 0, word, ha="center", va="center", fontsize=13)
    for row, centre in enumerate((0, last // 2, last)):
        y = -0.85 - 0.75 * row
        begin, end = max(0, centre - size), min(last, centre + size)
        left, right = begin - 0.35, end + 0.35
        axes.plot([left, left, right, right], [y + 0.25, y, y, y + 0.25], color="#777777", lw=1.2)
        for x in range(begin, end + 1):
            axes.plot(x, y, "o", ms=9, color=BACKWARD if x == centre else FORWARD)
        pairs = [f"({words[centre]}, {words[x]})" for x in range(begin, end + 1) if x != centre]
        axes.text(last + 0.7, y, "\n".join(_in_twos(pairs)), va="center", fontsize=9)
    title = f"window = {size}: the centre is orange, its context words are blue"
    axes.set_title(title, loc="left", fontsize=11)
    axes.text(last + 0.7, 0, "pairs (centre, context)", va="center", fontsize=9, color="#555555")
    axes.set(xlim=(-0.6, last + 3.1), ylim=(-2.75, 0.4))
    axes.axis("off")
    plt.show()


def _in_twos(texts: Sequence[str]) -> list[str]:
    """Join texts into lines of two."""
    return ["  ".join(texts[at : at + 2]) for at in range(0, len(texts), 2)]


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
    figure, axes = plt.subplots(figsize=(8.6, 6.2), layout="constrained")
    names = sorted(set(groups))
    colours = dict(zip(names, (FORWARD, BACKWARD, "#2e8b57", "#8b3a8b"), strict=False))
    for name in names:
        own = [place for place, group in zip(places, groups, strict=True) if group == name]
        xs, ys = zip(*own, strict=True)
        axes.scatter(xs, ys, s=16, color=colours[name], label=name)
    title = "Word vectors, from F dimensions down to two. Colour: the class a word is typical of"
    axes.set_title(title, loc="left", fontsize=11)
    axes.legend(frameon=False, ncols=len(names), loc="lower left", bbox_to_anchor=(0, -0.09))
    axes.set(xticks=[], yticks=[])
    axes.margins(0.08)
    axes.spines[:].set_color("#cccccc")
    figure.canvas.draw()
    figure.set_layout_engine("none")  # the labels are placed in this layout
    _place_labels(axes, places, words, [colours[group] for group in groups])
    plt.show()


def _place_labels(
    axes: Any,
    places: Sequence[tuple[float, float]],
    words: Sequence[str],
    colours: Sequence[str],
) -> None:
    """Write each word beside its point, where it covers neither a point nor another word.

    Directions are tried near the point first. A word that fits nowhere is left out.
    """
    from matplotlib.transforms import Bbox

    pixels = axes.figure.dpi / 72  # per point; all that follows is in points
    frame = Bbox(axes.get_window_extent().get_points() / pixels)
    points = axes.transData.transform(places) / pixels
    taken = [Bbox.from_bounds(x - 3, y - 3, 6, 6) for x, y in points]
    for at, (place, word, colour) in enumerate(zip(places, words, colours, strict=True)):
        label = axes.annotate(
            word, place, (0, 0), textcoords="offset points", fontsize=9, color=colour
        )
        width, height = label.get_window_extent().size / pixels
        others = taken[:at] + taken[at + 1 :]
        for dx, dy in _offsets(width, height):
            x, y = points[at]
            spot = Bbox.from_bounds(x + dx - 1, y + dy - 1, width + 2, height + 2)
            inside = frame.x0 < spot.x0 and spot.x1 < frame.x1
            inside = inside and frame.y0 < spot.y0 and spot.y1 < frame.y1
            if inside and not any(spot.overlaps(other) for other in others):
                label.set_position((dx, dy))
                taken.append(spot)
                break
        else:
            label.remove()


def _offsets(width: float, height: float) -> Iterator[tuple[float, float]]:
    """Yield where a label may begin, in points from its place: right, left, above, below ..."""
    for gap in (4, 7, 11):
        for dy in (-height / 2, gap, -gap - height):
            yield gap, dy
            yield -gap - width, dy
        yield -width / 2, gap
        yield -width / 2, -gap - height
