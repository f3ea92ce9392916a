"""Measures grading a class: run `python -m bench.classes` in the kit's folder, on Linux.

1. The kit (`class`, in the sandbox), nbgrader in its default configuration and otter-grader grade
   the same notebooks, with the kit's checks in the test cells: wall time, CPU time, memory, wrong
   marks, lost submissions. The lesson's own cells, which the kit does not run and the others do,
   are in them with `--whole` only. `docs/kill_matrix.md` says which checks a mutant fails, and so
   what its mark should be.
2. How the cost of the kit grows with the number of submissions and of Dask workers.

otter-grader needs an environment of its own:

    python3 -m venv OTTER
    OTTER/bin/python -m pip install -c constraints.txt otter-grader==7.0.0 \\
        ./packages/en_core_web_sm -e '.[instructor]'
    python -m bench.classes --otter OTTER/bin/python

`--submissions 8 --growth 4,8` is a short run. `--out FOLDER` gets the plot and the tables in
Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil  # type: ignore[import-untyped]
from nbgrader.api import Gradebook

from bench.report import busy, show_versions
from grader.base.paths import COURSE
from grader.contract.tasks import MAIN, assignments
from grader.maintain.scratch import ASSIGNMENT, Scratch, with_cells
from grader.maintain.submission_bank import REFERENCE, Variant, accepted_variants, mutants
from tests.matrix.page import PAGE, parse

ROOT = Path(__file__).parents[1]
TASKS = assignments()[MAIN].tasks
POINTS = {check.id: check.points for check in assignments()[MAIN].checks}
MOST = sum(POINTS.values())
LOOP = b"\n        while True:\n            pass"
LEAVE = b"\n        __import__('os')._exit(1)"
ENDINGS = {"hangs": LOOP, "crashes": LEAVE}  # in the first line of `NewsDataset.__init__`
OWN_CELL = {"hangs": "while True:\n    pass", "crashes": "import os\nos._exit(1)"}
VANILLA = 'c = get_config()\nc.CourseDirectory.course_id = "bench"\n'
INTERVAL = 0.5  # seconds between two looks at the memory


Row = tuple[str, ...]


@dataclass(frozen=True)
class Submission:
    """A submitted notebook and the mark that it should get."""

    student: str
    notebook: str
    mark: float


@dataclass(frozen=True)
class Used:
    """The resources that a run used.

    Attributes:
        seconds: wall time.
        processor: CPU time of the whole machine, see `busy`.
        memory: peak bytes of all processes together, shared pages counted once.
        first: peak bytes of the main process alone.
    """

    seconds: float
    processor: float
    memory: int
    first: int


# --- submissions -------------------------------------------------------------------------------


def notebook(files: dict[str, bytes], own_cell: str = "", *, whole: bool) -> str:
    """Return the course's notebook with these modules in its cells, plus one extra cell.

    Only a `whole` one has the lesson's own cells, too.
    """
    texts = {name: data.decode() for name, data in files.items()}
    made = with_cells(
        nbformat.read(COURSE / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", 4),
        dataset_NewsDataset=texts["dataset"],
        collate_Collate=texts["collate"],
        model_LSTMClassifier=texts["model"],
        train_evaluate="# all of it is below",
        train_train=texts["train"],
    )
    made.cells = [
        cell
        for cell in made.cells
        if whole or not cell.id.startswith("lesson-") or "import check" in cell.source
    ]
    if own_cell:
        made.cells.append(nbformat.v4.new_code_cell(own_cell, id="own"))
    return str(nbformat.writes(made))


def submissions(count: int, whole: bool) -> list[Submission]:
    """Create submissions: two hang, two crash, an eighth are stubs, half of the rest are wrong."""
    written = functools.partial(notebook, whole=whole)
    stubs = {path.stem: path.read_bytes() for path in (ROOT / "exercise").glob("*.py")}
    made = [Submission(f"own-cell-{kind}", written(REFERENCE, text), MOST)
            for kind, text in OWN_CELL.items()]  # fmt: skip
    for kind, line in ENDINGS.items():
        source = REFERENCE["dataset"]
        place = source.index(b"### BEGIN SOLUTION", source.index(b"def __init__"))
        end = place + len(b"### BEGIN SOLUTION")
        changed = source[:end] + line + source[end:]
        text = written(REFERENCE | {"dataset": changed})
        made.append(Submission(f"method-{kind}", text, MOST - TASKS["dataset"].points))
    made += [Submission(f"stub-{n}", written(stubs), 0) for n in range(count // 8)]
    caught = [*_mutants()]
    own = set(assignments()[MAIN].modules)
    variants = [entry for entry in accepted_variants() if entry.changed.keys() <= own]
    while len(made) < count:
        n = len(made)
        if n % 2:
            entry = variants[n * 7 % len(variants)]
            made.append(Submission(f"right-{n}-{entry.name}", written(entry.files), MOST))
        else:
            entry, mark = caught[n * 37 % len(caught)]
            made.append(Submission(f"wrong-{n}-{entry.id}", written(entry.files), mark))
    return made[:count]


def _mutants() -> Iterator[tuple[Variant, float]]:
    """Yield mutants that fail whole checks, with the mark that they should get."""
    rows = {row.id: row for row in parse(PAGE.read_text(encoding="utf-8"))}
    for entry in mutants():
        if entry.assignment == MAIN and entry.task != "accuracy":
            row = rows[entry.id]
            yield entry, MOST - sum(POINTS[id_] for id_ in (*row.failed, *row.blocked))


# --- measuring a run ---------------------------------------------------------------------------


def measured(command: list[str], cwd: Path, environment: dict[str, str] | None = None) -> Used:
    """Run a command and measure it, including the processes that it starts."""
    before, start = busy(), time.perf_counter()
    with (cwd / "log.txt").open("ab") as log:
        process = psutil.Popen(
            command, cwd=cwd, env=os.environ | (environment or {}), stdout=log, stderr=log
        )
        most, first, done = 0, 0, threading.Event()

        def look() -> None:
            nonlocal most, first
            while not done.wait(INTERVAL):
                with contextlib.suppress(psutil.Error):
                    first = max(first, process.memory_info().rss)
                    most = max(most, sum(map(_held, [process, *process.children(recursive=True)])))

        watcher = threading.Thread(target=look)
        watcher.start()
        process.wait()
        done.set()
        watcher.join()
    return Used(time.perf_counter() - start, busy() - before, most, first)


def _held(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


# --- the tools ---------------------------------------------------------------------------------

Marks = dict[str, float | None]
Graded = tuple[Used, Marks]


def by_kit(class_: list[Submission], folder: Path, *options: str) -> Graded:
    """Grade with `python -m grader class`."""
    (folder / "class").mkdir(parents=True)
    for each in class_:
        (folder / "class" / f"{each.student}.ipynb").write_text(each.notebook, encoding="utf-8")
    line = [sys.executable, "-m", "grader", "class", str(folder / "class"), "--out", str(folder)]
    used = measured([*line, *options], folder, {"PYTHONPATH": str(ROOT)})
    return used, {each["student"]: _score(each) for each in results(folder)}


def results(folder: Path) -> list[dict[str, Any]]:
    """Read the results that the kit wrote."""
    found: list[dict[str, Any]] = json.loads((folder / "results.json").read_text())["results"]
    return found


def _score(result: dict[str, Any]) -> float | None:
    return result["record"] and float(result["record"]["score"])


def by_nbgrader(class_: list[Submission], folder: Path) -> Graded:
    """Grade with `nbgrader autograde` in its default configuration."""
    course = Scratch.make(folder / "course")
    (course.folder / "nbgrader_config.py").write_text(VANILLA, encoding="utf-8")
    done = course.run("generate_assignment", ASSIGNMENT)
    assert done.returncode == 0, done.stderr
    for each in class_:
        course.hand_in(each.student, each.notebook)
    line = [sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT]
    used = measured(line, course.folder, {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
    marks: Marks = {}
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}", "bench") as gradebook:
        for found in gradebook.assignment_submissions(ASSIGNMENT):
            graded = (course.folder / "autograded" / found.student_id).is_dir()
            grades = [grade for each in found.notebooks for grade in each.grades]
            scores = [grade.auto_score for grade in grades if grade.name.startswith("check-")]
            lost = not graded or None in scores
            marks[found.student_id] = None if lost else float(sum(scores))
    return used, marks


OTTER_TEST = """\
from otter.test_files import test_case

