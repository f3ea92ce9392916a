"""The checks of the news classifier: data set, collation, model, training, accuracy."""
