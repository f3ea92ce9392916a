# The texts are str by subclass (numpy.str_), in a list.
import numpy as np
import torch
from torch.utils.data import Dataset


class NewsDataset(Dataset):
    def __init__(self, samples):
        samples = [*samples]
        self.samples = list(np.array([text for _, text in samples]))
        self.targets = torch.as_tensor(np.array([label for label, _ in samples]) - 1)
        self.n_targets = np.unique(self.targets.numpy()).size

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index], self.targets[index]
