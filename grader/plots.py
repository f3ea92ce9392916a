"""Plots for the lessons: hidden states, padding, packing, training curves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

FORWARD, BACKWARD = "#1f5fa8", "#d9701e"
PALE = "#f4f4f4"
MOST = 32  # sentences in a plot
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


def gradients(norms: dict[str, dict[int, Tensor]]) -> None:
    """Plot how far back gradients reach in several layers.

    Args:
        norms: by the layer's name and the length T, the norm of the last output's gradient with
            respect to each input, shape (T,).
    """
    import matplotlib.pyplot as plt

    _, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
    colours = (FORWARD, "#7a7a7a", BACKWARD)
    for (name, of_lengths), colour in zip(norms.items(), colours, strict=False):
        longest = max(of_lengths)
        left.plot(range(longest - 1, -1, -1), of_lengths[longest], color=colour, label=name)
        lengths = sorted(of_lengths)
        first = [of_lengths[steps][0].item() for steps in lengths]
        right.plot(lengths, first, "o-", ms=4, color=colour)
    left.set_title(f"T = {longest}: each input", loc="left", fontweight="bold")
    left.set_xlabel("how many steps before the last one")
    left.set_ylabel("norm of the gradient")
    left.legend(frameon=False, fontsize=9)
    right.set_title("The first input, for several T", loc="left", fontweight="bold")
    right.set_xlabel("T, the steps of the sequence")
    left.set_yscale("log")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dddddd")
    plt.show()


def padding(padded: Tensor) -> None:
    """Draw which steps of a batch hold a token and which are padding.

    Args:
        padded: shape (B, T, F).
    """
    import matplotlib.pyplot as plt
    from matplotlib.colors import ListedColormap

    is_token = padded[:MOST].abs().sum(dim=2) > 0
    _, axes = plt.subplots(figsize=(8, 0.9 + 0.2 * len(is_token)), layout="constrained")
    axes.pcolormesh(is_token, cmap=ListedColormap(["#eeeeee", FORWARD]), edgecolor="white", lw=0.6)
    axes.invert_yaxis()
    sentences = range(len(is_token))
    axes.set_yticks([row + 0.5 for row in sentences], [str(row + 1) for row in sentences])
    share = 1 - is_token.float().mean().item()
    shape = ", ".join(map(str, padded.shape))
    title = f"padded has shape (B, T, F) = ({shape}); {share:.0%} of its steps are padding"
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("time step (blue: a token, grey: padding)")
    axes.set_ylabel("sentence")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=8)
    plt.show()


def curves(history: Sequence[dict[str, float]]) -> None:
    """Plot the history that `train` returned: losses and accuracy by epoch."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator

    _, (left, right) = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    epochs = range(1, len(history) + 1)
    for key, name, colour in (
        ("train_loss", "training", FORWARD),
        ("val_loss", "validation", BACKWARD),
    ):
        left.plot(epochs, [epoch[key] for epoch in history], "o-", color=colour, label=name, ms=4)
    left.legend(frameon=False)
    left.set_title("Loss", loc="left", fontweight="bold")
    right.plot(epochs, [epoch["val_accuracy"] for epoch in history], "o-", color=BACKWARD, ms=4)
    right.axhline(0.25, color="#999999", linestyle=":")
    right.text(1, 0.26, "guessing", color="#777777", fontsize=9)
    right.set_ylim(0, 1)
    right.set_title("Validation accuracy", loc="left", fontweight="bold")
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dddddd")
    plt.show()


def costs(seconds: dict[str, float]) -> None:
    """Plot the time that each component of a pipeline takes.

    Args:
        seconds: seconds by component; the components that compute the vectors are highlighted.
    """
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(8, 0.9 + 0.35 * len(seconds)), layout="constrained")
    total = sum(seconds.values())
    colours = [BACKWARD if name == "tok2vec" else FORWARD for name in seconds]
    bars = axes.barh([*seconds], [1000 * each for each in seconds.values()], color=colours)
    shares = [f" {each / total:.0%}" for each in seconds.values()]
    axes.bar_label(bars, shares, fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel("milliseconds")
    title = "What each part of the pipeline costs (orange: makes the vectors)"
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    plt.show()


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


def packing(sentences: Sequence[Sequence[str]]) -> None:
    """Draw sentences padded and packed, side by side.

    Args:
        sentences: the tokens of each sentence.
    """
    import matplotlib.pyplot as plt

    longest = max(map(len, sentences))
    by_length = sorted(range(len(sentences)), key=lambda b: -len(sentences[b]))
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
    for axes, order in ((left, range(len(sentences))), (right, by_length)):
        for row, b in enumerate(order):
            _draw_tokens(axes, row, sentences[b], f"C{b}", longest if axes is left else 0)
            axes.text(-0.2, row, f"sentence {b}", ha="right", va="center", fontsize=10)
        axes.set(xlim=(-1.6, longest + 0.1), ylim=(len(sentences) + 0.9, -0.7))
        axes.axis("off")
    cells = len(sentences) * longest
    tokens = sum(map(len, sentences))
    left.set_title(f"padded: {cells} vectors, {cells - tokens} of them zeros", loc="left")
    right.set_title(f"packed: {tokens} vectors, step by step", loc="left")
    style = {"ha": "center", "va": "center", "family": "monospace", "fontsize": 11}
    for step in range(longest):
        alive = sum(len(sentence) > step for sentence in sentences)
        right.text(step + 0.47, len(sentences) - 0.1, str(alive), **style)
        arrow = {"arrowstyle": "->", "color": "#777777", "lw": 1.2}
        right.annotate("", (step + 0.04, alive - 0.58), (step + 0.04, -0.48), arrowprops=arrow)
    right.text(-0.2, len(sentences) - 0.1, "batch_sizes", style | {"ha": "right", "fontsize": 9})
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr, call-arg]
    plt.show()


