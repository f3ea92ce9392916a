"""The notebook in JupyterLab and Notebook 7, in a real browser: `tox -e browser`.

Needs Chromium (Debian: apt-get install chromium). Screenshots go to `browser-screenshots/`.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.__main__ import main
from grader.contract.tasks import assignments
from grader.maintain.scratch import ASSIGNMENT, Scratch
from tests.maintain.test_one_notebook import ID, environment_without_the_kit, solved

nbformat = pytest.importorskip("nbformat")
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
SHOTS = Path("browser-screenshots")
PATIENCE = 1_800_000  # ms; nothing here is about speed, and the lesson trains many models
PAGES = {"notebook": "/notebooks/{}?reset", "lab": "/lab/tree/{}?reset"}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    scratch = Scratch.make(tmp_path_factory.mktemp("course"))
    assert scratch.run("generate_assignment", ASSIGNMENT).returncode == 0
    return scratch


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A student's folder and the address of the Jupyter server in it."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "nbgrader_config.py").write_text("c = get_config()\nc.Execute.timeout = 600\n")
    with served(folder) as address:
        yield folder, address


@contextlib.contextmanager
def served(folder: Path, **more: str) -> Iterator[str]:
    """Serve a folder with JupyterLab and yield the address; `more` are environment variables."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    programs = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": os.pathsep.join([programs, os.environ["PATH"]])} | more
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--IdentityProvider.token=", "--allow-root"]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            if _answers(address):
                break
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api", timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=options)


def opened(browser: Any, address: str, kind: str, file: str) -> Any:
    page = browser.new_page(viewport={"width": 1300, "height": 1100})
    page.set_default_timeout(PATIENCE)
    page.goto(address + PAGES[kind].format(file))
    page.locator(".jp-Notebook").first.wait_for()
    return page


def validated(page: Any, shot: str) -> str:
    """Press Validate, and return what the dialog says; keep a picture of it."""
    page.locator(".validate-button:visible").first.click()
    dialog = page.locator(".jp-Dialog")
    dialog.get_by_text("passes all the tests").or_(dialog.get_by_text("failed")).first.wait_for()
    text = dialog.inner_text()
    page.screenshot(path=str(SHOTS / f"{shot}.png"))
    dialog.get_by_role("button").last.click()
    return str(text)


def has_kernel(page: Any) -> bool:
    """Return whether the notebook on a page is connected to an idle kernel.

    The page's own indicator says so before there is one; then running a cell asks for a kernel.
    """
    sessions = page.request.get(page.evaluate("location.origin") + "/api/sessions").json()
    kernels = [session["kernel"] for session in sessions if session["name"] in page.url]
    return any(each["execution_state"] == "idle" and each["connections"] for each in kernels)


def run_all(page: Any, last: str) -> None:
    """Run all cells by the menu, once a kernel is there, and wait for a text at the end."""
    while not has_kernel(page):
        page.wait_for_timeout(200)
    page.get_by_role("menuitem", name="Run", exact=True).first.click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).first.click()
    page.wait_for_function(
        "last => [...document.querySelectorAll('.jp-OutputArea-output')]"
        ".some(each => each.innerText.includes(last))",
        arg=last,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("kind", PAGES)
def test_validate_fails_before_and_succeeds_after_the_solution_is_put_in(
    browser: Any, course: Scratch, desk: tuple[Path, str], kind: str
) -> None:
    folder, address = desk
    SHOTS.mkdir(exist_ok=True)
    file = f"{kind}.ipynb"
    shutil.copyfile(course.folder / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", folder / file)
    page = opened(browser, address, kind, file)
    said = validated(page, f"{kind}-validate-stub")
    assert "failed" in said
    for cell in ('check("dataset", NewsDataset)', 'check("collate", Collate)', 'check("accuracy")'):
        assert cell in said
    assert "dataset: 0/15 points, not started. Run the cell to read more." in said
    page.close()

    shutil.copyfile(course.folder / "source" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", folder / file)
    page = opened(browser, address, kind, file)
    run_all(page, "Accuracy on a held-out test set")
    table = page.locator(".jp-OutputArea-output", has_text="30 of 30 points").first
    table.scroll_into_view_if_needed()
    table.screenshot(path=str(SHOTS / f"{kind}-table.png"))
    assert "passes all the tests" in validated(page, f"{kind}-validate-solution")
    page.close()


def test_the_notebook_that_needs_no_other_file_runs_alone(browser: Any, tmp_path: Path) -> None:
    """In an empty folder, with a kernel that does not have the kit."""
    SHOTS.mkdir(exist_ok=True)
    (tmp_path / "empty").mkdir()
    file = tmp_path / "empty" / "alone.ipynb"
    assert main(["release", "--notebook", ID, str(file)]) == 0
    notebook = solved(file)
    notebook.cells.append(nbformat.v4.new_code_cell("print('the', 'end')"))
    nbformat.write(notebook, file)
    python = environment_without_the_kit(tmp_path / "venv")
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": command, "display_name": "x", "language": "python"}))
    paths = [str(tmp_path / "jupyter"), os.environ.get("JUPYTER_PATH", "")]
    with served(file.parent, JUPYTER_PATH=os.pathsep.join(filter(None, paths))) as address:
        page = opened(browser, address, "lab", file.name)
        run_all(page, "the end")
        page.keyboard.press("Control+s")
        while "the end\\n" not in file.read_text(encoding="utf-8"):
            page.wait_for_timeout(200)
        page.screenshot(path=str(SHOTS / "alone.png"))
        page.close()
    cells = nbformat.read(file, 4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.output_type == "error"] == []
    said = "".join(str(output.get("text") or output.get("data")) for output in outputs)
    assert "Ready. Installed the course kit" in said
    for task in assignments()[ID].tasks.values():
        assert re.search(rf"{task.id} +{task.points:g}/{task.points:g}  done", said)
