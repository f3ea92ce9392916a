"""The checks of recurrent.py: recurrent cells and layers, held against torch's own."""
