"""Checks of `text.py`: token vectors, padding, packing, and a faster pipeline."""
