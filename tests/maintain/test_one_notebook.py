"""The notebook that needs no other file: it installs what is missing, and its checks work."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nbgrader")
import nbformat
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient

from grader.__main__ import main
from grader.base.paths import COURSE
from grader.contract.tasks import assignments
from grader.intake.notebook_modules import extract_modules, last_versions
from grader.intake.statements import SETUP, Cell
from grader.maintain import one_notebook, release
from grader.maintain.notebooks import SETUP_CODE

ID = "recurrent-layers"


def source_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_the_first_code_cell_holds_the_kit_and_is_folded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(one_notebook, "wheels", lambda _, with_kit: b"both" if with_kit else b"one")
    out = tmp_path / "out.ipynb"
    assert main(["release", "--notebook", ID, str(out), "--repo", "owner/name"]) == 0
    badge, *cells = json.loads(out.read_text(encoding="utf-8"))["cells"]
    assert "https://colab.research.google.com/github/owner/name/blob/main/out.ipynb" in source_of(
        badge
    )
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    assert source_of(first).startswith(SETUP)
    assert 'WHEELS = """\nYm90aA==\n"""' in source_of(first)
    assert first["metadata"] == {"jupyter": {"source_hidden": True}, "cellView": "form"}
    nbformat.validate(nbformat.read(out, as_version=4))
    *before, glossary = cells
    assert source_of(glossary).startswith("# Glossary\n")
    assert not re.search(r"\]\[|\]\(|^\[", source_of(glossary), re.MULTILINE)  # no links to files
    links = re.findall(r"\[glossary\]\((.*?)\)", "".join(map(source_of, before)))
    assert set(links) <= {"#Glossary"}
    address = "https://example.org/kit.whl"
    assert main(["release", "--notebook", ID, str(out), "--url", address]) == 0
    first = next(
        cell for cell in json.loads(out.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"
    )
    assert f"URL = '{address}'" in source_of(first)
    assert 'WHEELS = """\nb25l\n"""' in source_of(first)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--notebook", "recurrent", "x.ipynb"], "Did you mean recurrent-layers?"),
        (["--repo", "owner/name", "x.zip"], "go with --notebook"),
    ],
)
def test_what_cannot_be_made_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["release", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_repository_is_an_owner_and_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["release", "--notebook", ID, "x.ipynb", "--repo", "name"])
    assert "'name' is not OWNER/NAME" in capsys.readouterr().err


def test_a_notebook_with_the_courses_secret_is_not_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kit = release.kit() | {"news/more.py": b'x = 1\nGRADER_SECRET = "4711"\n'}
    monkeypatch.setattr(release, "kit", lambda: kit)
    monkeypatch.setattr(one_notebook, "wheels", lambda _, with_kit: b"")  # noqa: ARG005
    out = tmp_path / "out.ipynb"
    assert main(["release", "--notebook", ID, str(out)]) == 2
    assert "news/more.py, line 2, holds a value of GRADER_SECRET" in capsys.readouterr().err
    assert not out.exists()


def test_the_setup_cell_is_no_part_of_a_submission() -> None:
    setup = f"{SETUP}\nWHEELS = '{'A' * 600_000}'\n"
    code = "def rnn_cell(x, h, w_ih, w_hh, b_ih, b_hh):\n    return x\n"
    assert [cell.text for cell in last_versions([setup, code])] == [code]
    found = extract_modules("s", [Cell(setup, "a"), Cell(code, "b")], assignments()[ID])
    assert not found.notes
    assert b"WHEELS" not in b"".join(found.files.values())


def test_pip_must_not_change_torch_or_numpy_unless_they_are_too_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is missing may need a newer NumPy, with which an older torch does not work."""
    cell: dict[str, Any] = {}
    monkeypatch.setattr(one_notebook, "wheels", lambda _, with_kit: b"")  # noqa: ARG005
    exec(one_notebook.setup({}, "").rpartition("print(")[0], cell)
    told: list[str] = []

    def run(command: list[str], **_: object) -> Any:
        told.append(Path(command[command.index("-c") + 1]).read_text())
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    cell["install"]("matplotlib>=3.8", "torchtext==0.18.0")
    cell["install"]("numpy>=9")
    for kept, names in zip(told, ({"torch", "numpy"}, {"torch"}), strict=True):
        versions = dict(line.split("==") for line in kept.split())
        assert {*versions} & {"torch", "numpy"} == names
        assert all(metadata.version(name) == version for name, version in versions.items())


def test_a_notebook_without_the_kit_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", SETUP_CODE], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": ""}, check=False,
    )  # fmt: skip
    assert "RuntimeError: This notebook needs the course kit." in done.stderr
    assert done.stderr.count("Error") == 1


@pytest.mark.full
def test_alone_in_an_environment_without_the_kit_every_check_works(tmp_path: Path) -> None:
    out = tmp_path / "alone.ipynb"
    assert main(["release", "--notebook", ID, str(out)]) == 0
    assert out.stat().st_size < 1.5e6
    kernel = environment_without_the_kit(tmp_path / "venv")
    notebook = solved(out)
    (tmp_path / "empty").mkdir()
    again = nbformat.v4.new_code_cell(notebook.cells[setup_index(notebook)].source)
    notebook.cells.append(again)
    client = NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path / "empty")}}
    )
    manager: Any = client.create_kernel_manager()
    manager._kernel_spec = KernelSpec(
        argv=[str(kernel), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="Python 3",
        language="python",
    )
    client.execute()
    first, second = (shown(notebook.cells[at]) for at in (setup_index(notebook), -1))
    assert first.startswith("Ready. Installed the course kit, en_core_web_sm. Your code is checked")
    assert second.startswith("Ready. Your code is checked")
    checks = [cell for cell in notebook.cells if cell.source.startswith("check(")]
    assert len(checks) == len(assignments()[ID].tasks)
    for cell, task in zip(checks, assignments()[ID].tasks.values(), strict=True):
        assert f"{task.points:g}/{task.points:g}  done" in shown(cell)


def setup_index(notebook: Any) -> int:
    return next(at for at, cell in enumerate(notebook.cells) if cell.source.startswith(SETUP))


def shown(cell: Any) -> str:
    """What a cell printed and displayed, as text."""
    return "".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    )


def solved(path: Path) -> Any:
    """Put the solution into the cells that students write; leave out pictures and training."""
    notebook = nbformat.read(path, as_version=4)
    source = nbformat.read(COURSE / "source" / ID / f"{ID}.ipynb", as_version=4)
    solution = {
        cell.id: cell.source
        for cell in source.cells
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution")
    }
    for cell in notebook.cells:
        cell.source = solution.get(cell.id, cell.source)
    return notebook


def environment_without_the_kit(folder: Path) -> Path:
    """Make a copy of this environment, of links, without the kit; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    place = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    try:
        shutil.copytree(
            sysconfig.get_path("purelib"),
            place.stdout.strip(),
            copy_function=os.link,
            symlinks=True,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns(
                "*news_classifier_kit*", "en_core_web_sm", "en_core_web_sm-*"
            ),
        )
    except (OSError, shutil.Error) as error:
        pytest.skip(
            f"the temporary folder cannot hold links to this environment: {str(error)[:200]}"
        )
    return python
