"""The nbgrader course, by nbgrader's own commands in a scratch copy.

`COURSE_BANK=all` compares the marks of a larger part of the banks; without it a few stand for all.
"""

import asyncio
import copy
import json
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.preprocessors import Execute

from grader import grading
from grader.bank import REFERENCE
from grader.bank import right as right_entries
from grader.bank import wrong as wrong_entries
from grader.course.check import UNCONFINED
from grader.course.confined import sandboxed, why_no_sandbox
from grader.course.kernel import PlainKernel, RunConfined
from grader.course.scratch import ASSIGNMENT, Scratch, cell, with_cells
from grader.sources import Sources
from grader.tasks import MAIN, assignments

ROOT = Path(__file__).parents[1]
in_a_sandbox = pytest.mark.skipif(bool(why_no_sandbox()), reason=why_no_sandbox())
POINTS = {task.id: float(task.points) for task in assignments()[MAIN].tasks.values()}
NOTHING = dict.fromkeys(POINTS, 0.0)
SETTINGS = "c.Execute.timeout = 10\nc.RunConfined.seconds = 30"


def released(folder: Path, assignment: str = ASSIGNMENT) -> Scratch:
    settings = SETTINGS + (f"\n{UNCONFINED}" if why_no_sandbox() else "")
    course = Scratch.make(folder, settings, assignment)
    done = course.run("generate_assignment", assignment)
    assert done.returncode == 0, done.stderr
    return course


def marks(course: Scratch, points: Iterable[str] = POINTS) -> dict[str, dict[str, float]]:
    """The marks of every student by task, from the exported CSV."""
    assert course.run("export").returncode == 0
    return {
        student: {task: float(row[task]) for task in points}
        for student, row in course.marks().items()
    }


# --- marks are those of the command line ------------------------------------------------------

RIGHT = (
    *("dataset_plain_loop", "dataset_numpy", "collate_numpy", "collate_plain_loop"),
    *("model_output_slices", "model_packed", "train_plain", "train_decorated"),
)
FEW = 2, 1  # wrong and right ones where not all are compared


