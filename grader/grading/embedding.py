"""Computes spaCy's tokens and their vectors.

The grader sends this file to a worker that has no submission, see `pipeline.py`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import spacy
import torch
from spacy.tokens import Doc
from torch import Tensor


def load(model: str, unused: tuple[str, ...]) -> Any:
    """Load a pipeline without its unused components.

    Raises:
        OSError, ImportError, ValueError: it is not installed, or does not fit this spaCy version.
    """
    nlp = spacy.load(model, exclude=[*unused])
    if "tok2vec" not in nlp.pipe_names:
        raise ValueError("it has no tok2vec")
    return nlp


loaded = functools.cache(load)


def vectors(model: str, unused: tuple[str, ...], texts: list[str], batch_size: int) -> list[Tensor]:
    """Return the vectors (tokens, F) of each text."""
    docs = loaded(model, unused).pipe(texts, batch_size=batch_size)
    return [torch.from_numpy(np.asarray(doc.tensor, np.float32)) for doc in docs]


def vectors_of_words(model: str, unused: tuple[str, ...], words: list[str]) -> list[Tensor]:
    """Return the vectors of a text that is split into these words."""
    nlp = loaded(model, unused)
    return [torch.from_numpy(nlp(Doc(nlp.vocab, words)).tensor)]


def vectors_of_joined(
    model: str, unused: tuple[str, ...], texts: list[str], spaced: bool
) -> list[Tensor]:
    """Return the vectors of the tokens of several texts that are joined to one document.

    Args:
        model: the name of the pipeline.
        unused: its unused components.
        texts: the texts, which are split into tokens one by one.
        spaced: whether there is a space after each text.
    """
    nlp = loaded(model, unused)
    joined = Doc.from_docs([*map(nlp.make_doc, texts)], ensure_whitespace=spaced)
    return [torch.from_numpy(nlp(joined).tensor)]


def tokens(model: str, unused: tuple[str, ...], text: str) -> list[list[str]]:
    """Return the tokens of a text, in parts: a worker's answer truncates long lists."""
    found = [token.text for token in loaded(model, unused).make_doc(text)]
    return [found[start : start + 500] for start in range(0, len(found), 500)]
