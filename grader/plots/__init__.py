"""Pictures and plots for the lessons."""

from grader.plots.batches import packing, padded_states, padding
from grader.plots.curves import costs, curves, gradients, loss_lines
from grader.plots.generation import by_position, chunks, teacher, temperatures
from grader.plots.layers import last_states, unrolled
from grader.plots.results import accuracies, attention, confusion
from grader.plots.words import arrows, similarities, window, word_map

__all__ = [
    "accuracies",
    "arrows",
    "attention",
    "by_position",
    "chunks",
    "confusion",
    "costs",
    "curves",
    "gradients",
    "last_states",
    "loss_lines",
    "packing",
    "padded_states",
    "padding",
    "similarities",
    "teacher",
    "temperatures",
    "unrolled",
    "window",
    "word_map",
]
