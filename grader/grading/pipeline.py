"""The spaCy pipeline that computes token vectors: its name, the vectors' size, its components."""

from __future__ import annotations

from typing import Any

from grader.base.errors import UsageError
from grader.worker.pipeline import MODEL

__all__ = ["FEATURES", "MODEL", "UNUSED", "load_pipeline", "no_model"]

FEATURES = 96  # F: the length of `token.vector`
# In an sm pipeline, `token.vector` is a row of tok2vec's output; the other components read it and
# do not change it.
UNUSED = ("tagger", "parser", "attribute_ruler", "lemmatizer", "ner")


def load_pipeline() -> Any:
    """Load the components of the pipeline that compute the vectors.

    Raises:
        UsageError: the model is not installed, or does not fit this spaCy version.
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
    """Return an error that says how to install the model."""
    return UsageError(
        f"spaCy cannot load {MODEL} ({reason}). Install it from the kit's folder: "
        f"python -m pip install -c constraints.txt ./packages/{MODEL}"
    )
