"""The spaCy pipeline that computes token vectors: its name, the vectors' size, its components.

Where workers are forked, a worker without a submission computes the grader's vectors: the pipeline
shares memory with the fork server there, and this process does not load spaCy.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from grader.base.errors import UsageError
from grader.base.paths import GRADER
from grader.sandbox import fork_server
from grader.sandbox.launch import Limits
from grader.sandbox.tiers import sandboxed
from grader.sandbox.worker_client import ProcessWorker, WorkerLost
from grader.worker.pipeline import MODEL, UNUSED
from grader.worker.wire import Raised

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["FEATURES", "MODEL", "UNUSED", "load_pipeline", "no_model"]

FEATURES = 96  # F: the length of `token.vector`


def load_pipeline() -> Any:
    """Load the components of the pipeline that compute the vectors.

    Raises:
        UsageError: the model is not installed, or does not fit this spaCy version.
    """
    from grader.grading import embedding

    try:
        return embedding.load(MODEL, UNUSED)
    except (OSError, ImportError, ValueError) as error:
        raise no_model(str(error)) from None


def no_model(reason: str) -> UsageError:
    """Return an error that says how to install the model, with the first sentence of a reason."""
    reason = reason.split("\n")[0].split(". ")[0]
    return UsageError(
        f"spaCy cannot load {MODEL} ({reason}). Install it from the kit's folder: "
        f"python -m pip install -c constraints.txt ./packages/{MODEL}"
    )


def vectors(texts: Iterable[str], batch_size: int = 256) -> Iterator[Array]:
    """Compute the vectors (tokens, F) of each text, float32.

    Raises:
        UsageError: the model cannot be loaded.
    """
    import numpy as np

    left = iter(texts)
    while batch := [*islice(left, batch_size)]:
        for found in _run("vectors", batch, batch_size):
            yield np.array(found.numpy(), np.float32).reshape(-1, FEATURES)


def vectors_of_words(words: list[str]) -> Array:
    """Compute the vectors (words, F) of a text that is split into these words, float32."""
    import numpy as np

    return np.array(_run("vectors_of_words", words)[0].numpy(), np.float32)


def vectors_of_joined(texts: list[str], *, spaced: bool) -> Array:
    """Compute the vectors (tokens, F) of texts that are joined to one document, float32.

    Args:
        texts: the texts, which are split into tokens one by one.
        spaced: whether there is a space after each text.
    """
    import numpy as np

    return np.array(_run("vectors_of_joined", texts, spaced)[0].numpy(), np.float32)


def tokens(text: str) -> list[str]:
    """Return the tokens of a text."""
    return [token for part in _run("tokens", text) for token in part]


SECONDS = 120.0  # for one batch of texts, loading the pipeline included
LIMITS = Limits(seconds=1e8)  # a class run uses one worker for all submissions
_kept: list[tuple[int, ProcessWorker]] = []  # by the process that started it
_lock = threading.Lock()  # a worker takes one call at a time


def _run(name: str, *arguments: Any) -> Any:
    """Call a function of `embedding.py`, in a worker if there is a fork server."""
    with _lock:
        return _run_alone(name, *arguments)


def _run_alone(name: str, *arguments: Any) -> Any:
    if not fork_server.is_running():
        from grader.grading import embedding

        try:
            return getattr(embedding, name)(MODEL, UNUSED, *arguments)
        except (OSError, ImportError, ValueError) as error:
            raise no_model(str(error)) from None
    if not (_kept and _kept[0][0] == os.getpid()):
        close()
        files = {"embedding": (GRADER / "grading" / "embedding.py").read_bytes()}
        worker = ProcessWorker(files, {"embedding": "embedding.py"}, LIMITS, sandboxed("cpu"))
        worker.use_modules(frozenset(files))
        _kept.append((os.getpid(), worker))
    call = {"text": name, "args": [MODEL, UNUSED, *arguments], "kwargs": {}}
    request = {"module": "embedding", "name": name, "calls": [call]}
    try:
        found = _kept[0][1].call("call.function", request, SECONDS, 0, None)
    except WorkerLost as lost:
        raise UsageError(f"The worker that computes vectors was lost: {lost.what}") from None
    if isinstance(found, Raised):  # such as a broken torch: nothing was called
        what = f"{found.type}: {found.message.partition(chr(10))[0]}"
        raise UsageError(
            f"The worker that computes vectors cannot start ({what}). "
            "Run `python -m grader doctor`, and try again."
        )
    (answer,) = found
    if isinstance(answer["result"], Raised):
        raise no_model(answer["result"].message)
    return answer["result"]


@atexit.register
def close() -> None:
    """End the worker, if there is one."""
    while _kept:
        owner, worker = _kept.pop()
        if owner == os.getpid():
            worker.close()
