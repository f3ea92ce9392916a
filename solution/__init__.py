"""Text classification with recurrent networks.

dataset, collate, model, train: the news classifier. recurrent: layers from their formulas. text:
from words to tensors. beyond: word vectors, language models, translation.

Shapes, here and everywhere in the kit:
    B batch size (sentences), T time steps (tokens) of the longest sentence in the batch,
    F features of one token vector (96), H hidden size of one direction, L layers,
    D directions (1 or 2), C classes.
"""
