"""The nbgrader course, by nbgrader's own commands in a scratch copy.

One course of many students: mutants and accepted variants, whose marks must equal those of the
command line; hostile submissions; and unusual notebooks. The quick suite runs a few of them
(`QUICK`) through the same cycle; a part of the full suite runs these and the ones it selects.
"""

import asyncio
import contextlib
import copy
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.preprocessors import Execute

from grader.base.paths import COURSE, ROOT
from grader.contract.tasks import MAIN, assignments
from grader.course.kernel import PlainKernel, RunConfined, kernel_command
from grader.course.sandbox_policy import why_no_marks, why_no_pages
from grader.grading import session
from grader.intake.sources import Sources
from grader.maintain import notebooks
from grader.maintain.course_check import UNCONFINED, only_in_source
from grader.maintain.scratch import ASSIGNMENT, Scratch, cell, name_of, with_cells
from grader.maintain.submission_bank import REFERENCE, accepted_variants, mutants
from tests.hostile.bank import bank as hostile_bank
from tests.hostile.scene import SECRET as NEIGHBOUR
from tests.hostile.scene import Scene, family, scene

NO_SANDBOX = why_no_marks() or why_no_pages()
in_a_sandbox = pytest.mark.skipif(bool(NO_SANDBOX), reason=NO_SANDBOX)
POINTS = {task.id: float(task.points) for task in assignments()[MAIN].tasks.values()}
NOTHING = dict.fromkeys(POINTS, 0.0)
ONLY_DATASET = {**NOTHING, "dataset": POINTS["dataset"]}
SETTINGS = "c.Execute.timeout = 10\nc.RunConfined.seconds = 30"
SECRET = "what-only-the-grader-of-this-course-knows"
STUBS = {
    name: (ROOT / "exercise" / f"{name}.py").read_bytes() for name in assignments()[MAIN].modules
}
WRONG = "dataset-targets-int32"
QUICK = {  # the students of the quick suite
    *("tried-solution", f"read-wrong-{WRONG}", "run-forges-the-gradebook"),
    *("run-exits", "run-forged", "tried-looks"),
    *("read-helper", "read-no-notebook", "read-marked-by-hand"),
    *("read-another-name", "read-two-names", "read-link"),
}
CELLS = {  # of a module; the first one gets its text
    "dataset": ["dataset_NewsDataset"],
    "collate": ["collate_Collate"],
    "model": ["model_LSTMClassifier"],
    "train": ["train_evaluate", "train_train"],
}


def released(folder: Path, settings: str = "", assignment: str = ASSIGNMENT) -> Scratch:
    unconfined = UNCONFINED if NO_SANDBOX else ""
    course = Scratch.make(folder, "\n".join([SETTINGS, unconfined, settings]), assignment)
    done = course.run("generate_assignment", assignment)
    assert done.returncode == 0, done.stderr
    return course


def marks(course: Scratch, points: Iterable[str] = POINTS) -> dict[str, dict[str, float]]:
    """The marks of every student by task, from the exported CSV."""
    assert course.run("export").returncode == 0
    return {student: tasks_of(row, points) for student, row in course.marks().items()}


def tasks_of(row: dict[str, str], points: Iterable[str] = POINTS) -> dict[str, float]:
    return {task: float(row[task] or 0) for task in points}


def as_notebook(release: Any, texts: dict[str, str]) -> Any:
    """Return a notebook with modules in its solution cells."""
    sources: dict[str, str] = {}
    for module, (first, *others) in CELLS.items():
        if module in texts:
            sources |= {first: texts[module], **dict.fromkeys(others, "# all of it is above")}
    return with_cells(release, **sources)


# --- parts of the banks: the marks are those of the command line --------------------------------

RIGHT = (
    *("dataset_plain_loop", "dataset_numpy", "collate_numpy", "collate_plain_loop"),
    *("model_output_slices", "model_packed", "train_plain", "train_decorated"),
)
HOSTILE = (
    *("leaves-at-once", "forges-the-gradebook", "an-invented-history", "fork-bomb"),
    *("memory-bomb", "prints-100-megabytes", "test-frameworks-that-always-pass"),
    *("reads-a-hidden-file", "connects", "signals-the-grader", "leaves-a-process-behind"),
    *("equal-to-everything", "writes-its-own-answers", "endless-recursion"),
)
READS_WHEN_MADE = """\
        for path in ({gradebook!r}, {answers!r}, "/etc/shadow"):
            try: raise ValueError(open(path).read())
            except OSError: pass
"""
Files = dict[str, bytes]


