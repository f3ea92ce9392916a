"""Token vectors of many texts: computed once by tok2vec alone and cached on disk."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from grader.base.files import written_whole
from grader.grading import pipeline
from grader.grading.pipeline import FEATURES, MODEL, no_model
from grader.worker.wire import TensorData

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Vectors:
    """The token vectors of N texts.

    Attributes:
        vectors: shape (tokens, F), float32, the concatenation of all texts.
        offsets: shape (N + 1,), int64; text i is `vectors[offsets[i]:offsets[i + 1]]`.
        targets: shape (N,), int64, class indices from 0.
    """

    vectors: Array
    offsets: Array
    targets: Array

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, indices: Iterable[int]) -> Vectors:
        """Select texts, in the given order."""
        chosen = list(indices)
        starts, ends = self.offsets[:-1][chosen], self.offsets[1:][chosen]
        vectors = [self.vectors[start:end] for start, end in zip(starts, ends, strict=True)]
        offsets = np.cumsum([0, *(ends - starts)], dtype=np.int64)
        return Vectors(np.concatenate(vectors), offsets, self.targets[chosen])

    def by_length(self) -> Vectors:
        """Sort the texts by their number of tokens."""
        return self.take(np.argsort(np.diff(self.offsets), kind="stable"))

    def labelled(self) -> tuple[TensorData, TensorData, TensorData]:
        """Return vectors, offsets and targets for a worker."""
        return (*self.unlabelled(), _plain(self.targets))

    def unlabelled(self) -> tuple[TensorData, TensorData]:
        """Return vectors and offsets for a worker that must not get the targets."""
        return _plain(self.vectors), _plain(self.offsets)


def _plain(array: Array) -> TensorData:
    data = np.ascontiguousarray(array)
    return TensorData(data.dtype.name, data.shape, data.reshape(-1).view(np.uint8).data)


def compute(texts: Iterable[str]) -> tuple[Array, Array]:
    """Compute the vectors (tokens, F) and offsets (N + 1,) of texts."""
    data, lengths = bytearray(), [0]  # grows in place: a list of parts would need twice the memory
    for rows in pipeline.vectors(texts):
        lengths.append(len(rows))
        data += rows.tobytes()
    vectors = np.frombuffer(data, np.float32).reshape(-1, FEATURES)
    return vectors, np.cumsum(lengths, dtype=np.int64)


def cache_folder() -> Path:
    """Return the folder of the cache."""
    return Path(platformdirs.user_cache_dir("news-classifier-kit")) / "vectors"


def embed(
    rows: Sequence[tuple[int, str]],
    *,
    folder: Path | None = None,
    progress: Any = lambda texts: texts,
) -> Vectors:
    """Return the vectors of (label, text) rows, with labels from 1.

    The vectors are read from `folder` (by default `cache_folder()`) if the same model embedded the
    same texts before; otherwise they are computed and cached there. An unwritable folder only
    disables caching. `progress` wraps the texts while they are embedded.

    Raises:
        UsageError: the model cannot be loaded.
    """
    targets = np.array([label - 1 for label, _ in rows], dtype=np.int64)
    texts = [text for _, text in rows]
    file = (folder or cache_folder()) / f"{_key(texts)}.vectors"
    found = _read(file, len(texts))
    if found is None:
        found = compute(progress(texts))
        _keep(file, *found)
    return Vectors(*found, targets)


def _key(texts: Sequence[str]) -> str:
    """Return a digest of the texts and of the versions that their vectors depend on."""
    try:
        total = hashlib.sha256(f"{version(MODEL)} {version('spacy')}".encode())
    except PackageNotFoundError as error:
        raise no_model(f"the package {error.name} is not installed") from None
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:32]


def _checksum(file: Path, vectors: Array, offsets: Array) -> Array:
    """Return a checksum that detects damaged or renamed files, shape (1,), int64."""
    total = 0
    for part in (file.stem.encode(), offsets.data, vectors.data):
        total = zlib.crc32(part, total)
    return np.array([total], dtype=np.int64)


def _read(file: Path, count: int) -> tuple[Array, Array] | None:
    """Read what `_keep` wrote for `count` texts; None if it is missing or damaged."""
    try:
        with open(file, "rb") as stream:
            checksum = np.lib.format.read_array(stream, allow_pickle=False)
            offsets = np.lib.format.read_array(stream, allow_pickle=False)
            if offsets.dtype != np.int64 or offsets.shape != (count + 1,):
                return None
            shape = (int(offsets[-1]), FEATURES)
            vectors = np.memmap(stream, np.float32, "r", stream.tell(), shape)
        whole = np.array_equal(checksum, _checksum(file, vectors, offsets))
    except Exception:  # a foreign file may raise anything
        return None
    return (vectors, offsets) if whole else None


def _keep(file: Path, vectors: Array, offsets: Array) -> None:
    """Write checksum, offsets and vectors, completely or not at all."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(file) as stream:
            np.save(stream, _checksum(file, vectors, offsets), allow_pickle=False)
            np.save(stream, offsets, allow_pickle=False)
            stream.write(vectors.data)
    except OSError:
        return
