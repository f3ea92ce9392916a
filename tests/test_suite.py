"""The shards of the full suite are the whole of it, and each day has its own."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TESTS, parts_of, recorded, shard

ROOT = TESTS.parent
FILES = {"quick.py": 1.0, "slow.py": 9.0, "slowest.py": 20.0}


def one_per_test(counts: dict[str, int]) -> list[str]:
    return [file for file, count in counts.items() for _ in range(count)]


def lengths(files: list[str], parts: list[int]) -> dict[int, float]:
    """The seconds of each part."""
    found = dict.fromkeys(parts, 0.0)
    for file, part in zip(files, parts, strict=True):
        found[part] += FILES[file] / files.count(file)
    return found


def test_shards_hold_every_test_in_order_and_take_about_the_same_time() -> None:
    files = one_per_test({"quick.py": 500, "slow.py": 30, "slowest.py": 40})
    parts = parts_of(files, FILES, 3)
    assert parts == sorted(parts)
    assert set(parts) == {1, 2, 3}
    assert all(seconds == pytest.approx(10, abs=0.5) for seconds in lengths(files, parts).values())


def test_a_file_without_seconds_is_in_a_shard() -> None:
    assert set(parts_of(one_per_test({"new.py": 8}), {}, 2)) == {1, 2}


@pytest.mark.parametrize("text", ["0/6", "7/6", "1", "a/b", "1/0", "-1/6"])
def test_a_shard_that_there_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - argparse makes the message
        shard(text)


def test_every_file_of_tests_has_its_seconds() -> None:
    """`pytest tests/<file> --full --write-seconds` records them."""
    there = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    browser = {file for file in there if file.startswith("browser/")}
    assert recorded().keys() == there - browser


def test_with_pytest_xdist_a_file_stays_in_one_process(request: pytest.FixtureRequest) -> None:
    """pytest-xdist reads the group from the id; pytest 9.2 does not let it write that."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("these tests run in one process")
    assert request.node.nodeid.endswith("@test_suite.py")


def days() -> Iterator[str]:
    """What `.ci/run` computes on six days in a row."""
    (sum_,) = re.findall(r'--shard "(.*)/6"', (ROOT / ".ci/run").read_text(encoding="utf-8"))
    for day in range(20_000, 20_006):
        line = f"echo {sum_.replace('$(date +%s)', str(day * 86_400 + 3))}"
        yield subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, check=True
        ).stdout


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="needs bash")
def test_continuous_integration_runs_each_shard_once_in_six_days() -> None:
    assert sorted(days()) == [f"{k}\n" for k in range(1, 7)]
