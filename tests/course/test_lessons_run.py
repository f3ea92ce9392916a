"""Each lesson runs from the top down, with the reference in its cells and without a network.

After the cell that shows what students had to predict, the answer is computed and compared.

The quick suite runs the shortest one; that of the main assignment it runs in `test_course.py`.
"""

import re
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from grader.base.paths import COURSE
from grader.contract import predictions
from grader.contract.tasks import assignments
from grader.course.kernel import EXPERIMENT, SandboxedKernel
from grader.course.sandbox_policy import why_no_pages
from grader.maintain import release
from grader.maintain.predictions import Question, questions

SOURCE = COURSE / "source"
NO_SANDBOX = why_no_pages()
QUICK = "recurrent-layers"
SECONDS = 600  # for one cell, on a machine that has other work


@pytest.mark.skipif(bool(NO_SANDBOX), reason=NO_SANDBOX)
@pytest.mark.parametrize(
    "id_", [pytest.param(i, marks=[] if i == QUICK else pytest.mark.full) for i in assignments()]
)
def test_a_lesson_runs_and_every_check_gives_full_points(id_: str) -> None:
    notebook = nbformat.read(SOURCE / id_ / f"{id_}.ipynb", 4)
    asked = questions(COURSE / f"{id_}.py")
    for question in asked:
        add_the_answer(notebook, question)
    NotebookClient(notebook, timeout=SECONDS, kernel_manager_class=SandboxedKernel).execute()
    outputs = {cell.id: cell.get("outputs", []) for cell in notebook.cells}
    shown = [output for outputs_ in outputs.values() for output in outputs_]
    assert [output for output in shown if output.get("name") == "stderr"] == []
    assert [output for output in shown if "image/png" in output.get("data", {})] != []
    for task in assignments()[id_].tasks.values():
        table, points = outputs[f"check-{task.id}"]
        assert points.data["text/html"] == "", "the points are not shown once more"
        assert f"{task.points:g}/{task.points:g}  done" in table.data["text/plain"]
    for question in asked:
        own = question.prediction.id
        assert [each.text.strip() for each in outputs[f"predict-{own}"]] == [predictions.FIRST]
        (said,) = outputs[f"answer-{own}"]
        assert said.text.startswith("Right!"), (own, question.computed, said.text)


def add_the_answer(notebook: Any, question: Question) -> None:
    """Add a cell that passes what was computed to `predict`, after the question's next cell."""
    own, cells = question.prediction.id, notebook.cells
    asked = next(at for at, cell in enumerate(cells) if cell.id == f"predict-{own}")
    shown = next(at for at, cell in enumerate(cells) if at > asked and cell.cell_type == "code")
    answer = f'predict("{own}", {question.computed})'
    cells.insert(shown + 1, nbformat.v4.new_code_cell(answer, id=f"answer-{own}"))


@pytest.mark.skipif(bool(NO_SANDBOX), reason=NO_SANDBOX)
@pytest.mark.full
@pytest.mark.parametrize("id_", assignments())
def test_a_lesson_with_untouched_stubs_stops_only_with_lines_that_name_the_part(id_: str) -> None:
    """Even if a student runs all cells and ignores errors."""
    released = release.notebooks_for_students(id_)[f"{id_}.ipynb"]
    notebook = nbformat.reads(released.decode(), 4)
    for cell in notebook.cells:
        if cell.source.startswith(EXPERIMENT):
            cell.source = "pass"
    client = NotebookClient(
        notebook, timeout=SECONDS, kernel_manager_class=SandboxedKernel, allow_errors=True
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    errors = [output for output in outputs if output.output_type == "error"]
    parts = {name for task in assignments()[id_].tasks.values() for name in task.names}
    assert errors
    for error in errors:
        (line,) = error.traceback
        assert "\n" not in line
        assert re.search(r"is not written yet\. |does not exist yet: |is still that of", line), line
        assert {*re.findall(r"\w+", line)} & parts, line


@pytest.mark.skipif(bool(NO_SANDBOX), reason=NO_SANDBOX)
def test_the_lessons_own_line_works_in_the_first_cell_and_says_that_nothing_is_downloaded() -> None:
    cells = ["from torchtext.datasets import AG_NEWS", "rows = AG_NEWS(split='train')\nlist(rows)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    client = NotebookClient(notebook, kernel_manager_class=SandboxedKernel, allow_errors=True)
    client.execute()
    first, second = (cell.outputs for cell in notebook.cells)
    assert first == []
    assert second[-1].ename == "NewsError"
    assert "no connection, or a broken one" in second[-1].evalue
    assert "or go on without it: news.sample('train')" in second[-1].evalue
