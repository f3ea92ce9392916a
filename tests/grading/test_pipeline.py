"""The grader's own vectors come from a worker without a submission, where workers are forked."""

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from grader.base.errors import UsageError
from grader.base.paths import ROOT
from grader.grading import pipeline
from grader.grading.pipeline import FEATURES
from grader.sandbox import fork_server
from grader.sandbox.tiers import sandboxed
from grader.worker.wire import Raised

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks workers")
TEXTS = ["Oil rose.", "", "   ", "Caf\u00e9 <b>\u0416</b> won't", "Goal! " * 600]


@pytest.fixture
def forking() -> Iterator[None]:
    """Start a fork server, and none is left."""
    sandboxed("cpu")
    yield
    fork_server.close()


@pytest.mark.usefixtures("forking")
def test_a_worker_computes_the_same_as_this_process() -> None:
    def computed() -> list[np.ndarray]:
        words = pipeline.vectors_of_words(["won't", "stop"])
        return [*pipeline.vectors(TEXTS, 2), *pipeline.vectors(TEXTS, 256), words]

    by_worker, tokens = computed(), [pipeline.tokens(text) for text in TEXTS]
    assert pipeline._kept
    pipeline.close()
    fork_server.close()
    for one, other in zip(by_worker, computed(), strict=True):
        assert one.dtype == other.dtype == np.float32
        assert one.shape == other.shape == (len(one), FEATURES)
        assert one.tobytes() == other.tobytes()
    assert tokens == [pipeline.tokens(text) for text in TEXTS]
    assert [len(vectors) for vectors in by_worker[: len(TEXTS)]] == [len(found) for found in tokens]
    assert not pipeline._kept


@pytest.mark.usefixtures("forking")
def test_a_lost_worker_is_replaced_and_never_charged_to_a_student(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (first,) = pipeline.vectors(TEXTS[:1])
    _, worker = pipeline._kept[0]
    assert worker.confined is not None
    worker.confined.kill()
    (again,) = pipeline.vectors(TEXTS[:1])
    assert np.array_equal(first, again)
    monkeypatch.setattr(pipeline, "SECONDS", 0.001)
    with pytest.raises(UsageError, match="worker that computes vectors was lost: Timed out"):
        pipeline.tokens("Goal! " * 100_000)
    pipeline.close()


def test_a_worker_that_cannot_load_torch_is_no_fault_of_a_student(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken:
        def call(self, *_: object) -> Raised:
            return Raised("exception", "OSError", "libtorch.so: no such file\nand more", "")

    monkeypatch.setattr(fork_server, "is_running", lambda: True)
    monkeypatch.setattr(pipeline, "_kept", [(os.getpid(), Broken())])
    with pytest.raises(UsageError, match=r"\(OSError: libtorch.so: no such file\).*doctor"):
        pipeline.tokens("Oil rose.")
    pipeline._kept.clear()


GRADE = """
import sys
from pathlib import Path
from grader.grading import pipeline, session
taken = session.load(Path("solution"), "news-classifier")
with session.session(taken, assignment="news-classifier", device="cpu") as opened:
    checks = [check for check in opened.planned if check.task == "collate"]
    print({str(opened.run(check).status) for check in checks})
    print("spacy" in sys.modules)
    pipeline.close()
"""


def test_the_process_that_judges_token_vectors_does_not_load_spacy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GRADE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "{'passed'}\nFalse\n", done.stderr
