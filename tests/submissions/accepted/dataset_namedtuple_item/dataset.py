# An item is a named tuple; list subclasses for the texts.
from collections import UserString
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset


class Item(NamedTuple):
    text: str
    target: Tensor


class Texts(list):
    """A list of texts that knows how to print itself."""

    def __repr__(self):
        return str(UserString(f"{len(self)} texts"))


class NewsDataset(Dataset[Item]):
    def __init__(self, samples):
        pairs = tuple(samples)
        self.samples = Texts(text for _, text in pairs)
        self.targets = torch.tensor([label for label, _ in pairs]).sub(1)
        self.n_targets = self.targets.unique().numel()

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return Item(self.samples[index], self.targets[index])
