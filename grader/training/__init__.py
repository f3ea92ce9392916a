"""Implements `python -m grader train`: trains a submission on news."""
