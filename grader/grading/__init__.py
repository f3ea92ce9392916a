"""Grades one submission: a session runs checks and makes a record."""