def each_of(names: Iterable[str]) -> list[Any]:
    """The names as parameters; the quick suite has only those in `QUICK`."""
    return [n if n in QUICK else pytest.param(n, marks=pytest.mark.full) for n in names]


def bank() -> dict[str, Callable[[Scene], Files]]:
    """Mutants and accepted variants by name: the modules of each, completed with others.

    A mutant has only its own module: its points for accuracy depend on the split of the news, and
    so on the text of the modules, which is different in a notebook.
    """
    wrong: dict[str, Files] = {}
    for task in assignments()[MAIN].modules:
        entries = [entry for entry in mutants() if entry.task == task]
        chosen = [*entries[:: len(entries) // 3][:3], *(e for e in entries if e.id == WRONG)]
        wrong |= {f"read-wrong-{e.id}": e.changed for e in chosen}
    right = {f"read-right-{e.name}": e.files for e in accepted_variants() if e.name in RIGHT}
    of_modules = {"tried-solution": REFERENCE, "read-stub": {}, **wrong, **right}
    return {
        **{name: partial(as_they_are, files) for name, files in of_modules.items()},
        **{f"run-{name}": partial(attack, name) for name in HOSTILE},
        "run-reads-when-made": reading,
    }


def as_they_are(files: Files, _here: Scene) -> Files:
    return files


def attack(name: str, here: Scene) -> Files:
    """The module of a hostile submission."""
    entry = hostile_bank()[name]
    return {entry.module: here.fill(entry.sources()[entry.module]).encode()}


def reading(here: Scene) -> Files:
    """A part that looks for files when it is constructed."""
    text = REFERENCE["collate"].decode()
    first = "        self.nlp = "
    assert text.count(first) == 1
    return {"collate": here.fill(text.replace(first, READS_WHEN_MADE + first)).encode()}


def of_the_bank(name: str, files: Files, release: Any) -> Any:
    """A submission as a notebook.

    The initial code of a hostile one becomes one statement with the part, because other top-level
    calls are not run.
    """
    texts = {module: data.decode() for module, data in files.items()}
    if name.startswith("run-"):
        texts = {n: f"if True:\n{textwrap.indent(t, '    ')}" for n, t in texts.items()}
    return as_notebook(release, texts)


@pytest.mark.parametrize("name", each_of(bank()))
def test_a_notebook_has_the_marks_that_the_command_line_gives_to_its_modules(
    graded: "Graded", name: str, full: bool
) -> None:
    if name == "tried-solution" and not full:  # tox grades the reference by itself
        assert graded.marks(name) == POINTS
        return
    files = {**STUBS, **bank()[name](graded.here)}
    taken = Sources(name, files, {stem: f"{stem}.py" for stem in files})
    record = session.grade(taken, device="cpu")
    assert graded.marks(name) == {task.id: task.score for task in record.tasks}


def test_the_students_of_the_quick_suite_are_there() -> None:
    assert {*bank(), *ODD, *READ, *FOLDERS} >= QUICK


# --- what students hand in, and should not ------------------------------------------------------

LOOP = """
import time
while True:
    try:
        time.sleep(60)
    except BaseException:
        pass
"""
FORGED = """
import ast, builtins, grader.notebook, os, sys, torch
terminal = getattr(sys.stdout, "_original_stdstream_copy", 1)
os.write(terminal, b"forged line" * 2)
class Full(float):
    def __eq__(self, other): return True
    def __repr__(self): return "30.0"
class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
shell = get_ipython()
shell.ast_transformers.append(NoAsserts())
shell.display_formatter.formatters["text/plain"].for_type(float, lambda *_: "30.0")
send = shell.kernel.session.send
send(shell.kernel.iopub_socket, "stream", {"name": 7, "text": [None]}, parent=shell.parent_header)
grader.notebook.check = check = lambda *_: Full(30)
torch.equal = torch.allclose = lambda *_, **__: True
builtins.float = Full
"""
# Looks for what is hidden, as a kernel and as a worker. It holds the secrets back to front, so as
# not to find itself.
LOOKS = """
import glob, os, socket, sqlite3, sys

def look():
    for path in ["../../../gradebook.db", "{root}/gradebook.db"]:
        try:
            with sqlite3.connect(path) as db:
                db.execute("update grade set auto_score = 1000")
            yield "gradebook changed"
        except sqlite3.Error:
            pass
    try:
        socket.create_connection(("127.0.0.1", {port}), 2).send(b"hello")
        yield "network"
    except OSError:
        pass
    hidden = [text[::-1].encode() for text in {backwards}]
    system = ("/usr", "/lib", "/bin", "/sbin", "/proc/", "/sys", "/dev")
    system += (sys.prefix, sys.base_prefix)
    places = glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline")
    for folder, folders, files in os.walk("/"):
        folders[:] = [each for each in folders if not os.path.join(folder, each).startswith(system)]
        places += [os.path.join(folder, file) for file in files]
    for path in places:
        try:
            with open(path, "rb") as stream:
                content = stream.read(1 << 22)
        except OSError:
            continue
        for text in hidden:
            if text in content:
                yield f"{{text}} in {{path}}"
    for path in glob.glob("{root}/**", recursive=True):
        try:
            open(path, "w").close()
            yield "wrote " + path
        except OSError:
            pass

found = [*look()]
print("found:", found)
if found:
    1 / 0
"""
ODD_CELLS = '{"cells": CELLS, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


@dataclass(frozen=True)
class Given:
    """The ingredients of a submission.

    Attributes:
        source, release: the assignment's notebook with and without the solution.
        part: the release with only the first part written.
        looks: code that looks for hidden files.
    """

    source: Any
    release: Any
    part: Any
    looks: str


def changed(notebook: Any, change: Callable[[Any], None]) -> Any:
    """A copy of a notebook in which each cell with a name was changed."""
    notebook = copy.deepcopy(notebook)
    for each in notebook.cells:
        if name_of(each):
            change(each)
    return notebook


def without(notebook: Any, *names: str) -> Any:
    notebook = copy.deepcopy(notebook)
    notebook.cells = [each for each in notebook.cells if name_of(each) not in names]
    return notebook


def skipped(given: Given) -> Any:
    def skip(each: Any) -> None:
        each.metadata.tags = ["skip-execution"]

    return changed(given.release, skip)


def worth_more(given: Given) -> Any:
    def double(each: Any) -> None:
        each.metadata.nbgrader.points = 1000
        if name_of(each) in TESTS:
            each.source = "1000.0"

    return changed(given.release, double)


def renamed(given: Given) -> Any:
    def rename(each: Any) -> None:
        each.metadata.nbgrader.grade_id += "-2"

    return changed(given.part, rename)


def retagged(given: Given) -> Any:
    """Tests become solutions and solutions tests; code becomes text."""

    def turn(each: Any) -> None:
        told = each.metadata.nbgrader
        told.grade, told.solution, told.locked = not told.grade, not told.solution, not told.locked
        if each.cell_type == "code":
            each.cell_type = "raw"
            del each["outputs"], each["execution_count"]

    return changed(given.part, turn)


def twice(given: Given) -> Any:
    """The stub's cell, followed by the written one, both with the same name."""
    notebook = copy.deepcopy(given.release)
    place = notebook.cells.index(cell(notebook, "dataset-NewsDataset"))
    notebook.cells.insert(place + 1, copy.deepcopy(cell(given.part, "dataset-NewsDataset")))
    return notebook


def doubled_tests(given: Given) -> Any:
    """Test cells with the right names and other sources, before and after the true ones."""
    notebook = copy.deepcopy(given.release)
    forged = [copy.deepcopy(cell(notebook, name)) for name in TESTS]
    for each in forged:
        each.source = f"{each.metadata.nbgrader.points}.0"
    notebook.cells = [*copy.deepcopy(forged), *notebook.cells, *forged]
    return notebook


def helper(given: Given) -> Any:
    """A part that needs a constant and a function from an extra cell with failing calls."""
    text = cell(given.part, "dataset-NewsDataset").source
    notebook = with_cells(
        given.part, dataset_NewsDataset=text.replace("label - 1 for", "shifted(label) for")
    )
    extra = nbformat.v4.new_code_cell("ONE = 1\ndef shifted(label): return label - ONE\n1 / 0")
    notebook.cells.insert(2, extra)
    return notebook


def other_kernel(given: Given) -> Any:
    notebook = copy.deepcopy(given.part)
    notebook.metadata.kernelspec = {"name": "no-such", "display_name": "x", "language": "bash"}
    return notebook


def odd_metadata(given: Given) -> str:
    """Metadata with unusual types."""
    content = json.loads(nbformat.v4.writes_json(copy.deepcopy(given.part)))
    content["metadata"]["nbgrader"] = {"schema_version": 99}
    for number, each in enumerate(content["cells"]):
        each["metadata"]["nbgrader"] = [{"schema_version": 99}, "x", None, 7][number % 4]
    return json.dumps(content)


def running(text: str) -> Callable[[Given], Any]:
    """The release with a text instead of the first part, run by kernel and worker."""
    body = textwrap.indent(text, "    ")
    return lambda given: with_cells(
        given.release, dataset_NewsDataset=f"class NewsDataset:\n{body}"
    )


def forged(given: Given) -> Any:
    return with_cells(given.release, imports=FORGED, dataset_NewsDataset=FORGED)


def looking(given: Given) -> Any:
    text = f"{given.looks}\n{cell(given.part, 'dataset-NewsDataset').source}"
    whole = f"if True:\n{textwrap.indent(text, '    ')}"
    return with_cells(given.release, dataset_NewsDataset=whole)


TESTS = [f"check-{task}" for task in POINTS]
HandIn = dict[str, tuple[Callable[[Given], Any], dict[str, float] | None]]
ODD: HandIn = {  # what is handed in, and its marks; None: a person is needed
    "read-skipped": (skipped, NOTHING),
    "read-points": (worth_more, NOTHING),
    "read-tests-deleted": (lambda given: without(given.part, *TESTS), ONLY_DATASET),
    "read-tests-twice": (doubled_tests, NOTHING),
    "read-part-deleted": (lambda given: without(given.part, "dataset-NewsDataset"), NOTHING),
    "read-renamed": (renamed, ONLY_DATASET),
    "read-retagged": (retagged, ONLY_DATASET),
    "read-twice": (twice, ONLY_DATASET),
    "read-helper": (helper, ONLY_DATASET),
    "read-kernel": (other_kernel, ONLY_DATASET),
    "read-odd-metadata": (odd_metadata, ONLY_DATASET),
    "read-no-notebook": (lambda _: '{"cells": [', None),
    "read-deep": (lambda _: '{"cells": ' + "[" * 100_000, None),
    "read-odd-cells": (lambda _: ODD_CELLS.replace("CELLS", '[7, {"cell_type": "code"}]'), None),
    "read-odd-list": (lambda _: ODD_CELLS.replace("CELLS", '{"a": 7}'), None),
    "read-half-cells": (lambda _: ODD_CELLS.replace("CELLS", '[{"cell_type": "code"}]'), None),
    "read-empty": (lambda _: ODD_CELLS.replace("CELLS", "[]"), NOTHING),
    "read-data-in-a-cell": (
        lambda given: with_cells(
            given.release, dataset_NewsDataset=f"class NewsDataset:\n    x = '{'a' * 70_000}'"
        ),
        None,
    ),
    "read-marked-by-hand": (lambda given: given.release, ONLY_DATASET),
    "run-forged": (forged, NOTHING),
    "run-exits": (running("import os; os._exit(0)"), NOTHING),
    "run-loops": (lambda given: with_cells(given.release, dataset_NewsDataset=LOOP), NOTHING),
    "run-prints": (
        lambda given: with_cells(
            given.release, dataset_NewsDataset="while True: print('x' * 1000)"
        ),
        NOTHING,
    ),
    "tried-looks": (looking, ONLY_DATASET),
}


def another_name(path: Path) -> None:
    path.rename(path.with_name(f"{path.stem} (1).ipynb"))


def old_version(path: Path) -> None:
    """What an editor of long ago would have saved, with a mark of its encoding in front."""
    cells = json.loads(path.read_bytes())["cells"]
    for each in cells:
        if each["cell_type"] == "code":
            each["input"], each["language"] = each.pop("source"), "python"
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}
    path.write_text(json.dumps(old), encoding="utf-8-sig")


def plots(path: Path) -> None:
    content = json.loads(path.read_bytes())
    code = next(each for each in content["cells"] if each["cell_type"] == "code")
    image = {"image/png": "iVBOR" * (6 << 20)}
    code["outputs"] = [{"output_type": "display_data", "data": image, "metadata": {}}]
    path.write_text(json.dumps(content), encoding="utf-8")


# What is read all the same: what is done to the file, and what the student is told.
READ = {
    "read-another-name": (another_name, rf"{ASSIGNMENT} \(1\)\.ipynb was read as {ASSIGNMENT}"),
    "read-old-version": (old_version, r"of an old version \(nbformat 3\); it was converted"),
    "read-plots": (plots, ""),
}


def two_names(path: Path) -> None:
    shutil.copy(path, path.with_name(f"{path.stem} (2).ipynb"))
    path.rename(path.with_name(f"{path.stem} (1).ipynb"))


def link(path: Path) -> None:
    path.rename(path.with_name("true.ipynb"))
    path.symlink_to("true.ipynb")


def link_beside(path: Path) -> None:
    (path.parent / "data.txt").symlink_to(path.parents[3] / "gradebook.db")


def pipe_beside(path: Path) -> None:
    os.mkfifo(path.parent / "data.txt")


def no_date(path: Path) -> None:
    (path.parent / "timestamp.txt").write_bytes(b"\xffyesterday")


# What nbgrader would skip or give up on: how the folder is changed, and the expected problem.
FOLDERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "read-two-names": (two_names, rf"{ASSIGNMENT}\.ipynb.*{ASSIGNMENT} \(1\)\.ipynb"),
    "read-no-file": (Path.unlink, rf"{ASSIGNMENT}\.ipynb.*none"),
    "read-link": (link, rf"{ASSIGNMENT}\.ipynb is a link"),
    "read-link-beside": (link_beside, r"data\.txt is a link"),
    "read-pipe-beside": (pipe_beside, r"data\.txt is .* special file"),
    "read-no-date": (no_date, "timestamp.txt"),
}


