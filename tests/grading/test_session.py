"""What a grading run promises: the marks of the reference, the stubs, and broken submissions."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from grader.base.errors import UsageError
from grader.base.paths import ROOT
from grader.contract.enums import Tier
from grader.contract.record import CheckResult, Record
from grader.contract.tasks import MAIN, Check, assignments, tasks
from grader.grading.session import grade, load, session
from grader.grading.submission import Submission
from grader.intake.sources import Sources
from grader.sandbox import fork_server, launch
from grader.sandbox.launch import Limits
from grader.sandbox.tiers import choose, sandboxed
from tests.classes import WRITE_AGAIN, comparable, graded

SCHEMA = json.loads(
    (ROOT / "grader" / "contract" / "record.schema.json").read_text(encoding="utf-8")
)
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def reference(**changed: str | None) -> Sources:
    """The reference with some modules changed, or taken away."""
    files = {path.stem: path.read_bytes() for path in (ROOT / "solution").glob("*.py")}
    for name, text in changed.items():
        if text is None:
            del files[name]
        else:
            files[name] = text.encode()
    return Sources("changed", files, {name: f"exercise/{name}.py" for name in files})


def grade_tasks(sources: Sources, *names: str) -> dict[str, list[CheckResult]]:
    with session(sources, device="cpu") as opened:
        return {name: [opened.run(check) for check in tasks()[name].checks] for name in names}


@pytest.fixture(scope="module")
def solved() -> Record:
    return grade(load(ROOT / "solution"), device="cpu")


@pytest.fixture(scope="module")
def untouched() -> Record:
    return grade(load(ROOT / "exercise"), device="cpu")


# --- the reference and the stubs -------------------------------------------------------------


def test_the_reference_scores_100(solved: Record) -> None:
    assert [check for check in solved.checks if check.status != "passed"] == []
    assert (solved.score, solved.max_score, solved.full_marks) == (100, 100, True)
    assert {task.state for task in solved.tasks} == {"done"}


def test_the_stubs_score_exactly_0_and_are_not_started(untouched: Record) -> None:
    assert untouched.score == 0
    assert {check.status for check in untouched.checks} == {"not_started"}
    assert [(task.id, task.state) for task in untouched.tasks] == [
        (id_, "not_started") for id_ in assignments()[MAIN].tasks
    ]


@pytest.mark.parametrize(("name", "golden"), [("solved", "right"), ("untouched", "stubs")])
def test_the_record_is_the_golden_one(
    name: str, golden: str, request: pytest.FixtureRequest
) -> None:
    record: Record = request.getfixturevalue(name)
    assert comparable(record) == comparable(graded()[golden]), WRITE_AGAIN
    assert record.environment["confinement"] == choose(None, "cpu").tier


@pytest.mark.parametrize("name", ["solved", "untouched"])
def test_the_record_fits_its_schema(name: str, request: pytest.FixtureRequest) -> None:
    record: Record = request.getfixturevalue(name)
    jsonschema.validate(json.loads(record.to_json()), SCHEMA)


def test_the_schema_refuses_a_record_with_an_unknown_status(untouched: Record) -> None:
    data = json.loads(untouched.to_json())
    data["checks"][0]["status"] = "perhaps"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA)


# --- one mistake costs its own points --------------------------------------------------------

BROKEN = {
    "dataset": "class NewsDataset:\n    def __init__(self, samples):\n        self.samples = []\n",
    "collate": "class Collate:\n    def __call__(self, batch):\n        return batch\n",
    "model": "from torch import nn\nclass LSTMClassifier(nn.Module):\n    pass\n",
    "train": "def evaluate(*args):\n    return 0\ndef train(*args, **kwargs):\n    return []\n",
}


@pytest.mark.parametrize("task", BROKEN)
def test_a_broken_task_costs_points_in_that_task_alone(task: str, full: bool) -> None:
    """In the quick suite the task accuracy, which trains networks, is not graded."""
    with session(reference(**{task: BROKEN[task]}), device="cpu") as opened:
        for check in opened.planned:
            if full or check.task != "accuracy":
                opened.run(check)
        graded = [found for found in opened.record().tasks if full or found.id != "accuracy"]
    states = {found.id: found.state for found in graded}
    scores = {found.id: found.score for found in graded}
    assert states.pop(task) in ("wrong", "in_progress")
    assert set(states.values()) == {"done"} or states.pop("accuracy") == "in_progress"
    assert scores == {**{found.id: found.max_score for found in graded}, task: scores[task]}
    assert scores[task] < 15


FAULTS: dict[str, tuple[str | None, str]] = {
    "no module": (None, "dataset.py is missing"),
    "no name": ("x = 1\n", "dataset.py does not define NewsDataset"),
    "syntax error": ("class NewsDataset\n", "SyntaxError"),
    "broken import": ("import no_such_package\n", "No module named 'no_such_package'"),
    "wrong signature": ("class NewsDataset:\n    pass\n", "TypeError"),
    "exception in the constructor": (
        "class NewsDataset:\n    def __init__(self, samples):\n        raise ValueError('mine')\n",
        "ValueError: mine\n  exercise/dataset.py, line 3, in __init__",
    ),
    "exit on import": ("import sys\nsys.exit(0)\n", "Your code called exit()"),
    "no utf-8": ("# coding: utf-8\n\udcff", "SyntaxError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_module_that_cannot_be_used_is_one_clear_result(fault: str) -> None:
    text, says = FAULTS[fault]
    sources = reference(dataset=None)
    if text is not None:
        sources.files["dataset"] = text.encode("utf-8", "surrogateescape")
    sources.names["dataset"] = "exercise/dataset.py"
    found = grade_tasks(sources, "dataset", "train")
    told = {result.message for result in found["dataset"] if result.status != "blocked"}
    assert len(told) == 1
    assert says in told.pop()
    assert sum(result.score for result in found["dataset"]) == 0
    assert all(result.status == "passed" for result in found["train"])


@pytest.mark.parametrize(
    ("renamed", "failing"),
    [
        ("train", {"history"}),
        ("evaluate", {"evaluate", "evaluate_mode", "device"}),
    ],
)
def test_a_renamed_function_costs_its_own_checks_only(renamed: str, failing: set[str]) -> None:
    text = (ROOT / "solution" / "train.py").read_text(encoding="utf-8")
    text = text.replace(f" {renamed}(", " renamed(")
    results = grade_tasks(reference(train=text), "train")["train"]
    told = [result for result in results if result.status == "failed"]
    assert {result.id.removeprefix("train.") for result in told} == failing
    assert all(f"train.py does not define {renamed}." in result.message for result in told)


def test_a_message_shows_the_students_own_frames_only() -> None:
    text = "class NewsDataset:\n    def __init__(self, samples):\n        sorted(samples, key=1)\n"
    found = grade_tasks(reference(dataset=text), "dataset")["dataset"][0].message
    assert "sorted(samples, key=1)" in found
    assert "grader" not in found


# --- fail closed -----------------------------------------------------------------------------


def test_a_check_that_did_not_run_scores_nothing() -> None:
    with session(reference(), device="cpu") as opened:
        opened.run(tasks()["dataset"].checks[0])
        record = opened.record()
    assert [check.status for check in record.checks[:2]] == ["passed", "not_run"]
    assert (record.score, record.max_score) == (tasks()["dataset"].checks[0].points, 100)
    assert not record.full_marks


def test_a_fault_of_the_grader_is_an_error_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(_submission: Submission) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(Check, "load", lambda _check: faulty)
    results = grade_tasks(reference(), "dataset")["dataset"]
    assert {result.status for result in results if not tasks_needs(result.id)} == {"error"}
    assert "The grader itself failed" in results[0].message
    assert results[0].hint is None


def tasks_needs(check_id: str) -> tuple[str, ...]:
    return next(c.needs for t in tasks().values() for c in t.checks if c.id == check_id)


def test_an_endless_loop_is_ended_and_the_other_tasks_are_graded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "class NewsDataset:\n    def __init__(self, samples):\n        while True: pass\n"
    with session(reference(dataset=text), device="cpu") as opened:
        with monkeypatch.context() as patch:
            patch.setattr("grader.grading.submission.SECONDS", 1.0)
            hung = opened.run(tasks()["dataset"].checks[0])
        other = opened.run(tasks()["train"].checks[0])
    assert hung.status == "timeout"
    assert "Timed out after 1 s" in hung.message
    assert "exercise/dataset.py, line 3, in __init__" in hung.message
    assert other.status == "passed"


def test_the_whole_submission_has_a_time_limit() -> None:
    with session(reference(), device="cpu", limits=Limits(seconds=0.01)) as opened:
        result = opened.run(tasks()["dataset"].checks[0])
    assert result.status == "timeout"
    assert result.score == 0


def test_too_much_memory_is_told_as_that() -> None:
    text = "class NewsDataset:\n    def __init__(self, samples):\n        bytearray(1 << 40)\n"
    found = grade_tasks(reference(dataset=text), "dataset")["dataset"]
    assert found[0].status == "memory"


# --- the seed --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_reference_passes_with_any_seed(seed: int) -> None:
    with session(reference(), device="cpu", seed=seed) as opened:
        checks = [c for task in ("model", "train") for c in tasks()[task].checks]
        assert [r for r in map(opened.run, checks) if r.status != "passed"] == []


def test_inputs_depend_on_the_secret_the_submission_and_the_seed() -> None:
    def opened(text: str = "", seed: int = 0, secret: str = "") -> tuple[int, int]:
        sources = reference(dataset=text)
        with session(sources, device="cpu", seed=seed, secret=secret, in_process=True) as one:
            return one.submission.seed, one.record().environment["seed"]

    found = [opened(), opened("x = 1"), opened(seed=7), opened(secret="ours")]
    assert opened() == found[0]
    assert len({seed for seed, _ in found}) == len(found)
    assert all(0 <= seed < 1 << 32 for seed, _ in found)  # numpy.random.seed takes no other
    assert [users for _, users in found] == [0, 0, 7, 0]


def test_in_process_gives_the_same_marks() -> None:
    checks = [check for task in ("dataset", "train") for check in tasks()[task].checks]
    both = []
    for in_process in (False, True):
        with session(load(ROOT / "solution"), device="cpu", in_process=in_process) as opened:
            both.append([opened.run(check).score for check in checks])
    assert both[0] == both[1] == [check.points for check in checks]


def test_a_warm_process_that_is_lost_again_and_again_costs_no_mark(full: bool) -> None:
    """It is lost before each check; in the quick suite before two, as each time loads torch."""
    try:
        sandboxed("cpu")
    except fork_server.Unavailable as error:
        pytest.skip(str(error))
    path = ROOT / "solution" / "dataset.py"
    lost: list[subprocess.Popen[bytes]] = []

    def lose(_record: Record) -> None:
        if not full and len(lost) == 2:
            return
        lost.append(fork_server.running().process)
        lost[-1].kill()
        lost[-1].wait()

    record = grade(load(path), on_progress=lose, device="cpu", confine=Tier.SANDBOX)
    assert (record.score, record.max_score) == (15, 15)
    assert len({process.pid for process in lost}) == (len(record.checks) + 1 if full else 2)


# --- confinement -----------------------------------------------------------------------------


@pytest.mark.parametrize("minimum", [None, Tier.NONE, Tier.LIMITS])
def test_the_strongest_confinement_is_used_whatever_the_least_is(minimum: Tier | None) -> None:
    try:
        strongest = sandboxed("cpu").tier
    except fork_server.Unavailable:
        strongest = Tier.LIMITS
    assert choose(minimum, "cpu").tier == strongest


def test_a_sandbox_that_cannot_be_had_is_refused_with_the_reason_and_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert choose(None, "cpu").tier == choose(Tier.LIMITS, "cpu").tier == "limits"
    assert "it needs Linux" in choose(None, "cpu").missing
    with pytest.raises(UsageError) as caught:
        choose(Tier.SANDBOX, "cpu")
    assert str(caught.value).startswith(
        "--confine sandbox: not available on this machine: it needs Linux. "
    )
    assert "WSL2" in str(caught.value)
    with (
        pytest.raises(UsageError, match="choose one"),
        session(reference(), confine=Tier.SANDBOX, in_process=True),
    ):
        pass


@linux
def test_a_gpu_cannot_be_used_in_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = tmp_path / "gpu"
    gpu.touch()
    monkeypatch.setattr("grader.sandbox.tiers.GPUS", (str(gpu),))
    for device in ("auto", "cuda"):
        assert choose(None, device).tier == "limits"
        with pytest.raises(UsageError, match=r"a GPU cannot be used in it.* --device cpu"):
            choose(Tier.SANDBOX, device)


@pytest.fixture
def old_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The fork server finds no Landlock."""
    copy = tmp_path / "worker"
    shutil.copytree(launch.WORKER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / "landlock.py").open("a", encoding="utf-8") as stream:
        stream.write(OLD_KERNEL)
    monkeypatch.setattr(launch, "WORKER", copy)
    fork_server.close()
    yield
    fork_server.close()


