"""Benchmarks: `python -m bench.vectors`, `.grading`, `.sandbox` and `.classes`."""
