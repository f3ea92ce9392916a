# Sorted by length, and put back in order; a named tuple for the pair.
from typing import NamedTuple

import en_core_web_sm
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


class Batch(NamedTuple):
    padded: Tensor
    targets: Tensor


class Collate:
    def __init__(self) -> None:
        self.nlp = en_core_web_sm.load()

    def __call__(self, batch: list[tuple[str, Tensor]]) -> Batch:
        docs = list(self.nlp.pipe([text for text, _ in batch]))
        order = sorted(range(len(docs)), key=lambda b: len(docs[b]), reverse=True)
        rows = []
        for b in order:
            vectors = [token.vector.tolist() for token in docs[b]]
            rows.append(torch.tensor(vectors, dtype=torch.float32).reshape(-1, 96))
        padded = torch.empty(len(docs), len(rows[0]), 96)
        padded[order] = pad_sequence(rows, batch_first=True)
        return Batch(padded, torch.stack([target for _, target in batch]))