def bank() -> dict[str, dict[str, bytes]]:
    """Submissions of the banks by name: the modules in which each differs from the reference.

    Those of the task accuracy are left out: what they lose there depends on the news drawn, and so
    on the text of the modules, which is another in a notebook.
    """
    wrong = {}
    for task in assignments()[MAIN].modules:
        entries = [entry for entry in wrong_entries() if entry.task == task]
        for entry in entries[:: len(entries) // 3][:3]:
            wrong[f"wrong-{entry.id}"] = entry.changed
    right = {f"right-{e.name}": e.changed for e in right_entries() if e.name in RIGHT}
    if os.environ.get("COURSE_BANK") != "all":
        wrong = {name: wrong[name] for name in list(wrong)[1::4][: FEW[0]]}
        right = {name: right[name] for name in list(right)[4 :: len(right) // 2][: FEW[1]]}
    return {"solution": {}, **wrong, **right}


def as_notebook(release: Any, modules: dict[str, bytes]) -> Any:
    """Put modules into the solution cells of a notebook."""
    texts = {name: data.decode() for name, data in {**REFERENCE, **modules}.items()}
    return with_cells(
        release,
        dataset_NewsDataset=texts["dataset"],
        collate_Collate=texts["collate"],
        model_LSTMClassifier=texts["model"],
        train_evaluate="# all of it is below",
        train_train=texts["train"],
    )


@pytest.fixture(scope="module")
def of_the_bank(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """What the course gives to submissions of the banks; the notebooks are not run."""
    course = released(tmp_path_factory.mktemp("bank"))
    for name, changed in bank().items():
        course.hand_in(name, as_notebook(course.notebook("release"), changed))
    done = course.run("autograde", ASSIGNMENT, "--no-execute")
    assert done.returncode == 0, done.stderr
    return marks(course)


@pytest.mark.parametrize("name", bank())
def test_a_notebook_has_the_marks_of_its_modules(
    of_the_bank: dict[str, dict[str, float]], name: str
) -> None:
    files = {**REFERENCE, **bank()[name]}
    record = grading.grade(Sources(name, files, {stem: f"{stem}.py" for stem in files}))
    assert of_the_bank[name] == {task.id: task.score for task in record.tasks}


# --- what students hand in, and should not ----------------------------------------------------

LOOP = """
import time
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
"""
GRADEBOOK = """
import contextlib, glob, pathlib, sqlite3
for path in ["../../../gradebook.db", "{root}/gradebook.db"]:
    try:
        with sqlite3.connect(path) as db:
            db.execute("update grade set auto_score = 1000")
    except Exception as error:
        print("gradebook:", error)
for path in [*glob.glob("{kit}/*"), *glob.glob("../../../*")]:
    print("seen:", path)
for path in glob.glob("{root}/**", recursive=True):
    print("seen:", path)
    with contextlib.suppress(OSError):
        pathlib.Path(path).write_text("mine")
"""
NETWORK = """
import socket
try:
    socket.create_connection(("127.0.0.1", {port}), 2).send(b"hello")
except OSError as error:
    print("network:", error)
"""
FORGED = """
import builtins, grader.notebook, torch
class Full(float):
    def __eq__(self, other): return True
    def __repr__(self): return "30.0"
grader.notebook.check = check = lambda *_: Full(30)
torch.equal = torch.allclose = lambda *_, **__: True
builtins.float = Full
"""


ODD_CELLS = '{"cells": CELLS, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


def meddled(source: Any, **changes: Any) -> Any:
    """A copy of a notebook with other metadata in its test cells."""
    notebook = copy.deepcopy(source)
    for task in POINTS:
        cell(notebook, f"check-{task}").metadata.update(copy.deepcopy(changes))
    return notebook


def without(source: Any, *names: str) -> Any:
    notebook = copy.deepcopy(source)
    for name in names:
        notebook.cells.remove(cell(notebook, name))
    return notebook


def with_twice(source: Any, release: Any) -> Any:
    """The stub's cell first, the solution's behind it, both of one name."""
    notebook = copy.deepcopy(release)
    place = notebook.cells.index(cell(notebook, "dataset-NewsDataset"))
    notebook.cells.insert(place + 1, copy.deepcopy(cell(source, "dataset-NewsDataset")))
    return notebook


def with_helper(source: Any) -> Any:
    """A part that needs a constant and a function of an extra cell, among calls that would fail."""
    text = cell(source, "dataset-NewsDataset").source
    notebook = with_cells(
        source, dataset_NewsDataset=text.replace("label - 1 for", "shifted(label) for")
    )
    helper = nbformat.v4.new_code_cell("ONE = 1\ndef shifted(label): return label - ONE\n1 / 0")
    notebook.cells.insert(2, helper)
    return notebook


def with_kernel(source: Any) -> Any:
    notebook = copy.deepcopy(source)
    notebook.metadata.kernelspec = {"name": "no-such", "display_name": "x", "language": "bash"}
    return notebook


def odd(source: Any) -> str:
    """Metadata of forms that nobody writes."""
    content = json.loads(nbformat.v4.writes_json(copy.deepcopy(source)))
    content["metadata"]["nbgrader"] = {"schema_version": 99}
    for number, each in enumerate(content["cells"]):
        each["metadata"]["nbgrader"] = [{"schema_version": 99}, "x", None, 7][number % 4]
    return json.dumps(content)


@dataclass(frozen=True)
class Given:
    """What a submission is made of.

    Attributes:
        source, release: the assignment's notebook with and without the solution.
        root: the course's folder.
        port: of this machine, where something listens.
    """

    source: Any
    release: Any
    root: Path
    port: int


def in_dataset(given: Given, text: str) -> Any:
    """The released notebook with a text in place of the first part."""
    return with_cells(given.release, dataset_NewsDataset=text)


def with_points(given: Given) -> Any:
    claimed = {**cell(given.release, "check-model").metadata.nbgrader, "points": 1000}
    return meddled(given.release, nbgrader=claimed)


def forged(given: Given) -> Any:
    return with_cells(given.release, imports=FORGED, dataset_NewsDataset=FORGED)


ONLY_DATASET = {**NOTHING, "dataset": POINTS["dataset"]}
TESTS = [f"check-{task}" for task in POINTS]
Handed = dict[str, tuple[Callable[[Given], Any], dict[str, float] | None]]
READ: Handed = {  # what is handed in, and its marks; None: a person is needed
    "skipped": (lambda given: meddled(given.release, tags=["skip-execution"]), NOTHING),
    "points": (with_points, NOTHING),
    "tests-deleted": (lambda given: without(given.source, *TESTS), POINTS),
    "part-deleted": (
        lambda given: without(given.source, "collate-Collate"),
        {**POINTS, "collate": 0.0},
    ),
    "twice": (lambda given: with_twice(given.source, given.release), ONLY_DATASET),
    "helper": (lambda given: with_helper(given.source), POINTS),
    "kernel": (lambda given: with_kernel(given.release), NOTHING),
    "odd-metadata": (lambda given: odd(given.source), POINTS),
    "no-notebook": (lambda _: '{"cells": [', None),
    "deep": (lambda _: '{"cells": ' + "[" * 100_000, None),
    "odd-cells": (lambda _: ODD_CELLS.replace("CELLS", '[7, {"cell_type": "code"}]'), None),
    "odd-list": (lambda _: ODD_CELLS.replace("CELLS", '{"a": 7}'), None),
    "half-cells": (lambda _: ODD_CELLS.replace("CELLS", '[{"cell_type": "code"}]'), None),
    "empty": (lambda _: ODD_CELLS.replace("CELLS", "[]"), NOTHING),
    "data-in-a-cell": (lambda given: in_dataset(given, f"x = '{'a' * 70_000}'"), None),
}
RUN: Handed = {  # the same, for notebooks that are run, too
    "run-forged": (forged, NOTHING),
    "run-exits": (lambda given: in_dataset(given, "import os; os._exit(0)"), NOTHING),
    "run-loops": (lambda given: in_dataset(given, LOOP), NOTHING),
    "run-prints": (lambda given: in_dataset(given, "while True: print('x' * 1000)"), NOTHING),
    "run-gradebook": (
        lambda given: in_dataset(given, GRADEBOOK.format(root=given.root, kit=ROOT)),
        NOTHING,
    ),
    "run-network": (lambda given: in_dataset(given, NETWORK.format(port=given.port)), NOTHING),
}
HANDED_IN = READ | RUN


def handed_in_bytes(course: Scratch) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in course.folder.glob("submitted/*/*/*.ipynb")}


@pytest.fixture(scope="module")
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, listener: socket.socket) -> Scratch:
    """A course in which all of these had full marks before they were graded."""
    course = released(tmp_path_factory.mktemp("hostile"))
    with Gradebook(f"sqlite:///{course.folder}/gradebook.db") as gradebook:
        for name in [*HANDED_IN, "link"]:
            gradebook.update_or_create_student(name)
            gradebook.update_or_create_submission(ASSIGNMENT, name)
            for task, points in POINTS.items():
                grade = gradebook.find_grade(f"check-{task}", ASSIGNMENT, ASSIGNMENT, name)
                grade.auto_score, grade.needs_manual_grade = points, False
        gradebook.db.commit()
    assert marks(course)["link"] == POINTS
    notebooks = course.notebook("source"), course.notebook("release")
    given = Given(*notebooks, course.folder, listener.getsockname()[1])
    for name, (make, _) in HANDED_IN.items():
        course.hand_in(name, make(given))
    course.submitted("link").parent.mkdir(parents=True)
    course.submitted("link").symlink_to(course.submitted("helper"))
    link = course.submitted("twice").parent / "data.txt"
    link.symlink_to(course.folder / "gradebook.db")
    before = handed_in_bytes(course)
    for options in (("--student", "[!r]*", "--no-execute"), ("--student", "run-*")):
        done = course.run("autograde", ASSIGNMENT, *options)
        assert done.returncode == 0, done.stderr
    assert handed_in_bytes(course) == before
    assert course.run("generate_feedback", ASSIGNMENT).returncode == 0
    marks(course)
    return course


@in_a_sandbox
@pytest.mark.parametrize("name", [*HANDED_IN, "link"])
def test_a_notebook_has_the_marks_that_its_code_deserves(hostile: Scratch, name: str) -> None:
    row = hostile.marks()[name]
    expected = HANDED_IN[name][1] if name in HANDED_IN else None
    if expected is None:
        assert row["needs_manual_grade"] == "yes"
    assert {task: float(row[task]) for task in POINTS} == (expected or NOTHING)


@in_a_sandbox
@pytest.mark.parametrize("name", ["no-notebook", "deep", "data-in-a-cell", "link"])
def test_what_cannot_be_graded_says_so_where_the_teacher_looks(hostile: Scratch, name: str) -> None:
    with Gradebook(f"sqlite:///{hostile.folder}/gradebook.db") as gradebook:
        find = (ASSIGNMENT, ASSIGNMENT, name)
        comment = gradebook.find_comment("dataset-NewsDataset", *find).comment
    assert re.search("cannot be graded|at most 65,536", comment)
    assert "your teacher will look at it" in comment
    assert "your teacher will look at it" in hostile.feedback(name)


@in_a_sandbox
def test_student_code_saw_neither_gradebook_nor_other_files(hostile: Scratch) -> None:
    page = hostile.feedback("run-gradebook")
    assert "unable to open database file" in page
    assert "source/news-classifier" not in page
    assert "submitted/" not in page
    of_the_kit = set(re.findall(rf"seen: {ROOT}/(.*)", page))
    assert {"grader", "news"} <= of_the_kit <= {"grader", "news", ".venv", ".tox"}


@in_a_sandbox
def test_student_code_has_no_network(hostile: Scratch, listener: socket.socket) -> None:
    assert "network: [Errno" in hostile.feedback("run-network")
    with pytest.raises(BlockingIOError):  # nobody called
        listener.accept()


@in_a_sandbox
def test_a_link_beside_a_notebook_brings_nothing_back(hostile: Scratch) -> None:
    found = [path.parts[-4] for path in hostile.folder.glob("*/twice/*/data.txt")]
    assert found == ["submitted"]


@in_a_sandbox
def test_every_submission_has_a_page_with_the_results_of_its_tasks(hostile: Scratch) -> None:
    for name in HANDED_IN:
        assert "your teacher" in hostile.feedback(name) or "of 15 points" in hostile.feedback(name)


# --- the feedback run -------------------------------------------------------------------------


def test_no_kernel_gets_what_is_meant_for_the_grader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADER_SECRET", "a secret")
    _, options = asyncio.run(PlainKernel(kernel_name="python3").pre_start_kernel())
    assert "PATH" in options["env"]
    assert "a secret" not in options["env"].values()
    assert "a secret" not in sandboxed(["true"], [])


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> RunConfined:
    """A run that may show 1,000 bytes, and hands on what it takes in."""
    monkeypatch.setattr(Execute, "output", lambda _run, _outs, message, *_: message["content"])
    run = RunConfined()
    run.left = 1000
    return run


def test_a_page_shows_pictures_and_text_but_nothing_that_it_would_run(run: RunConfined) -> None:
    data = {"text/html": "<script>", "application/javascript": "x", "image/svg+xml": "<svg>"}
    message = {"content": {"data": {**data, "text/plain": "a", "image/png": "b"}}}
    assert run.output([], message, None, 0)["data"] == {"text/plain": "a", "image/png": "b"}


def test_a_page_shows_no_more_than_its_limit(run: RunConfined) -> None:
    message = {"content": {"name": "stdout", "text": "x" * 600}}
    assert run.output([], message, None, 0) == message["content"]
    assert run.output([], message, None, 0) is None


# --- other ends -------------------------------------------------------------------------------


@in_a_sandbox
def test_nothing_runs_without_a_sandbox_unless_the_instructor_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = released(tmp_path)
    path = course.hand_in("ann", course.notebook("release"))
    bare = tmp_path / "bin"
    bare.mkdir()
    monkeypatch.setenv("PATH", str(bare))
    done = course.run("autograde", ASSIGNMENT)
    assert done.returncode == 1
    assert "bubblewrap (bwrap) is not installed" in done.stderr
    assert "run_student_code_without_a_sandbox = True" in done.stderr
    config = course.folder / "nbgrader_config.py"
    config.write_text(f"{config.read_text(encoding='utf-8')}\n{UNCONFINED}\n", encoding="utf-8")
    done = course.run("autograde", ASSIGNMENT, "--no-execute")
    assert done.returncode == 0, done.stderr
    assert path.is_file()


# --- another assignment -----------------------------------------------------------------------


@pytest.mark.parametrize("assignment", [id_ for id_ in assignments() if id_ != MAIN])
def test_another_assignment_has_marks_of_its_own(tmp_path: Path, assignment: str) -> None:
    course = released(tmp_path, assignment)
    source, release = course.notebook("source"), course.notebook("release")
    tasks = assignments()[assignment].tasks
    last = list(tasks.values())[-1]
    definitions = [f"{last.id}-{name}" for name in last.names]
    half = copy.deepcopy(source)
    for name in definitions:
        cell(half, name).source = cell(release, name).source
    for student, notebook in (("all", source), ("half", half), ("nothing", release)):
        course.hand_in(student, notebook)
    done = course.run("autograde", assignment, "--no-execute")
    assert done.returncode == 0, done.stderr
    full = {id_: float(task.points) for id_, task in tasks.items()}
    assert marks(course, full) == {
        "all": full,
        "half": {**full, last.id: 0.0},
        "nothing": dict.fromkeys(full, 0.0),
    }
    record = json.loads((tmp_path / "records" / assignment / "half.json").read_text())
    assert record["submission"]["assignment"] == assignment
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as gradebook:
        comment = gradebook.find_comment(definitions[-1], assignment, assignment, "half")
    assert comment.auto_comment == f"{last.id}: 0/{full[last.id]:g} points, not started."
