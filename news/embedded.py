"""The sample: 1,200 news items that come with the kit, for use without a download.

A course can put news of its own in its place, see `rows.use_own`.
"""

import random
from importlib import resources

from news.csv_file import read_csv
from news.rows import CLASSES, NewsError, Row, is_grading, no_data, own

SPLITS = ("train", "valid", "test")


def sample(split: str) -> list[Row]:
    """Return a split of the sample: 800 items in "train", 200 in "valid", 200 in "test".

    The four classes have the same number of items in each split. The items were written for
    this kit and are dedicated to the public domain (CC0 1.0, `news/data/LICENSE`). Of a course's
    own news, two thirds are in "train", and a sixth in each of the others.

    Raises:
        NewsError: the split is unknown, or a submission is being graded.
    """
    if is_grading():
        raise no_data("news.sample")
    if split not in SPLITS:
        raise NewsError(f"the sample has no split {split!r}; use one of {', '.join(SPLITS)}")
    found = own()
    return kit_sample(split) if found is None else _part(found.rows, split)


def kit_sample(split: str) -> list[Row]:
    """Read a split of the kit's own sample, whatever the course has."""
    file = resources.files("news") / "data" / f"sample_{split}.csv"
    with resources.as_file(file) as path:
        return read_csv(path, len(CLASSES))


def _part(rows: list[Row], split: str) -> list[Row]:
    """Return a split of a course's own rows, in an order that is always the same."""
    shuffled = random.Random(0).sample(rows, len(rows))
    ends = [len(rows) * share // 6 for share in (0, 4, 5, 6)]
    at = SPLITS.index(split)
    return shuffled[ends[at] : ends[at + 1]]
