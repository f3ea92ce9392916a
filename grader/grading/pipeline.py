"""The spaCy pipeline that token vectors come from: its name, their size, and what they need."""

from __future__ import annotations

from typing import Any

from grader.base.errors import UsageError
from grader.worker.pipeline import MODEL

__all__ = ["FEATURES", "MODEL", "UNUSED", "load_pipeline", "no_model"]

FEATURES = 96  # F: the length of `token.vector`
# `token.vector` of an sm pipeline is a row of what tok2vec computes; the other components read
# it and leave it as it is.
UNUSED = ("tagger", "parser", "attribute_ruler", "lemmatizer", "ner")


def load_pipeline() -> Any:
    """Load the part of the pipeline that the vectors need.

    Raises:
        UsageError: the model is not installed, or not for this spaCy.
    """
    import spacy

    try:
        nlp = spacy.load(MODEL, exclude=UNUSED)
    except (OSError, ImportError, ValueError) as error:
        raise no_model(str(error).split("\n")[0].split(". ")[0]) from None
    if "tok2vec" not in nlp.pipe_names:
        raise UsageError(f"The installed {MODEL} has no tok2vec. Install version 3.8.0 of it.")
    return nlp


def no_model(reason: str) -> UsageError:
    """Return the error that says how to install the model."""
    return UsageError(
        f"spaCy cannot load {MODEL} ({reason}). Install it from the kit's folder: "
        f"python -m pip install -c constraints.txt ./packages/{MODEL}"
    )
