import torch
from torch.utils.data import Dataset

from .helpers import count_distinct, split


class NewsDataset(Dataset):
    def __init__(self, samples):
        self.samples, labels = split(samples)
        self.targets = torch.tensor(labels) - 1
        self.n_targets = count_distinct(labels)

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index], self.targets[index]