OLD_KERNEL = """

def abi() -> int:
    raise OSError(ENOSYS, f"no Landlock: {NO_LANDLOCK[ENOSYS]}")
"""


@linux
@pytest.mark.usefixtures("old_kernel")
def test_what_the_kernel_lacks_is_told() -> None:
    found = choose(None, "cpu")
    assert (found.tier, found.layers) == ("limits", ("rlimits",))
    assert "no Landlock: the kernel is older than 5.13, or built without it" in found.missing
    with pytest.raises(UsageError, match=r"the kernel is older than 5\.13"):
        choose(Tier.SANDBOX, "cpu")


@linux
def test_without_bubblewrap_the_other_layers_are_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    fork_server.close()
    try:
        found = choose(Tier.SANDBOX, "cpu")
        assert (found.tier, found.layers) == ("sandbox", ("rlimits", "landlock", "seccomp"))
        assert fork_server.running().missing == "bwrap is not installed"
    except UsageError as error:
        pytest.skip(str(error))
    finally:
        fork_server.close()


def test_a_record_names_the_tier_and_its_layers() -> None:
    for minimum, in_process in ((None, False), (None, True)):
        with session(reference(), device="cpu", confine=minimum, in_process=in_process) as opened:
            told = opened.record().environment
        expected = (
            ("none", ()) if in_process else (choose(None, "cpu").tier, choose(None, "cpu").layers)
        )
        assert (told["confinement"], tuple(told["confinement_layers"])) == expected


