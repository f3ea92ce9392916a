# A dataclass that loads in __post_init__; works in float64 and comes back to float32.
from dataclasses import dataclass, field

import helpers
import spacy
import torch
from spacy.language import Language


@dataclass
class Collate:
    name: str = "en_core_web_sm"
    nlp: Language = field(init=False, repr=False)

    def __post_init__(self):
        self.nlp = spacy.load(self.name)

    def __call__(self, batch):
        sentences = [[token.vector for token in self.nlp(text)] for text, _ in batch]
        rows = helpers.fill_up(sentences)
        padded = torch.tensor(rows, dtype=torch.float64).float()
        return padded, torch.cat([target.view(1) for _, target in batch])
