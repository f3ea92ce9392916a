"""What can go wrong on the user's side of the grader."""


class UsageError(Exception):
    """Input that cannot be used: one line that names the thing and the remedy; exit code 2."""
