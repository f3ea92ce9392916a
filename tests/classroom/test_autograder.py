"""The autograders: Gradescope's zip and its script, PrairieLearn's results."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import pytest

from grader.__main__ import main
from grader.base.paths import ROOT
from grader.maintain import release
from grader.maintain.submission_bank import REFERENCE

DOCUMENTED = ROOT / "tests" / "schemas" / "gradescope.json"
SECRET = "it's; $secret"
linux = pytest.mark.skipif(sys.platform != "linux", reason="Gradescope runs Linux")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gradescope") / "out.zip"
    assert main(["gradescope", str(out), "--seed", "7"]) == 0
    return out


@pytest.fixture
def root(archive: Path, tmp_path: Path) -> Path:
    """What Gradescope's image is like when the environment is made."""
    root = tmp_path / "autograder"
    shutil.unpack_archive(archive, root / "source")
    for folder in ("submission", "results"):
        (root / folder).mkdir()
    (root / "venv" / "bin").mkdir(parents=True)
    python = f'#!/bin/sh\nprintf %s "$GRADER_SECRET" > secret\nexec "{sys.executable}" "$@"\n'
    (root / "venv" / "bin" / "python").write_text(python, encoding="utf-8")
    (root / "venv" / "bin" / "python").chmod(0o755)
    return root


def autograde(root: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"AUTOGRADER_ROOT": str(root), "PYTHONPATH": str(root / "source")}
    environment["GRADER_SECRET"] = SECRET  # of the container
    return subprocess.run(
        ["bash", str(root / "source" / "run_autograder")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def results(root: Path) -> dict[str, object]:
    """What Gradescope shows; it demands a score of the whole, or tests."""
    data = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    schema = json.loads(DOCUMENTED.read_text(encoding="utf-8"))
    required = schema.pop("required")
    assert {"score", *required} & data.keys()
    jsonschema.validate(data, schema)
    return data


def test_the_zip_holds_two_programs_and_the_kit(archive: Path, root: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        modes = {info.filename: info.external_attr >> 16 for info in opened.infolist()}
    assert {"setup.sh", "run_autograder", "pyproject.toml", "constraints.txt"} <= modes.keys()
    programs = {name for name, mode in modes.items() if mode & 0o111}
    assert programs == {"setup.sh", "run_autograder"}
    assert not [name for name in modes if re.match(r"(solution|tests|exercise|assignments)/", name)]
    for name in programs:
        text = (root / "source" / name).read_bytes()
        assert text.startswith(b"#!/usr/bin/env bash\n")
        assert b"\r" not in text
        check = ["bash", "-n", str(root / "source" / name)]
        assert subprocess.run(check, check=False).returncode == 0


@linux
def test_a_submission_gets_its_mark_with_the_courses_secret(root: Path) -> None:
    (root / "submission" / "dataset.py").write_bytes(REFERENCE["dataset"])
    done = autograde(root)
    assert done.returncode == 0, done.stderr
    assert results(root)["score"] == 15
    assert (root / "source" / "secret").read_text(encoding="utf-8") == SECRET


@linux
def test_what_cannot_be_read_is_told_to_the_student(root: Path) -> None:
    done = autograde(root)
    assert done.returncode == 0, done.stderr
    found = results(root)
    assert found["score"] == 0
    assert "none of dataset.py" in str(found["output"])
    assert str(root) not in str(found["output"])


@linux
def test_a_fault_of_the_grader_leaves_no_mark(root: Path) -> None:
    (root / "results" / "results.json").write_text('{"score": 15}', encoding="utf-8")
    (root / "submission" / "dataset.py").write_bytes(REFERENCE["dataset"])
    broken = root / "source" / "grader" / "checks" / "news_classifier" / "dataset.py"
    text = broken.read_text(encoding="utf-8")
    broken.write_text(text.replace("def check_length(", "def check_lengths("), encoding="utf-8")
    done = autograde(root)
    assert done.returncode == 2
    assert "check_length" in done.stderr
    assert not (root / "results" / "results.json").exists()


# --- PrairieLearn ----------------------------------------------------------------------------


def external_grader(root: Path) -> dict[str, object]:
    """Grade what is in `root/student`, as docs/prairielearn.md says, with any confinement."""
    line = ["-m", "grader.classroom.autograder", str(root), "--service", "prairielearn"]
    options = ["--assignment", "news-classifier", "--confine", "limits", "--seed", "0"]
    run = subprocess.run(
        [sys.executable, *line, *options, "--device", "cpu"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    data = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    schema = ROOT / "tests" / "schemas" / "prairielearn.json"
    jsonschema.validate(data, json.loads(schema.read_text(encoding="utf-8")))
    assert isinstance(data, dict)
    return data


@pytest.fixture
def student(tmp_path: Path) -> Path:
    (tmp_path / "student").mkdir()
    return tmp_path / "student"


def test_prairielearn_gets_the_share_of_the_points(student: Path) -> None:
    (student / "dataset.py").write_bytes(REFERENCE["dataset"])
    found = external_grader(student.parent)
    assert found["score"] == 0.15
    assert isinstance(found["tests"], list)
    assert sum(test["points"] for test in found["tests"]) == 15


def test_what_prairielearn_cannot_grade_costs_no_attempt(student: Path) -> None:
    (student / "essay.pdf").write_bytes(b"%PDF-1.7")
    found = external_grader(student.parent)
    assert found["gradable"] is False
    assert "What you handed in" in str(found["format_errors"])
    assert str(student) not in str(found)


def test_less_confinement_is_used_only_if_it_was_asked_for(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--confine sandbox" in (root / "source" / "run_autograder").read_text()
    monkeypatch.setattr(release, "FOLDERS", ("news",))  # the rest of the kit does not matter here
    main(["gradescope", str(tmp_path / "weak.zip"), "--confine", "limits"])
    with zipfile.ZipFile(tmp_path / "weak.zip") as opened:
        assert b"--confine limits" in opened.read("run_autograder")
        assert b"--seed 0" in opened.read("run_autograder")
