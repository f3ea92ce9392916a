"""Untrusted submissions are confined: the hostile ones, in every set-up of this machine.

If the tests run as root, they grade as root and as an ordinary user, otherwise as the current user;
with and without bubblewrap. The quick suite grades all entries in the strongest of these set-ups.
In the others it grades the sentinels, a dozen entries whose outcome can differ by set-up. `python
-m tests.hostile` grades all entries in every set-up, including the tier limits.
"""

import dataclasses
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from grader.base.paths import ROOT
from grader.contract.enums import Status
from grader.contract.tasks import tasks
from grader.sandbox import bubblewrap, fork_server
from grader.sandbox.tiers import Confinement, sandboxed
from tests.hostile import page, set_ups
from tests.hostile.bank import Attack, bank
from tests.hostile.run import HARM, Outcome, attack, grade
from tests.hostile.scene import scene
from tests.hostile.set_ups import SET_UPS, USERS, Inaccessible, SetUp, Unavailable

BANK = bank()
SANDBOXES = [set_up for set_up in SET_UPS if set_up.tier == "sandbox"]
LIMITS = next(set_up for set_up in SET_UPS if set_up.tier == "limits")
NO_BUBBLEWRAP = bubblewrap.why_not()
STRONGEST = next(each for each in SANDBOXES if each.bubblewrap is not bool(NO_BUBBLEWRAP))
# Attacks that succeed where nothing stops them, which proves that their probes work.
OPEN = {
    "reads-a-hidden-file": {"reported", "read"},
    "forges-the-gradebook": {"reported", "wrote"},
    "connects": {"reported", "connected"},
    "signals-the-grader": {"reported"},
    "leaves-a-process-behind": {"reported", "wrote"},
    "other-programs-queues": {"reported"},
    "threads-that-go-on": {"wrote"},
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")


@dataclasses.dataclass(frozen=True)
class Run:
    """Some entries of a set-up, graded in one process, one after the other."""

    set_up: SetUp
    part: int

    @property
    def name(self) -> str:
        """The name in tests and in the groups of pytest-xdist."""
        words = self.set_up.name.replace(",", "").split()
        return "-".join([*words, str(self.part)])


Graded = Callable[[Run], dict[str, Outcome]]


def cases() -> list[ParameterSet]:
    """Return the run and the name of each entry in each sandbox, with two runs per sandbox.

    In the strongest sandbox the entries alternate between the runs, so that both take about as
    long. In the others the sentinels are the first run, and the quick suite skips the second.
    """
    found = []
    for set_up in SANDBOXES:
        for number, entry in enumerate(BANK.values()):
            quick = set_up == STRONGEST or entry.sentinel
            part = number % 2 if set_up == STRONGEST else int(not entry.sentinel)
            run = Run(set_up, part)
            marks = [pytest.mark.xdist_group(f"hostile {run.name}")]
            marks += [] if quick else [pytest.mark.full]
            id_ = f"{run.name}-{entry.name}"
            found.append(pytest.param(run, entry.name, marks=marks, id=id_))
    return found


@pytest.fixture(scope="module")
def graded(request: pytest.FixtureRequest) -> Iterator[Graded]:
    """Grades the selected entries of a run in a separate process, on first use."""
    chosen: defaultdict[Run, list[str]] = defaultdict(list)
    for item in request.session.items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if item.path == Path(__file__) and "run" in params:
            chosen[params["run"]].append(params["name"])
    runs: dict[Run, Future[dict[str, Outcome]]] = {}
    with ThreadPoolExecutor(1) as pool:

        def grade_once(run: Run) -> dict[str, Outcome]:
            if run not in runs:
                runs[run] = pool.submit(run.set_up.run, chosen[run])
            return runs[run].result()

        yield grade_once


def outcome(graded: Graded, run: Run, name: str) -> Outcome:
    try:
        return graded(run)[name]
    except Inaccessible as error:  # because of the place of this copy, on any machine
        pytest.skip(str(error))
    except Unavailable as error:
        if "CI" in os.environ:
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize(("run", "name"), cases())
def test_a_hostile_submission_has_its_due_and_harms_nobody(
    graded: Graded, run: Run, name: str
) -> None:
    found = outcome(graded, run, name)
    assert found.problems(BANK[name]) == []
    assert page.cell(found) == page.rows()[name][page.column(found)]


@pytest.mark.xdist_group("hostile limits")
@pytest.mark.parametrize("run", [Run(LIMITS, 0)], ids=["limits"])
@pytest.mark.parametrize("name", OPEN)
def test_in_the_tier_limits_an_attack_gets_through_and_forges_no_mark(
    graded: Graded, run: Run, name: str
) -> None:
    found = outcome(graded, run, name)
    assert set(found.harm) >= OPEN[name]
    assert found.forged(BANK[name]) == []
    assert page.cell(found) == page.rows()[name][page.column(found)]


def test_a_dozen_sentinels_are_what_gets_through_in_the_tier_limits_and_more() -> None:
    sentinels = {entry.name for entry in BANK.values() if entry.sentinel}
    assert len(sentinels) == 12
    assert sentinels >= OPEN.keys() - {"threads-that-go-on"}  # of its process, in any set-up


@pytest.mark.parametrize("name", BANK)
def test_the_page_tells_what_a_submission_earns_and_where_it_was_run(name: str) -> None:
    row, entry = page.rows()[name], BANK[name]
    assert row["earns"] == page.earns(entry)
    assert (row["limits"] == page.NOT_RUN) is (entry.only == "sandbox")


def test_the_page_has_just_the_rows_of_the_bank_and_tells_of_no_forged_mark() -> None:
    assert list(page.rows()) == [
        name for kind in page.KINDS for name in BANK if BANK[name].kind == kind
    ]
    text = page.PAGE.read_text(encoding="utf-8")
    forged = re.findall(r"^\| (?:limits|sandbox)[\w ]*, \w+ \|.* (\d+) \|$", text, re.MULTILINE)
    assert forged == ["0"] * 5


def test_what_the_page_says_is_tried_is_in_the_bank_or_in_a_test() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    table = text.partition("## What is tried")[2].partition("\n## ")[0]
    named = re.findall(r"`([^`]+)`", "".join(re.findall(r"\|[^|]*\|$", table, re.MULTILINE)))
    assert len(named) > 80
    for name in named:
        file, _, test = name.partition("::")
        if file.endswith(".py"):
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), name
        else:
            assert name in BANK, name
    assert not BANK.keys() - set(named)


