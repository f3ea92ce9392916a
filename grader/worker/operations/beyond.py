"""Operations on `exercise.beyond`: what a decoder and a language model are fed, step by step."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..student import PACKAGE, student
from ..wire import TensorData
from .call import plain

MOST = 4  # times as many calls as there must be are noted, and no more

State = tuple[Tensor, Tensor]


def word_vectors(module: str, text: str, **given: Any) -> Any:
    """Call `train_word_vectors`; in its module it finds a right and fast loss of the grader's."""
    function = student.get(module, "train_word_vectors")
    given["pairs"] = given["pairs"].torch()
    names = vars(sys.modules[f"{PACKAGE}.{module}"])
    own = names.get("negative_sampling_loss")
    names["negative_sampling_loss"] = _loss
    try:
        return plain(student.attempt(text, function, **given))
    finally:
        names["negative_sampling_loss"] = own


def _loss(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    near = torch.einsum("bf,bf->b", centre, context)
    far = (negatives @ centre[:, :, None]).squeeze(2)
    return -(functional.logsigmoid(near) + functional.logsigmoid(-far).sum(dim=1)).mean()


class Decoder:
    """A step function whose logits (B, C) at step t are given; adds 1 to the state (B, H)."""

    def __init__(self, logits: Tensor) -> None:
        """Take the logits of all steps, (B, T, C)."""
        self.logits = logits
        self.calls: list[tuple[Any, Any]] = []

    def __call__(self, tokens: Any, state: Any) -> tuple[Tensor, Tensor]:
        """Note what it is fed."""
        steps = self.logits.shape[1]
        if len(self.calls) < MOST * steps:
            self.calls.append((plain(_copy(tokens)), plain(_copy(state))))
        return self.logits[:, min(len(self.calls), steps) - 1].clone(), state + 1


def decode(module: str, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Call `decode` several times, each time with a decoder of these `logits`.

    Returns:
        For each call its `result`, and the `steps`: (tokens, state) that the decoder was fed.
    """
    function = student.get(module, "decode")
    seen = []
    for call in calls:
        decoder = Decoder(call["logits"].torch())
        state, targets = call["state"].torch(), call["targets"].torch()
        arguments = decoder, state, targets, call["start"], call["ratio"]
        result = student.attempt(call["text"], function, *arguments)
        seen.append({"result": plain(result), "steps": decoder.calls})
    return seen


class Writer(nn.Module):
    """A small language model that notes what it reads, from which state, with which weights."""

    def __init__(self, weights: dict[str, Tensor], most: int) -> None:
        """Take its weights; notes at most so many calls."""
        super().__init__()
        classes, features = weights["embedding.weight"].shape
        self.embedding = nn.Embedding(classes, features)
        self.reader = nn.LSTM(features, weights["read_out.weight"].shape[1], batch_first=True)
        self.read_out = nn.Linear(self.reader.hidden_size, classes)
        self.load_state_dict(weights)
        self.calls: list[dict[str, Any]] = []
        self.most = most

    def forward(self, ids: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Map ids (B, T) and a state to logits (B, T, C) and the new state."""
        parts = state if isinstance(state, (list, tuple)) else ()
        tensors = [part for part in parts if isinstance(part, Tensor)]
        if len(self.calls) < self.most:
            self.calls.append(
                {
                    "ids": plain(_copy(ids)),
                    "state": plain(None if state is None else tuple(map(_copy, tensors))),
                    "attached": any(part.requires_grad for part in tensors),
                    "weights": self.copied(),
                }
            )
        outputs, new = self.reader(self.embedding(ids), state)
        return self.read_out(outputs), new

    def copied(self) -> dict[str, Tensor]:
        """Return a copy of the weights."""
        return {name: weight.detach().clone() for name, weight in self.state_dict().items()}


def train_on_text(
    module: str, call: str, weights: dict[str, TensorData], text: TensorData, chunk: int, lr: float
) -> dict[str, Any]:
    """Call `train_on_text` with a small language model of these weights, and plain SGD.

    Returns:
        Its `result`, the `calls` of the model, and the `weights` that it has in the end.
    """
    function = student.get(module, "train_on_text")
    most = MOST * text.shape[1]
    model = Writer({name: weight.torch() for name, weight in weights.items()}, most)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    result = student.attempt(call, function, model, optimizer, text.torch(), chunk)
    return {"result": plain(result), "calls": model.calls, "weights": model.copied()}


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value
