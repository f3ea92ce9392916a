"""AG News as `torchtext.datasets.AG_NEWS` returns it, on any torch, and without torchtext, too.

One downloader (pooch) puts the verified file where torchtext keeps it. Then torchtext reads it if
it can be loaded; otherwise a CSV reader with the same interface does.
"""

import csv
import importlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, overload

from news.rows import NewsError, Row, is_grading, no_data
from news.torchtext_import import EXTENSION, install

__all__ = ["AG_NEWS", "EXTENSION", "MD5", "SOURCE", "torchtext_ag_news", "torchtext_cache"]

# torchtext 0.18.0, torchtext/datasets/ag_news.py, has the same addresses and checksums.
SOURCE = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv/"
MD5 = {
    "train": "b1a00f826fdfbd249f79597b59e1dc12",
    "test": "d52ea96a97a2d943681189a97654912d",
}


@overload
def AG_NEWS(root: str | os.PathLike[str] | None = ..., *, split: str) -> Iterable[Row]: ...
@overload
def AG_NEWS(root: str | os.PathLike[str] | None, split: str) -> Iterable[Row]: ...
@overload
def AG_NEWS(
    root: str | os.PathLike[str] | None = ..., split: tuple[str, ...] = ...
) -> tuple[Iterable[Row], ...]: ...
def AG_NEWS(  # noqa: N802
    root: str | os.PathLike[str] | None = None, split: str | tuple[str, ...] = ("train", "test")
) -> Iterable[Row] | tuple[Iterable[Row], ...]:
    """Open AG News: 120,000 training rows and 7,600 test rows.

    A drop-in replacement for `torchtext.datasets.AG_NEWS`, which it calls where torchtext 0.18 is
    installed. One thing differs: a missing file is downloaded immediately, not when the rows are
    first read, so errors show up where AG_NEWS is called. While a submission is graded nothing is
    downloaded: then reading the rows raises the error, and calling AG_NEWS does not.

    Args:
        root: the cache; the files are `root/datasets/AG_NEWS/train.csv` and `test.csv`. None
            means torchtext's own cache, `~/.cache/torch/text` unless `TORCH_HOME` or
            `XDG_CACHE_HOME` say otherwise.
        split: "train", "test", or a tuple of them.

    Returns:
        For one split an iterable of pairs `(label, text)`, labels from 1 to 4, which can be
        read any number of times; for a tuple of splits a tuple of such iterables.

    Raises:
        NewsError: the split is unknown, the download failed, or a file in the cache is not the
            original. A failed download leaves nothing in the cache.
    """
    splits = (split,) if isinstance(split, str) else tuple(split)
    for name in splits:
        if name not in MD5:
            raise NewsError(f"AG_NEWS has no split {name!r}; use one of {', '.join(MD5)}")
    if is_grading():
        none = tuple(_NoRows() for _ in splits)
        return none[0] if isinstance(split, str) else none
    root = Path(torchtext_cache() if root is None else root).expanduser().resolve()
    paths = [_fetch(root / "datasets" / "AG_NEWS" / f"{name}.csv", name) for name in splits]
    torchtext = torchtext_ag_news()
    if torchtext is None:
        rows = tuple(_Rows(path) for path in paths)
    else:
        rows = tuple(torchtext(root=str(root), split=name) for name in splits)
    return rows[0] if isinstance(split, str) else rows


def torchtext_cache() -> str:
    """Return the default cache folder of torchtext 0.18 (`torchtext._CACHE_DIR`)."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return os.path.join(os.environ.get("TORCH_HOME", os.path.join(cache, "torch")), "text")


class _NoRows:
    """The rows while a submission is graded: there are none."""

    def __iter__(self) -> Iterator[Row]:
        raise no_data("AG_NEWS")


class _Rows:
    """The rows of a file, parsed the way torchtext's `parse_csv` does."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[Row]:
        with self.path.open(encoding="utf-8") as file:
            for fields in csv.reader(file):
                yield int(fields[0]), " ".join(fields[1:])


def _fetch(path: Path, split: str) -> Path:
    """Return `path`; download the original file first if it is missing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _download(path, split)
        elif (found := _md5(path)) != MD5[split]:
            raise NewsError(
                f"{path} is not AG News' {path.name}: its MD5 is {found}, not {MD5[split]}; "
                "move it away to download it again, or read it with news.read_csv"
            )
    except (OSError, ValueError) as error:
        raise NewsError(
            f"AG_NEWS could not get {path.name}: {_reason(error)}; put {SOURCE}{path.name} "
            f"(MD5 {MD5[split]}) at {path}, or go on without it: news.sample({split!r}), or "
            "news.read_csv for a file of your own"
        ) from error
    return path


def _md5(path: Path) -> str:
    import pooch

    return str(pooch.file_hash(str(path), alg="md5"))


def _download(path: Path, split: str) -> None:
    """Download to a temporary file beside `path`, and move it to `path` if its MD5 matches."""
    import pooch
    from tqdm import tqdm

    def download(url: str, target: str, pup: object) -> None:
        # pooch sets the true total; a bar without one has no truth value, which pooch asks for.
        with tqdm(total=1, unit="B", unit_scale=True, leave=False, desc=path.name) as bar:
            pooch.HTTPDownloader(progressbar=bar)(url, target, pup)

    pooch.retrieve(
        SOURCE + path.name,
        known_hash=f"md5:{MD5[split]}",
        fname=path.name,
        path=path.parent,
        downloader=download,
    )


def _reason(error: Exception) -> str:
    """Describe in a few words why the download failed."""
    import requests

    if isinstance(error, requests.HTTPError):
        return str(error)
    if isinstance(error, requests.RequestException):
        return f"no connection, or a broken one ({type(error).__name__})"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "what was downloaded has another MD5"


def torchtext_ag_news() -> Callable[..., Any] | None:
    """Return torchtext's own AG_NEWS, or None if torchtext cannot be loaded.

    The datasets need torchdata's datapipes (0.9 or older) and portalocker, which torchtext does not
    declare as requirements.
    """
    try:
        if not version("torchtext").startswith("0.18."):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchtext and torchdata announce their end
            importlib.import_module("portalocker")
            importlib.import_module("torchdata.datapipes.iter")
            install()
            datasets = importlib.import_module("torchtext.datasets")
    except (ImportError, OSError):
        return None
    # A reader who looks at the first row and starts again gets this from every datapipe.
    warnings.filterwarnings("ignore", "Some child DataPipes are not exhausted", UserWarning)
    return datasets.AG_NEWS  # type: ignore[no-any-return]
