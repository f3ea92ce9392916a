"""One class of hand-ins that are made to stop it: all others are graded, and all reports are there.

Each is as large as it takes to cost minutes or gigabytes where it is parsed without care, and ten
times larger, where that is still taken.
"""

import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.contract.results import GradingStatus, Result
from grader.maintain.submission_bank import REFERENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

RIGHT = REFERENCE["dataset"].decode()
WRONG = "class NewsDataset:\n    def __init__(self, samples):\n        1 / 0\n"
BOOM = """\
def boom(n=9):
    if n: boom(n - 1)
    raise ValueError("notebook-dataset, line 1 " * 24)

class NewsDataset:
    def __init__(self, samples):
        boom()
"""
REPORTS = {"index.html", "marks.csv", "canvas.csv", "moodle.csv", "junit.xml", "results.json"}


def cell(source: str, grade_id: str | None = None) -> dict[str, object]:
    metadata = {} if grade_id is None else {"nbgrader": {"grade_id": grade_id}}
    return {
        "cell_type": "code",
        "metadata": metadata,
        "outputs": [],
        "execution_count": None,
        "source": source,
    }


def notebook(*cells: dict[str, object]) -> bytes:
    data = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(data).encode("ascii")


def chain(size: int) -> bytes:
    lines = [f"a{number}=a{number + 1}" for number in range(140 * size)]
    parts = ["\n".join(lines[at : at + 3000]) for at in range(0, len(lines), 3000)]
    return notebook(*map(cell, parts), cell("NewsDataset=a0"))


def magics(size: int) -> bytes:
    return notebook(cell("\n".join(f"x{n} = !ls" for n in range(6 * size))), cell(RIGHT))


def left_out(size: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bob/dataset.py", WRONG)
        for number in range(100 * size):
            packed.writestr(f"bob/test_{'a' * 200}{number}.py", "")
    return stream.getvalue()


def quoted(size: int) -> str:
    return 'x = "' + "\\N{" * (80 * size)


def indented(size: int) -> str:
    return "\n" + " " * (200 * size) + "match " + " " * (200 * size)


def nested(size: int) -> str:
    return "x = " + "lambda:" * 1400 + "[" + "a," * (200 * size) + "]\n"


def imported(size: int) -> str:
    return "import " + "a." * (200 * size) + "a\n"


# name of the file: its content at a size; 100 is what was seen to stop a class
ATTACKS: dict[str, Callable[[int], str | bytes]] = {
    "cell-name-no-text.ipynb": lambda _: notebook(cell(WRONG, "\ud800\x1b[2J\u202e")),
    "cell-name-long.ipynb": lambda size: notebook(cell(BOOM, "A" * 2000 * size)),
    "cell-name-no-name.ipynb": lambda _: notebook(cell(WRONG, {"a": []})),  # type: ignore[arg-type]
    "chain.ipynb": chain,
    "magics.ipynb": magics,
    "blanks.ipynb": lambda size: notebook(*[cell("x = 1" + indented(size))] * 4, cell(RIGHT)),
    "left-out.zip": left_out,
    "quotes.py": lambda size: RIGHT + quoted(size),
    "quotes-in-a-comment.py": lambda size: RIGHT + "# " + quoted(size),
    "indented.py": lambda size: RIGHT + indented(size),
    "nested.py": lambda size: RIGHT + nested(size),
    "imports.py": lambda size: RIGHT + "def f():\n    " + imported(size),
    "deep.ipynb": lambda size: b"[" * (1000 * size),
    "not-unicode.ipynb": lambda size: b'{"cells": "' + b"\xff" * (1000 * size) + b'"}',
    "cells-in-cells.ipynb": lambda size: json.dumps({"cells": [[]] * (1000 * size)}).encode(),
    "parentheses.py": lambda size: RIGHT + "x = " + "(" * (10 * size),
    "long-line.py": lambda size: RIGHT + "x = " + "1+" * (500 * size) + "1",
    "strings.py": lambda size: RIGHT + "x = " + 'f"{1}"' * (100 * size),
}
HONEST = {"alice": 15.0, "zoe": 15.0}
RIGHT_ALL_THE_SAME = ("blanks", "magics")  # what costs nothing where it is read with care


@pytest.fixture(scope="module", params=[100, pytest.param(1000, marks=pytest.mark.full)])
def graded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Result], Path, int]:
    """The results of a class with all attacks, the folder of its reports, and the exit code."""
    here = tmp_path_factory.mktemp("class")
    folder, out = here / "class", here / "reports"
    files = {f"{name}/dataset.py": RIGHT for name in HONEST}
    for name, content in ATTACKS.items():
        whole = name if not name.endswith(".py") else f"{Path(name).stem}/dataset.py"
        files[whole] = content(request.param)  # type: ignore[assignment]
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    code = main(["class", str(folder), "--out", str(out), "--workers", "2"])
    data = json.loads((out / "results.json").read_text(encoding="utf-8"))
    return {each["student"]: Result.from_dict(each) for each in data["results"]}, out, code


Graded = tuple[dict[str, Result], Path, int]


def test_honest_neighbours_have_their_marks(graded: Graded) -> None:
    results, _, _ = graded
    found = {name: results[name].record for name in HONEST}
    assert {name: record.score for name, record in found.items() if record} == HONEST


@pytest.mark.parametrize("name", [Path(name).stem for name in ATTACKS])
def test_an_attacker_has_a_mark_or_a_reason(name: str, graded: Graded) -> None:
    result = graded[0][name]
    if result.record is None:
        assert result.status is GradingStatus.UNREADABLE
        assert 10 < len(result.fault) < 700
        assert result.fault.isprintable()
    else:
        assert 0 <= result.record.score <= 15
    if name in RIGHT_ALL_THE_SAME:
        assert result.record is not None
        assert result.record.score == 15


def test_all_reports_are_written_and_none_is_large(graded: Graded) -> None:
    results, out, code = graded
    written = {path.name for path in out.iterdir()}
    assert written >= REPORTS
    assert code in (1, 2)
    with_record = [result for result in results.values() if result.record]
    assert len([*(out / "feedback").iterdir()]) == len(with_record)
    assert max(path.stat().st_size for path in out.rglob("*") if path.is_file()) < 4 << 20
    assert all(line.isascii() for line in (out / "journal.jsonl").read_bytes().splitlines())
