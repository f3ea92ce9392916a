"""Errors that the user of the grader can fix."""


class UsageError(Exception):
    """Unusable input: the message is one line that says what is wrong and how to fix it."""
