"""Measurements: `python -m bench.vectors`, `python -m bench.grading`."""
