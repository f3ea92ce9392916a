"""Draws the inside of recurrent cells, and what their gates do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from grader.plots._draw import BACKWARD, FORWARD, PALE

if TYPE_CHECKING:
    from torch import Tensor

LINE, FADED = "#444444", "#c9c9c9"
TIMES = r"$\times$"
LAYER, POINT = "#cfe0f3", "#fbe3cf"  # what has weights, and what works number by number
STAGES = ("forget", "input", "output")
Point = tuple[float, float]


class _Canvas:
    """Draws the parts of a cell; `faded` parts belong to an earlier stage."""

    def __init__(self, size: Point, x: Point, y: Point, title: str) -> None:
        import matplotlib.pyplot as plt

        _, self.axes = plt.subplots(figsize=size, layout="constrained")
        self.axes.set(xlim=x, ylim=y, aspect="equal")
        self.axes.axis("off")
        self.axes.set_title(title, loc="left", fontsize=11)
        self.faded = False

    def frame(self, left: float, bottom: float, right: float, top: float) -> None:
        """Draw the border of the cell."""
        from matplotlib.patches import FancyBboxPatch

        size = right - left, top - bottom
        style = "round,pad=0,rounding_size=0.25"
        patch = FancyBboxPatch((left, bottom), *size, style, fc=PALE, ec="#999999", lw=1.2)
        self.axes.add_patch(patch)

    def layer(self, x: float, y: float, text: str, width: float = 0.8, size: float = 11) -> None:
        """Draw a box with weights of its own, or a function of each number if it has none."""
        from matplotlib.patches import Rectangle

        place = x - width / 2, y - 0.26
        edge, colour, face = self._colours(LAYER)
        self.axes.add_patch(Rectangle(place, width, 0.52, fc=face, ec=edge, lw=1.2, zorder=3))
        self.text(x, y, text, color=colour, fontsize=size)

    def point(self, x: float, y: float, text: str) -> None:
        """Draw a sum or a product, number by number."""
        from matplotlib.patches import Circle

        edge, colour, face = self._colours(POINT)
        self.axes.add_patch(Circle((x, y), 0.23, fc=face, ec=edge, lw=1.2, zorder=3))
        self.text(x, y, text, color=colour, fontsize=12)

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write a text, centred unless the style says otherwise."""
        plain: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 11, "zorder": 4}
        plain["color"] = FADED if self.faded else "black"
        self.axes.text(x, y, text, **plain | style)

    def path(self, *points: Point, colour: str = LINE, head: bool = True) -> None:
        """Draw a line through points, with an arrow head at its end."""
        colour = FADED if self.faded else colour
        xs, ys = zip(*points, strict=True)
        self.axes.plot(xs, ys, color=colour, lw=1.5, solid_capstyle="round", zorder=2)
        if head:
            style = {"arrowstyle": "-|>", "color": colour, "lw": 1.5, "mutation_scale": 12}
            self.axes.annotate("", points[-1], points[-2], arrowprops=style | {"shrinkB": 0})

    def dot(self, x: float, y: float, colour: str = LINE) -> None:
        """Mark where a line branches."""
        self.axes.plot(x, y, "o", ms=4, color=FADED if self.faded else colour, zorder=3)

    def _colours(self, face: str) -> tuple[str, str, str]:
        return (FADED, FADED, "white") if self.faded else ("#666666", "black", face)


def rnn_cell() -> None:
    """Draw the inside of the plain recurrent cell."""
    import matplotlib.pyplot as plt

    title = r"RNN cell: $h' = \tanh(x\,W_{ih}^T + b_{ih} + h\,W_{hh}^T + b_{hh})$"
    draw = _Canvas((8, 3.2), (-1.5, 8.3), (-1.15, 2.85), title)
    draw.frame(0, -0.3, 6.6, 2.35)
    draw.layer(1.6, 1.5, r"$\cdot\,W_{hh}^T + b_{hh}$", 1.9)
    draw.layer(3.4, 0.4, r"$\cdot\,W_{ih}^T + b_{ih}$", 1.9)
    draw.point(3.4, 1.5, "+")
    draw.layer(4.9, 1.5, "tanh")
    draw.path((-0.5, 1.5), (0.65, 1.5), colour=FORWARD)
    draw.path((2.55, 1.5), (3.17, 1.5))
    draw.path((3.4, -0.65), (3.4, 0.14), colour=BACKWARD)
    draw.path((3.4, 0.66), (3.4, 1.27))
    draw.path((3.63, 1.5), (4.5, 1.5))
    draw.path((5.3, 1.5), (7.1, 1.5), colour=FORWARD)
    draw.dot(5.95, 1.5, FORWARD)
    draw.path((5.95, 1.5), (5.95, 2.65), colour=FORWARD)
    draw.text(-0.6, 1.5, "$h$\n(B, H)", ha="right")
    draw.text(3.4, -0.88, "$x$  (B, F)")
    draw.text(7.2, 1.5, "$h'$  to the\nnext step", ha="left")
    draw.text(6.1, 2.6, "$h'$  in outputs (B, H)", ha="left")
    plt.show()


