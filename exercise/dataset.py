"""Task dataset: labelled news as a PyTorch dataset."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.utils.data import Dataset


class NewsDataset(Dataset[tuple[str, Tensor]]):
    """News articles with their class indices.

    Attributes:
        samples: the N texts, unchanged and in the given order (a list or tuple of `str`).
        targets: class indices from 0, shape (N,), dtype `torch.int64`.
        n_targets: the number of distinct targets (`int`).
    """

    def __init__(self, samples: Iterable[tuple[int, str]]) -> None:
        """Read the samples.

        Args:
            samples: pairs `(label, text)` as `AG_NEWS` yields them: the label is an `int` from
                1 to C, so its class index is `label - 1`; the text is a `str`. `samples` may be
                an iterator, which can be read only once.
        """
        raise NotImplementedError("Task dataset: write NewsDataset.__init__ in exercise/dataset.py")

    def __len__(self) -> int:
        """Return N, the number of samples."""
        raise NotImplementedError("Task dataset: write NewsDataset.__len__ in exercise/dataset.py")

    def __getitem__(self, index: int) -> tuple[str, Tensor]:
        """Return the text at `index` and its target, shape (), dtype `torch.int64`.

        Negative indices count from the end, as in a list.

        Raises:
            IndexError: there is no sample at `index`.
        """
        raise NotImplementedError("Task dataset: write NewsDataset.__getitem__ in exercise/dataset.py")
