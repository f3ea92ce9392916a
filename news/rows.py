"""What a row of news is, and the one error of this package."""

Row = tuple[int, str]  # a label from 1 to C, and a text

CLASSES = ("World", "Sports", "Business", "Sci/Tech")  # labels 1 to 4 of AG News, in order


class NewsError(Exception):
    """News could not be had; `str(error)` is one line that says why and what to do."""