def lstm_cell(upto: str = "output") -> None:
    """Draw the inside of an LSTM cell, stage after stage.

    Args:
        upto: "forget", "input" or "output": the stage to explain; earlier ones are faded, later
            ones are not there yet. "all" shows all of them.
    """
    import matplotlib.pyplot as plt

    shown = STAGES if upto == "all" else STAGES[: STAGES.index(upto) + 1]
    titles = {
        "forget": r"1. Forget:  $f = \sigma(\ldots)$ says how much of each number of $c$ stays",
        "input": r"2. Write:  $g = \tanh(\ldots)$ is new, $i = \sigma(\ldots)$ says how much of it"
        r" is added:  $c' = f \cdot c + i \cdot g$",
        "output": r"3. Show:  $o = \sigma(\ldots)$ says how much of $c'$ is shown:"
        r"  $h' = o \cdot \tanh(c')$",
        "all": r"LSTM cell:  $c' = f \cdot c + i \cdot g$,   $h' = o \cdot \tanh(c')$",
    }
    draw = _Canvas((8.6, 4.6), (-1.3, 10.0), (-1.3, 4.7), titles[upto])
    draw.frame(0, -0.35, 8.5, 4.25)
    _lstm_wires(draw, shown)
    for stage in shown:
        draw.faded = upto not in (stage, "all")
        {"forget": _forget, "input": _write, "output": _show}[stage](draw)
    plt.show()


def _lstm_wires(draw: _Canvas, shown: Sequence[str]) -> None:
    """Draw what comes in, the line of the cell state, and the line that feeds the gates."""
    last = {"forget": 1.7, "input": 4.9, "output": 6.2}[shown[-1]]
    draw.path((-0.5, 0.3), (last, 0.3), colour=FORWARD, head=False)
    draw.path((0.6, -0.7), (0.6, 0.3), colour=BACKWARD, head=False)
    draw.dot(0.6, 0.3)
    draw.text(-0.6, 0.3, "$h$", ha="right")
    draw.text(0.6, -0.95, "$x$")
    draw.text(-0.6, 3.6, "$c$", ha="right")
    draw.text(0.72, 0.05, "$x$ and $h$, to every gate", ha="left", fontsize=9, color="#666666")


def _gate(draw: _Canvas, x: float, function: str, name: str) -> None:
    """Draw a gate above the line that feeds it; its output leaves it at the top."""
    draw.dot(x, 0.3)
    draw.path((x, 0.3), (x, 0.94))
    draw.layer(x, 1.2, function)
    draw.text(x + 0.22, 1.68, f"${name}$", fontsize=12)


def _forget(draw: _Canvas) -> None:
    draw.path((-0.5, 3.6), (1.47, 3.6), colour=FORWARD)
    _gate(draw, 1.7, r"$\sigma$", "f")
    draw.path((1.7, 1.46), (1.7, 3.37))
    draw.point(1.7, 3.6, TIMES)
    draw.path((1.93, 3.6), (2.9, 3.6), colour=FORWARD, head=False)
    draw.text(2.4, 3.85, r"$f \cdot c$")


def _write(draw: _Canvas) -> None:
    _gate(draw, 3.3, r"$\sigma$", "i")
    _gate(draw, 4.9, "tanh", "g")
    draw.path((3.3, 1.46), (3.3, 2.4), (3.87, 2.4))
    draw.path((4.9, 1.46), (4.9, 2.4), (4.33, 2.4))
    draw.point(4.1, 2.4, TIMES)
    draw.path((4.1, 2.63), (4.1, 3.37))
    draw.text(4.2, 3.0, r"$i \cdot g$", ha="left")
    draw.path((2.9, 3.6), (3.87, 3.6), colour=FORWARD)
    draw.point(4.1, 3.6, "+")
    draw.path((4.33, 3.6), (9.1, 3.6), colour=FORWARD)
    draw.text(9.2, 3.6, "$c'$", ha="left")


def _show(draw: _Canvas) -> None:
    _gate(draw, 6.2, r"$\sigma$", "o")
    draw.dot(7.5, 3.6, FORWARD)
    draw.path((7.5, 3.6), (7.5, 3.02), colour=FORWARD)
    draw.layer(7.5, 2.75, "tanh")
    draw.path((7.5, 2.49), (7.5, 2.19))
    draw.path((6.2, 1.46), (6.2, 1.96), (7.27, 1.96))
    draw.point(7.5, 1.96, TIMES)
    draw.path((7.5, 1.73), (7.5, 0.3), (9.1, 0.3), colour=FORWARD)
    draw.text(9.2, 0.3, "$h'$", ha="left")


