"""Operations that train the student's model with the student's loop on news.

If one of the two is missing, a replacement of the grader's comes with the request. It works
differently from what the task asks for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, Sampler

from .. import replacements as replacement
from ..student import student
from ..wire import TensorData

Item = tuple[Tensor, Tensor]
Report = Callable[[dict[str, Any]], None]


class TokenVectors(Dataset[Item]):
    """N sentences as slices of an array of token vectors, with their targets."""

    def __init__(self, vectors: TensorData, offsets: TensorData, targets: TensorData) -> None:
        """Take vectors (tokens, F), offsets (N + 1,) and targets (N,)."""
        # Not `vectors.torch()`, which copies: these can be gigabytes, and nothing writes to them.
        self.vectors, self.offsets = torch.from_numpy(vectors.numpy()), offsets.tolist()
        self.targets = targets.torch()

    def __len__(self) -> int:
        """Return N."""
        return len(self.targets)

    def __getitem__(self, index: int) -> Item:
        """Return the vectors of one sentence (tokens, F), and its target."""
        start, stop = self.offsets[index], self.offsets[index + 1]
        return self.vectors[start:stop], self.targets[index]


def pad(batch: list[Item]) -> Item:
    """Pad a batch to (B, T, F); T is at least 1, even if no sentence has a token."""
    rows, targets = zip(*batch, strict=True)
    padded = pad_sequence(list(rows), batch_first=True)
    if padded.shape[1] == 0:
        padded = padded.new_zeros(len(rows), 1, padded.shape[2])
    return padded, torch.stack(targets)


class SimilarLengths(Sampler[int]):
    """A random order in which the sentences of a batch have similar lengths, so little padding."""

    def __init__(self, data: TokenVectors, batch_size: int) -> None:
        """Order the sentences of `data`."""
        self.lengths, self.batch_size = torch.tensor(data.offsets).diff(), batch_size

    def __len__(self) -> int:
        """Return N."""
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        """Yield the indices, batch after batch; a smaller batch is the last one."""
        order = (self.lengths + torch.rand(len(self))).argsort()
        whole = len(self) // self.batch_size * self.batch_size
        batches = order[:whole].view(-1, self.batch_size)
        yield from batches[torch.randperm(len(batches))].flatten().tolist()
        yield from order[whole:].tolist()


class Watched(DataLoader[Item]):
    """A loader that reports its progress, and the loss and hits on its batches."""

    def __init__(self, data: TokenVectors, name: str, report: Report, **kwargs: Any) -> None:
        """Load `data`; `name` identifies the loader in reports."""
        super().__init__(data, collate_fn=pad, **kwargs)
        self.name, self.report = name, report
        self.targets: Tensor | None = None
        self.passes = 0
        self.start_pass()

    def start_pass(self) -> None:
        """Reset the figures for a new pass."""
        self.learning = True
        self.loss, self.hits, self.count = 0.0, 0, 0

    def __iter__(self) -> Iterator[Item]:  # type: ignore[override]
        """Yield the batches, reporting progress."""
        self.passes += 1
        self.start_pass()
        for number, (padded, targets) in enumerate(super().__iter__()):
            self.targets = targets
            yield padded, targets
            self.targets = None
            self.report({**self.state(), "batch": number + 1, "batches": len(self)})

    def see(self, logits: object) -> None:
        """Evaluate the model's logits for the current batch."""
        if self.targets is None or not isinstance(logits, Tensor):
            return
        scores, targets = logits.detach().float(), self.targets.to(logits.device)
        if scores.dim() == 2 and len(scores) == len(targets):
            self.loss += nn.functional.cross_entropy(scores, targets, reduction="sum").item()
            self.hits += int((scores.argmax(1) == targets).sum())
            self.count += len(targets)
            self.learning = logits.requires_grad

    def state(self) -> dict[str, Any]:
        """Return the figures of the current pass.

        `learning` says whether gradients are enabled. Loss and accuracy are means over the
        sentences so far, and None until the model is called.
        """
        figures: dict[str, Any] = {"loss": None, "accuracy": None}
        if self.count:
            figures = {"loss": self.loss / self.count, "accuracy": self.hits / self.count}
        return {"loader": self.name, "pass": self.passes, "learning": self.learning, **figures}


_trained: nn.Module | None = None  # by the last call of `fit`


