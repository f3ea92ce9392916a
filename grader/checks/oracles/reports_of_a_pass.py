"""What a loop reports about a pass over a loader, and the numbers that known mistakes lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
STEPS, FEATURES = 7, 8  # T and F of the batches (B, T, F)


def softmax(scores: Array) -> Array:
    """Compute the softmax of each row."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def losses(scores: Array, targets: Array) -> Array:
    """Compute the cross-entropy of each row."""
    return -np.log(softmax(scores)[np.arange(len(targets)), targets])


@dataclass(frozen=True)
class Pass:
    """The logits (B, C) and targets (B,) of each batch in a pass over a loader."""

    batches: tuple[tuple[Array, Array], ...]

    @property
    def losses(self) -> list[Array]:
        """The cross-entropies of each batch, one per sample."""
        return [losses(scores, targets) for scores, targets in self.batches]

    @property
    def loss(self) -> float:
        """The mean cross-entropy over all samples."""
        return float(np.concatenate(self.losses).mean())

    @property
    def accuracy(self) -> float:
        """The fraction of samples whose largest logit is at the target."""
        return float(np.concatenate(self._hits).mean())

    @property
    def _hits(self) -> list[Array]:
        return [scores.argmax(axis=1) == targets for scores, targets in self.batches]

    def wrong_losses(self) -> list[tuple[str, float]]:
        """Yield the losses that known mistakes lead to."""
        others = [(name, float(np.concatenate(each).mean())) for name, each in self._other_losses]
        return [*_wrong_loss_means(self.losses), *others]

    @property
    def _other_losses(self) -> list[tuple[str, list[Array]]]:
        """What known mistakes compute instead of the cross-entropies of each batch."""
        doubled = [losses(softmax(scores), targets) for scores, targets in self.batches]
        picked = [-scores[np.arange(len(targets)), targets] for scores, targets in self.batches]
        return [("softmax-before-loss", doubled), ("log-softmax-missing", picked)]

    def paired_losses(self) -> list[tuple[tuple[str, str], float]]:
        """Yield the losses that two known mistakes together lead to."""
        means = [float(part.mean()) for part in self.losses]
        full = [len(self.losses[at]) * len(means) for at in (0, -1)]
        return [
            *((("loss-not-weighted", "full-batches-assumed"), sum(means) / n) for n in full),
            *(
                ((name, mean), number)
                for name, each in self._other_losses
                for mean, number in _wrong_loss_means(each)
            ),
        ]

    def wrong_accuracies(self) -> list[tuple[str, float]]:
        """Yield the accuracies that known mistakes lead to."""
        means = [float(part.mean()) for part in self._hits]
        count = sum(map(len, self._hits))
        return [
            ("accuracy-mean-over-batches", sum(means) / len(means)),
            ("accuracy-not-weighted", sum(means) / count),
            ("accuracy-in-percent", 100 * self.accuracy),
            *_wrong_means(self._hits),
        ]

    def paired_accuracies(self) -> list[tuple[tuple[str, str], float]]:
        """Yield the accuracies that two known mistakes together lead to."""
        percent = "accuracy-in-percent"
        alone = (percent, "not-divided")
        wrong = [(name, number) for name, number in self.wrong_accuracies() if name not in alone]
        return [((name, percent), 100 * number) for name, number in wrong]

    def wrong_hits(self) -> list[tuple[str, float]]:
        """Yield the accuracies that wrong comparisons lead to."""
        count = len(np.concatenate(self._hits))
        flat = [targets == scores.argmax() for scores, targets in self.batches]
        crossed = [scores.argmax(axis=1)[:, None] == targets for scores, targets in self.batches]
        return [
            ("no-hits", 0.0),
            ("argmax-no-dim", sum(int(part.sum()) for part in flat) / count),
            ("accuracy-broadcast", sum(int(part.sum()) for part in crossed) / count),
        ]

    def miscounted_accuracies(self) -> list[tuple[str, float]]:
        """Yield the accuracies over a wrong number of samples."""
        return _miscounted(self._hits)

    def unnamed_accuracies(self) -> list[tuple[str, float]]:
        """Yield accuracies that must not look like those of a known mistake."""
        count = len(np.concatenate(self._hits))
        lowest = [scores.argmin(axis=1) == targets for scores, targets in self.batches]
        rounded = [(s > 0) == np.eye(s.shape[1])[targets] for s, targets in self.batches]
        return [
            ("argmin", sum(int(part.sum()) for part in lowest) / count),
            ("rounded", sum(int(part.sum()) for part in rounded) / count),
        ]

    @property
    def is_mixed(self) -> bool:
        """Whether each batch has hits and misses."""
        return all(0 < hits.sum() < len(hits) for hits in self._hits)


def _wrong_loss_means(parts: list[Array]) -> list[tuple[str, float]]:
    """Return what known mistakes make of the losses (B,) of each batch."""
    means, count = [float(part.mean()) for part in parts], sum(map(len, parts))
    doubled = 2 * means[-1]  # `loss += loss.item()`, where loss is the batch's
    return [
        ("weighted-by-loader-batch-size", len(parts[0]) * sum(means) / count),
        *(("last-batch-only", doubled / n) for n in (1, len(means), count)),
        ("loss-mean-over-batches", sum(means) / len(means)),
        ("loss-not-weighted", sum(means) / count),
        ("not-divided", sum(means)),
        *_wrong_means(parts),
        *_miscounted(parts),
    ]


def _wrong_means(batches: list[Array]) -> list[tuple[str, float]]:
    sums = [float(part.sum()) for part in batches]
    count, first, last = sum(map(len, batches)), len(batches[0]), len(batches[-1])
    return [
        ("not-divided", sum(sums)),
        ("divided-by-batches", sum(sums) / len(sums)),
        ("first-batch-only", sums[0] / first),
        ("last-batch-only", sums[-1] / last),
        ("last-batch-only", sums[-1] / count),
        ("divided-by-last-batch", sum(sums) / last),
        *(("full-batches-assumed", sum(sums) / (len(sums) * size)) for size in (first, last)),
    ]


def _miscounted(batches: list[Array]) -> list[tuple[str, float]]:
    """Return the means over a wrong number of samples, from the values (B,) of each batch."""
    sums = [float(part.sum()) for part in batches]
    sizes = [*map(len, batches)]
    left_out = ((sum(sums[part]), sum(sizes[part])) for part in (slice(1, None), slice(-1)))
    return [
        *(
            ("other-dimension-counted", sum(sums) / number)
            for size in (STEPS, FEATURES)
            for number in (size, size * len(sums))
        ),
        *(
            ("batch-not-counted", total / number)
            for total, count in left_out
            for number in (count, sum(sizes))
        ),
    ]
