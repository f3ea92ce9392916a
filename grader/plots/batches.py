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
    axes.set_yticks([row + 0.5 for row in sentences], [str(row) for row in sentences])
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
    _, (left, right) = plt.subplots(1, 2, figsize=(10, 2.3), layout="constrained")
    for axes, steps in ((left, 5), (right, 3)):
        for x in range(steps):
            word = tokens[x] if x < len(tokens) else "0"
            axes.text(x, -0.75, word, ha="center", va="center", fontsize=10)
            for y, letter, colour in ((0, "f", FORWARD), (1, "b", BACKWARD)):
                _draw_state(axes, x, y, f"${letter}_{x + 1}$", colour, final=x == (steps - 1, 0)[y])
        for x in range(steps - 1):
            arrow(axes, (x + 0.32, 0), (x + 0.68, 0), FORWARD)
            arrow(axes, (x + 0.68, 1), (x + 0.32, 1), BACKWARD)
        style = {"va": "center", "family": "monospace", "fontsize": 10}
        axes.text(steps - 0.55, 0, f"h_n[-2] = $f_{steps}$", style, color=FORWARD)
        axes.text(-0.45, 1, "h_n[-1] = $b_1$", style, color=BACKWARD, ha="right")
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
    """Draw sentences padded and packed, with each packed token's place in `data`.

    Args:
        sentences: the tokens of each sentence.
    """
    import matplotlib.pyplot as plt

    longest, tokens = max(map(len, sentences)), sum(map(len, sentences))
    by_length = sorted(range(len(sentences)), key=lambda b: -len(sentences[b]))
    _, axes = plt.subplot_mosaic(
        [["padded", "packed"], ["data", "data"]],
        figsize=(9.6, 4.4),
        height_ratios=[len(sentences) + 0.6, 1.5],
        layout="constrained",
    )
    cells = len(sentences) * longest
    _draw_rows(axes["padded"], sentences, range(len(sentences)), longest)
    axes["padded"].set_title(
        f"padded: {cells} vectors, {cells - tokens} of them zeros", loc="left", fontsize=11
    )
    places = _draw_rows(axes["packed"], sentences, by_length)
    axes["packed"].set_title(
        f"packed: {tokens} vectors, in the order of the numbers", loc="left", fontsize=11
    )
    _draw_batch_sizes(axes["packed"], sentences)
    for place, (b, step) in enumerate(places):
        _draw_token(axes["data"], place, 0, sentences[b][step], f"C{b}", place)
    axes["data"].text(-0.15, 0, "data", ha="right", va="center", family="monospace")
    axes["data"].set(xlim=(-0.95, tokens + 0.1), ylim=(0.75, -0.5))
    axes["data"].axis("off")
    plt.show()


def _draw_rows(
    axes: Any, sentences: Sequence[Sequence[str]], order: Sequence[int], steps: int = 0
) -> list[tuple[int, int]]:
    """Draw a row per sentence; without padding, number the tokens step by step.

    Returns the sentence and the step of each token in the order of the numbers.
    """
    longest = max(map(len, sentences))
    places = [(b, step) for step in range(longest) for b in order if step < len(sentences[b])]
    for row, b in enumerate(order):
        axes.text(-0.15, row, f"sentence {b}", ha="right", va="center", fontsize=9)
        for step, token in enumerate(sentences[b]):
            number = None if steps else places.index((b, step))
            _draw_token(axes, step, row, token, f"C{b}", number)
        for step in range(len(sentences[b]), steps):
            _draw_token(axes, step, row, "0", "")
    axes.set(xlim=(-1.3, longest + 0.05), ylim=(len(sentences) + 0.1, -0.55))
    axes.axis("off")
    return places


def _draw_batch_sizes(axes: Any, sentences: Sequence[Sequence[str]]) -> None:
    """Write below each step how many sentences have a token there."""
    style = {"ha": "center", "va": "center", "family": "monospace"}
    for step in range(max(map(len, sentences))):
        alive = sum(len(sentence) > step for sentence in sentences)
        axes.text(step + 0.47, len(sentences) - 0.25, str(alive), fontsize=11, **style)
    label = style | {"ha": "right", "fontsize": 9}
    axes.text(-0.15, len(sentences) - 0.25, "batch_sizes", **label)


def _draw_token(
    axes: Any, step: float, row: float, text: str, colour: str, number: int | None = None
) -> None:
    """Draw a box with a token, its number in a corner; a pale box if there is no colour."""
    from matplotlib.patches import Rectangle

    style = {"fc": colour, "alpha": 0.35} if colour else {"fc": PALE}
    axes.add_patch(Rectangle((step, row - 0.4), 0.94, 0.8, ec="white", **style))
    axes.text(step + 0.47, row + 0.06, text, ha="center", va="center", fontsize=9)
    if number is not None:
        axes.text(step + 0.05, row - 0.22, str(number), ha="left", va="center", fontsize=7.5)
