# No type hints, no type arguments, one loop, prints and warnings on the way.
import warnings

import torch
from torch.utils.data import Dataset


class NewsDataset(Dataset):
    def __init__(self, samples):
        super().__init__()
        self.samples = []
        targets = []
        for label, text in samples:
            self.samples.append(text)
            targets.append(label - 1)
        print("read", len(targets), "samples")
        warnings.warn("this is my first data set", stacklevel=2)
        self.targets = torch.LongTensor(targets)
        self.n_targets = len(set(targets))

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        text = self.samples[i]
        target = self.targets[i]
        return text, target