from bench.otter_checks import passed

OK_FORMAT = False
name = "{task}"
points = None
"""
OTTER_CASE = """

@test_case(name="{id}", points={points})
def test_{name}():
    assert passed("{task}", "{id}")
"""


def by_otter(python: str, patience: int, class_: list[Submission], folder: Path) -> Graded:
    """Grade with `otter run`, one call per submission, as it is meant to be used.

    otter has no time limit, so a call is killed after `patience` seconds.
    """
    tests = folder / "tests"
    tests.mkdir(parents=True)
    for task in TASKS.values():
        cases = [
            OTTER_CASE.format(id=check.id, name=check.name, task=task.id, points=check.points)
            for check in task.checks
        ]
        text = OTTER_TEST.format(task=task.id) + "".join(cases)
        (tests / f"{task.id}.py").write_text(text, encoding="utf-8")
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    otter = [python, "-m", "otter"]
    generate = [*otter, "generate", "-t", "tests", "-o", "autograder.zip", "--no-environment"]
    measured(generate, folder, environment)
    total, marks = Used(0, 0, 0, 0), Marks()
    for each in class_:
        file, out = folder / f"{each.student}.ipynb", folder / each.student
        file.write_text(_without_checks(each.notebook), encoding="utf-8")
        out.mkdir()
        line = [*otter, "run", "-a", "autograder.zip", "-o", str(out), "--no-logo", str(file)]
        used = measured(["timeout", str(patience), *line], folder, environment)
        total = Used(
            total.seconds + used.seconds,
            total.processor + used.processor,
            max(total.memory, used.memory),
            max(total.first, used.first),
        )
        with contextlib.suppress(OSError, ValueError):
            told = json.loads((out / "results.json").read_text(encoding="utf-8"))
            marks[each.student] = float(sum(test.get("score", 0) for test in told["tests"]))
    return total, marks


def _without_checks(notebook: str) -> str:
    """Remove the test cells: otter keeps its tests in separate files."""
    content = json.loads(notebook)
    content["cells"] = [cell for cell in content["cells"] if not cell["id"].startswith("check-")]
    return json.dumps(content)


def compare(
    class_: list[Submission], workers: int, otter: str | None, patience: int, folder: Path
) -> list[Row]:
    """Grade the same class with each tool and return the rows of a table."""
    tools: dict[str, Callable[[Path], Graded]] = {
        f"kit, {workers} processes, sandbox": lambda place: by_kit(
            class_, place, "--workers", str(workers)
        ),
        "nbgrader autograde": lambda place: by_nbgrader(class_, place),
    }
    if otter is not None:
        tools["otter run"] = lambda place: by_otter(otter, patience, class_, place)
    head = ("tool", "wall s", "s per submission", "CPU s", "peak MB", "marks wrong", "lost")
    rows: list[Row] = [head]
    for number, (name, grade) in enumerate(tools.items()):
        used, marks = grade(folder / f"tool-{number}")
        lost = [each for each in class_ if marks.get(each.student) is None]
        wrong = {
            each.student: (each.mark, marks[each.student])
            for each in class_
            if each not in lost and abs((marks[each.student] or 0) - each.mark) > 0.01
        }
        print(name, "lost:", [each.student for each in lost], "wrong:", wrong, flush=True)
        each = used.seconds / len(class_)
        figures = (f"{used.seconds:.0f}", f"{each:.2f}", f"{used.processor:.0f}")
        rows.append((name, *figures, f"{used.memory / 1e6:.0f}", str(len(wrong)), str(len(lost))))
    stubs = [
        each["seconds"] for each in results(folder / "tool-0") if each["student"].startswith("stub")
    ]
    if stubs:
        print(f"a stub, which has nothing to compute: median {statistics.median(stubs):.2f} s")
    return rows


# --- how the cost grows ------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """One measurement of the kit: the engine, the number of submissions, the resources used."""

    engine: str
    count: int
    used: Used


def copies(count: int, folder: Path) -> None:
    """Submit the first two parts of the reference many times, each with a different comment.

    The student code computes little, so the measurements show the cost of the kit itself.
    """
    for number in range(count):
        place = folder / "class" / f"s{number:04}"
        place.mkdir(parents=True)
        for name in ("dataset", "collate"):
            (place / f"{name}.py").write_bytes(REFERENCE[name] + b"# %d\n" % number)


def grow(counts: list[int], workers: int, clusters: list[int], folder: Path) -> Iterator[Point]:
    """Measure classes of several sizes on this machine, and all but the largest on Dask workers."""
    for count in counts:
        place = folder / f"growth-{count}"
        copies(count, place)
        yield Point(f"{workers} processes", count, _graded(place, "--workers", str(workers)))
    for number in clusters:
        for count in counts[:-1]:
            place = folder / f"cluster-{number}-{count}"
            copies(count, place)
            with cluster(number) as address:
                yield Point(f"{number} Dask", count, _graded(place, "--cluster", address))


def _graded(place: Path, *options: str) -> Used:
    line = [sys.executable, "-m", "grader", "class", str(place / "class"), "--out", str(place)]
    used = measured([*line, *options], place, {"PYTHONPATH": str(ROOT)})
    marks = {_score(each) for each in results(place)}
    assert marks == {35.0}, marks
    return used


@contextlib.contextmanager
def cluster(number: int) -> Iterator[str]:
    """Run a Dask cluster with this many worker processes and yield its address."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=number, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as started:
        yield str(started.scheduler_address)


