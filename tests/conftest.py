"""Quick and full runs of the kit's tests, their order, shards, and the seconds of each file.

    pytest tests                          the quick suite
    pytest tests --full                   the full suite
    pytest tests --full --shard 2/6       the second of six parts of about the same length
    pytest tests/reports --policy bonus   under a course of policies/ instead of the kit's points
    pytest tests --full --write-seconds   record the seconds of each file, for order and shards

A test marked `full` runs in the full suite only; a test that proves more there asks the fixture
`full`. The quickest files come first, so that a slip shows at once. With pytest-xdist (`-n 2
--dist loadgroup`) a file stays in one process, unless its tests have groups of their own.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from grader.base.files import read_toml
from grader.contract import course

TESTS = Path(__file__).parent
SECONDS = TESTS / "seconds.toml"
HEAD = """\
# Seconds of each file in the full suite. After adding a file:
# pytest tests/<file> --full --write-seconds
"""
# The tests prove the kit with its own points and tasks, whatever course.toml says; test_policies.py
# proves sample courses, and the one in course.toml. So does `--policy`.
course.use("")
os.environ[course.VARIABLE] = os.devnull
NEW = 1.0  # seconds assumed for a file that has not been measured


def shard(text: str) -> tuple[int, int]:
    """Parse K/N.

    Raises:
        ValueError: the text is not two integers with 1 <= K <= N.
    """
    k, n = map(int, text.split("/"))
    if not 1 <= k <= n:
        raise ValueError(text)
    return k, n


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("the kit's tests")
    group.addoption("--full", action="store_true", help="run the full suite, not the quick one")
    group.addoption("--policy", metavar="NAME", help="let a course of tests/policies/ hold")
    group.addoption("--shard", type=shard, metavar="K/N", help="run part K of N")
    group.addoption("--write-seconds", action="store_true", help="record the seconds of each file")


def pytest_configure(config: pytest.Config) -> None:
    if policy := config.getoption("policy"):
        path = TESTS / "policies" / f"{policy}.toml"
        os.environ[course.VARIABLE] = str(path)
        course.use(path.read_text(encoding="utf-8"))
    config.addinivalue_line(
        "markers", "kit: about committed files or single tasks, which are the kit's"
    )
    config.addinivalue_line("markers", "full: runs in the full suite only (--full)")


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether this is a run of the full suite."""
    return bool(request.config.getoption("full"))


@pytest.fixture
def kits_course() -> Iterator[None]:
    """The kit's own course, for a test of points, dates or titles of its own."""
    with course.chosen(Path(os.devnull)):
        yield


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seconds = recorded()
    items.sort(key=lambda item: (seconds.get(file_of(item), NEW), file_of(item)))
    selected = items
    if policy := config.getoption("policy"):
        other = pytest.mark.skip(reason=f"about the kit's own files or tasks, not {policy}'s")
        for item in items:
            if item.get_closest_marker("kit"):
                item.add_marker(other)
    if not config.getoption("full"):
        selected = [item for item in selected if item.get_closest_marker("full") is None]
    if part := config.getoption("shard"):
        parts = parts_of([file_of(item) for item in selected], seconds, part[1])
        selected = [item for item, k in zip(selected, parts, strict=True) if k == part[0]]
    chosen = set(selected)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = selected
    for item in items if config.pluginmanager.hasplugin("xdist") else ():
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(file_of(item)))


def file_of(item: pytest.Item) -> str:
    """Return the file of a test, relative to this folder."""
    return item.path.relative_to(TESTS).as_posix()


def parts_of(files: Sequence[str], seconds: dict[str, float], n: int) -> list[int]:
    """Return the part, 1 to n, of each test, given the file of each.

    The parts are consecutive and take about the same time. The tests of a file count the same.
    """
    counts = Counter(files)
    total = sum(seconds.get(file, NEW) for file in counts)
    parts: list[int] = []
    before = 0.0
    for file in files:
        weight = seconds.get(file, NEW) / counts[file]
        middle = before + weight / 2
        parts.append(min(n, int(middle / total * n) + 1))
        before += weight
    return parts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the seconds of each file, setup and teardown included, the slowest first."""
    found: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                file = report.nodeid.partition("::")[0].removeprefix("tests/")
                found[file] += report.duration
    terminalreporter.section("seconds by file")
    for file, seconds in sorted(found.items(), key=lambda each: -each[1]):
        terminalreporter.write_line(f"{seconds:8.1f}  {file}")
    if terminalreporter.config.getoption("write_seconds"):
        lines = [
            f'"{file}" = {seconds:.1f}\n' for file, seconds in sorted((recorded() | found).items())
        ]
        SECONDS.write_text("".join([HEAD, *lines]), encoding="utf-8")


def recorded() -> dict[str, float]:
    """Return the seconds of each file that has been measured."""
    return read_toml(SECONDS) if SECONDS.exists() else {}
