"""Draws batches of sentences, padded and packed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grader.plots._draw import BACKWARD, FORWARD, PALE, arrow

if TYPE_CHECKING:
    from torch import Tensor

MOST = 32  # sentences in a plot


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


def padded_states() -> None:
    """Draw what the last layer computes for a short sentence of a batch, padded and packed."""
    import matplotlib.pyplot as plt

    tokens = ("Rain", "stopped", "play")
    _, (left, right) = plt.subplots(1, 2, figsize=(11, 2.4), layout="constrained")
    for axes, steps in ((left, 5), (right, 3)):
        for x in range(steps):
            word = tokens[x] if x < len(tokens) else "0"
            axes.text(x, -0.75, word, ha="center", va="center", fontsize=10)
            for y, letter, colour in ((0, "f", FORWARD), (1, "b", BACKWARD)):
                _draw_state(axes, x, y, f"{letter}{x + 1}", colour, final=x == (steps - 1, 0)[y])
        for x in range(steps - 1):
            arrow(axes, (x + 0.32, 0), (x + 0.68, 0), FORWARD)
            arrow(axes, (x + 0.68, 1), (x + 0.32, 1), BACKWARD)
        style = {"va": "center", "family": "monospace", "fontsize": 10}
        axes.text(steps - 0.55, 0, f"h_n[-2] = f{steps}", style, color=FORWARD)
        axes.text(-0.45, 1, "h_n[-1] = b1", style, color=BACKWARD, ha="right")
        axes.set(xlim=(-2.1, 6.1), ylim=(-1.15, 1.5), aspect="equal")
        axes.axis("off")
    left.axvspan(2.5, 4.45, ymin=0.05, ymax=0.93, color="#eeeeee", zorder=0)
    left.text(3.5, -1.08, "padding", ha="center", va="center", fontsize=9, color="#555555")
    left.set_title("Padded: both directions read the zeros, too", loc="left", fontsize=11)
    right.set_title("Packed: only the tokens", loc="left", fontsize=11)
    plt.show()


def _draw_state(axes: Any, x: float, y: float, text: str, colour: str, *, final: bool) -> None:
    """Draw a hidden state; the final one of a direction is filled."""
    from matplotlib.patches import FancyBboxPatch

    style = "round,pad=0.02,rounding_size=0.08"
    face = colour if final else "white"
    axes.add_patch(FancyBboxPatch((x - 0.28, y - 0.26), 0.56, 0.52, style, fc=face, ec=colour))
    ink = "white" if final else "black"
    axes.text(x, y, text, ha="center", va="center", fontsize=10, color=ink)


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
