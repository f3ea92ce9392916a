# Derived from torch.utils.data.Dataset under another name, by way of an own base class.
import torch
import torch.utils.data as data


class LabelledTexts(data.Dataset):
    first_label = 1

    def __init__(self, samples):
        self.samples, self.labels = [], []
        for sample in samples:
            self.labels.append(sample[0])
            self.samples.append(sample[1])

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index], self.targets[index]


class NewsDataset(LabelledTexts):
    def __init__(self, samples):
        super().__init__(samples)
        self.targets = torch.empty(len(self), dtype=torch.int64)
        for i, label in enumerate(self.labels):
            self.targets[i] = label - self.first_label
        self.n_targets = int((self.targets.bincount() > 0).sum())