@dataclass(frozen=True)
class Graded:
    """The course after its cycle.

    Attributes:
        students: the students who submitted something.
        here: the targets of hostile submissions.
        rows: the exported marks.
        harm: the harm that was found.
        log: nbgrader's log while it graded.
    """

    course: Scratch
    students: list[str]
    here: Scene
    rows: dict[str, dict[str, str]]
    harm: list[str]
    log: str

    def marks(self, student: str) -> dict[str, float]:
        return tasks_of(self.rows[student])

    def shown(self, student: str) -> str:
        """The output of a notebook's cells on the feedback page."""
        path = self.course.folder / "autograded" / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        notebook = nbformat.read(path, 4)
        return "\n".join(
            json.dumps(output) for each in notebook.cells for output in each.get("outputs", [])
        )


def submitted(course: Scratch) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in course.folder.glob("submitted/*/*/*.ipynb")}


def asked_for(request: pytest.FixtureRequest) -> set[str]:
    """The students that the selected tests are about."""
    here = [item for item in request.session.items if item.path == Path(__file__)]
    of_each = [getattr(getattr(item, "callspec", None), "params", {}) for item in here]
    return {params["name"] for params in of_each if "name" in params}


@pytest.fixture(scope="module")
def graded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Graded]:
    """The course after the whole cycle, in which all students had full marks before."""
    with contextlib.ExitStack() as stack:
        set_up = stack.enter_context(pytest.MonkeyPatch.context())
        set_up.setenv("GRADER_SECRET", SECRET)
        here = stack.enter_context(scene())
        here.lay_out()
        course = released(tmp_path_factory.mktemp("course"))
        asked = QUICK | asked_for(request)
        students = [name for name in (*bank(), *ODD, *READ, *FOLDERS) if name in asked]
        hand_in(course, here, students)
        before = submitted(course), here.state()
        before_it = family()
        log = ""
        for options in (
            ("--student", "read-*", "--no-execute"),
            ("--student", "run-*"),
            ("--student", "tried-*", "--Execute.timeout=600", "--RunConfined.seconds=600"),
        ):
            done = course.run("autograde", ASSIGNMENT, *options)
            log += done.stdout + done.stderr
            assert done.returncode == 0, done.stderr
        left = [each for pid, each in family().items() if pid not in before_it]
        harm = {
            "what was handed in": submitted(course) != before[0],
            "files outside": here.state() != before[1],
            "somebody was called": bool(here.heard),
            f"processes left: {left}": bool(left),
        }
        done = course.run("generate_feedback", ASSIGNMENT)
        assert done.returncode == 0, done.stderr
        marks(course)
        harmed = [what for what, true in harm.items() if true]
        yield Graded(course, students, here, course.marks(), harmed, log)