def gru_cell() -> None:
    """Draw the inside of a GRU cell, with the reset gate where PyTorch has it."""
    import matplotlib.pyplot as plt

    title = r"GRU cell:  $n = \tanh(x_n + r \cdot s_n)$,   $h' = (1 - z) \cdot n + z \cdot h$"
    draw = _Canvas((8.6, 4.5), (-1.3, 10.0), (-1.3, 4.5), title)
    draw.frame(0, -0.35, 8.9, 4.1)
    draw.path((-0.5, 3.5), (6.67, 3.5), colour=FORWARD)
    draw.path((0.5, 3.5), (0.5, 0.45), (6.1, 0.45), colour=FORWARD, head=False)
    draw.dot(0.5, 3.5, FORWARD)
    draw.path((0.9, -0.7), (0.9, 0.05), (6.1, 0.05), colour=BACKWARD, head=False)
    draw.text(-0.6, 3.5, "$h$", ha="right")
    draw.text(0.9, -0.95, "$x$")
    for x, text, width, name, reads in (
        (1.7, r"$\cdot\,W_{hn}^T + b_{hn}$", 1.5, "s_n", "h"),
        (3.0, r"$\sigma$", 0.8, "r", "xh"),
        (4.3, r"$\cdot\,W_{in}^T + b_{in}$", 1.5, "x_n", "x"),
        (6.1, r"$\sigma$", 0.8, "z", "xh"),
    ):
        sources = {"x": (0.05, BACKWARD), "h": (0.45, FORWARD)}
        for source in reads:
            draw.dot(x, *sources[source])
        draw.path((x, sources[reads[0]][0]), (x, 0.94))
        draw.layer(x, 1.2, text, width, size=9 if width > 1 else 11)
        draw.text(x + 0.22, 1.66, f"${name}$", fontsize=12)
    draw.path((1.7, 1.46), (1.7, 2.3), (2.12, 2.3))
    draw.path((3.0, 1.46), (3.0, 2.3), (2.58, 2.3))
    draw.point(2.35, 2.3, TIMES)
    draw.path((2.35, 2.53), (2.35, 2.9), (4.3, 2.9), (4.3, 2.53))
    draw.path((4.3, 1.46), (4.3, 2.07))
    draw.point(4.3, 2.3, "+")
    draw.path((4.53, 2.3), (4.9, 2.3))
    draw.layer(5.3, 2.3, "tanh")
    draw.path((5.7, 2.3), (7.47, 2.3))
    draw.text(6.5, 2.52, "$n$", fontsize=12)
    draw.path((6.1, 1.46), (6.1, 1.9), (6.9, 1.9), (6.9, 3.27))
    draw.path((6.9, 1.9), (7.7, 1.9), (7.7, 2.07))
    draw.dot(6.9, 1.9)
    draw.text(7.45, 1.66, "$1 - z$")
    draw.point(6.9, 3.5, TIMES)
    draw.point(7.7, 2.3, TIMES)
    draw.path((7.13, 3.5), (7.47, 3.5), colour=FORWARD)
    draw.path((7.7, 2.53), (7.7, 3.27))
    draw.point(7.7, 3.5, "+")
    draw.path((7.93, 3.5), (9.4, 3.5), colour=FORWARD)
    draw.text(9.5, 3.5, "$h'$", ha="left")
    plt.show()


def gates(tokens: Sequence[str], parts: dict[str, Tensor]) -> None:
    """Draw the gates and the states of an LSTM over a sentence as heat maps.

    Args:
        tokens: the T tokens or characters.
        parts: by name, shape (T, H); gates from 0 to 1, states around 0.
    """
    import matplotlib.pyplot as plt

    units = next(iter(parts.values())).shape[1]
    size = 9, 0.5 + (0.55 + 0.2 * units) * len(parts)
    _, grid = plt.subplots(len(parts), 1, figsize=size, layout="constrained", sharex=True)
    places = [place + 0.5 for place in range(len(tokens))]
    for axes, (name, values) in zip(grid, parts.items(), strict=True):
        is_gate = bool(values.min() >= 0)
        limits = {"cmap": "Blues", "vmin": 0, "vmax": 1}
        if not is_gate:
            most = float(values.abs().max())
            limits = {"cmap": "RdBu", "vmin": -most, "vmax": most}
        mesh = axes.pcolormesh(values.T, edgecolor="white", lw=0.5, **limits)
        axes.invert_yaxis()
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_yticks([unit + 0.5 for unit in range(units)], range(1, units + 1))
        axes.set_ylabel("unit", fontsize=9)
        axes.set_xticks(places, tokens, family="monospace")
        axes.tick_params(length=0, labelsize=9, labelbottom=True)
        axes.spines[:].set_visible(False)
        axes.figure.colorbar(mesh, ax=axes, pad=0.01, aspect=8)
    plt.show()
