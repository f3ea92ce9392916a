"""Runs the checks under pytest: `pytest` grades a submission and shows the board."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.base.devices import DEVICES
from grader.base.errors import UsageError
from grader.base.paths import CHECKS, EXERCISE, ROOT
from grader.contract.enums import Status, Tier
from grader.contract.names import did_you_mean
from grader.contract.tasks import (
    Assignment,
    Check,
    all_tasks,
    assignments,
    choose_assignment,
    tasks,
)

CONFIG = ROOT / "pyproject.toml"
SESSION = pytest.StashKey[Any]()
STATUS = pytest.StashKey[str]()
CHOSEN = pytest.StashKey[set[str]]()
ASSIGNMENT = pytest.StashKey[Assignment]()
TAKEN = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Define the options for grading."""
    try:
        known = ", ".join(assignments())
    except UsageError as error:  # the file of the course
        raise pytest.UsageError(str(error)) from None
    group = parser.getgroup("grading")
    group.addoption("--submission", type=Path, metavar="PATH", help="what to grade [exercise]")
    group.addoption("--assignment", metavar="ID", help=f"one of {known} [what is there]")
    group.addoption("--device", choices=DEVICES, default="auto", help="where models run [auto]")
    group.addoption("--seed", type=int, default=0, help="seed of the grader's inputs [0]")
    group.addoption(
        "--confine",
        choices=[tier.value for tier in Tier],
        help="the least confinement that will do",
    )
    group.addoption(
        "--in-process",
        action="store_true",
        help="run the submission in pytest's own process, so that breakpoint() works",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Restart pytest in the kit's folder if it would not find the checks.

    `--submission PATH` without an equals sign makes pytest look for its configuration at PATH, but
    a submission's pytest.ini and conftest.py must not be used. And pytest finds no tests in the
    files that students write, whether it is started beside them or given their path.
    """
    invoked = early_config.invocation_params
    known = early_config.known_args_namespace
    given = [str(argument) for argument in invoked.args]
    path: Path | None = known.submission
    if path is not None:
        if early_config.inipath == CONFIG:
            return
        if "--submission" in given:
            at = given.index("--submission")
            del given[at : at + 2]
        else:
            given = [argument for argument in given if not argument.startswith("--submission=")]
    elif len(known.file_or_dir) <= 1:
        named = [*known.file_or_dir, "."][0]
        path = Path(named)
        given = [argument for argument in given if argument != named]
        if not (invoked.dir / path).exists():
            path = _meant(path, known.keyword, given)
        if not _is_students(invoked.dir / path):
            return
    else:
        return
    submission = f"--submission={(invoked.dir / path).resolve()}"
    command = [sys.executable, "-m", "pytest", "-c", str(CONFIG), submission, *given]
    raise SystemExit(subprocess.call(command, cwd=ROOT))


def _meant(path: Path, keyword: str, given: list[str]) -> Path:
    """Take the name of a task for `-k`, and return what to grade then: the exercise.

    Raises:
        pytest.UsageError: the path is not there, and seems to be misspelt.
    """
    names = {*tasks(), *(task.module for task in tasks().values() if task.module)}
    if path.stem in names:
        given += [] if keyword else ["-k", path.stem]
        return EXERCISE
    if path.suffix in ("", ".py") and (meant := did_you_mean(path.stem, names)):
        raise pytest.UsageError(f"{path}: no such file or task.{meant} Use pytest -k NAME.")
    return path


def _is_students(path: Path) -> bool:
    """Return whether a path is a file that students write, or a folder with one."""
    files = {f"{task.module}.py" for task in tasks().values() if task.module}
    if path.is_dir():
        return path.resolve() == EXERCISE or any((path / name).is_file() for name in files)
    return path.name in files and path.is_file() and not path.resolve().is_relative_to(CHECKS)


def pytest_configure(config: pytest.Config) -> None:
    """Let the board replace pytest's own output if only checks run."""
    if _only_checks(config):
        config.option.tbstyle = "no"
        config.option.reportchars = ""
        config.option.no_header = True
        config.option.disable_warnings = True


def _only_checks(config: pytest.Config) -> bool:
    """Return whether only checks were requested."""
    paths = [config.invocation_params.dir / arg.split("::")[0] for arg in config.args]
    return all(path.resolve().is_relative_to(CHECKS) for path in paths)


def check_of(item: pytest.Item) -> Check | None:
    """Return the check that a test function implements, or None."""
    if not item.path.is_relative_to(CHECKS):
        return None
    place = (f"{item.path.parent.name}.{item.path.stem}", item.name)
    checks = (check for task in all_tasks().values() for check in task.checks)
    return next(check for check in checks if (check.module, check.function) == place)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Read the submission before pytest collects its checks."""
    if _only_checks(session.config):
        _take_in(session.config)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out checks that do not belong to the submission, so that pytest's counts are right."""
    if collection_path.parent.parent != CHECKS or not _only_checks(config):
        return None
    chosen, only = config.stash[ASSIGNMENT], config.stash[TAKEN].only
    task = chosen.tasks.get(collection_path.stem)
    mine = collection_path.parent.name == chosen.checks[0].package
    return not mine or (task is not None and only not in (None, task.module)) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the checks of the assignment, in the order of its table and after all other tests.

    `-k` matches a check by its task, its name, and the module that students write.
    """
    found = [(check_of(item), item) for item in items]
    if all(check is None for check, _ in found):
        return
    chosen = _take_in(config)
    order = {check.id: place for place, check in enumerate(chosen.checks)}
    mine = [(check, item) for check, item in found if check is None or check.id in order]
    mine.sort(key=lambda pair: -1 if pair[0] is None else order[pair[0].id])
    for check, item in mine:
        if check is not None:
            item.extra_keyword_matches.add(tasks()[check.task].module)
    items[:] = [item for _, item in mine]


def _take_in(config: pytest.Config) -> Assignment:
    """Read the submission, unless that is done, and return its assignment."""
    if ASSIGNMENT in config.stash:
        return config.stash[ASSIGNMENT]
    from grader.grading.session import load

    name = config.option.assignment
    try:
        taken = load(config.option.submission or EXERCISE, name)
        named = _named(config.option.keyword, taken.files)
        chosen = choose_assignment(name or named, taken.files)
    except UsageError as error:
        pytest.exit(str(error), returncode=2)
    config.stash[TAKEN], config.stash[ASSIGNMENT] = taken, chosen
    return chosen


def _named(keyword: str, modules: Collection[str]) -> str | None:
    """Return the assignment whose task or module `-k` names, if the submission has the module."""
    for task in tasks().values():
        if keyword and keyword in (task.id, task.module) and {task.id, task.module} & {*modules}:
            return task.assignment
    return None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Store which checks will run."""
    found = {check_of(item) for item in session.items}
    session.config.stash[CHOSEN] = {check.id for check in found if check is not None}


@pytest.fixture(scope="session", name="graded")
def _graded(pytestconfig: pytest.Config) -> Iterator[Any]:
    from grader.grading import requirements
    from grader.grading.keys import course_secret
    from grader.grading.session import session

    options = pytestconfig.option
    try:
        requirements.require("grade")
        with session(
            pytestconfig.stash[TAKEN],
            assignment=pytestconfig.stash[ASSIGNMENT].id,
            device=options.device,
            seed=options.seed,
            in_process=options.in_process,
            confine=options.confine and Tier(options.confine),
            secret=course_secret(),
        ) as opened:
            chosen = pytestconfig.stash[CHOSEN]
            named = {id_.partition(".")[0] for id_ in chosen} if options.keyword else tasks()
            for check in opened.planned:
                if check.held_back and check.task in named and not check.is_here:
                    chosen.add(opened.run(check).id)  # says so
            opened.planned = [check for check in opened.planned if check.id in chosen]
            pytestconfig.stash[SESSION] = opened
            yield opened
    except UsageError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture
def submission(graded: Any) -> Any:
    """The submission, as the argument of a check."""
    return graded.submission


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a check the way the command line does."""
    check = check_of(pyfuncitem)
    if check is None:
        return None
    graded: Any = pyfuncitem.funcargs["graded"]
    result = graded.run(check)
    pyfuncitem.stash[STATUS] = result.status
    if result.status is not Status.PASSED:
        pytest.fail(result.message or result.status, pytrace=False)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Copy a check's status to its report."""
    report = yield
    report.check_status = item.stash.get(STATUS, None)
    return report


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Count checks that are not started separately from those that failed."""
    letters = {Status.NOT_STARTED: "-", Status.BLOCKED: "b", Status.ERROR: "E"}
    status = getattr(report, "check_status", None)
    if report.when == "call" and status in letters:
        word = status.replace("_", " ")
        return word, letters[status], word.upper()
    return None


def pytest_terminal_summary(config: pytest.Config, exitstatus: pytest.ExitCode) -> None:
    """Print the board of the tasks that ran, or say why none did."""
    if config.option.keyword and not config.stash.get(CHOSEN, True) and _only_checks(config):
        word, chosen = config.option.keyword, config.stash[ASSIGNMENT]
        names = {*tasks(), *(task.module for task in tasks().values())}
        if word in tasks():
            more = f" It is a task of --assignment {tasks()[word].assignment}."
        else:
            more = did_you_mean(word, names) or f" Tasks of {chosen.id}: {', '.join(chosen.tasks)}."
        print(f"\n-k {word}: no task or check has this name.{more}")
    if config.inipath is None and exitstatus is pytest.ExitCode.NO_TESTS_COLLECTED:
        print(f"\nTo grade your exercise, run pytest in the kit's folder: cd {ROOT}")
    graded = config.stash.get(SESSION, None)
    if graded is not None:
        from grader.reports import board

        board.show(graded.record(), verbose=config.option.verbose > 0)