def hand_in(course: Scratch, here: Scene, students: list[str]) -> None:
    """Give the students full marks, then submit their notebooks."""
    source, release = course.notebook("source"), course.notebook("release")
    part = with_cells(release, dataset_NewsDataset=cell(source, "dataset-NewsDataset").source)
    hidden = [SECRET, NEIGHBOUR, "A full answer" + " says", "### BEGIN SOLUTION" + "\n"]
    looks = LOOKS.format(
        root=course.folder, port=here.port, backwards=[text[::-1] for text in hidden]
    )
    given = Given(source, release, part, looks)
    with Gradebook(f"sqlite:///{course.folder}/gradebook.db") as gradebook:
        for name in students:
            gradebook.update_or_create_student(name)
            gradebook.update_or_create_submission(ASSIGNMENT, name)
            for task, points in POINTS.items():
                grade = gradebook.find_grade(f"check-{task}", ASSIGNMENT, ASSIGNMENT, name)
                grade.auto_score, grade.needs_manual_grade = points, False
        find = (ASSIGNMENT, ASSIGNMENT, "read-marked-by-hand")
        gradebook.find_grade("check-dataset", *find).manual_score = POINTS["dataset"]
        gradebook.db.commit()
    assert marks(course) == dict.fromkeys(students, POINTS)
    entries = bank()
    for name in students:
        if name in entries:
            course.hand_in(name, of_the_bank(name, entries[name](here), release))
        elif name in ODD:
            course.hand_in(name, ODD[name][0](given))
        else:
            {**READ, **FOLDERS}[name][0](course.hand_in(name, part))


