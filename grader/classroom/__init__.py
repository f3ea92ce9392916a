"""Grades many submissions in parallel and records the results in a journal."""
