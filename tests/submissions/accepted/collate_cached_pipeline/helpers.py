import torch

FEATURES = 96


def vectors_of(doc):
    vectors = torch.zeros(len(doc), FEATURES)
    for i, token in enumerate(doc):
        vectors[i] = torch.from_numpy(token.vector)
    return vectors
