"""What students get: all they need, no line of the solution, the same bytes each time."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from itertools import product
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.base.paths import ROOT
from grader.contract.tasks import assignments
from grader.grading import keys
from grader.maintain import release, stubs

pytest.importorskip("nbgrader")
from grader.maintain.scratch import Scratch

QUOTED = "self.nlp = spacy.load('en_core_web_sm', exclude=unused)"
SOLUTION, EXERCISE = ROOT / "solution", ROOT / "exercise"
SECRETS = release.secrets(SOLUTION, EXERCISE)
LINE = "last = torch.cat([h_n[-2], h_n[-1]], dim=1)"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release") / "out.zip"
    assert main(["release", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def unpacked(archive: Path) -> Path:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(archive.parent)
    return archive.parent / release.FOLDER


def test_it_holds_what_students_need_and_nothing_of_the_kits_own(unpacked: Path) -> None:
    assert {path.name for path in unpacked.iterdir()} == {
        *("LICENSE", "README.md", "constraints.txt", "pyproject.toml"),
        *(f"{id_}.ipynb" for id_ in assignments()),
        *("docs", "exercise", "grader", "news", "packages"),
    }
    names = {path.name for path in unpacked.rglob("*")}
    assert not {"solution", "tests", "submissions", "source", "maintain"} & names
    assert not [name for name in names if name.endswith((".pyc", ".db")) or name.startswith(".")]
    for folder in ("exercise", "news", "grader"):
        for path in {*(ROOT / folder).rglob("*.py")} - {
            *(ROOT / release.NOT_FOR_STUDENTS).rglob("*.py")
        }:
            assert (unpacked / path.relative_to(ROOT)).read_bytes() == path.read_bytes()


def test_a_task_can_be_reset_to_its_stub(unpacked: Path) -> None:
    code = "from grader.commands.watch import _stubs; print(_stubs(['recurrent'])['recurrent'])"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=unpacked, capture_output=True, text=True, check=True
    )
    assert told.stdout == f"{(EXERCISE / 'recurrent.py').read_text(encoding='utf-8')}\n"


def test_the_notebook_is_without_solutions(unpacked: Path) -> None:
    text = (unpacked / "news-classifier.ipynb").read_text(encoding="utf-8")
    assert "BEGIN SOLUTION" not in text
    assert text.count('NotImplementedError(\\"Task ') == 9
    assert all(cell["cell_type"] in ("code", "markdown") for cell in json.loads(text)["cells"])


def test_it_is_the_same_bytes_whenever_it_is_made(archive: Path, tmp_path: Path) -> None:
    files = {}
    with zipfile.ZipFile(archive) as opened:
        assert {info.date_time for info in opened.infolist()} == {release.DATE}
        files = {name: opened.read(name) for name in reversed(opened.namelist())}
    release.write(tmp_path / "again.zip", files)
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()
    for name, data in release.notebooks_for_students().items():
        assert files[f"{release.FOLDER}/{name}"] == data


@pytest.mark.full
@pytest.mark.parametrize("assignment", assignments())
def test_a_notebook_is_what_nbgraders_own_command_makes(
    unpacked: Path, tmp_path: Path, assignment: str
) -> None:
    scratch = Scratch.make(tmp_path / "course", assignment=assignment)
    assert scratch.run("generate_assignment", assignment).returncode == 0
    made = scratch.folder / "release" / assignment / f"{assignment}.ipynb"
    assert made.read_bytes() == (unpacked / made.name).read_bytes()


def test_unpacked_elsewhere_its_doctor_is_well_and_a_stub_grades_at_0(unpacked: Path) -> None:
    """With the packages of this environment, and the grader of the archive."""
    environment = os.environ | {"PYTHONPATH": str(unpacked)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "grader", *arguments],
            cwd=unpacked,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    doctor = run("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert str(unpacked / "exercise") in doctor.stdout
    graded = run("grade", "exercise")
    assert "Total      0/100" in graded.stdout, graded.stderr
    assert "error" not in graded.stdout
    assert graded.returncode == 1
    listed = run("--help").stdout
    assert "  hint " in listed
    assert "release" not in listed
    refused = run("release", "x.zip")
    assert refused.returncode == 2
    assert "release: no such command." in refused.stderr


# --- leaks -----------------------------------------------------------------------------------


def leaks(files: dict[str, str]) -> list[str]:
    return list(release.find_leaks({name: text.encode() for name, text in files.items()}, SECRETS))


def notebook(source: str) -> str:
    cell = {"cell_type": "code", "source": source.splitlines(keepends=True)}
    return json.dumps({"cells": [cell]}, indent=1)


HIDING = {
    "as it is": ("grader/x.py", f"def f():\n    {LINE}\n", 2),
    "at another indentation": ("grader/x.py", f"\n\t{LINE}\n", 2),
    "in a comment": ("grader/x.py", f"a = 1\n# {LINE}\n", 2),
    "in a docstring": ("grader/x.py", f'"""Do `{LINE}`."""\n', 1),
    "in data": ("grader/x.toml", f"x = 1\ny = '{LINE}'\n", 2),
    "with other blanks": ("grader/x.py", LINE.replace(" = ", "   =  "), 1),
    "broken into lines": ("grader/x.py", "a = 1\n" + LINE.replace("(", "(\n    "), 2),
    "in a notebook": ("x.ipynb", notebook(f"a = 1\n{LINE}\n"), 7),
    "with other quotes": (
        "grader/x.py",
        "self.nlp = spacy.load('en_core_web_sm', exclude=unused)",
        1,
    ),
    "as a line of a page": ("README.md", f"Write\n{LINE}\n", 2),
}


@pytest.mark.parametrize("case", HIDING)
def test_a_line_of_the_solution_is_found_and_named(case: str) -> None:
    name, text, line = HIDING[case]
    (leak,) = leaks({"grader/fine.py": "x = 1\n", name: text})
    assert leak.startswith(f"{name}, line {line}, holds line ")
    assert "of solution/" in leak


@pytest.mark.parametrize("module", ["dataset", "collate", "model", "train", "recurrent"])
def test_each_region_of_the_reference_would_be_found(module: str) -> None:
    """All but those of one plain line, such as `return len(self.samples)`."""
    source = stubs.read(SOLUTION / f"{module}.py")
    lines = source.split("\n")
    for region in stubs.find_regions(source, module):
        inside = lines[region.begin : region.end - 1]
        if len(inside) > 1:
            assert leaks({"x.txt": "\n".join(inside)}), inside


def test_stubs_and_common_lines_are_no_leaks() -> None:
    common = "loss.backward()\noptimizer.step()\nmodel.eval()\nlogits = model(padded)\nrows = []\n"
    stubs = {f"exercise/{path.name}": path.read_text() for path in EXERCISE.glob("*.py")}
    hints = {"grader/contract/assignments/x.toml": f'hint = "`{LINE}` does it"'}
    assert leaks(stubs | hints | {"x.py": common}) == []


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release without notebooks, and with one folder beside the stubs."""
    monkeypatch.setattr(release, "FOLDERS", ("news",))
    monkeypatch.setattr(release, "notebooks_for_students", dict)


