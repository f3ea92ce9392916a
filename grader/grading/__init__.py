"""Grades a submission: a session runs checks and produces a record."""
