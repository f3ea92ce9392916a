# By way of NumPy: the tensor shares an array's memory, and is not contiguous.
import numpy as np
import torch
from torch.utils.data import Dataset


class NewsDataset(Dataset):
    def __init__(self, samples):
        table = np.array(list(samples), dtype=object)
        self.samples = table[:, 1].tolist()
        labels = np.stack([table[:, 0].astype(np.int64)] * 2, axis=1)
        self.targets = torch.from_numpy(labels - 1)[:, 0]
        self.n_targets = int(np.unique(labels).size)

    def __len__(self):
        return int(self.targets.numel())

    def __getitem__(self, index):
        return self.samples[index], torch.tensor(int(self.targets[index]))