@pytest.mark.parametrize("entry", [e for e in BANK.values() if e.is_partial], ids=lambda e: e.name)
def test_a_mark_that_is_neither_full_nor_nothing_has_a_ground(entry: Attack) -> None:
    """The reason names the points that are earned or lost, and they add up to the mark."""
    ((task, points),) = entry.marks.items()
    numbers = [int(number) for number in re.findall(r"\d+", entry.why)]
    lost = tasks()[task].points - points
    sums = {sum(numbers[:cut]) for cut in range(1, len(numbers) + 1)}
    assert points in sums or lost in sums, entry.why


# --- the probes and promises themselves ------------------------------------------------------

HELD = Outcome(
    name="exits",
    tier="sandbox",
    layers=("rlimits",),
    marks={"dataset": 0, "train": 20},
    statuses=["failed"],
    status=Status.FAILED,
    message="Your code called exit() or sys.exit()",
    harm=[],
    printed="",
    seconds=1.0,
)
BROKEN = {
    "marks": ({"marks": {"dataset": 15, "train": 20}}, "its honest parts earn"),
    "message": ({"message": "x"}, "its message does not say"),
    "status": ({"status": "crashed"}, "its status is crashed"),
    "fault": ({"statuses": ["error"]}, "the grader failed"),
    "time": ({"seconds": 61.0}, "longer than 60 s"),
    **{kind: ({"harm": [kind]}, HARM[kind]) for kind in HARM},
}


@pytest.mark.parametrize("change", BROKEN)
def test_a_broken_promise_is_named(change: str) -> None:
    entry = dataclasses.replace(BANK["exits"], status=Status.FAILED)
    assert HELD.problems(entry) == []
    values, told = BROKEN[change]
    (problem,) = dataclasses.replace(HELD, **values).problems(entry)  # type: ignore[arg-type]
    assert told in problem


def test_the_end_of_the_fork_server_would_be_noticed() -> None:
    confined = sandboxed("cpu")
    first = fork_server.running()

    def launch(limits, modules):  # type: ignore[no-untyped-def]
        worker = confined.launch(limits, modules)
        first.process.kill()
        return worker

    with scene() as here:
        found = attack(BANK["exits"], here, dataclasses.replace(confined, launch=launch))
    fork_server.close()  # the new one came during the attack, and was ended with what that left
    assert "preload" in found.harm


# --- where the kit is in a folder that other users cannot enter -------------------------------


IMPORTS = "import importlib.util as u; assert u.find_spec('torch') and u.find_spec('psutil')"


