"""Plots what a trained model does: accuracies, a confusion matrix, attention weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import news
from grader.plots._draw import BACKWARD, FORWARD

if TYPE_CHECKING:
    from torch import Tensor

LINE = 88  # characters in a line of a text
Runs = float | Sequence[float]


def accuracies(results: Mapping[str, Runs], items: int) -> None:
    """Plot the accuracies of several models, one row per model.

    A bar around each mean shows a standard error: that of an accuracy measured on `items` items.

    Args:
        results: the accuracy of each model, or one accuracy per run, by the model's name.
        items: how many items the accuracies were measured on.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import PercentFormatter

    _, axes = plt.subplots(figsize=(8, 0.9 + 0.34 * len(results)), layout="constrained")
    for row, runs in enumerate(results.values()):
        each = [runs] if isinstance(runs, float) else list(runs)
        mean = sum(each) / len(each)
        error = math.sqrt(mean * (1 - mean) / items)
        axes.plot([mean - error, mean + error], [row, row], color="#bbd0e6", lw=9, zorder=1)
        axes.plot(each, [row] * len(each), "o", color=FORWARD, ms=5, alpha=0.8)
        axes.text(1.02, row, f"{mean:.2f}", va="center", transform=axes.get_yaxis_transform())
    axes.axvline(1 / len(news.CLASSES), color="#999999", linestyle=":", zorder=0)
    axes.set_yticks(range(len(results)), list(results))
    axes.set_ylim(len(results) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(f"accuracy on {items} items (dotted: guessing; bar: one standard error)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd")
    plt.show()


def confusion(targets: Sequence[int], predicted: Sequence[int]) -> None:
    """Plot a confusion matrix: how often each class was predicted for each true class."""
    import matplotlib.pyplot as plt

    counts = np.zeros((len(news.CLASSES),) * 2, dtype=int)
    np.add.at(counts, (np.asarray(targets), np.asarray(predicted)), 1)
    _, axes = plt.subplots(figsize=(5.6, 4.6), layout="constrained")
    draw_confusion(axes, counts)
    accuracy = np.trace(counts) / counts.sum()
    title = f"{counts.sum():,} items, accuracy {accuracy:.2f}"
    axes.set_title(title, loc="left", fontweight="bold")
    plt.show()


def draw_confusion(axes: Any, counts: np.ndarray[Any, Any]) -> None:
    """Draw counts of shape (C, C); colours and percentages are fractions of the true class."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    style = {"ha": "center", "va": "center"}
    for row, column in np.ndindex(*counts.shape):
        share, count = shares[row, column], counts[row, column]
        colour = "white" if share > 0.6 else "#222222"
        weight = "bold" if row == column else None
        axes.text(
            column, row - 0.1, f"{share:.0%}", style, color=colour, fontsize=13, fontweight=weight
        )
        axes.text(column, row + 0.17, f"{count:,}", style, color=colour, fontsize=9)
    axes.set_xticks(range(len(counts)), news.CLASSES)
    axes.set_yticks(range(len(counts)), news.CLASSES)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")


def attention(tokens: Sequence[str], weights: Sequence[float], title: str = "") -> None:
    """Draw a text whose tokens are the darker, the larger their weights are."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    places, width = [], 0
    row = 0
    for token in tokens:
        if width and width + len(token) > LINE:
            row, width = row + 1, 0
        places.append((width, row))
        width += len(token) + 1
    _, axes = plt.subplots(figsize=(9, 0.7 + 0.34 * row), layout="constrained")
    most = max(weights)
    for token, weight, (x, y) in zip(tokens, weights, places, strict=True):
        size = len(token) + 0.6, 0.84
        axes.add_patch(
            Rectangle((x - 0.3, y - 0.42), *size, fc=BACKWARD, alpha=0.75 * weight / most)
        )
        place = x + len(token) / 2, y
        axes.text(*place, token, ha="center", va="center", family="monospace", fontsize=10)
    axes.set(xlim=(-1, LINE + 1), ylim=(row + 0.6, -0.6))
    axes.axis("off")
    axes.set_title(title, loc="left", fontsize=11)
    plt.show()


def alignment(weights: Tensor, read: Sequence[object], written: Sequence[object]) -> None:
    """Plot how much each step of a decoder looks at each token that the encoder has read.

    Args:
        weights: shape (steps, tokens); each row sums to 1.
        read: the tokens that were read.
        written: the token that was written at each step.
    """
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(6.2, 4.9), layout="constrained")
    mesh = axes.pcolormesh(weights, cmap="Blues", vmin=0, vmax=1, edgecolor="white", lw=1)
    axes.figure.colorbar(mesh, ax=axes, label="weight")
    axes.invert_yaxis()
    axes.set_xticks([place + 0.5 for place in range(len(read))], map(str, read))
    axes.set_yticks([place + 0.5 for place in range(len(written))], map(str, written))
    axes.set(xlabel="token read, the first on the left", ylabel="token written, the first on top")
    axes.set_title("Attention: where each step looks", loc="left", fontsize=11)
    axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    plt.show()
