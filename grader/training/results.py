"""Saves the results of a training run: figures, plots and weights."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import news
from grader.base.files import written_whole
from grader.contract.messages import show
from grader.plots import results as plots
from grader.training.progress import EpochFigures
from grader.worker.wire import TensorData

BLUE, ORANGE = "#1f5fa8", "#d9701e"  # training, validation

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TrainingResult:
    """The results of a training run.

    Attributes:
        history: one entry per epoch.
        returned: the return value of the student's loop.
        confusion: counts of shape (C, C); rows are the true classes, columns the predicted ones.
        weights: the state dict of the trained model.
        items: the numbers of training and validation items.
        seconds: the time for the vectors and for the training.
    """

    history: list[EpochFigures]
    returned: Any
    confusion: Array
    weights: dict[str, TensorData]
    items: dict[str, int]
    seconds: dict[str, float]

    @property
    def accuracy(self) -> float:
        """The fraction of validation items that were classified correctly."""
        return float(np.trace(self.confusion) / self.confusion.sum())


def save(folder: Path, outcome: TrainingResult, about: dict[str, Any]) -> None:
    """Write the results to a folder, each file completely or not at all.

    Args:
        folder: the folder, created if necessary.
        outcome: the results.
        about: the submission, the settings and the environment, for metrics.json.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "weights.pt": _weights(outcome),
        "metrics.json": _metrics(outcome, about).encode(),
        "curves.png": draw_curves(outcome.history),
        "confusion.png": draw_confusion(outcome.confusion),
    }
    for name, data in files.items():
        with written_whole(folder / name) as stream:
            stream.write(data)


def _weights(outcome: TrainingResult) -> bytes:
    import torch

    stream = io.BytesIO()
    torch.save({name: weight.torch() for name, weight in outcome.weights.items()}, stream)
    return stream.getvalue()


def _metrics(outcome: TrainingResult, about: dict[str, Any]) -> str:
    content = {
        "schema_version": 1,
        **about,
        "items": outcome.items,
        "accuracy": outcome.accuracy,
        "classes": news.CLASSES,
        "confusion": outcome.confusion.tolist(),
        "history": [asdict(epoch) for epoch in outcome.history],
        "returned": outcome.returned,
        "seconds": outcome.seconds,
    }
    return json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Convert a value to JSON data; values that JSON cannot represent become text."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else str(value)
    if type(value) is dict:
        return {str(key): _plain(content) for key, content in value.items()}
    if type(value) in (list, tuple):
        return [_plain(content) for content in value]
    return str(value) if isinstance(value, Path) else show(value)


def draw_curves(history: Sequence[EpochFigures]) -> bytes:
    """Plot loss and accuracy by epoch, as a PNG."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    epochs = [epoch.epoch for epoch in history]
    with _figure(9.6, 4.2) as (figure, stream):
        for axes, quantity in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
            for part, name, colour in (("train", "training", BLUE), ("val", "validation", ORANGE)):
                line = [getattr(epoch, f"{part}_{quantity}") for epoch in history]
                heights = [math.nan if point is None else point for point in line]
                axes.plot(epochs, heights, "o-", color=colour, label=name, markersize=4)
            axes.set_title(quantity.capitalize(), loc="left", fontweight="bold")
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(axis="y", color="#dddddd")
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
            if quantity == "accuracy":
                axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return stream.getvalue()


def draw_confusion(counts: Array) -> bytes:
    """Plot a confusion matrix as a PNG; colours show fractions of the true class."""
    with _figure(6.2, 5.4) as (figure, stream):
        axes = figure.subplots()
        plots.draw_confusion(axes, counts)
        accuracy = np.trace(counts) / counts.sum()
        title = f"{counts.sum():,} validation items, accuracy {accuracy:.3f}"
        axes.set_title(title, loc="left", fontweight="bold")
    return stream.getvalue()


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Any, io.BytesIO]]:
    """Yield a figure to draw on; afterwards, write it to the stream as a PNG."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    stream = io.BytesIO()
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)  # inches
    figure = Figure(figsize=(width, height), dpi=150, layout=layout)
    yield figure, stream
    figure.savefig(stream, format="png")
