"""Ten small attacks and accidents on this kit and on six other graders: marks, time, damage.

    python bench/peers.py --envs FOLDER [--only NAME ...] [--write]

Each grader is installed from PyPI into an environment of its own below FOLDER, which is kept. All
grade the same exercise, two functions of 5 points each, with the same two tests, in a folder of its
own per submission and with the settings that their documentation starts with; `settings` says what
had to be different. Results are kept in FOLDER/results.json, so `--only NAME` measures one grader
again. `--write` replaces the tables in docs/comparison.md.

The attacks do no harm: they ask for memory without using it, and connect to this program alone.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "comparison.md"
LIMIT = 120  # seconds
BIG = 1 << 20  # bytes that a grader may leave behind
POINTS = 5.0
MARK = "PEERS_RUN"  # in the environment of the processes of a run

DOUBLE = "def double(x):\n    return 2 * x\n"
SHOUT = 'def shout(text):\n    return text.upper() + "!"\n'
WRONG = "def double(x):\n    return 0\n", 'def shout(text):\n    return ""\n'

EQUAL = """\
class Equal:
    def __eq__(self, other):
        return True
    def __ne__(self, other):
        return False
"""
PATCHES = """\
import importlib

def put(module, path, value):
    try:
        owner = importlib.import_module(module)
        *parents, last = path.split(".")
        for each in parents:
            owner = getattr(owner, each)
        old = getattr(owner, last)
        setattr(owner, last, lambda *a, **k: value(old, *a, **k))
    except Exception:
        pass

put("_pytest.python", "Function.runtest", lambda old, *a: None)
put("_pytest.doctest", "DoctestItem.runtest", lambda old, *a: None)
put("doctest", "DocTestRunner.run", lambda old, *a, **k: None)
put("mograder.runtime", "_write_sidecar", lambda old, label, *a: old(label, "success", [], 1, 1))
try:
    get_ipython().set_custom_exc((AssertionError,), lambda *a, **k: None)
except Exception:
    pass
"""
READS = """\
def files(folder, depth):
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return []
    own = []
    for path in found:
        if path.name[:1] != "." and depth and path.is_dir() and not path.is_symlink():
            own += files(path, depth - 1)
        elif path.suffix in (".py", ".ipynb"):
            own += [path]
    return own

def answers():
    import re
    Path = __import__("pathlib").Path
    here = [Path.cwd()]
    try:
        here += [Path(__file__).absolute().parent]
    except NameError:
        pass
    for folder in [each for start in here for each in [start, *start.parents][:3]]:
        for path in files(folder, 3) if len(folder.parts) > 2 else []:
            try:
                text = path.read_text()
            except (OSError, ValueError):
                continue
            found = re.search(r"double.{1,12}?21\\D+?(\\d+)", text)
            other = re.search(r"shout.{1,14}?hey\\W.{1,40}?([A-Z]+!)", text)
            if found and other and "ATTACK" not in text:
                return int(found[1]), other[1]
    return 0, ""
"""
PLANTS = """\
try:
    Path = __import__("pathlib").Path
    for folder in [Path.cwd(), Path.cwd().parent]:
        (folder / "conftest.py").write_text("# PLANTED")
except Exception:
    pass
"""
CONNECTS = """\
try:
    __import__("socket").create_connection(("127.0.0.1", PORT), 2).close()
except Exception:
    pass
