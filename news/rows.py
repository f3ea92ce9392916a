"""The type of a row of news, and this package's only exception."""

Row = tuple[int, str]  # a label from 1 to C, and a text

CLASSES = ("World", "Sports", "Business", "Sci/Tech")  # labels 1 to 4 of AG News, in order


class NewsError(Exception):
    """News could not be read; `str(error)` is one line that says why and what to do."""
