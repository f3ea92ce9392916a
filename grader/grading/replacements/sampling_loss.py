"""Replaces the student's negative_sampling_loss when word vectors are trained."""

import torch
from torch import Tensor
from torch.nn import functional


def sampling_loss(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    """Compute the mean loss () from centres (B, F), contexts (B, F) and negatives (B, K, F)."""
    near = torch.einsum("bf,bf->b", centre, context)
    far = (negatives @ centre[:, :, None]).squeeze(2)
    return -(functional.logsigmoid(near) + functional.logsigmoid(-far).sum(dim=1)).mean()
