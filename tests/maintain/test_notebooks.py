"""The notebook that is built from a lesson script and the solution."""

import functools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grader.base.paths import ROOT
from grader.contract.tasks import assignments
from grader.maintain import notebooks
from grader.maintain.stubs import BuildError

SCRIPT = ROOT / "assignments" / "news-classifier.py"
SOLUTION = ROOT / "solution"
NOTEBOOKS = {id_: ROOT / "assignments" / "source" / id_ / f"{id_}.ipynb" for id_ in assignments()}
NOTEBOOK = ROOT / "assignments" / "source" / "news-classifier" / "news-classifier.ipynb"


def changed(tmp_path: Path, old: str, new: str) -> Path:
    """A lesson script with one line changed."""
    text = SCRIPT.read_text(encoding="utf-8")
    assert text.count(old) == 1
    script = tmp_path / "news-classifier.py"
    script.write_text(text.replace(old, new), encoding="utf-8")
    return script


@functools.cache
def built(id_: str) -> Any:
    """The notebook as the course has it."""
    return nbformat.reads(notebooks.notebook(ROOT / "assignments" / f"{id_}.py", SOLUTION), 4)


@pytest.mark.kit
@pytest.mark.parametrize("id_", assignments())
def test_a_committed_notebook_is_what_its_sources_give(id_: str) -> None:
    script = ROOT / "assignments" / f"{id_}.py"
    assert notebooks.check(script, SOLUTION, NOTEBOOKS[id_]) == []


@pytest.mark.kit
@pytest.mark.parametrize("hash_seed", ["1", pytest.param("2", marks=pytest.mark.full)])
def test_the_notebook_is_the_same_in_every_process(hash_seed: str) -> None:
    code = (
        "import sys, pathlib; from grader.maintain import notebooks; "
        f"sys.stdout.write(notebooks.notebook(pathlib.Path({str(SCRIPT)!r}), "
        f"pathlib.Path({str(SOLUTION)!r})))"
    )
    made = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code],
        cwd=ROOT,
        env={"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    ).stdout
    assert made == NOTEBOOK.read_bytes()


@pytest.mark.parametrize("id_", assignments())
def test_a_notebook_is_valid_and_its_ids_are_the_grade_ids(id_: str) -> None:
    notebook = nbformat.read(NOTEBOOKS[id_], 4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            assert cell.id == cell.metadata.nbgrader.grade_id
            assert cell.metadata.nbgrader.schema_version == 3


def test_every_definition_of_the_solution_stands_in_a_cell_as_it_is() -> None:
    notebooks = [nbformat.read(path, 4) for path in NOTEBOOKS.values()]
    text = "\n\n\n".join(cell.source for notebook in notebooks for cell in notebook.cells)
    for module in SOLUTION.glob("[a-z]*.py"):
        source = module.read_text(encoding="utf-8")
        for part in source.split("\n\n\n")[1:]:
            assert part.strip() in text


@pytest.mark.parametrize("id_", assignments())
def test_a_check_is_worth_what_the_table_of_tasks_says(id_: str) -> None:
    points = {
        cell.id: cell.metadata.nbgrader.points
        for cell in built(id_).cells
        if cell.id.startswith("check-")
    }
    tasks = assignments()[id_].tasks.values()
    assert points == {f"check-{task.id}": task.points for task in tasks}


@pytest.mark.parametrize("id_", assignments())
def test_the_points_in_a_lesson_are_filled_in(id_: str) -> None:
    script = (ROOT / "assignments" / f"{id_}.py").read_text(encoding="utf-8")
    first = built(id_).cells[0].source
    assignment = assignments()[id_]
    for task in assignment.tasks.values():
        [row] = re.findall(rf"^# (\|.*\{{points:{task.id}\}} \|.*)$", script, re.MULTILINE)
        assert (
            row.replace(f"{{points:{task.id}}}", f"{task.points:g}{' (bonus)' * task.bonus}")
            in first
        )
    assert f" {assignment.points:g} |" in first
    assert "{points" not in first


def test_check_finds_a_notebook_that_was_edited_and_one_that_is_missing(tmp_path: Path) -> None:
    copy = tmp_path / "news-classifier.ipynb"
    (missing,) = notebooks.check(SCRIPT, SOLUTION, copy)
    assert "is missing; run `python -m grader build`" in missing
    assert notebooks.build(SCRIPT, SOLUTION, copy) == [copy]
    assert notebooks.build(SCRIPT, SOLUTION, copy) == []
    content = json.loads(copy.read_text(encoding="utf-8"))
    content["cells"][3]["source"][0] += "x"
    copy.write_text(json.dumps(content), encoding="utf-8")
    (differs,) = notebooks.check(SCRIPT, SOLUTION, copy)
    assert "differs" in differs


@pytest.mark.kit
@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('definition="collate.Collate"', 'definition="collate.Colate"', "no collate.Colate"),
        ('check="collate"', 'check="colate"', "no task colate"),
        ('# %% check="collate"', "# %%", "check-collate is in 0 cells"),
        ('definition="collate.Collate"', 'definition="dataset.NewsDataset"', "2 cells"),
        ("# %% imports=true", "# %%", "imports is in 0 cells"),
        ("{points:collate}", "{points:colate}", "no task colate"),
    ],
)
def test_a_script_that_does_not_fit_the_solution_is_refused(
    tmp_path: Path, old: str, new: str, what: str
) -> None:
    script = changed(tmp_path, old, new)
    with pytest.raises(BuildError, match=what):
        notebooks.notebook(script, SOLUTION)
    assert what in notebooks.check(script, SOLUTION, NOTEBOOK)[0]
