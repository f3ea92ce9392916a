"""Token vectors: the same as the whole pipeline's, and a cache that is never trusted blindly."""

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy

import news
from grader.base.errors import UsageError
from grader.grading import embedding, vectors
from grader.grading.pipeline import FEATURES, MODEL
from grader.grading.vectors import Vectors, embed
from grader.sandbox import fork_server

ROWS = news.sample("valid")[:12]
ODD = [(1, ""), (2, "One."), (3, "   "), (4, "\u00dcber \u2014 \U0001f680 #news <b>"), (1, "")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "vectors"


@pytest.fixture
def computations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each computation was asked for: none, where the cache was used."""
    calls: list[int] = []
    compute = vectors.compute

    def counting(texts: Any) -> Any:
        texts = list(texts)
        calls.append(len(texts))
        return compute(texts)

    monkeypatch.setattr(vectors, "compute", counting)
    return calls


def same(one: Vectors, other: Vectors) -> bool:
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(vars(one).values(), vars(other).values(), strict=True)
    )


def test_every_vector_is_the_whole_pipelines_to_the_bit(folder: Path) -> None:
    whole = spacy.load(MODEL)
    rows = news.sample("test")[:60] + ODD
    found = embed(rows, folder=folder)
    assert found.vectors.dtype == np.float32
    assert found.offsets[0] == 0
    assert found.offsets[-1] == len(found.vectors)
    assert found.targets.tolist() == [label - 1 for label, _ in rows]
    for index, (_, text) in enumerate(rows):
        expected = np.array([token.vector for token in whole(text)]).reshape(-1, FEATURES)
        row = found.vectors[found.offsets[index] : found.offsets[index + 1]]
        assert np.array_equal(row, expected), text


@pytest.mark.parametrize("rows", [ROWS, ODD, ROWS[:1]], ids=["news", "odd texts", "one row"])
def test_what_is_read_from_the_cache_is_what_was_computed(
    folder: Path, computations: list[int], rows: list[tuple[int, str]]
) -> None:
    first, again = embed(rows, folder=folder), embed(rows, folder=folder)
    assert same(first, again)
    assert computations == [len(rows)]
    assert len(list(folder.iterdir())) == 1


def test_the_cache_goes_by_the_texts_in_their_order_and_not_by_the_labels(
    folder: Path, computations: list[int]
) -> None:
    embed(ROWS, folder=folder)
    relabelled = embed([(1, text) for _, text in ROWS], folder=folder)
    assert computations == [12]
    assert set(relabelled.targets) == {0}
    embed(ROWS[::-1], folder=folder)
    embed(ROWS[:-1], folder=folder)
    embed([(1, ROWS[0][1] + ROWS[1][1]), *ROWS[2:]], folder=folder)
    assert computations == [12, 12, 11, 11]


@pytest.mark.parametrize("package", [MODEL, "spacy"])
def test_another_version_is_another_entry(
    folder: Path, computations: list[int], monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    embed(ROWS, folder=folder)
    monkeypatch.setattr(
        "grader.grading.vectors.version", lambda name: "0.0.1" if name == package else version(name)
    )
    embed(ROWS, folder=folder)
    assert computations == [12, 12]


def flip(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


def damages(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield contents that the cache file of `ROWS` may have instead of the right ones."""
    embed(ROWS, folder=folder)
    (file,) = folder.iterdir()
    good = file.read_bytes()
    embed(ROWS[::-1], folder=folder)
    (other,) = set(folder.iterdir()) - {file}
    yield "empty", b""
    yield "text", b"these are no vectors"
    yield "a zip", b"PK\x03\x04" + bytes(100)
    yield "a pickle", b"cos\nsystem\n(S'false'\ntR."
    yield "cut in the header", good[:70]
    yield "cut in the offsets", good[:300]
    yield "cut in the vectors", good[:-1]
    yield "a bit of a vector", flip(good, len(good) // 2)
    yield "the last bit", flip(good, -1)
    yield "a bit of an offset", flip(good, 136 + 128 + 16)
    yield "other texts of the same size", other.read_bytes()
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999,), }"
    yield "a size beyond all memory", b"\x93NUMPY\x01\x00" + bytes([118, 0]) + header.ljust(118)


def test_a_damaged_or_foreign_file_is_computed_again(folder: Path, computations: list[int]) -> None:
    right = embed(ROWS, folder=folder)
    (file,) = folder.iterdir()
    good = file.read_bytes()
    for what, data in damages(folder):
        file.write_bytes(data)
        computations.clear()
        assert same(embed(ROWS, folder=folder), right), what
        assert computations == [12], what
        assert file.read_bytes() == good, what


def test_a_folder_that_cannot_be_used_costs_the_keeping_only(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    assert len(embed(ROWS, folder=file / "vectors")) == len(ROWS)
    assert file.read_text() == "not a folder"


def test_a_full_disk_leaves_nothing_half_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert len(embed(ROWS, folder=folder)) == len(ROWS)
    assert list(folder.iterdir()) == []


def test_progress_sees_every_text_and_only_while_computing(folder: Path) -> None:
    seen: list[str] = []

    def progress(texts: list[str]) -> Iterator[str]:
        for text in texts:
            seen.append(text)
            yield text

    embed(ROWS, folder=folder, progress=progress)
    assert seen == [text for _, text in ROWS]
    embed(ROWS, folder=folder, progress=progress)
    assert len(seen) == len(ROWS)


COMMAND = "python -m pip install -c constraints.txt ./packages/en_core_web_sm"


def test_a_missing_package_of_the_model_is_one_line_with_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("grader.grading.vectors.version", missing)
    with pytest.raises(UsageError, match=MODEL) as caught:
        embed(ROWS, folder=folder)
    assert COMMAND in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not folder.exists()


@pytest.mark.parametrize(
    "error", [OSError("[E050] Can't find model. It\nis not there."), ImportError("no numpy")]
)
def test_a_model_that_does_not_load_is_one_line_with_the_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(spacy, "load", load)
    monkeypatch.setattr(fork_server, "is_running", lambda: False)  # else a worker loads it
    embedding.loaded.cache_clear()
    with pytest.raises(UsageError, match=MODEL) as caught:
        embed(ROWS, folder=folder)
    assert COMMAND in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_without_tok2vec_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spacy, "load", lambda *_, **__: spacy.blank("en"))
    monkeypatch.setattr(fork_server, "is_running", lambda: False)  # else a worker loads it
    embedding.loaded.cache_clear()
    with pytest.raises(UsageError, match="no tok2vec"):
        embed(ROWS, folder=folder)