def fit(
    train: tuple[TensorData, TensorData, TensorData],
    val: tuple[TensorData, TensorData, TensorData],
    *,
    n_targets: int,
    epochs: int,
    lr: float,
    batch_size: int,
    hidden_size: int,
    num_layers: int,
    device: str,
    similar_lengths: bool,
    replacements: dict[str, str],
    report: Report,
) -> dict[str, Any]:
    """Train on vectors, and keep the model for `predict`.

    Args:
        train: vectors (tokens, F), offsets (N + 1,), targets (N,).
        val: the same for the validation sentences.
        n_targets: C.
        epochs: passes over `train`.
        lr: learning rate.
        batch_size: B of the loaders.
        hidden_size: H.
        num_layers: L.
        device: where to compute.
        similar_lengths: train on batches of sentences of similar lengths.
        replacements: the source of what replaces the student's "model" or "loop".
        report: called with the loaders' progress.

    Returns:
        `history` (the loop's return value), `weights`, `seconds`.
    """
    global _trained
    sizes = {"n_targets": n_targets, "input_size": train[0].shape[1], "hidden_size": hidden_size}
    model = _model(sizes, num_layers, replacements.get("model"), device)
    source = replacements.get("loop")
    loop = replacement.load(source, "train") if source else student.get("train", "train")
    data = TokenVectors(*train)
    order = {"sampler": SimilarLengths(data, batch_size)} if similar_lengths else {"shuffle": True}
    loaders = (
        Watched(data, "train", report, batch_size=batch_size, **order),
        Watched(TokenVectors(*val), "val", report, batch_size=batch_size),
    )

    def see(_model: nn.Module, _inputs: Any, logits: object) -> None:
        for loader in loaders:
            loader.see(logits)

    handle = model.register_forward_hook(see)
    start = time.monotonic()
    with student.calling(f"train(model, train_loader, val_loader, epochs={epochs}, lr={lr})"):
        history = loop(model, *loaders, epochs=epochs, lr=lr, device=torch.device(device))
    seconds = time.monotonic() - start
    handle.remove()
    _trained = model
    return {"history": history, "weights": dict(model.state_dict()), "seconds": seconds}


def _model(sizes: dict[str, int], num_layers: int, source: str | None, device: str) -> nn.Module:
    """Create the student's model or its replacement, and move it to the device."""
    if source is not None:
        made: nn.Module = replacement.load(source, "Classifier")(**sizes)
        return made.to(device)
    make = student.get("model", "LSTMClassifier")
    with student.calling(f"LSTMClassifier(n_targets={sizes['n_targets']})"):
        model: nn.Module = make(**sizes, num_layers=num_layers).to(device)
    return model


def predict(sentences: tuple[TensorData, TensorData], batch_size: int, device: str) -> Tensor:
    """Compute the logits (N, C) of held-out sentences, with the model that `fit` trained."""
    model, (vectors, offsets) = _trained, sentences
    if model is None:
        raise RuntimeError("The process that trained the model was lost.")
    count = offsets.shape[0] - 1
    data = TokenVectors(vectors, offsets, TensorData("int64", (count,), bytearray(8 * count)))
    model.eval()
    with student.calling("model.eval()(padded)"), torch.no_grad():
        batches = DataLoader(data, batch_size=batch_size, collate_fn=pad)
        return torch.cat([model(padded.to(device)).cpu() for padded, _ in batches])


def end_to_end(rows: list[tuple[int, str]], val_rows: list[tuple[int, str]]) -> Any:
    """Run all four parts of a submission, from rows of text to one epoch of training."""
    from .collate import one_process  # imports spaCy

    make_data = student.get("dataset", "NewsDataset")
    collate = student.get("collate", "Collate")()
    train = student.get("train", "train")
    with student.calling("NewsDataset(rows)"):
        data, val_data = make_data(iter(rows)), make_data(iter(val_rows))
    with student.calling("LSTMClassifier(dataset.n_targets)"):
        model = student.get("model", "LSTMClassifier")(data.n_targets)
    loaders = [
        DataLoader(part, batch_size=8, collate_fn=collate, shuffle=part is data)
        for part in (data, val_data)
    ]
    call = "train(model, train_loader, val_loader, epochs=1, lr=0.001)"
    with student.calling(call), one_process():
        return train(model, *loaders, epochs=1, lr=0.001)