"""


@dataclass(frozen=True)
class Submission:
    """A submission.

    Attributes:
        says: what it does.
        worth: the points that its honest part is worth.
        double: the first function.
        shout: the second one.
        head: code before both.
        more: what it means if it gets more points.
    """

    says: str
    worth: float
    double: str = DOUBLE
    shout: str = SHOUT
    head: str = ""
    more: str = "forged"

    @property
    def parts(self) -> tuple[str, str]:
        """The two cells of a notebook."""
        return self.head + self.double, self.shout


SUBMISSIONS = {
    "correct": Submission("a correct solution", 10),
    "exits": Submission("`os._exit(0)` at import", 0, head='__import__("os")._exit(0)\n'),
    "loops": Submission(
        "an endless loop in one function", 5, "def double(x):\n    while True:\n        pass\n"
    ),
    "equal": Submission(
        "results that are equal to everything",
        0,
        "def double(x):\n    return Equal()\n",
        "def shout(text):\n    return Equal()\n",
        EQUAL,
    ),
    "patches": Submission("wrong, and patches the graders' functions", 0, *WRONG, PATCHES),
    "reads": Submission(
        "answers with what it finds in files",
        0,
        "def double(x):\n    return answers()[0]\n",
        "def shout(text):\n    return answers()[1]\n",
        "# ATTACK\n" + READS,
    ),
    "plants": Submission("correct, and writes a conftest.py", 10, head=PLANTS),
    "prints": Submission(
        "correct, and prints 20 MB",
        10,
        "def double(x):\n    for _ in range(20000):\n        print('x' * 1000)\n    return 2 * x\n",
    ),
    "memory": Submission(
        "correct, and asks for 6 GB in one function",
        5,
        "def double(x):\n    kept = __import__('mmap').mmap(-1, 6 << 30)\n    return 2 * x\n",
        more="it got 6 GB",
    ),
    "connects": Submission("correct, and connects to a port of this machine", 10, head=CONNECTS),
    "typo": Submission(
        "one function does not parse", 5, shout='def shout(text:\n    return text.upper() + "!"\n'
    ),
}


@dataclass
class Outcome:
    """What came of a submission; no mark means that the grader gave none."""

    mark: float | None
    seconds: float
    damage: list[str] = field(default_factory=list)


class Run:
    """A folder in which a grader grades one submission.

    Attributes:
        folder: it.
        bin: the programs of the grader's environment.
        printed: the output of the commands so far.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.bin, self.printed = folder, programs, ""
        self.ends, self.mark = time.monotonic() + LIMIT, secrets.token_hex()

    def command(self, *command: str, where: str = ".", **environment: str) -> str:
        """Run a program of the environment; end it at the limit, and whatever it left."""
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        with tempfile.TemporaryFile() as output:  # a process that is left would hold a pipe open
            process = subprocess.Popen(
                [str(self.bin / command[0]), *command[1:]],
                cwd=self.folder / where,
                env={**os.environ, MARK: self.mark, "PATH": path, "PYTHONPATH": "", **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(1.0, self.ends - time.monotonic()))
            self.end()
            process.wait()
            output.seek(0)
            said = output.read().decode("utf-8", "replace")
        self.printed += said
        return said

    def end(self) -> None:
        """End what the commands started, by the mark in its environment."""
        for each in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if f"{MARK}={self.mark}\0".encode() in (each / "environ").read_bytes():
                    os.kill(int(each.name), signal.SIGKILL)

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def json(self, name: str) -> Any:
        """Read a JSON file; None if it is missing."""
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


Prepare = Callable[[Run], None]
Grade = Callable[[Run, Submission], float | None]


def nothing(_run: Run) -> None:
    """Prepare nothing."""


# --- plain pytest, and pytest-grader ----------------------------------------------------------

TESTS = """\
from work import double, shout

def test_double():
    assert double(21) == 42

def test_shout():
    assert shout("hey") == "HEY!"
"""


def pytest_grade(run: Run, submission: Submission, *options: str) -> float | None:
    run.write("test_work.py", TESTS)
    run.write("work.py", "\n".join(submission.parts))
    run.command("python", "-m", "pytest", "-q", "--junitxml=out.xml", *options)
    if not (run.folder / "out.xml").is_file():
        return None
    cases = list(ElementTree.parse(run.folder / "out.xml").iter("testcase"))
    tests = [case for case in cases if case.get("name", "").startswith("test_")]
    bad = ("failure", "error", "skipped")
    return POINTS * sum(not any(case.find(tag) is not None for tag in bad) for case in tests)


def grader_grade(run: Run, submission: Submission) -> float | None:
    run.write("conftest.py", 'pytest_plugins = ["pytest_grader"]\n')
    return pytest_grade(run, submission, "--score")


# --- pytest-prairielearn-grader ---------------------------------------------------------------

PRAIRIELEARN = """\
import pytest
from pytest_prairielearn_grader import ConfigObject
from pytest_prairielearn_grader.assertions import assert_fn_equal

autograder_config = ConfigObject(sandbox_timeout=10.0)

@pytest.mark.grading_data(name="double", points=5)
def test_double(sandbox):
    assert_fn_equal(sandbox, "double", args=(21,), expected=42)

@pytest.mark.grading_data(name="shout", points=5)
def test_shout(sandbox):
    assert_fn_equal(sandbox, "shout", args=("hey",), expected="HEY!")
"""


def prairielearn_grade(run: Run, submission: Submission) -> float | None:
    run.write("test_work.py", PRAIRIELEARN)
    run.write("test_work/student_code.py", "\n".join(submission.parts))
    run.command("python", "-m", "pytest", "-q")
    results = run.json("autograder_results.json")
    if results is None or not results.get("gradable", True):
        return None
    return 10.0 * float(results["score"])


# --- notebooks: nbgrader and otter-grader -----------------------------------------------------


def notebook(cells: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Return a notebook's JSON from sources and metadata."""
    code: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": metadata,
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for number, (source, metadata) in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps(
        {"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    )


def hidden(code: str) -> str:
    return f"### BEGIN HIDDEN TESTS\n{code}\n### END HIDDEN TESTS"


def nbgrader_cells(parts: Sequence[str], *, source: bool) -> list[tuple[str, dict[str, Any]]]:
    def about(name: str, **given: Any) -> dict[str, Any]:
        plain = {"grade": False, "locked": False, "solution": False, "task": False}
        return {"nbgrader": {**plain, "grade_id": name, "schema_version": 3, **given}}

    tests = ("assert double(21) == 42", 'assert shout("hey") == "HEY!"')
    cells = []
    for name, code, test in zip(("double", "shout"), parts, tests, strict=True):
        whole = f"### BEGIN SOLUTION\n{code}### END SOLUTION" if source else code
        cells.append((whole, about(name, solution=True)))
        check = about(f"test-{name}", grade=True, locked=True, points=POINTS)
        cells.append((hidden(test) if source else "# hidden", check))
    return cells


def nbgrader_prepare(run: Run) -> None:
    run.write("nbgrader_config.py", 'c = get_config()\nc.CourseDirectory.course_id = "course"\n')
    run.write("source/ps/ps.ipynb", notebook(nbgrader_cells((DOUBLE, SHOUT), source=True)))
    run.command("nbgrader", "generate_assignment", "ps")


def nbgrader_grade(run: Run, submission: Submission) -> float | None:
    run.write("submitted/ada/ps/ps.ipynb", notebook(nbgrader_cells(submission.parts, source=False)))
    run.command("nbgrader", "autograde", "ps", "--student", "ada")
    run.command("nbgrader", "export", "--to", "marks.csv")
    path = run.folder / "marks.csv"
    rows = list(csv.DictReader(path.open(encoding="utf-8"))) if path.is_file() else []
    done = (run.folder / "autograded" / "ada" / "ps" / "ps.ipynb").exists()
    return float(rows[0]["score"]) if rows and done else None


OTTER = """\
OK_FORMAT = True
test = {{"name": "{name}", "points": 5, "suites": [{{"cases": [
    {{"code": {code!r}, "hidden": True, "locked": False}}
], "scored": True, "setup": "", "teardown": "", "type": "doctest"}}]}}
"""


def otter_prepare(run: Run) -> None:
    for name, call, result in (
        ("double", "double(21)", "42"),
        ("shout", 'shout("hey")', "'HEY!'"),
    ):
        run.write(f"tests/{name}.py", OTTER.format(name=name, code=f">>> {call}\n{result}"))
    run.command("otter", "generate", "-t", "tests", "-o", "autograder.zip")


def otter_grade(run: Run, submission: Submission) -> float | None:
    run.write("work.ipynb", notebook([(part, {}) for part in submission.parts]))
    (run.folder / "out").mkdir()
    run.command("otter", "run", "-a", "autograder.zip", "work.ipynb", "-o", "out")
    results = run.json("out/results.json")
    if results is None:
        return None
    return float(sum(test.get("score") or 0 for test in results["tests"]))


# --- mograder ---------------------------------------------------------------------------------

MOGRADER = """\
# /// script
# requires-python = ">=3.11"
# dependencies = ["marimo", "mograder"]
# ///

import marimo

app = marimo.App()


@app.cell
def _():
    from mograder.runtime import check
    return (check,)


@app.cell
def _():
{double}
    return (double,)


@app.cell
def _(check, double):
    check("double", [(double(21) == 42, "double(21) is not 42")])
    return


@app.cell
def _():
{shout}
    return (shout,)


@app.cell
def _(check, shout):
    check("shout", [(shout("hey") == "HEY!", "shout is wrong")])
    return


if __name__ == "__main__":
    app.run()
"""


def mograder_notebook(double: str, shout: str) -> str:
    parts = {"double": double, "shout": shout}
    return MOGRADER.format(
        **{name: re.sub("^(?=.)", "    ", text, flags=re.MULTILINE) for name, text in parts.items()}
    )


def mograder_prepare(run: Run) -> None:
    marked = [f"### BEGIN SOLUTION\n{part}### END SOLUTION\n" for part in (DOUBLE, SHOUT)]
    run.write("source/ps/ps.py", mograder_notebook(*marked))
    run.command("mograder", "generate", "ps")


def mograder_grade(run: Run, submission: Submission) -> float | None:
    run.write("submitted/ps/ada.py", mograder_notebook(*submission.parts))
    run.command("mograder", "autograde", "ps", "--csv", "marks.csv")
    path = run.folder / "marks.csv"
    rows = list(csv.DictReader(path.open(encoding="utf-8"))) if path.is_file() else []
    found = [rows[0].get(name) for name in ("double", "shout")] if rows else []
    if not any(verdict in ("PASS", "FAIL") for verdict in found):
        return None  # "---": no verdict
    return POINTS * found.count("PASS")


# --- this kit ---------------------------------------------------------------------------------

OWN = f'''\
"""Two functions."""


def double(x):
    """Return twice a number."""
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION


def shout(text):
    """Return a text in capitals."""
    ### BEGIN SOLUTION
    return text.upper() + "!"
    ### END SOLUTION


# %% checks
from grader.checks.one_line import equal

HINTS = ("Read the docstrings.", "`*`, and `str.upper`.", "`2 * x`, and an exclamation mark.")
POINTS = {{"double": {POINTS:g}, "shout": {POINTS:g}}}

check_double = equal("double", [21], 42, "Twice a number.")
check_shout = equal("shout", ["hey"], "HEY!", "In capitals.")
'''


def kit_prepare(run: Run) -> None:
    for name in ("assignments", "exercise", "grader", "news", "solution"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, run.folder / "kit" / name, ignore=ignored)
    shutil.copy(ROOT / "constraints.txt", run.folder / "kit")
    run.write("kit/own/work.py", OWN)
    run.command("python", "-m", "grader", "build", where="kit", PYTHONPATH=str(run.folder / "kit"))


def kit_grade(run: Run, submission: Submission) -> float | None:
    run.write("in/work.py", "\n".join(submission.parts))
    kit = str(run.folder / "kit")
    command = ["-m", "grader", "grade", str(run.folder / "in" / "work.py"), "--assignment", "work"]
    run.command("python", *command, "--json", "../out.json", where="kit", PYTHONPATH=kit)
    record = run.json("out.json")
    if record is None or any(check["status"] == "error" for check in record["checks"]):
        return None
    return float(record.get("score", 0))


@dataclass(frozen=True)
class Peer:
    """A grader.

    Attributes:
        packages: what is installed from PyPI; the first one's version is shown.
        grade: returns the mark of a submission, or None.
        prepare: makes the exercise, once.
        settings: what had to be done beside the first steps of its documentation.
        purpose: what it is for, and not for.
    """

    packages: tuple[str, ...]
    grade: Grade
    prepare: Prepare = nothing
    settings: str = ""
    purpose: str = ""


PEERS = {
    "this kit": Peer(
        (), kit_grade, kit_prepare, "", "A course on PyTorch, and functions of one's own."
    ),
    "pytest": Peer(("pytest",), pytest_grade, purpose="Tests of one's own code; no grader at all."),
    "nbgrader": Peer(
        ("nbgrader",),
        nbgrader_grade,
        nbgrader_prepare,
        purpose="Courses of notebooks. Its documentation leaves isolation to containers.",
    ),
    "otter-grader": Peer(
        ("otter-grader", "ipykernel"),
        otter_grade,
        otter_prepare,
        "`ipykernel` installed beside it; `otter run`, which grades without Docker",
        "Notebooks and scripts, usually in Gradescope's or its own Docker containers.",
    ),
    "pytest-prairielearn-grader": Peer(
        (
            "pytest-prairielearn-grader",
            *("networkx", "numpy", "pandas", "plot-serializer"),
        ),
        prairielearn_grade,
        nothing,
        "four packages beside it that it imports and does not require; `sandbox_timeout=10`",
        "PrairieLearn, inside its Docker image, as another user.",
    ),
    "mograder": Peer(
        ("mograder", "uv"),
        mograder_grade,
        mograder_prepare,
        "`uv` installed beside it",
        "marimo notebooks; its bubblewrap sandbox is an option.",
    ),
    "pytest-grader": Peer(
        ("pytest-grader",),
        grader_grade,
        nothing,
        "",
        "Points and locked doctests on the student's own machine.",
    ),
}


# --- measuring --------------------------------------------------------------------------------


def programs(envs: Path, name: str) -> Path:
    """Return the programs of a grader's environment; make it if it is missing."""
    if not PEERS[name].packages:
        return Path(sys.executable).parent
    folder = envs / name
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(folder / "bin" / "pip"), "install", "-q", *PEERS[name].packages]
        subprocess.run(install, check=True)
        (folder / "done").touch()
    return folder / "bin"


def version(name: str, bin_: Path) -> str:
    if not PEERS[name].packages:
        return ""
    code = f"from importlib.metadata import version as v; print(v({PEERS[name].packages[0]!r}))"
    shown = subprocess.run(
        [bin_ / "python", "-c", code], capture_output=True, text=True, check=True
    )
    return shown.stdout.strip()


@contextlib.contextmanager
def listener() -> Iterator[tuple[int, list[str]]]:
    """Listen on a port of this machine; the list says who connected."""
    heard: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()
                    heard.append("connected")

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], heard


def size(folder: Path) -> int:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in paths)


def measure(peer: Peer, prepared: Path, bin_: Path, submission: Submission) -> Outcome:
    """Grade a submission in a copy of the prepared folder, and look for damage."""
    with tempfile.TemporaryDirectory() as scratch, listener() as (port, heard):
        folder = Path(scratch) / "outer" / "course"
        shutil.copytree(prepared, folder, symlinks=True)
        run, before = Run(folder, bin_), size(folder)
        head = submission.head.replace("PORT", str(port))
        start = time.monotonic()
        mark = peer.grade(run, replace(submission, head=head))
        outcome, ended = Outcome(mark, time.monotonic() - start), time.monotonic() >= run.ends
        planted = [
            path
            for path in Path(scratch).rglob("conftest.py")
            if "PLANTED" in path.read_text(encoding="utf-8")
        ]
        left = size(folder) - before + len(run.printed)
    if mark is not None and mark > submission.worth:
        outcome.damage.append(submission.more)
    if planted:
        outcome.damage.append("file planted")
    if heard:
        outcome.damage.append("connected")
    if left > BIG:
        outcome.damage.append(f"{left / BIG:.0f} MB left")
    if ended:
        outcome.damage.append(f"ended after {LIMIT} s")
    return outcome


def cell(outcome: Outcome, worth: float) -> str:
    mark = "no mark" if outcome.mark is None else f"{outcome.mark:g}"
    if outcome.damage or (outcome.mark or 0.0) != worth:
        mark = f"**{mark}**"
    return ", ".join([mark, *outcome.damage, f"{outcome.seconds:.0f} s"])


def tables(found: dict[str, dict[str, Outcome]], versions: dict[str, str]) -> str:
    """Return the tables of the page."""
    names = [*found]
    titles = [f"{name} {versions[name]}".strip() for name in names]
    lines = [f"| submission | worth | {' | '.join(titles)} |", "|---|--:|" + "---|" * len(names)]
    for key, submission in SUBMISSIONS.items():
        cells = [cell(found[name][key], submission.worth) for name in names]
        lines.append(f"| {submission.says} | {submission.worth:g} | {' | '.join(cells)} |")
    held = []
    for name in names:
        attacks = [key for key in SUBMISSIONS if key != "correct"]
        count = sum(
            not found[name][key].damage and (found[name][key].mark or 0.0) == SUBMISSIONS[key].worth
            for key in attacks
        )
        held.append(f"{count} of {len(attacks)}")
    lines.append(f"| **its worth, and no damage** | | {' | '.join(held)} |")
    lines += ["", "| grader | for | set up otherwise |", "|---|---|---|"]
    lines += [f"| {name} | {PEERS[name].purpose} | {PEERS[name].settings} |" for name in names]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--envs", type=Path, required=True, help="folder of the environments")
    parser.add_argument("--only", nargs="+", choices=[*PEERS], default=[*PEERS])
    parser.add_argument("--submissions", nargs="+", choices=[*SUBMISSIONS], default=[*SUBMISSIONS])
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    options = parser.parse_args()
    kept = options.envs / "results.json"
    rows = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for name in options.only:
        bin_ = programs(options.envs.resolve(), name)
        rows.setdefault(name, {})["version"] = version(name, bin_)
        with tempfile.TemporaryDirectory() as folder:
            PEERS[name].prepare(Run(Path(folder), bin_))
            for key in options.submissions:
                outcome = measure(PEERS[name], Path(folder), bin_, SUBMISSIONS[key])
                rows[name][key] = asdict(outcome)
                kept.write_text(json.dumps(rows, indent=1), encoding="utf-8")
                print(f"{name:28}{key:10}{cell(outcome, SUBMISSIONS[key].worth)}", flush=True)
    found = {
        name: {key: Outcome(**rows[name][key]) for key in SUBMISSIONS}
        for name in PEERS
        if SUBMISSIONS.keys() <= rows.get(name, {}).keys()
    }
    print(text := tables(found, {name: rows[name]["version"] for name in found}))
    if options.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- table -->\n")
        after = rest.partition("<!-- end -->")[2]
        whole = f"{before}<!-- table -->\n{text}\n<!-- end -->{after}"
        PAGE.write_text(whole, encoding="utf-8")


if __name__ == "__main__":
    main()
