# enable at loading; new_zeros and cat for the padding; a list for the pair.
import spacy
import torch


class Collate:
    def __init__(self):
        self.nlp = spacy.load("en_core_web_sm", enable=["tok2vec"])

    def __call__(self, batch):
        rows = []
        for text, _ in batch:
            row = torch.zeros(0, 96)
            for token in self.nlp(text):
                row = torch.cat([row, torch.tensor(token.vector).unsqueeze(0)])
            rows.append(row)
        longest = max(map(len, rows))
        padded = [torch.cat([row, row.new_zeros(longest - len(row), 96)]) for row in rows]
        targets = torch.tensor([target.item() for _, target in batch])
        return [torch.stack(padded), targets]
