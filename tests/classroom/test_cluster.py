"""A class on a Dask cluster of two worker processes; one of them is killed in the middle."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed")

import psutil  # type: ignore[import-untyped]
from distributed import LocalCluster

from grader.__main__ import main
from grader.maintain.submission_bank import REFERENCE
from grader.sandbox import fork_server
from tests.classroom.test_run import RIGHT, WRONG, alone, make, read, without_times
from tests.sandbox.test_worker_client import gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")
CLASS = {f"s{n}": (RIGHT if n % 2 else WRONG) + b"# %d\n" % n for n in range(6)}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        silence_logs=50,
        env={"OMP_NUM_THREADS": "1"},
    ) as cluster:
        yield cluster


@pytest.mark.full
def test_a_killed_worker_costs_a_retry_and_nothing_else(
    cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "class", CLASS)
    out = tmp_path / "out"
    killed: list[int] = []

    def kill() -> None:
        journal = out / "journal.jsonl"
        while not (journal.exists() and journal.read_bytes().count(b"\n")):
            time.sleep(0.05)
        killed.append(next(iter(cluster.workers.values())).process.pid)
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    arguments = [str(tmp_path / "class"), "--out", str(out)]
    code = main(["class", *arguments, "--cluster", cluster.scheduler_address])
    killer.join()
    assert (code, len(killed)) == (1, 1)
    results = read(out)
    assert results.keys() == CLASS.keys()
    for student, source in CLASS.items():
        expected = without_times(alone(student, {"dataset": source}))
        assert without_times(results[student].record) == expected
    assert "6 of 6: 6 in progress" in capsys.readouterr().out


def test_a_cluster_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("grader.classroom.engine.JOIN", 0.5)
    make(tmp_path / "class", {"a": REFERENCE["dataset"]})
    arguments = [str(tmp_path / "class"), "--out", str(tmp_path / "out")]
    assert main(["class", *arguments, "--cluster", "tcp://127.0.0.1:9"]) == 2
    assert "no scheduler answers there" in capsys.readouterr().err


@pytest.mark.full
def test_a_workers_processes_end_with_it(cluster: Any) -> None:
    fork_server.close()  # that of this process, which graded for comparison
    family = psutil.Process().children(recursive=True)
    warm = [each for each in family if each.cmdline()[-1:] == [str(_worker())]]
    assert warm, "the workers have no fork servers"
    cluster.close()
    assert all(gone(each.pid, seconds=20) for each in warm)


def _worker() -> Path:
    from grader.sandbox import launch

    return launch.WORKER
