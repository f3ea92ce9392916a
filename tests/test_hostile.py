"""Untrusted submissions are confined: the hostile bank, in every set-up that this machine allows.

As root the tests grade it as root and as an ordinary user, else as the user that they run as; with
bubblewrap and without. `python -m tests.hostile` does the same, and the tier limits besides.
"""

import dataclasses
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from grader.base.paths import ROOT
from grader.contract.tasks import tasks
from grader.sandbox import fork_server
from grader.sandbox.tiers import Confinement, explain, sandboxed
from tests.hostile import page
from tests.hostile.bank import Entry, bank
from tests.hostile.run import HARM, Outcome, attack, grade
from tests.hostile.scene import scene
from tests.hostile.set_ups import SET_UPS, SetUp

BANK = bank()
SANDBOXES = [set_up for set_up in SET_UPS if set_up.tier == "sandbox"]
LIMITS = next(set_up for set_up in SET_UPS if set_up.tier == "limits")
# What gets through where nothing stops it: the probes that are quiet in the sandbox do ring.
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

Graded = dict[SetUp, Future[dict[str, Outcome]]]


@pytest.fixture(scope="session")
def graded(request: pytest.FixtureRequest) -> Iterator[Graded]:
    """The entries whose tests are selected, graded in a process for each set-up, two at a time."""
    chosen: dict[SetUp, list[str]] = {}
    for item in request.session.items:
        mine = item.path == Path(__file__)  # other tests have a `graded` of their own
        if mine and "graded" in item.fixturenames:  # type: ignore[attr-defined]
            asked = item.callspec.params  # type: ignore[attr-defined]
            chosen.setdefault(asked["set_up"], []).append(asked["name"])
    with ThreadPoolExecutor(2) as pool:
        yield {set_up: pool.submit(set_up.run, names) for set_up, names in chosen.items()}


def outcome(graded: Graded, set_up: SetUp, name: str) -> Outcome:
    if "CI" not in os.environ and (lacks := missing(set_up)):
        pytest.skip(lacks)
    return graded[set_up].result()[name]


def missing(set_up: SetUp) -> str:
    """Say what this machine lacks for a set-up, and what to do."""
    try:
        sandboxed("cpu")
    except fork_server.Unavailable as error:
        lacks = str(error)
    else:
        lacks = fork_server.warm_process().lacks if set_up.bubblewrap else ""
    return lacks and ": ".join(explain(lacks))


def naming(value: object) -> str | None:
    return value.name.replace(" ", "-").replace(",", "") if isinstance(value, SetUp) else None


@pytest.mark.parametrize("name", BANK)
@pytest.mark.parametrize("set_up", SANDBOXES, ids=naming)
def test_a_hostile_submission_has_its_due_and_harms_nobody(
    graded: Graded, set_up: SetUp, name: str
) -> None:
    found = outcome(graded, set_up, name)
    assert found.problems(BANK[name]) == []
    assert page.cell(found) == page.rows()[name][page.column(set_up)]


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("set_up", [LIMITS], ids=naming)
def test_in_the_tier_limits_an_attack_gets_through_and_forges_no_mark(
    graded: Graded, set_up: SetUp, name: str
) -> None:
    found = outcome(graded, set_up, name)
    assert set(found.harm) >= OPEN[name]
    assert found.forged(BANK[name]) == []
    assert page.cell(found) == page.rows()[name][page.column(set_up)]


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
def test_a_mark_that_is_neither_full_nor_nothing_has_a_ground(entry: Entry) -> None:
    """The ground names points; those that are earned, or those that are lost, give the mark."""
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
    status="failed",
    message="It ended the program (sys.exit or exit), expected it to return.",
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
    entry = dataclasses.replace(BANK["exits"], status="failed")
    assert HELD.problems(entry) == []
    values, told = BROKEN[change]
    (problem,) = dataclasses.replace(HELD, **values).problems(entry)  # type: ignore[arg-type]
    assert told in problem


def test_the_end_of_the_warm_process_would_be_noticed() -> None:
    confined = sandboxed("cpu")
    first = fork_server.warm_process()

    def launch(limits, modules):  # type: ignore[no-untyped-def]
        worker = confined.launch(limits, modules)
        first.process.kill()
        return worker

    with scene() as here:
        found = attack(BANK["exits"], here, dataclasses.replace(confined, launch=launch))
    fork_server.close()  # the new one came during the attack, and was ended with what that left
    assert "warm" in found.harm


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
    sorted(os.environ), os.getcwd(), sorted(warnings.filters, key=repr)[:3],
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
os.environ['PLANTED'] = '1'; os.chdir('/'); warnings.simplefilter('error')
signal.signal(signal.SIGTERM, signal.SIG_IGN); gc.callbacks.append(lambda *a: None)
threading.Thread(target=time.sleep, args=[60], daemon=True).start()
"""


def printed(code: str, confined_by: Confinement) -> str:
    source = {"dataset": code.encode() + b"\nclass NewsDataset: pass\n"}
    return grade(source, ["dataset"], confined_by)[1]


def test_nothing_that_a_submission_changes_reaches_the_next_one() -> None:
    confined_by = sandboxed("cpu")
    process = fork_server.warm_process()
    before = printed(TELLS, confined_by)
    spoiled = printed(SPOILS + TELLS, confined_by)
    after = printed(TELLS, confined_by)
    assert fork_server.warm_process() is process
    assert "torch.float32" in before
    assert "torch.float64" in spoiled
    assert after == before