@in_a_sandbox
@pytest.mark.parametrize("name", each_of(ODD))
def test_a_notebook_has_the_marks_that_its_code_deserves(graded: Graded, name: str) -> None:
    expected = ODD[name][1]
    if expected is None:
        assert graded.rows[name]["needs_manual_grade"] == "yes"
    row = graded.rows[name]
    status = "graded" if expected is not None else "unreadable"
    assert (row["status"], bool(row["score"])) == (status, expected is not None)
    assert graded.marks(name) == (expected or NOTHING)


@in_a_sandbox
@pytest.mark.parametrize("name", each_of(n for n, (_, points) in ODD.items() if points is None))
def test_what_cannot_be_graded_says_so_where_the_teacher_looks(graded: Graded, name: str) -> None:
    for text in (graded.rows[name]["problem"], graded.course.feedback(name)):
        assert re.search("cannot be graded|at most 65,536", text)
        assert "your teacher will look at it" in text


@in_a_sandbox
@pytest.mark.parametrize("name", each_of(FOLDERS))
def test_no_mark_stays_where_a_folder_cannot_be_taken_in(graded: Graded, name: str) -> None:
    row = graded.rows[name]
    assert [row["status"], row["score"], *(row[task] for task in POINTS)] == [
        "unreadable", "", *("" for _ in POINTS),
    ]  # fmt: skip
    assert graded.rows[name]["needs_manual_grade"] == "yes"
    assert re.search(FOLDERS[name][1], graded.rows[name]["problem"])
    assert re.search(f"{name} is not graded: .*{FOLDERS[name][1]}", graded.log)
    assert graded.course.feedback(name) == ""


