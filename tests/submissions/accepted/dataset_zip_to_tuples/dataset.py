# samples is a tuple; the count comes from a Counter.
from collections import Counter

import torch
from torch.utils.data import Dataset


class NewsDataset(Dataset):
    def __init__(self, samples):
        labels, self.samples = zip(*samples, strict=True)
        self.targets = torch.tensor(labels) - 1
        self.n_targets = len(Counter(labels))

    def __len__(self):
        return self.targets.size(0)

    def __getitem__(self, index):
        return (self.samples[index], self.targets[index])
