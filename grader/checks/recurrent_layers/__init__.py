"""Checks of `recurrent.py`: recurrent cells and layers, compared with torch's own."""
