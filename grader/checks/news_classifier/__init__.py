"""Checks of the news classifier: dataset, collation, model, training, accuracy."""