@in_a_sandbox
@pytest.mark.parametrize("name", each_of(READ))
def test_what_is_read_all_the_same_has_its_marks_and_a_note(graded: Graded, name: str) -> None:
    assert graded.marks(name) == ONLY_DATASET
    assert re.search(READ[name][1], graded.course.feedback(name))
    assert graded.rows[name]["problem"] == ""


@in_a_sandbox
def test_who_gave_a_mark_by_hand_is_to_look_again(graded: Graded) -> None:
    assert graded.rows["read-marked-by-hand"]["needs_manual_grade"] == "yes"
    find = (ASSIGNMENT, ASSIGNMENT, "read-marked-by-hand")
    with Gradebook(f"sqlite:///{graded.course.folder}/gradebook.db") as gradebook:
        assert gradebook.find_grade("check-dataset", *find).auto_score == 0.0


@in_a_sandbox
def test_who_was_graded_has_no_problem(graded: Graded) -> None:
    without_record = [*FOLDERS, *(name for name, (_, points) in ODD.items() if points is None)]
    names = [name for name in graded.students if name not in without_record]
    assert {name: graded.rows[name]["problem"] for name in names} == dict.fromkeys(names, "")


@in_a_sandbox
def test_nothing_was_harmed(graded: Graded) -> None:
    assert graded.harm == []
    assert set(graded.rows) == set(graded.students)


@in_a_sandbox
def test_student_code_writes_nothing_to_the_terminal_of_whoever_grades(graded: Graded) -> None:
    assert "forged line" * 2 not in graded.log
    assert "Ctrl-C will not work" not in graded.log  # what kernels say at their start


@in_a_sandbox
def test_student_code_saw_nothing_that_is_hidden(graded: Graded) -> None:
    assert "found: []" in graded.shown("tried-looks")


def test_looking_finds_what_is_there(tmp_path: Path) -> None:
    """Otherwise the last test would prove nothing."""
    (tmp_path / "gradebook.db").write_text("no database")
    code = LOOKS.format(root=tmp_path, port=9, backwards=[SECRET[::-1]])
    code = code.replace('os.walk("/")', f"os.walk({str(tmp_path)!r})")
    (tmp_path / "hidden").write_text(f"...{SECRET}...")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"GRADER_SECRET": SECRET},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    for what in (f"{SECRET}' in {tmp_path}/hidden", "/environ", f"wrote {tmp_path}/gradebook.db"):
        assert what in done.stdout