# What only some systems have. The worker's half runs in the process that the grader starts.
STRIP = """\
import argparse, ctypes, faulthandler, fractions, json, os, pathlib, platform, random, runpy
import select, shutil, signal, socket, subprocess, sys, tempfile, threading, zipfile
import torch, torch.utils.data
LACKING = {
    "darwin": {os: ["pidfd_open", "sched_getaffinity"], signal: ["pidfd_send_signal"]},
    "win32": {
        os: ["pidfd_open", "sched_getaffinity", "fork", "forkpty", "killpg", "setsid", "getuid",
             "geteuid"],
        signal: ["pidfd_send_signal", "alarm", "SIGALRM", "setitimer"],
        socket: ["send_fds", "recv_fds", "AF_UNIX", "socketpair"],
        select: ["poll", "epoll"],
    },
}
for owner, names in LACKING[PLATFORM].items():
    for name in names:
        delattr(owner, name)
if PLATFORM == "win32":
    sys.modules["resource"] = sys.modules["fcntl"] = None
sys.platform = PLATFORM
"""
TRUSTED = """
from grader.sandbox import launch
launch.command = lambda: [sys.executable, "-I", "-c", WORKER, str(launch.WORKER)]
launch.POSIX = PLATFORM == "darwin"
from grader.__main__ import main
sys.exit(main(["grade", SUBMISSION, "--device", "cpu", "--json", "-"]))
"""
WORKER = """
os.name = "posix" if PLATFORM == "darwin" else "nt"
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@linux
@pytest.mark.parametrize("system", [pytest.param("darwin", marks=pytest.mark.full), "win32"])
def test_where_there_is_no_safe_fork_nothing_of_linux_is_used(tmp_path: Path, system: str) -> None:
    """On a system with no more than macOS or Windows has, each worker is a fresh process."""
    (tmp_path / "dataset.py").write_bytes((ROOT / "solution" / "dataset.py").read_bytes())
    kill = tmp_path / "taskkill"  # /F /T /PID number
    kill.write_text('#!/bin/sh\nkill -9 "$4"\n')
    kill.chmod(0o755)
    begin = f"PLATFORM = {system!r}\n{STRIP}"
    values = f"\nWORKER = {begin + WORKER!r}\nSUBMISSION = {str(tmp_path / 'dataset.py')!r}"
    done = subprocess.run(
        [sys.executable, "-c", begin + values + TRUSTED],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads(done.stdout)
    assert record["score"] == 15
    told = record["environment"]
    layers = ["rlimits"] if system == "darwin" else []
    assert (told["confinement"], told["confinement_layers"]) == ("limits", layers)
    assert "no sandbox, only limits: it needs Linux" in done.stderr
