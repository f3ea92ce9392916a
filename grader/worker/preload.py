"""Loads what submissions need, before there is one: importing it takes seconds."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

from . import serve


def load(name: str) -> None:
    """Load packages and run them once, see `PRELOADS`; a submission reports missing ones."""
    with contextlib.suppress(Exception):
        PRELOADS[name]()


def _load_news() -> None:
    """Load `news`, which submissions may import; a worker cannot read its folder."""
    import news  # noqa: F401


def _load_torch() -> None:
    """Load torch with one thread, because a thread pool does not survive a fork."""
    import torch

    torch.set_num_threads(1)
    torch.nn.LSTM(2, 2)(torch.zeros(1, 1, 2))
    serve.reset_random_state(0)
    from .operations import call, dataset, load, model, train  # noqa: F401


def _load_spacy() -> None:
    """Load spaCy and everything its pipeline needs, by running it once."""
    import spacy

    from .pipeline import MODEL

    list(spacy.load(MODEL).pipe(["warm up"]))
    from .operations import collate  # noqa: F401


def _load_pipeline() -> None:
    """Keep ready what many submissions load, because that takes longer than most checks."""
    from .pipeline import MODEL

    keep_ready(MODEL, [{}])


def _load_short_pipeline() -> None:
    """Keep ready a pipeline without what vectors do not need: the answer to `fast_pipeline`."""
    from .pipeline import MODEL, UNUSED

    _short.extend(keep_ready(MODEL, [{"exclude": [*UNUSED]}]))


_short: list[Any] = []


def hide_answers(steps: Collection[str]) -> None:
    """Empty the pipelines that are an answer to a task of this worker, which needs these steps."""
    if "spacy" in steps and "short_pipeline" not in steps:
        for nlp in _short:
            vars(nlp).clear()


def keep_ready(model: str, every: list[dict[str, Any]]) -> list[Any]:
    """Load a pipeline with each of these options; return the pipelines.

    Whoever loads one with the same options gets it, once: the forks of this process have one each.
    """
    import spacy

    load = spacy.util.load_model_from_path  # all ways to load a pipeline end here
    ready: list[tuple[Any, Any]] = []

    def keep(*args: Any, **kwargs: Any) -> Any:
        ready.append(((args, kwargs), load(*args, **kwargs)))
        return ready[-1][1]

    def take(*args: Any, **kwargs: Any) -> Any:
        for place, (asked, nlp) in enumerate(ready):
            if asked == (args, kwargs) and vars(nlp):
                del ready[place]
                return nlp
        return load(*args, **kwargs)

    spacy.util.load_model_from_path = keep
    try:
        return [spacy.load(model, **options) for options in every]
    finally:
        spacy.util.load_model_from_path = take


def _load_training() -> None:
    """Load what a training loop needs; creating the first optimizer imports many modules."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader

    model = nn.LSTM(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    for padded in DataLoader([torch.zeros(2, 2)]):  # type: ignore[arg-type]
        model(padded)[0].sum().backward()
    optimizer.step()


PRELOADS = {
    "news": _load_news,
    "torch": _load_torch,
    "spacy": _load_spacy,
    "pipeline": _load_pipeline,
    "short_pipeline": _load_short_pipeline,
    "training": _load_training,
}