@in_a_sandbox
def test_the_secret_of_the_course_stands_in_no_file(graded: Graded) -> None:
    files = [path for path in graded.course.folder.rglob("*") if path.is_file()]
    assert len(files) > 3 * len(graded.students)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    record = graded.course.folder / "records" / ASSIGNMENT / "tried-solution.json"
    assert '"secret": "course"' in record.read_text(encoding="utf-8")


@in_a_sandbox
def test_what_only_the_source_holds_stands_on_no_page_of_others(graded: Graded) -> None:
    hidden = list(only_in_source(graded.course.notebook("source")))
    assert len(hidden) > 30
    release = "\n".join(each.source for each in graded.course.notebook("release").cells)
    pages = [
        graded.course.feedback(name)
        for name in ("read-marked-by-hand", "read-no-notebook", "run-exits")
    ]
    for text in (release, *pages):
        assert text
        assert [line for line in hidden if line in text] == []


@in_a_sandbox
def test_every_submission_has_a_page_with_the_results_of_its_tasks(graded: Graded) -> None:
    for name in [name for name in graded.students if name not in FOLDERS]:
        page = graded.course.feedback(name)
        assert "your teacher" in page or "of 15 points" in page


@in_a_sandbox
def test_every_cell_of_the_lesson_runs_without_a_network(graded: Graded) -> None:
    shown = graded.shown("tried-solution")
    assert '"output_type": "error"' not in shown
    assert '"stderr"' not in shown
    drawn = ("padding", "overfitting", "classifier", "cell", "states", "padded states")
    measured = ("curves", "confusion")
    assert shown.count("image/png") == len(drawn + measured)  # and none of the experiments
    assert "epoch 8 of 8" in shown


# --- the feedback run -------------------------------------------------------------------------


def test_no_kernel_gets_what_is_meant_for_the_grader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADER_SECRET", "a secret")
    _, options = asyncio.run(PlainKernel(kernel_name="python3").pre_start_kernel())
    assert "PATH" in options["env"]
    assert "a secret" not in options["env"].values()
    assert not any("a secret" in part for part in kernel_command(Path("/tmp/k")))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> RunConfined:
    """A run with a limit of 1,000 bytes of output, which returns what it keeps."""
    monkeypatch.setattr(Execute, "output", lambda _run, _outs, message, *_: message["content"])
    run = RunConfined()
    run.left = 1000
    return run


def test_a_page_shows_pictures_and_text_but_nothing_that_it_would_run(run: RunConfined) -> None:
    data = {"text/html": "<script>", "application/javascript": "x", "image/svg+xml": "<svg>"}
    message = {"content": {"data": {**data, "text/plain": "a", "image/png": "b"}}}
    assert run.output([], message, None, 0)["data"] == {"text/plain": "a", "image/png": "b"}


def test_a_page_shows_no_results_of_experiments(
    run: RunConfined, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Execute, "preprocess_cell", lambda _run, cell, *_: (cell.source, "ran"))
    run.ends = time.monotonic() + 60
    cells = [nbformat.v4.new_code_cell(text) for text in ("# Experiment: one minute\n1", "1")]
    assert [run.preprocess_cell(cell, "", 0)[1] for cell in cells] == ["", "ran"]


def test_a_page_shows_no_more_than_its_limit(run: RunConfined) -> None:
    message = {"content": {"name": "stdout", "text": "x" * 600}}
    assert run.output([], message, None, 0) == message["content"]
    assert run.output([], message, None, 0) is None


# --- without a sandbox ------------------------------------------------------------------------

WITHOUT_LANDLOCK = """
import ctypes, os, sys
from grader.worker import libc, seccomp
rules = [seccomp._load(seccomp.NUMBER), seccomp._step(seccomp.JUMP_EQUAL, 444, 0, 1)]
rules += [seccomp._error(seccomp.ENOSYS), seccomp._step(seccomp.RETURN, seccomp.ALLOW)]
program = b"".join(rules)
held = ctypes.create_string_buffer(program, len(program))
libc.call("prctl", libc.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
where = libc.buffer("@HP", len(rules), ctypes.addressof(held))
libc.call("prctl", seccomp.PR_SET_SECCOMP, 2, where)
os.execv(sys.executable, [sys.executable, "-m", "nbgrader", *sys.argv[1:]])
"""


