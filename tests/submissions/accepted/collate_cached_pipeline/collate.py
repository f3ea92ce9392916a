# The pipeline is shared by all objects, nlp is a property; the vectors of a text are remembered.
import functools

import spacy
import torch
from torch.nn.utils.rnn import pad_sequence

from .helpers import FEATURES, vectors_of


@functools.lru_cache(maxsize=1)
def load():
    return spacy.load("en_core_web_sm")


class Collate:
    def __init__(self):
        self._known = {}
        load()

    @property
    def nlp(self):
        return load()

    def _embed(self, text):
        if text not in self._known:
            self._known[text] = vectors_of(self.nlp(text))
        return self._known[text]

    def __call__(self, batch):
        rows = [self._embed(text) for text, _ in batch]
        padded = pad_sequence(rows, batch_first=True)
        assert padded.shape[2] == FEATURES
        return padded, torch.stack([target for _, target in batch]).long()
