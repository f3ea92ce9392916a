"""News to classify: AG News, any file in its layout, and a sample that comes with the kit.

All functions return pairs `(label, text)`. The label is an `int` from 1, in the order of `CLASSES`;
the text is a `str`. In a course with news of its own, `sample` and `CLASSES` are those. Invalid
input raises `NewsError`; its message is one line that says what is wrong and what to do. `import
news` also makes `import torchtext` work, on any torch.
"""

from typing import Any

from news import torchtext_import
from news.ag_news import AG_NEWS
from news.csv_file import read_csv
from news.embedded import sample
from news.rows import NewsError, classes

torchtext_import.install()

CLASSES: tuple[str, ...]


def __getattr__(name: str) -> Any:
    if name == "CLASSES":
        return classes()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["AG_NEWS", "CLASSES", "NewsError", "read_csv", "sample"]
