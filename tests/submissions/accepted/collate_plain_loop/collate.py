# The whole pipeline, a loop, torch.stack; zeros made by hand; prints and warnings on the way.
import warnings

import spacy
import torch


class Collate:
    def __init__(self):
        self.nlp = spacy.load("en_core_web_sm")
        warnings.warn("the whole pipeline is slow", stacklevel=2)

    def __call__(self, batch):
        print("a batch of", len(batch))
        docs = []
        targets = []
        for text, target in batch:
            docs.append(self.nlp(text))
            targets.append(target)
        longest = max(len(doc) for doc in docs)
        padded = torch.zeros(len(docs), longest, 96)
        for b, doc in enumerate(docs):
            for t, token in enumerate(doc):
                padded[b, t] = torch.tensor(token.vector)
        return padded, torch.stack(targets)
