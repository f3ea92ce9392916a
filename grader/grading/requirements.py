"""What a command needs of this machine, looked at before anything is graded.

A fault of the environment is told, with the command that repairs it, and is never a lost mark.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from grader.base.environment import activate
from grader.base.errors import UsageError
from grader.base.files import read_toml
from grader.base.packages import installed_version
from grader.base.paths import GRADER, ROOT
from grader.contract.tasks import assignments
from grader.worker.imports import FILES as STAND_INS
from grader.worker.pipeline import MODEL

if TYPE_CHECKING:
    from packaging.requirements import Requirement

TABLE = GRADER / "grading" / "requirements.toml"
PROJECT, CONSTRAINTS = ROOT / "pyproject.toml", ROOT / "constraints.txt"
KIT = "news-classifier-kit"
INSTALL = "python -m pip install -c constraints.txt"
INSTALL_MODEL = f"{INSTALL} ./packages/{MODEL}"
MODEL_VERSION = "3.8.0"
# What numbers depend on; other versions of these can give other marks.
NUMBERS = ("torch", "spacy", "thinc", "blis", "numpy")
# What a worker need not find among the installed packages.
PROVIDED = {*STAND_INS, "torchtext", MODEL}


@dataclass(frozen=True)
class Problem:
    """Something that is missing here, and the command that brings it."""

    what: str
    remedy: str

    def __str__(self) -> str:
        """Return it as one line."""
        remedy = activate() or f"Install it from the kit's folder: {self.remedy}"
        return f"{self.what}. {remedy}"


def commands() -> list[str]:
    """Return the commands and ways of grading that need something."""
    table = read_toml(TABLE)
    return [*table["commands"], *table["ways"]]


def ways() -> list[str]:
    """Return the ways of grading that are no commands of `python -m grader`."""
    return [*read_toml(TABLE)["ways"]]


def problems(command: str) -> Iterator[Problem]:
    """Find what a command needs and this machine lacks."""
    needs = _needs(command)
    extra = needs.get("extra", "")
    install = f"{INSTALL_MODEL} -e '.[{extra}]'" if extra else f"{INSTALL} -e ."
    base, optional = _declared()
    wanted = [*base, *(each for each in optional if each.name.lower() in needs.get("packages", ()))]
    for requirement in wanted:
        if found := _differs(requirement):
            yield Problem(found, install)
    if found := _model_differs():
        yield Problem(found, INSTALL_MODEL)
    for name, assignment in _packages().items():
        if importlib.util.find_spec(name) is None:
            what = f"{name}, one of the `packages` of {assignment}.toml, is not installed"
            yield Problem(what, f"python -m pip install {name}")
    if needs.get("exact"):
        yield from other_versions()


def other_versions() -> Iterator[Problem]:
    """Find the packages whose version is not that of constraints.txt, of those in `NUMBERS`."""
    for requirement in constraints():
        if requirement.name.lower() in NUMBERS and (found := _differs(requirement)):
            remedy = f"{INSTALL} {requirement.name} (or put your version into constraints.txt)"
            yield Problem(found, remedy)


def require(command: str) -> None:
    """See that a command can run here.

    Raises:
        UsageError: something is missing; one line says what, and how to install it.
    """
    for problem in problems(command):
        raise UsageError(str(problem))


def constraints() -> list[Requirement]:
    """Return the lines of constraints.txt that hold for this Python."""
    if not CONSTRAINTS.exists():
        return []
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return _parsed(re.sub(r"(^|\s)#.*", "", line) for line in lines)


def _needs(command: str) -> dict[str, Any]:
    table = read_toml(TABLE)
    return dict({**table["commands"], **table["ways"]}.get(command, {}))


def _declared() -> tuple[list[Requirement], list[Requirement]]:
    """Return the kit's dependencies, and those of all its extras."""
    if PROJECT.exists():
        project = read_toml(PROJECT)["project"]
        extras = [line for lines in project["optional-dependencies"].values() for line in lines]
        return _parsed(project["dependencies"]), _parsed(extras)
    try:
        lines = metadata.requires(KIT) or []
    except metadata.PackageNotFoundError:
        return [], []
    extras = [line.partition(";")[0] for line in lines if "extra ==" in line]
    return _parsed(line for line in lines if "extra ==" not in line), _parsed(extras)


def _parsed(lines: Any) -> list[Requirement]:
    """Return the requirements that hold on this machine, other lines left out."""
    from packaging.requirements import InvalidRequirement, Requirement

    found = []
    for line in lines:
        try:
            requirement = Requirement(line.strip())
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate():
            found.append(requirement)
    return found


def _differs(requirement: Requirement) -> str:
    """Say how what is installed differs from a requirement; nothing if it does not."""
    version = installed_version(requirement.name)
    if version is None:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"{requirement.name} {version} is installed, and {requirement.specifier} is needed"


def _model_differs() -> str:
    """Say what is wrong with the spaCy model; the kit's package of that name needs another one."""
    version = installed_version(MODEL)
    if version is None:
        return f"the spaCy model {MODEL} is not installed"
    if version != MODEL_VERSION:
        return f"the spaCy model {MODEL} {version} is installed, and {MODEL_VERSION} is needed"
    for requirement in _parsed(metadata.requires(MODEL) or []):
        if requirement.name.startswith("en-core-web") and (found := _differs(requirement)):
            return found
    return ""


def _packages() -> dict[str, str]:
    """Return the packages that student code may import and that must be here, with who lists it."""
    return {
        name: each.id
        for each in assignments().values()
        for name in each.packages
        if name not in PROVIDED
    }