def kit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what a small release is made from."""
    for name in ("news", "solution", "exercise", "docs"):
        ignored = shutil.ignore_patterns("__pycache__", "*.png")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / release.MODEL_PROJECT).parent.mkdir(parents=True)
    for name in (*release.FILES, release.MODEL_PROJECT):
        shutil.copy(ROOT / name, folder / name)
    monkeypatch.setattr(release, "ROOT", folder)
    return folder


@pytest.mark.usefixtures("small")
def test_a_release_with_a_leak_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = kit(tmp_path / "kit", monkeypatch), tmp_path / "out.zip"
    assert main(["release", str(out)]) == 0
    out.unlink()
    (root / "news" / "more.py").write_text(f"x = 1\n# {LINE}\n", encoding="utf-8")
    assert main(["release", str(out)]) == 2
    assert f"news/more.py, line 2, holds line 47 of solution/model.py, `{LINE}`" in (
        capsys.readouterr().err
    )
    assert not out.exists()
    (root / "news" / "more.py").unlink()
    (root / "exercise" / "model.py").write_bytes((root / "solution" / "model.py").read_bytes())
    assert main(["release", str(out)]) == 2
    err = capsys.readouterr().err
    assert "exercise/ cannot be released: exercise/model.py:25: a solution marker" in err
    assert not out.exists()


SECRET = "course-4711-secret"
HOLDING_A_SECRET = {
    "its value": f"x = 1\ny = '{SECRET}'\n",
    "a shell's line": "x = 1\n# export GRADER_SECRET=another\n",
    "a line of Python": 'import os\nos.environ["GRADER_SECRET"] = "another"\n',
    "JSON": '{\n"GRADER_SECRET": "another"}\n',
}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("command", "case"),
    [("release", "its value"), *product(("release", "gradescope"), [*HOLDING_A_SECRET][1:])],
)
def test_an_archive_with_the_courses_secret_is_not_made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    case: str,
) -> None:
    root, out = kit(tmp_path / "kit", monkeypatch), tmp_path / "out.zip"
    monkeypatch.setattr(keys, "course_secret", lambda: SECRET if command == "release" else "")
    assert main([command, str(out)]) == 0
    out.unlink()
    (root / "news" / "more.py").write_text(HOLDING_A_SECRET[case], encoding="utf-8")
    assert main([command, str(out)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "out.zip was not made: news/more.py, line 2, holds a value of GRADER_SECRET" in line
    assert SECRET not in line
    assert not out.exists()


@pytest.mark.usefixtures("small")
def test_gradescope_refuses_a_secret_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRADER_SECRET", SECRET)
    assert main(["gradescope", str(tmp_path / "out.zip")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "GRADER_SECRET is set" in line
    assert SECRET not in line
    assert not (tmp_path / "out.zip").exists()


@pytest.mark.usefixtures("small")
def test_a_place_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["release", str(tmp_path / "no" / "out.zip")]) == 2
    assert "out.zip: cannot be written" in capsys.readouterr().err