@pytest.fixture(params=[0o755, 0o700], ids=["open", "closed"])
def locked(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kit in a folder that only its owner can enter."""
    kit = tmp_path / "locked" / "open" / "a kit é"
    kit.mkdir(parents=True)
    (kit / "file").write_text("of the kit", encoding="utf-8")
    (kit.parent / "other").touch()
    kit.chmod(request.param)
    (tmp_path / "locked").chmod(0o700)
    monkeypatch.setattr(set_ups, "ROOT", kit)
    return kit


@pytest.mark.skipif(USERS == ("user",), reason="only root can become another user")
@pytest.mark.skipif(bool(NO_BUBBLEWRAP), reason=NO_BUBBLEWRAP)
def test_an_ordinary_user_is_shown_the_kit_and_nothing_beside_it(locked: Path) -> None:
    code = f"import os; print(open('file').read(), os.listdir('..'), os.getuid()); {IMPORTS}"
    done = subprocess.run(
        set_ups.as_nobody([sys.executable, "-c", code]),
        cwd=locked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"of the kit ['a kit é'] {set_ups.NOBODY}\n", done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("locked")
def test_without_bubblewrap_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(Inaccessible, match=r"Other users cannot enter /.*What to do: apt-get"):
        set_ups.as_nobody(["true"])


@pytest.mark.usefixtures("locked")
def test_files_that_only_their_owner_may_read_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_ups, "READ", 0o7004)
    monkeypatch.setattr(bubblewrap, "why_not", str)
    with pytest.raises(Inaccessible, match=r"Other users cannot read /.*chmod"):
        set_ups.as_nobody(["true"])


@pytest.mark.full
def test_a_set_up_tells_what_the_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(Unavailable, match=r"^bwrap is not installed\. What to do: apt-get"):
        SetUp("sandbox", True, USERS[0]).run(["connects"])


# --- no state passes from one submission to the next -----------------------------------------

TELLS = """
import builtins, gc, os, random, signal, sys, threading, warnings
import numpy, torch
print(
    torch.get_default_dtype(), torch.empty(0).device, torch.get_num_threads(),
    torch.is_grad_enabled(), torch.are_deterministic_algorithms_enabled(),
    torch.rand(2), random.random(), numpy.random.rand(), sys.getrecursionlimit(),
    torch.nn.LSTM.forward is torch.nn.LSTM.__dict__['forward'], torch.nn.Linear(1, 1).training,
    torch.equal(torch.ones(1), torch.zeros(1)), hasattr(builtins, 'planted'), sys.path,
    sorted(os.environ), os.getcwd() == os.environ['HOME'], os.listdir(os.environ['HOME']),
    sorted(warnings.filters, key=repr)[:3],
    signal.getsignal(signal.SIGTERM), threading.active_count(), 'planted' in sys.modules,
    [name for name in vars(torch) if 'planted' in name], len(gc.callbacks), sys.flags.isolated,
)
"""
SPOILS = """
import builtins, gc, os, random, signal, sys, threading, time, types, warnings
import numpy, torch
torch.set_default_dtype(torch.float64); torch.set_default_device('meta')
torch.set_num_threads(3); torch.set_grad_enabled(False); torch.use_deterministic_algorithms(True)
torch.manual_seed(99); random.seed(99); numpy.random.seed(99); sys.setrecursionlimit(50_000)
torch.nn.LSTM.forward = torch.equal = lambda *a, **k: True
builtins.planted = torch.planted = 1; sys.path.insert(0, '/tmp'); sys.modules['planted'] = torch
open('planted', 'w').close()
os.environ['PLANTED'] = '1'; os.chdir('/'); warnings.simplefilter('error')
signal.signal(signal.SIGTERM, signal.SIG_IGN); gc.callbacks.append(lambda *a: None)
threading.Thread(target=time.sleep, args=[60], daemon=True).start()
"""


def printed(code: str, confined_by: Confinement) -> str:
    source = {"dataset": code.encode() + b"\nclass NewsDataset: pass\n"}
    return grade(source, ["dataset"], confined_by)[1]


def test_nothing_that_a_submission_changes_reaches_the_next_one() -> None:
    confined_by = sandboxed("cpu")
    process = fork_server.running()
    before = printed(TELLS, confined_by)
    spoiled = printed(SPOILS + TELLS, confined_by)
    after = printed(TELLS, confined_by)
    assert fork_server.running() is process
    assert "torch.float32" in before
    assert "torch.float64" in spoiled
    assert "['planted']" in spoiled
    assert after == before
