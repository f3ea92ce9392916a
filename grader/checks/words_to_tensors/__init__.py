"""The checks of text.py: token vectors, padding and packing, what a pipeline costs."""
