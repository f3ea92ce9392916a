"""Errors that the user of the grader can fix."""


class UsageError(Exception):
    """Unusable input: the message is one line that says what is wrong and how to fix it."""

    def _render_traceback_(self) -> list[str]:
        """Let a notebook show that line alone."""
        return [f"{type(self).__name__}: {self}"]