def _draw_tokens(axes: Any, row: int, tokens: Sequence[str], colour: str, steps: int) -> None:
    """Draw a sentence as a row of boxes, padded with zeros."""
    from matplotlib.patches import Rectangle

    for step in range(max(len(tokens), steps)):
        is_token = step < len(tokens)
        face = colour if is_token else PALE
        box = Rectangle(
            (step, row - 0.4), 0.94, 0.8, fc=face, ec="white", alpha=0.35 if is_token else 1
        )
        axes.add_patch(box)
        text = tokens[step] if is_token else "0"
        axes.text(step + 0.47, row, text, ha="center", va="center", fontsize=9)


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
            _box(axes, x, 0, "step", PALE)
            axes.text(x, 0.85, above, ha="center", va="center", color=FORWARD)
            colour = "black" if x == 0 else FORWARD if fed is said else BACKWARD
            axes.text(x, -0.85, below, ha="center", va="center", color=colour)
            for y in (-0.65, 0.35):
                _arrow(axes, (x, y), (x, y + 0.3), "#777777")
            if x < len(words) - 1:
                _arrow(axes, (x + 0.3, 0), (x + 0.7, 0), "#777777")
                if fed is said:
                    _arrow(axes, (x + 0.2, 0.75), (x + 0.8, -0.72), FORWARD)
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
        _box(axes, place, 0, "", PALE)
        axes.text(place, -0.75, letter, ha="center", va="center", family="monospace")
        axes.text(place, 0.75, target, ha="center", va="center", family="monospace")
        if x % 5 < 4 and x < len(text) - 2:
            _arrow(axes, (place + 0.3, 0.1), (place + 0.7, 0.1), FORWARD)
            _arrow(axes, (place + 0.7, -0.12), (place + 0.3, -0.12), BACKWARD)
        elif x < len(text) - 2:
            _arrow(axes, (place + 0.3, 0.1), (place + 1.5, 0.1), FORWARD)
            axes.text(place + 0.9, -0.2, "detach", ha="center", va="center", color=BACKWARD)
    axes.text(-0.6, 0.75, "to predict", ha="right", va="center", fontsize=9)
    axes.text(-0.6, -0.75, "read", ha="right", va="center", fontsize=9)
    axes.set(xlim=(-2.4, 16.2), ylim=(-1.2, 1.2))
    axes.set_title("blue: the state goes on; orange: the gradient stays in its chunk", loc="left")
    axes.axis("off")
    plt.show()


def _box(axes: Any, x: float, y: float, text: str, colour: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0.02,rounding_size=0.08"
    box = FancyBboxPatch((x - 0.28, y - 0.3), 0.56, 0.6, style, fc=colour, ec="#777777", lw=1.2)
    axes.add_patch(box)
    axes.text(x, y, text, ha="center", va="center", fontsize=10)


def _arrow(axes: Any, tail: tuple[float, float], head: tuple[float, float], colour: str) -> None:
    axes.annotate("", head, tail, arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.3})


def loss_lines(plots: dict[str, dict[str, Sequence[float]]], x: str) -> None:
    """Plot losses, one plot beside the other.

    Args:
        plots: by the title of each plot, its lines by name.
        x: the label of the x axis.
    """
    import matplotlib.pyplot as plt

    size = 4.4 * len(plots), 3
    _, grid = plt.subplots(1, len(plots), figsize=size, layout="constrained", squeeze=False)
    colours = (FORWARD, "#2e8b57", BACKWARD, "#8b3a8b")
    for axes, (title, lines) in zip(grid[0], plots.items(), strict=True):
        for (name, values), colour in zip(lines.items(), colours, strict=False):
            axes.plot(range(1, len(values) + 1), values, color=colour, label=name, lw=1.3)
        axes.set_title(title, loc="left", fontsize=11)
        axes.set_xlabel(x)
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dddddd")
        if len(lines) > 1:
            axes.legend(frameon=False)
    plt.show()
