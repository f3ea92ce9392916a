"""Pictures and plots for the lessons."""

from grader.plots.batches import packing, padded_states, padding
from grader.plots.cells import gates, gru_cell, lstm_cell, rnn_cell
from grader.plots.curves import costs, curves, gradients, learning, loss_lines
from grader.plots.generation import by_position, chunks, teacher, temperatures
from grader.plots.layers import classifier, last_states, unrolled
from grader.plots.results import accuracies, alignment, attention, confusion
from grader.plots.words import arrows, similarities, window, word_map

__all__ = [
    "accuracies",
    "alignment",
    "arrows",
    "attention",
    "by_position",
    "chunks",
    "classifier",
    "confusion",
    "costs",
    "curves",
    "gates",
    "gradients",
    "gru_cell",
    "last_states",
    "learning",
    "loss_lines",
    "lstm_cell",
    "packing",
    "padded_states",
    "padding",
    "rnn_cell",
    "similarities",
    "teacher",
    "temperatures",
    "unrolled",
    "window",
    "word_map",
]
