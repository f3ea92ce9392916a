"""Pictures and plots for the lessons."""

from grader.plots.batches import packing, padding
from grader.plots.curves import costs, curves, gradients, loss_lines
from grader.plots.generation import chunks, teacher
from grader.plots.layers import last_states, unrolled
from grader.plots.words import arrows, similarities, window, word_map

__all__ = [
    "arrows",
    "chunks",
    "costs",
    "curves",
    "gradients",
    "last_states",
    "loss_lines",
    "packing",
    "padding",
    "similarities",
    "teacher",
    "unrolled",
    "window",
    "word_map",
]
