"""Plots what was measured: losses, accuracy, gradients, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from grader.plots._draw import BACKWARD, FORWARD

if TYPE_CHECKING:
    from torch import Tensor


COLOURS = ("#7a7a7a", BACKWARD, "#2e8b57", FORWARD, "#8b3a8b", "#b8860b")


def gradients(norms: dict[str, Tensor], tokens: float) -> None:
    """Plot how far back gradients reach in several layers.

    Args:
        norms: by the layer's name, the norm of the last output's gradient with respect to each of
            the T inputs, shape (T,).
        tokens: the length of a text, which the plot marks.
    """
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(8.4, 3.9), layout="constrained")
    for (name, values), colour in zip(norms.items(), COLOURS, strict=False):
        axes.plot(values.flip(0), color=colour, label=name)
    axes.axvline(tokens, color="#999999", linestyle=":")
    axes.text(tokens, 1.0, " a typical text", transform=axes.get_xaxis_transform(), va="top")
    axes.set_title("How much an input could move the last output", loc="left", fontsize=11)
    axes.set_xlabel("how many steps before the last one")
    axes.set_ylabel("norm of the gradient")
    axes.set_yscale("log")
    _finish(axes)


def learning(losses: dict[str, Sequence[float]], chance: float) -> None:
    """Plot the training loss of several models in one plot.

    Args:
        losses: the loss of each training step, by the model's name.
        chance: the loss of a model that guesses.
    """
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(8.4, 3.4), layout="constrained")
    for (name, values), colour in zip(losses.items(), COLOURS, strict=False):
        axes.plot(range(1, len(values) + 1), values, color=colour, label=name, lw=1.3)
    axes.axhline(chance, color="black", linestyle=":", label="guessing")
    axes.set_title("Training loss", loc="left", fontsize=11)
    axes.set_xlabel("training step")
    axes.set_ylim(0, 1.6 * chance)
    _finish(axes)


def _finish(axes: Any) -> None:
    """Put the legend beside the plot, draw the grid, and show the figure."""
    import matplotlib.pyplot as plt

    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd")
    plt.show()


def curves(
    history: Sequence[dict[str, float]], yardsticks: Mapping[str, float] | None = None
) -> None:
    """Plot the history that `train` returned: losses and accuracy by epoch.

    Args:
        history: one dict per epoch.
        yardsticks: accuracies to compare with, by name, besides that of guessing.
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    _, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    epochs = range(1, len(history) + 1)
    for key, name, colour in (
        ("train_loss", "training", FORWARD),
        ("val_loss", "validation", BACKWARD),
    ):
        left.plot(epochs, [epoch[key] for epoch in history], "o-", color=colour, label=name, ms=4)
    left.legend(frameon=False)
    left.set_title("Loss", loc="left", fontweight="bold")
    left.set_ylim(bottom=0)
    reached = [epoch["val_accuracy"] for epoch in history]
    right.plot(epochs, reached, "o-", color=BACKWARD, ms=4)
    for name, accuracy in {"guessing": 0.25, **(yardsticks or {})}.items():
        right.axhline(accuracy, color="#999999", linestyle=":")
        right.text(0.9, accuracy, name, color="#666666", fontsize=9, va="bottom")
        reached.append(accuracy)
    right.set_ylim(min(reached) - 0.04, max(reached) + 0.06)
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    right.set_title("Validation accuracy", loc="left", fontweight="bold")
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#eeeeee")
    plt.show()


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
