"""CSV files in AG News' layout: a label and one or two columns of text, without a header."""

import csv
import io
import os
import reprlib
from pathlib import Path

from news.rows import NewsError, Row, classes

MAX_BYTES = 200_000_000  # seven times AG News' train.csv
LAYOUT = 'each row must be "label","text" or "label","title","description", without a header'


def read_csv(path: str | os.PathLike[str], n_classes: int | None = None) -> list[Row]:
    """Read a UTF-8 file in AG News' layout.

    Blank lines are skipped. The columns after the label are joined by a space, as
    `torchtext.datasets.AG_NEWS` does.

    Args:
        path: the file.
        n_classes: C, the largest label allowed; by default the number of `news.CLASSES`.

    Returns:
        Pairs `(label, text)` in the order of the file, labels from 1 to C.

    Raises:
        NewsError: the file is missing, not a regular file, unreadable, larger than `MAX_BYTES`,
            empty or not UTF-8, or a row is malformed.
    """
    path, n_classes = Path(path), n_classes or len(classes())
    lines = io.StringIO(_text(path), newline=None)
    reader = csv.reader(lines, strict=True)
    rows: list[Row] = []
    start = 1
    try:
        for fields in reader:
            if fields:
                rows.append(_row(fields, n_classes, f"{path}, line {start}"))
            start = reader.line_num + 1
    except csv.Error as error:
        raise NewsError(f"{path}, line {start}: {error}; fix its quotes: {LAYOUT}") from error
    if not rows:
        raise NewsError(f"{path} is empty; {LAYOUT}")
    return rows


def _text(path: Path) -> str:
    """Return the text of a file without a byte order mark."""
    data = _bytes(path)
    if b"\0" in data:
        raise NewsError(
            f"{path}, {_line(data, data.index(0))}: a NUL byte; save the file as UTF-8 text"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = _line(data, error.start)
        raise NewsError(f"{path}, {where}: not UTF-8; save the file as UTF-8 text") from error


def _bytes(path: Path) -> bytes:
    if not path.exists():
        raise NewsError(f"{path}: no such file; check the path, or use news.sample('train')")
    if not path.is_file():
        raise NewsError(f"{path} is not a file; give the path of a CSV file")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise NewsError(
            f"{path} cannot be read: {error.strerror}; check its permissions"
        ) from error
    if len(data) > MAX_BYTES:
        raise NewsError(f"{path} is larger than {MAX_BYTES:,} bytes; cut it into smaller files")
    return data


def _line(data: bytes, position: int) -> str:
    return f"line {data.count(10, 0, position) + 1}"


def _row(fields: list[str], n_classes: int, where: str) -> Row:
    if len(fields) not in (2, 3):
        columns = "1 column" if len(fields) == 1 else f"{len(fields)} columns"
        raise NewsError(f"{where}: {columns}; {LAYOUT}")
    try:
        label = int(fields[0])
    except ValueError:
        label = 0
    if not 1 <= label <= n_classes:
        shown = reprlib.repr(fields[0])
        raise NewsError(
            f"{where}: the label is {shown}, not an integer from 1 to {n_classes}; {LAYOUT}"
        )
    return label, " ".join(fields[1:])
