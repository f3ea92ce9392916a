"""Measures how fast token vectors are computed: run `python -m bench.vectors` in the kit's folder.

1. The whole pipeline compared with tok2vec alone, on 1,000 news items of the sample: medians of
   alternating runs. The vectors must be bitwise equal.
2. Ten epochs of shuffled, padded batches from cached vectors compared with ten epochs that embed
   every batch again. Only building the batches is measured, without a model.

torch uses one thread here: a batch is too little work for two, which would wait for each other
whenever the machine is busy.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import torch
from torch.utils.data import DataLoader

import news
from bench.report import show, show_versions
from grader.grading.pipeline import MODEL, load_pipeline
from grader.grading.vectors import embed
from grader.worker.operations.fit import TokenVectors, pad

BATCH = 32
Rows = list[tuple[int, str]]


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compute(texts: list[str], nlp: Any) -> Any:
    """Compute the vectors (tokens, F) of all texts, as the grader does."""
    return np.concatenate([doc.tensor for doc in nlp.pipe(texts, batch_size=256) if len(doc)])


def assert_same(texts: list[str], whole: Any, alone: Any) -> None:
    """Require that the vectors equal `token.vector` of the whole pipeline, byte by byte."""
    expected = [token.vector for doc in whole.pipe(texts) for token in doc]
    found = compute(texts, alone)
    assert np.array(expected).tobytes() == found.tobytes(), "the vectors differ"


def measure_pipelines(texts: list[str], whole: Any, alone: Any, runs: int) -> None:
    taken: dict[str, list[float]] = {"whole": [], "alone": []}
    for _ in range(runs):
        taken["whole"].append(seconds(lambda: compute(texts, whole)))
        taken["alone"].append(seconds(lambda: compute(texts, alone)))
    slow, fast = map(statistics.median, taken.values())
    rows = [
        ("whole pipeline", f"{slow:.2f} s"),
        ("tok2vec alone", f"{fast:.2f} s"),
        ("ratio", f"{slow / fast:.1f}"),
        ("equal to the bit", "yes"),
    ]
    show(f"Vectors of {len(texts):,} news items (medians of {runs} alternating runs)", rows)


def embedding_loader(rows: Rows, nlp: Any) -> DataLoader[Any]:
    """Return a loader that embeds each batch when it is requested."""

    def collate(batch: Rows) -> Any:
        labels, texts = zip(*batch, strict=True)
        rows = [torch.from_numpy(doc.tensor) for doc in nlp.pipe(texts)]
        return pad(list(zip(rows, torch.tensor(labels), strict=True)))

    return DataLoader(rows, BATCH, shuffle=True, collate_fn=collate)  # type: ignore[arg-type]


def measure_epochs(rows: Rows, whole: Any, alone: Any, epochs: int) -> None:
    def run(loader: DataLoader[Any]) -> None:
        for _ in range(epochs):
            for _batch in loader:
                pass

    def cached(folder: Path) -> DataLoader[Any]:
        parts = embed(rows, folder=folder).labelled()
        received = [replace(part, data=bytearray(part.data)) for part in parts]  # as by a worker
        data = TokenVectors(*received)
        return DataLoader(data, BATCH, shuffle=True, collate_fn=pad)

    slow = seconds(lambda: run(embedding_loader(rows, whole)))
    medium = seconds(lambda: run(embedding_loader(rows, alone)))
    with tempfile.TemporaryDirectory() as folder:
        first = seconds(lambda: run(cached(Path(folder))))
        fast = seconds(lambda: run(cached(Path(folder))))
    table = [
        ("whole pipeline in every epoch", f"{slow:.2f} s"),
        ("tok2vec alone in every epoch", f"{medium:.2f} s"),
        ("first run: computed, kept, then read", f"{first:.2f} s"),
        ("later runs: read from the cache", f"{fast:.2f} s"),
        ("ratio, whole pipeline / later run", f"{slow / fast:.0f}"),
        ("ratio, tok2vec alone / later run", f"{medium / fast:.0f}"),
        ("ratio, whole pipeline / first run", f"{slow / first:.1f}"),
        ("ratio, tok2vec alone / first run", f"{medium / first:.1f}"),
    ]
    show(f"{epochs} epochs of padded batches of {BATCH}, {len(rows):,} news items", table)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--epochs", type=int, default=10)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    rows = news.sample("train") + news.sample("valid")
    texts = [text for _, text in rows]
    whole, alone = spacy.load(MODEL), load_pipeline()
    assert_same(texts, whole, alone)
    measure_pipelines(texts, whole, alone, chosen.runs)
    measure_epochs(rows, whole, alone, chosen.epochs)
    show_versions()


if __name__ == "__main__":
    main()
