# select_pipes at every call; time first, and then transposed: the tensor is not contiguous.
import spacy
import torch
from torch.nn.utils.rnn import pad_sequence


class Collate:
    def __init__(self):
        self.nlp = spacy.load("en_core_web_sm")

    def __call__(self, batch):
        texts = [item[0] for item in batch]
        with self.nlp.select_pipes(enable="tok2vec"):
            docs = list(self.nlp.pipe(texts, batch_size=len(texts)))
        rows = [self._embed(doc) for doc in docs]
        return pad_sequence(rows).transpose(0, 1), torch.stack([item[1] for item in batch])

    @staticmethod
    def _embed(doc):
        if len(doc) == 0:
            return torch.empty(0, 96)
        return torch.stack([torch.from_numpy(token.vector) for token in doc])
