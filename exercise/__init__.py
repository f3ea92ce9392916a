"""Text classification with a bidirectional LSTM, in four modules.

Shapes, here and everywhere in the kit:
    B batch size (sentences), T time steps (tokens) of the longest sentence in the batch,
    F features of one token vector (96), H hidden size of one direction, L layers,
    D directions (2), C classes.
"""