def table_of(points: list[Point]) -> list[Row]:
    """Return measurements as the rows of a table.

    The cost of a further submission is the difference to the row before, without the start.
    """
    times = ("wall s", "s per submission", "s per further submission")
    rows: list[Row] = [("engine", "submissions", *times, "main process, peak MB")]
    for before, point in zip([None, *points], points, strict=False):
        used, further = point.used, ""
        if before and before.engine == point.engine:
            more = point.count - before.count
            further = f"{(used.seconds - before.used.seconds) / more:.3f}"
        figures = (f"{used.seconds:.1f}", f"{used.seconds / point.count:.3f}", further)
        rows.append((point.engine, str(point.count), *figures, f"{used.first / 1e6:.0f}"))
    return rows


def draw(points: list[Point], path: Path) -> None:
    """Plot seconds per submission and memory of the main process by number of submissions."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5))
    for engine in dict.fromkeys(point.engine for point in points):
        own = [point for point in points if point.engine == engine]
        counts = [point.count for point in own]
        axes[0].plot(counts, [p.used.seconds / p.count for p in own], "o-", label=engine)
        axes[1].plot(counts, [p.used.first / 1e6 for p in own], "o-", label=engine)
    labels = ("seconds per submission", "MB in the main process")
    for axis, label in zip(axes, labels, strict=True):
        axis.set(xscale="log", xlabel="submissions", ylabel=label, ylim=(0, None))
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def markdown(rows: list[Row]) -> str:
    """Format rows as a Markdown table."""
    head, *rest = [f"| {' | '.join(row)} |" for row in rows]
    rule = "|".join(["", "---", *["--:"] * (len(rows[0]) - 1), ""])
    return "\n".join([head, rule, *rest])


def main() -> None:
    """Measure, print the tables, and write the tables and the plot."""
    parser = argparse.ArgumentParser(prog="python -m bench.classes", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--submissions", type=int, default=40, help="0 skips the comparison [40]")
    parser.add_argument("--whole", action="store_true", help="with the lesson's own cells")
    parser.add_argument("--growth", type=_counts, default=[10, 100, 1000], help="[10,100,1000]")
    parser.add_argument("--clusters", type=_counts, default=[1, 2], help="Dask workers [1,2]")
    parser.add_argument("--workers", type=int, default=2, help="processes of the kit [2]")
    parser.add_argument("--otter", metavar="PYTHON", help="the Python with otter-grader")
    parser.add_argument(
        "--patience", type=int, default=300, help="seconds for a call of otter's [300]"
    )
    parser.add_argument("--out", type=Path, default=Path("class-benchmark"), metavar="FOLDER")
    options = parser.parse_args()
    # nbgrader calls `alembic`, which is beside Python.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    texts = []
    with tempfile.TemporaryDirectory() as folder:
        if options.submissions:
            class_ = submissions(options.submissions, options.whole)
            rows = compare(class_, options.workers, options.otter, options.patience, Path(folder))
            texts.append(markdown(rows))
        points = []
        for point in grow(options.growth, options.workers, options.clusters, Path(folder)):
            points.append(point)
            print(point, flush=True)
        if points:
            texts.append(markdown(table_of(points)))
            draw(points, options.out / "growth.svg")
    (options.out / "tables.md").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    print("\n\n".join(["", *texts]))
    show_versions()


def _counts(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


if __name__ == "__main__":
    main()
