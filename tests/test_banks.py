"""Every known mistake is caught and named; every right variant has full marks.

`submissions/wrong/<task>.toml` holds mistakes as replacements in the reference;
`submissions/right/<variant>/` holds the modules in which a variant differs from it.
"""

import sys
from pathlib import Path
from typing import Any

import pytest

from grader.grading import session
from grader.record import CheckResult
from grader.sources import Sources
from grader.tasks import tasks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
BANK = ROOT / "tests" / "submissions"
REFERENCE = {path.stem: path.read_bytes() for path in (ROOT / "solution").glob("*.py")}


def submission(name: str, changed: dict[str, bytes]) -> Sources:
    files = {**REFERENCE, **changed}
    return Sources(name, files, {stem: f"exercise/{stem}.py" for stem in files})


def wrong() -> list[Any]:
    return [
        pytest.param(path.stem, entry, id=f"{path.stem}-{name}")
        for path in sorted((BANK / "wrong").glob("*.toml"))
        for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items()
    ]


def patched(task: str, replacements: list[list[str]]) -> bytes:
    text = REFERENCE[task].decode()
    for old, new in replacements:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {task}.py"
        text = text.replace(old, new)
    return text.encode()


def grade_task(sources: Sources, task: str) -> list[CheckResult]:
    with session(sources, device="cpu", in_process=True) as opened:
        return [opened.run(check) for check in tasks()[task].checks]


@pytest.mark.parametrize(("task", "entry"), wrong())
def test_a_known_mistake_is_caught_and_named(task: str, entry: dict[str, Any]) -> None:
    results = grade_task(submission("wrong", {task: patched(task, entry["replace"])}), task)
    told = [result for result in results if result.status not in ("passed", "blocked")]
    assert told, "no check failed"
    first = told[0]
    assert first.id == entry["check"], first.message
    assert first.mistake == entry.get("mistake"), first.message
    assert entry.get("says", "") in first.message
    assert first.score < first.max_score


@pytest.mark.parametrize("variant", sorted((BANK / "right").iterdir()), ids=lambda path: path.name)
def test_a_right_variant_has_full_marks(variant: Path) -> None:
    changed = {path.stem: path.read_bytes() for path in variant.glob("*.py")}
    sources = submission(variant.name, changed)
    for task in [task for task in tasks() if task in changed]:
        for result in grade_task(sources, task):
            assert result.status == "passed", f"{result.id}: {result.message}"
