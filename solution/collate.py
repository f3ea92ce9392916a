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
        ### BEGIN SOLUTION
        # The vectors come from tok2vec; the other components only cost time.
        unused = ["tagger", "parser", "attribute_ruler", "lemmatizer", "ner"]
        self.nlp = spacy.load("en_core_web_sm", exclude=unused)
        ### END SOLUTION

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
        ### BEGIN SOLUTION
        texts, targets = zip(*batch, strict=True)
        rows = []
        for doc in self.nlp.pipe(texts):
            vectors = np.zeros((len(doc), FEATURES), dtype=np.float32)
            for position, token in enumerate(doc):
                vectors[position] = token.vector
            rows.append(torch.from_numpy(vectors))
        return pad_sequence(rows, batch_first=True), torch.stack(targets)
        ### END SOLUTION
