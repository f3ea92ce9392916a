"""A worker in the sandbox has a folder of its own to write to, which nothing else sees."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.contract.tasks import get_assignment
from grader.sandbox import bubblewrap, fork_server
from grader.sandbox.launch import Limits
from grader.sandbox.tiers import Confinement, sandboxed
from grader.sandbox.worker_client import ProcessWorker, WorkerLost
from grader.worker import scratch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")
PACKAGES = get_assignment("news-classifier").packages
NO_BUBBLEWRAP = bubblewrap.why_not()


@pytest.fixture(params=["bubblewrap", "without"])
def confined_by(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Confinement]:
    if request.param == "without":
        monkeypatch.setattr(bubblewrap, "why_not", lambda: "it is not wanted")
    elif NO_BUBBLEWRAP:
        pytest.skip(NO_BUBBLEWRAP)
    fork_server.close()
    yield sandboxed("cpu")
    fork_server.close()


def start(confined_by: Confinement, **sources: str) -> ProcessWorker:
    files = {name: text.encode() for name, text in sources.items()}
    names = {name: f"exercise/{name}.py" for name in files}
    return ProcessWorker(files, names, Limits(60), confined_by, PACKAGES)


def load(worker: ProcessWorker, module: str) -> None:
    worker.use_modules(frozenset([module]))
    raised = worker.call("load.module", {"name": module, "needs": ["X"]}, 30, 0, None)
    assert raised == [], raised


def lines(worker: ProcessWorker) -> list[str]:
    worker.close()
    return worker.output.splitlines()


SAVES = """
import os, tempfile, torch
print(os.getcwd(), os.listdir())
torch.save(torch.nn.Linear(2, 2).state_dict(), "best.pt")
torch.nn.Linear(2, 2).load_state_dict(torch.load("best.pt"))
os.makedirs("runs/one", exist_ok=True)
with open("runs/one/log.txt", "w") as log: print("epoch 1", file=log)
with tempfile.TemporaryDirectory() as folder: open(folder + "/x", "w").close()
os.replace("best.pt", "last.pt"); os.remove("last.pt")
print(os.path.expanduser("~") == tempfile.gettempdir() == os.getcwd(), sorted(os.listdir()))
X = 1
"""


def test_what_training_loops_save_can_be_saved_and_is_gone_afterwards(
    confined_by: Confinement,
) -> None:
    folders = []
    for _ in range(2):
        worker = start(confined_by, dataset=SAVES, model=SAVES)
        load(worker, "dataset")
        load(worker, "model")  # another process, which finds nothing of that of the first
        first, own, *others = lines(worker)
        assert own == "True ['runs']"
        assert others[-1] == own
        folders += [line.split()[0] for line in (first, others[0])]
        assert [line.split()[1:] for line in (first, others[0])] == [["[]"]] * 2
    assert len(set(folders)) == 4
    assert not any(map(os.path.exists, folders))
    assert os.listdir(fork_server.running().folder) == []


KEEPS = """
import os
open('note', 'w').write('mine')
print(os.getcwd(), flush=True)
X = 1
"""
LOOKS = """
import os
for look in (os.listdir, os.scandir, lambda p: open(p + '/note'), lambda p: open(p + '/new', 'w'),
             lambda p: os.remove(p + '/note'), lambda p: os.symlink(p + '/note', 'link')):
    try: look({folder!r}); print('got through', look)
    except OSError: pass
X = 1
"""


def test_a_worker_cannot_look_into_the_folder_of_another_one(confined_by: Confinement) -> None:
    owner = start(confined_by, dataset=KEEPS)
    load(owner, "dataset")
    while not owner.output:
        pass
    other = start(confined_by, dataset=LOOKS.format(folder=owner.output.strip()))
    load(other, "dataset")
    assert lines(other) == []
    owner.close()


HIDES = """
import os
os.umask(0o777)
for _ in range(900):
    os.umask(0o077); os.mkdir('deeper' * 20); os.chdir('deeper' * 20)
open('secret', 'w').close()
os.umask(0o777); os.mkdir('locked')
X = 1
"""


def test_a_folder_that_is_deep_and_locked_is_removed_all_the_same(
    confined_by: Confinement,
) -> None:
    worker = start(confined_by, dataset=HIDES)
    with contextlib.suppress(WorkerLost):  # it may be looked at before it ends
        load(worker, "dataset")
    worker.close()
    follower = start(confined_by, dataset=SAVES)
    load(follower, "dataset")
    follower.close()
    assert os.listdir(fork_server.running().folder) == []


# What is measured.


def test_files_and_bytes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(scratch, "MAX_ENTRIES", 10)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(bytes(1 << 19))
    assert scratch.excess(str(tmp_path), os.getpid()) == ""
    (tmp_path / "a" / "other").write_bytes(bytes(1 << 20))
    assert scratch.excess(str(tmp_path), os.getpid()) == "more than 1 MB of files"
    for number in range(10):
        (tmp_path / str(number)).touch()
    assert scratch.excess(str(tmp_path), os.getpid()) == "more than 10 files"
    assert scratch.excess(str(tmp_path / "missing"), os.getpid()) == ""


HOLDS = """
import mmap, os, sys
held = []
for how in sys.argv[1:]:
    with open('f', 'wb') as file: file.write(bytes(1 << 20))
    file = open('f', 'rb')
    held.append(file if how == 'open' else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    os.remove('f')
print('ready', flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["open", "mapped"])
def test_removed_files_count_while_they_are_held(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "MAX_BYTES", 3 << 19)
    for count, expected in ((1, ""), (2, "more than 1 MB of files")):
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDS, *[how] * count],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            found = scratch.excess(str(tmp_path), holder.pid)
            holder.kill()
        assert found == expected
