"""Compares settings of the task accuracy: run `python -m bench.accuracy` in the kit's folder.

Each row trains correct solutions on several splits of the news sample, in this process on one core:
the reference, and the accepted variants that learn worst. The seconds are CPU time of one training
run of the reference; compare them only within one run of this script.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch.utils.data import DataLoader

import news
from bench.report import show, show_versions
from grader.grading import heldout_accuracy
from grader.grading.calibration import DATA, TRAINING
from grader.grading.pipeline import FEATURES
from grader.grading.vectors import Vectors
from grader.maintain.submission_bank import REFERENCE, accepted_variants
from grader.worker.operations.fit import SimilarLengths, TokenVectors, pad

SOLUTIONS = ("reference", "model_dropout_and_layer_norm", "model_deep_head_of_relus")
ALL = 100  # tokens: more than any text of the sample has


@dataclass(frozen=True)
class Setting:
    """How texts are cut into pieces, see accuracy.toml, and how models are trained on them."""

    name: str
    steps: int
    widths: tuple[int, int]
    similar_lengths: bool
    batch_size: int
    lr: float
    epochs: int

    def split(self, number: int) -> heldout_accuracy.Split:
        """Draw news for training and testing."""
        data = {"steps": self.steps, "narrowest": self.widths[0], "widest": self.widths[1]}
        with patch.object(heldout_accuracy, "DATA", data):
            return heldout_accuracy.split(heldout_accuracy.sample_pool(), number)

    def loader(self, texts: Vectors, train: bool) -> DataLoader[Any]:
        """Return the batches of an epoch."""
        data = TokenVectors(*texts.labelled())
        order: dict[str, Any] = {"shuffle": train}
        if train and self.similar_lengths:
            order = {"sampler": SimilarLengths(data, self.batch_size)}
        return DataLoader(data, self.batch_size, collate_fn=pad, **order)


SETTINGS = (
    Setting("single tokens", ALL, (1, 1), False, 32, 0.006, 7),
    Setting("single tokens, batches of similar length", ALL, (1, 1), True, 32, 0.006, 7),
    Setting("the first 32 tokens, similar length", 32, (1, 1), True, 16, 0.004, 7),
    Setting("the first 24 tokens, similar length", 24, (1, 1), True, 16, 0.004, 7),
    Setting("pieces of 3 tokens, similar length", 16, (3, 3), True, 16, 0.004, 7),
    Setting(
        "as used",
        DATA["steps"],
        (DATA["narrowest"], DATA["widest"]),
        True,
        TRAINING["batch_size"],
        TRAINING["lr"],
        TRAINING["epochs"],
    ),
)


def module(files: dict[str, bytes], name: str) -> Any:
    made = ModuleType(name)
    exec(files[name], made.__dict__)
    return made


def run(files: dict[str, bytes], setting: Setting, number: int) -> tuple[float, float]:
    """Train once; return the accuracy on held-out texts and the CPU seconds."""
    drawn = setting.split(number)
    torch.manual_seed(drawn.seed)
    model = module(files, "model").LSTMClassifier(
        len(news.CLASSES), FEATURES, TRAINING["hidden_size"], TRAINING["num_layers"]
    )
    code = module(files, "train")
    start = time.process_time()
    code.train(
        model,
        setting.loader(drawn.train, train=True),
        setting.loader(drawn.val, train=False),
        epochs=setting.epochs,
        lr=setting.lr,
    )
    seconds = time.process_time() - start
    return code.evaluate(model, setting.loader(drawn.unseen, train=False), "cpu")[1], seconds


def summary(runs: dict[str, list[tuple[float, float]]]) -> str:
    """Show the accuracies of each solution, and the seconds of the reference."""
    cells = []
    for name, found in runs.items():
        accuracies = [accuracy for accuracy, _ in found]
        cells.append(f"{statistics.mean(accuracies):.3f} +- {statistics.stdev(accuracies):.3f}")
        if name == "reference":
            cells.append(f"{statistics.median(seconds for _, seconds in found):.1f} s")
    return "   ".join(cells)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--draws", type=int, default=6)
    options.add_argument("--reference", action="store_true", help="no other solution")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    files = {entry.name: entry.files for entry in accepted_variants()} | {"reference": REFERENCE}
    names = SOLUTIONS[:1] if chosen.reference else SOLUTIONS
    runs: dict[Setting, dict[str, list[tuple[float, float]]]]
    runs = {setting: {name: [] for name in names} for setting in SETTINGS}
    for number in range(chosen.draws):  # in turn, so that a load affects all settings
        for setting in SETTINGS:
            for name in names:
                runs[setting][name].append(run(files[name], setting, number))
    rows = [(setting.name, summary(found)) for setting, found in runs.items()]
    show(f"Accuracy and CPU seconds ({', '.join(names)}), {chosen.draws} draws each", rows)
    show_versions()


if __name__ == "__main__":
    main()
