# Read by a generator; indices are checked by hand.
import torch
from torch.utils.data import Dataset


def read(samples):
    for label, text in samples:
        yield text, label - 1


class NewsDataset(Dataset):
    def __init__(self, samples):
        texts, targets = [], []
        for text, target in read(samples):
            texts += [text]
            targets += [target]
        self.samples, self.targets = texts, torch.tensor(targets, dtype=torch.int64)
        seen = [False] * (max(targets) + 1)
        for target in targets:
            seen[target] = True
        self.n_targets = sum(seen)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(f"there is no sample {index}")
        return self.samples[index], self.targets[index]
