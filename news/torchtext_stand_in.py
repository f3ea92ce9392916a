"""What the lesson uses of torchtext, for where torchtext cannot be had; see `torchtext_import`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from news.ag_news import AG_NEWS

__all__ = [
    "AG_NEWS",
    "__version__",
    "disable_torchtext_deprecation_warning",
    "get_tokenizer",
    "to_map_style_dataset",
]

__version__ = "0.18.0"


def disable_torchtext_deprecation_warning() -> None:
    """Do nothing: there is no such warning here."""


def to_map_style_dataset(iter_data: Iterable[Any]) -> Any:
    """Return the items as a data set with `len()` and `[i]`."""
    from torch.utils.data import Dataset

    class MapStyleDataset(Dataset[Any]):
        def __init__(self, items: Iterable[Any]) -> None:
            self._data = list(items)

        def __len__(self) -> int:
            return len(self._data)

        def __getitem__(self, idx: int) -> Any:
            return self._data[idx]

    return MapStyleDataset(iter_data)


def get_tokenizer(
    tokenizer: str | Callable[[str], list[str]] | None, language: str = "en"
) -> Callable[[str], list[str]]:
    """Return a tokenizer: None splits at blanks, "basic_english" also lowers and cuts marks off.

    Raises:
        ValueError: it is no other callable, and none of these names.
    """
    del language
    if tokenizer is None:
        return str.split
    if callable(tokenizer):
        return tokenizer
    if tokenizer == "basic_english":
        return _basic_english
    raise ValueError(f"get_tokenizer({tokenizer!r}): here it can be None or 'basic_english'")


def _basic_english(line: str) -> list[str]:
    line = re.sub(r"<br />|[;:]", " ", line.lower().replace('"', ""))
    return re.sub(r"(['.,()!?])", r" \1 ", line).split()
