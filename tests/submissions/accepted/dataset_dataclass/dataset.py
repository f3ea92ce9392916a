# A frozen dataclass a sample; the promised attributes are properties.
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset


@dataclass(frozen=True)
class News:
    text: str
    label: int

    @property
    def target(self) -> Tensor:
        return torch.tensor(self.label - 1, dtype=torch.long)


class NewsDataset(Dataset):
    def __init__(self, samples: Iterable[tuple[int, str]]) -> None:
        self._news = [News(text, label) for label, text in samples]

    @property
    def samples(self) -> list[str]:
        return [news.text for news in self._news]

    @property
    def targets(self) -> Tensor:
        return torch.stack([news.target for news in self._news])

    @property
    def n_targets(self) -> int:
        return len({news.label for news in self._news})

    def __len__(self) -> int:
        return len(self._news)

    def __getitem__(self, index: int) -> tuple[str, Tensor]:
        news = self._news[index]
        return news.text, news.target
