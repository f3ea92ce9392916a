# doc.tensor holds all vectors of a sentence; the components that are not needed are disabled.
import spacy
import torch
from torch.nn.utils.rnn import pad_sequence


class Collate:
    def __init__(self):
        unused = ["tagger", "parser", "attribute_ruler", "lemmatizer", "ner"]
        self.nlp = spacy.load("en_core_web_sm", disable=unused)

    def __call__(self, batch):
        texts, targets = zip(*batch, strict=True)
        rows = [torch.tensor(doc.tensor).reshape(-1, 96) for doc in self.nlp.pipe(texts)]
        return pad_sequence(rows, batch_first=True), torch.as_tensor(targets)
