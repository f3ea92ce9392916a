"""Token vectors of many texts: computed once by tok2vec alone, kept on disk, read by slices."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from grader.errors import UsageError
from grader.worker.wire import TensorData

MODEL = "en_core_web_sm"
FEATURES = 96
# `token.vector` of an sm pipeline is a row of what tok2vec computes; the other components read
# it and leave it as it is.
UNUSED = ("tagger", "parser", "attribute_ruler", "lemmatizer", "ner")

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Vectors:
    """N texts as token vectors.

    Attributes:
        vectors: shape (tokens, F), float32, all texts one after the other.
        offsets: shape (N + 1,), int64; text i is `vectors[offsets[i]:offsets[i + 1]]`.
        targets: shape (N,), int64, class indices from 0.
    """

    vectors: Array
    offsets: Array
    targets: Array

    def __len__(self) -> int:
        return len(self.targets)

    def labelled(self) -> tuple[TensorData, TensorData, TensorData]:
        """Return all three for a worker."""
        return (*self.unlabelled(), _plain(self.targets))

    def unlabelled(self) -> tuple[TensorData, TensorData]:
        """Return vectors and offsets for a worker that must not see the targets."""
        return _plain(self.vectors), _plain(self.offsets)


def _plain(array: Array) -> TensorData:
    data = np.ascontiguousarray(array)
    return TensorData(data.dtype.name, data.shape, data.reshape(-1).view(np.uint8).data)


def load_pipeline() -> Any:
    """Load the part of the pipeline that the vectors need.

    Raises:
        UsageError: the model is not installed, or not for this spaCy.
    """
    import spacy

    try:
        nlp = spacy.load(MODEL, exclude=UNUSED)
    except (OSError, ImportError, ValueError) as error:
        reason = str(error).split("\n")[0].split(". ")[0]
        raise UsageError(
            f"spaCy cannot load {MODEL} ({reason}). Install it from the kit's folder: "
            "python -m pip install -c constraints.txt ./packages/en_core_web_sm"
        ) from None
    if "tok2vec" not in nlp.pipe_names:
        raise UsageError(f"The installed {MODEL} has no tok2vec. Install version 3.8.0 of it.")
    return nlp


def compute(texts: Iterable[str], nlp: Any) -> tuple[Array, Array]:
    """Return vectors (tokens, F) and offsets (N + 1,) of texts."""
    parts, lengths = [], [0]
    for doc in nlp.pipe(texts, batch_size=256):
        lengths.append(len(doc))
        if len(doc):
            parts.append(doc.tensor)
    vectors = np.concatenate(parts) if parts else np.zeros((0, FEATURES), np.float32)
    return vectors, np.cumsum(lengths, dtype=np.int64)


def cache_folder() -> Path:
    """Return the folder where vectors are kept."""
    return Path(platformdirs.user_cache_dir("news-classifier-kit")) / "vectors"


def embed(
    rows: Sequence[tuple[int, str]],
    *,
    folder: Path | None = None,
    progress: Any = lambda texts: texts,
) -> Vectors:
    """Return the vectors of (label, text) rows; the labels count from 1.

    The vectors are read from `folder` (by default `cache_folder()`) if the same texts were
    embedded by the same model before, and kept there otherwise. A folder that cannot be written
    to costs the keeping only. `progress` wraps the texts while they are embedded.

    Raises:
        UsageError: the model cannot be loaded.
    """
    targets = np.array([label - 1 for label, _ in rows], dtype=np.int64)
    texts = [text for _, text in rows]
    file = (folder or cache_folder()) / f"{_key(texts)}.npy"
    found = _read(file, len(texts))
    if found is None:
        found = compute(progress(texts), load_pipeline())
        _keep(file, *found)
    return Vectors(*found, targets)


def _key(texts: Sequence[str]) -> str:
    """Digest the texts and the versions that decide over their vectors."""
    from importlib.metadata import version

    total = hashlib.sha256(f"{version(MODEL)} {version('spacy')}".encode())
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:32]


def _read(file: Path, count: int) -> tuple[Array, Array] | None:
    offsets_file = file.with_suffix(".offsets.npy")
    try:
        vectors = np.load(file, mmap_mode="r", allow_pickle=False)
        offsets = np.load(offsets_file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = vectors.ndim == 2 and len(offsets) == count + 1 and offsets[-1] == len(vectors)
    return (vectors, offsets) if fits and vectors.dtype == np.float32 else None


def _keep(file: Path, vectors: Array, offsets: Array) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for path, array in ((file.with_suffix(".offsets.npy"), offsets), (file, vectors)):
            handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
            try:
                with open(handle, "wb") as stream:
                    np.save(stream, array, allow_pickle=False)
                os.replace(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
    except OSError:
        return
