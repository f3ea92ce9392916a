"""GitHub's workflows: the students' own, and CI. The command lines are run as they are written."""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from grader.__main__ import main
from grader.base.paths import ROOT
from grader.contract import course
from grader.contract.enums import Status
from grader.contract.tasks import MAIN
from grader.maintain import release
from grader.maintain.submission_bank import REFERENCE
from grader.reports import github
from tests.classes import changed, graded
from tests.reports.test_workflow_commands import command

CI = ROOT / ".github" / "workflows" / "ci.yml"
NOTICES = re.compile(
    r"::notice title=Autograding complete::Points (?P<points>\S+)/(?P<most>\S+)\n"
    r"::notice title=Autograding report::(?P<report>\{.*\})\n"
)


def lines(path: Path, job: str) -> dict[str, str]:
    """The command lines of a job, by the name of their step; not those for Windows."""
    steps = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"][job]["steps"]
    return {
        step.get("name", step["run"]): step["run"]
        for step in steps
        if "run" in step and step.get("shell") != "pwsh"
    }


def sh(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run command lines as a runner does."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", line],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


# --- the points ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["right", "wrong", "stubs"])
def test_the_points_are_told_as_classrooms_own_reporter_tells_them(name: str) -> None:
    record = graded()[name]
    found = NOTICES.fullmatch(github.text(record))
    assert found
    assert json.loads(found["report"]) == {"totalPoints": record.score, "maxPoints": 100}
    assert (found["points"], found["most"]) == (f"{record.score:g}", "100")
    assert all(command(line) for line in github.text(record).splitlines())


@pytest.mark.parametrize("status", [Status.ERROR, Status.NOT_RUN])
def test_without_a_final_mark_no_points_are_told(status: Status) -> None:
    record = changed(graded()["right"], "dataset.texts", status=status, score=0.0)
    [line] = github.text(record).splitlines()
    assert line.startswith("::error title=Not graded::The grader could not judge this.")


# --- the students' repository ----------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release without notebooks, and with little of the kit."""
    monkeypatch.setattr(release, "FOLDERS", ("news",))
    monkeypatch.setattr(release, "notebooks_for_students", dict)


@pytest.mark.usefixtures("small")
def test_the_workflow_has_the_names_that_readers_of_the_points_ask_for(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert main(["release", "--github", str(tmp_path), "--assignment", "beyond"]) == 0
    text = (tmp_path / ".github" / "workflows" / "classroom.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["name"] == "Autograding Tests"
    assert list(workflow["jobs"]) == ["run-autograding-tests"]
    assert workflow["env"]["ASSIGNMENT"] == "beyond"
    assert MAIN not in str(workflow)
    assert {path.name for path in (tmp_path / "exercise").iterdir()} == {
        path.name for path in (ROOT / "exercise").glob("*.py")
    }


@pytest.mark.usefixtures("small")
def test_the_readme_has_the_title_of_the_course(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "_used", [])
    course.use('title = "Texts in spring"')
    assert main(["release", "--github", str(tmp_path)]) == 0
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# Texts in spring\n\nWrite your solution in `exercise/` and push")


@pytest.mark.usefixtures("small")
def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    for out in (tmp_path, tmp_path / "README.md"):
        assert main(["release", "--github", str(out)]) == 2
        assert "not empty. Name a new folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--github", "--assignment", "beyound"], "Did you mean beyond?"),
        (["--github", "--notebook", MAIN], "choose one of them"),
        (["--assignment", MAIN], "--assignment goes with --github"),
    ],
)
@pytest.mark.usefixtures("small")
def test_options_that_do_not_fit_are_told(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["release", str(tmp_path / "out"), *options]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="the workflow's job runs on Linux")
def test_the_students_workflow_grades_a_push(tmp_path: Path) -> None:
    """With the packages of this environment: pip finds them installed, and so do later steps."""
    packages = sysconfig.get_path("purelib")
    root, summary = tmp_path / "news-ada", tmp_path / "summary.md"
    assert main(["release", "--github", str(root)]) == 0
    for module in ("dataset", "collate"):
        (root / "exercise" / f"{module}.py").write_bytes(REFERENCE[module])
    workflow = root / ".github" / "workflows" / "classroom.yml"
    variables: dict[str, Any] = yaml.safe_load(workflow.read_text(encoding="utf-8"))["env"]
    variables |= {
        "GITHUB_STEP_SUMMARY": str(summary),
        "PIP_EXTRA_INDEX_URL": "",  # as GitHub passes a variable that is not set
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to switch isolation off
    }
    steps = lines(workflow, "run-autograding-tests")
    assert list(steps) == ["Install", "Grade", "Report"]
    installed = sh(steps["Install"], root, **variables, PYTHONPATH=packages)
    assert installed.returncode == 0, installed.stderr
    [own] = (root / ".venv" / "lib").glob("python*/site-packages")
    (own / "packages.pth").write_text(packages, encoding="utf-8")
    run = sh(steps["Grade"], root, **variables)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "Total     35/100" in run.stdout
    reported = sh(steps["Report"], root, **variables)
    assert reported.returncode == 0, reported.stderr
    found = NOTICES.fullmatch(reported.stdout)
    assert found
    assert found["points"] == "35"
    assert summary.read_text(encoding="utf-8").startswith("# Result\n\n**35 of 100 points**")
    assert json.loads((root / "record.json").read_text(encoding="utf-8"))["score"] == 35


