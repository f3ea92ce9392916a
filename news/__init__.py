"""News to classify: AG News, any file in its layout, and a sample that comes with the kit.

Everything here gives pairs `(label, text)`: the label an `int` from 1, in the order of
`CLASSES`, the text a `str`. Wrong input raises `NewsError`, whose message is one line that
names the thing and the remedy.
"""

from news.ag_news import AG_NEWS
from news.csv_file import read_csv
from news.embedded import sample
from news.rows import CLASSES, NewsError

__all__ = ["AG_NEWS", "CLASSES", "NewsError", "read_csv", "sample"]