def regraded_without_landlock(course: Scratch) -> subprocess.CompletedProcess[str]:
    arguments = ["autograde", ASSIGNMENT, "--force", "--no-execute"]
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_LANDLOCK, *arguments],
        cwd=course.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def everything(course: Scratch) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in course.folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scratch, str]:
    """A course graded without bubblewrap, and nbgrader's log."""
    course = released(tmp_path_factory.mktemp("bare"))
    course.hand_in("ann", course.notebook("release"))
    empty = course.folder / "bin"
    empty.mkdir()
    with pytest.MonkeyPatch.context() as changes:
        changes.setenv("PATH", str(empty))
        done = course.run("autograde", ASSIGNMENT)
    assert done.returncode == 0, done.stderr
    return course, done.stderr


def environment_of_the_record(course: Scratch) -> Any:
    file = course.folder / "records" / ASSIGNMENT / "ann.json"
    return json.loads(file.read_text(encoding="utf-8"))["environment"]


@pytest.mark.full
@in_a_sandbox
def test_without_bubblewrap_there_are_marks_but_no_kernels(bare: tuple[Scratch, str]) -> None:
    course, log = bare
    reason = "bwrap is not installed. What to do: apt-get install bubblewrap"
    assert f"not run for its feedback page: {reason}" in log
    assert marks(course) == {"ann": NOTHING}
    layers = environment_of_the_record(course)["confinement_layers"]
    assert layers == ["rlimits", "landlock", "seccomp"]
    path = course.folder / "autograded" / "ann" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    cells = nbformat.read(path, 4).cells
    assert [name_of(each) for each in cells if each.get("outputs")] == TESTS


@pytest.mark.full
@in_a_sandbox
def test_without_a_sandbox_for_workers_nothing_is_touched_unless_the_instructor_says_so(
    bare: tuple[Scratch, str],
) -> None:
    course, _ = bare
    before = everything(course)
    done = regraded_without_landlock(course)
    assert done.returncode == 1
    for text in ("no Landlock", "there is one", "run_student_code_without_a_sandbox = True"):
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert everything(course) == before
    config = course.folder / "nbgrader_config.py"
    config.write_text(f"{config.read_text(encoding='utf-8')}\n{UNCONFINED}\n", encoding="utf-8")
    done = regraded_without_landlock(course)
    assert done.returncode == 0, done.stderr
    assert environment_of_the_record(course)["confinement"] == "limits"


# --- other assignments ------------------------------------------------------------------------


def notebook_of(assignment: str, files: dict[str, bytes], folder: Path) -> Any:
    """The notebook of an assignment with these modules in its cells."""
    for module, source in files.items():
        (folder / f"{module}.py").write_bytes(source)
    return nbformat.reads(notebooks.notebook(COURSE / f"{assignment}.py", folder), 4)


@pytest.mark.full
@pytest.mark.parametrize("id_", [id_ for id_ in assignments() if id_ != MAIN])
def test_another_assignment_has_the_marks_of_the_command_line(tmp_path: Path, id_: str) -> None:
    """The reference, the stubs, half of the reference, and three mutants."""
    course = released(tmp_path, assignment=id_)
    source, release = course.notebook("source"), course.notebook("release")
    tasks = assignments()[id_].tasks
    full = {task.id: float(task.points) for task in tasks.values()}
    left_out = [*tasks][1::2]
    half = copy.deepcopy(source)
    for each in half.cells:
        name = name_of(each) or ""
        if name.startswith(tuple(f"{task}-" for task in left_out)):
            each.source = cell(release, name).source
    handed_in = {"all": source, "nothing": release, "half": half}
    expected = {
        "all": full,
        "nothing": dict.fromkeys(full, 0.0),
        "half": {**full, **dict.fromkeys(left_out, 0.0)},
    }
    entries = [entry for entry in mutants() if entry.assignment == id_]
    for entry in entries[1 :: len(entries) // 3][:3]:
        folder = tmp_path / entry.id
        folder.mkdir()
        handed_in[entry.id] = notebook_of(id_, entry.files, folder)
        names = {module: f"{module}.py" for module in entry.files}
        record = session.grade(Sources(entry.id, entry.files, names), assignment=id_)
        assert record.score < 100
        expected[entry.id] = {task.id: task.score for task in record.tasks}
    for student, notebook in handed_in.items():
        course.hand_in(student, notebook)
    done = course.run("autograde", id_, "--no-execute")
    assert done.returncode == 0, done.stderr
    assert marks(course, full) == expected
    record = json.loads((tmp_path / "records" / id_ / "half.json").read_text(encoding="utf-8"))
    assert record["submission"]["assignment"] == id_
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as gradebook:
        find = (id_, id_, "half")
        task = tasks[left_out[0]]
        comment = gradebook.find_comment(f"{task.id}-{task.names[0]}", *find).auto_comment
    assert comment == f"{task.id}: 0/{task.points:g} points, not started."