# --- Classroom 50 ----------------------------------------------------------------------------


def test_classroom_50_gets_the_points_of_each_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's autograder, with a golden record for what the grader writes."""
    page = (ROOT / "docs" / "github.md").read_text(encoding="utf-8")
    (tmp_path / "autograder.py").write_text(
        page.partition("```python\n")[2].partition("```\n")[0], encoding="utf-8"
    )
    ran: list[list[str]] = []

    def run(line: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        ran.append(line[2:])
        if "--json" in line:
            Path(line[-1]).write_text(graded()["wrong"].to_json(), encoding="utf-8")
        assert cwd == tmp_path / "kit"
        return subprocess.CompletedProcess(line, int("--json" in line))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.chdir(tmp_path)
    for name in ("CLASSROOM", "ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL"):
        monkeypatch.setenv(name, name.lower())
    runpy.run_path(str(tmp_path / "autograder.py"))
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    tasks = graded()["wrong"].tasks
    assert [line[0] for line in ran] == ["pip", "grader"]
    assert [test["test-name"] for test in result["tests"]] == [task.id for task in tasks]
    assert result["score"] == sum(int(task.score) for task in tasks)
    assert result["max-score"] == 100
    assert result["schema"] == "classroom50/result/v1"


# --- CI --------------------------------------------------------------------------------------


def test_ci_runs_the_commands_of_the_readme(tmp_path: Path) -> None:
    """A `python3` that only notes its arguments stands for the environment."""
    shutil.copy(ROOT / "README.md", tmp_path)
    noted = tmp_path / "noted"
    program = tmp_path / "bin" / "python3"
    program.parent.mkdir()
    program.write_text(
        f'#!/usr/bin/env bash\necho "$@" >> {noted}\n'
        'if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    line = lines(CI, "readme")["Commands for Linux and macOS"]
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    done = sh(line, tmp_path, PATH=path, RUNNER_TEMP=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert noted.read_text(encoding="utf-8").splitlines() == [
        "-m venv .venv",
        "-m pip install -c constraints.txt ./packages/en_core_web_sm -e .[dev]",
        "-m grader grade solution",
        "-m tox",
    ]


def test_ci_finds_the_line_for_windows() -> None:
    """The pattern of its step, with Python's `re` instead of PowerShell's."""
    pattern = re.search(r"-Pattern '(.+)'", CI.read_text(encoding="utf-8"))
    assert pattern
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [line] = re.findall(pattern[1], readme, re.MULTILINE)
    assert line.startswith("py -m venv .venv; ")


def test_the_matrix_has_every_python_that_the_kit_supports() -> None:
    matrix = yaml.safe_load(CI.read_text(encoding="utf-8"))["jobs"]["readme"]["strategy"]["matrix"]
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    assert {f"py{version.replace('.', '')}" for version in matrix["python"]} == set(
        re.findall(r"\bpy3\d\d\b", tox)
    )
