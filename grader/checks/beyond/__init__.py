"""Checks of `beyond.py`: skip-grams, word2vec, language models, translation."""
