"""What workers have ready before there is a submission."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy

from grader.worker import preload
from grader.worker.preload import keep_ready


def test_a_pipeline_that_is_ready_is_given_out_once_and_only_as_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pipelines of a submission share nothing, and each has the components it asks for."""
    monkeypatch.setattr(spacy.util, "load_model_from_path", spacy.util.load_model_from_path)
    blank = spacy.blank("en")
    blank.add_pipe("sentencizer")
    blank.to_disk(tmp_path)
    [plain, short] = keep_ready(str(tmp_path), [{}, {"exclude": ["sentencizer"]}])
    assert (plain.pipe_names, short.pipe_names) == (["sentencizer"], [])
    assert spacy.load(str(tmp_path), exclude=["sentencizer"]) is short
    assert spacy.load(str(tmp_path), disable=["sentencizer"]) not in (plain, short)
    assert spacy.load(str(tmp_path)) is plain
    assert spacy.load(str(tmp_path)) is not plain


def test_a_pipeline_that_a_task_asks_for_is_not_in_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only emptied, it can be reached as an object; whoever loads one gets another."""
    monkeypatch.setattr(spacy.util, "load_model_from_path", spacy.util.load_model_from_path)
    spacy.blank("en").to_disk(tmp_path)
    (short,) = keep_ready(str(tmp_path), [{}])
    monkeypatch.setattr(preload, "_short", [short])
    preload.hide_answers(["spacy", "short_pipeline"])
    preload.hide_answers(["training"])
    assert short.pipe_names == []
    preload.hide_answers(["spacy"])
    assert not vars(short)
    assert vars(spacy.load(str(tmp_path)))
