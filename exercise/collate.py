"""Task collate: from sentences to one padded batch of token vectors."""

import numpy as np
import spacy
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

FEATURES = 96  # F: the length of `token.vector` in en_core_web_sm


class Collate:
    """Combines a list of samples into tensors, as in `DataLoader(..., collate_fn=Collate())`.

    Attributes:
        nlp: the spaCy pipeline, loaded once.
    """

    def __init__(self) -> None:
        """Load the pipeline `en_core_web_sm` into `self.nlp`."""
        raise NotImplementedError("Task collate: write Collate.__init__ in exercise/collate.py")

    def __call__(self, batch: list[tuple[str, Tensor]]) -> tuple[Tensor, Tensor]:
        """Embed and pad a batch.

        Args:
            batch: B pairs as `NewsDataset` returns them: a text, and its target of shape ().

        Returns:
            padded: shape (B, T, F), dtype `torch.float32`. Row b holds `token.vector` of each
                token of sentence b, then zeros up to T, the length of the longest sentence.
                A sentence without a token is all zeros.
            targets: shape (B,), dtype `torch.int64`.
            Both are new tensors and keep the order of `batch`.
        """
        raise NotImplementedError("Task collate: write Collate.__call__ in exercise/collate.py")
