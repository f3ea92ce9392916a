"""The requirements for mutants and accepted variants."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from grader.contract.mistakes import mistakes
from grader.contract.record import CheckResult
from grader.contract.tasks import tasks
from grader.maintain.submission_bank import Variant, mutants

# Tasks whose mutants do not list in `also` yet what later checks name.
NOT_SORTED = ("accuracy",)
LINE_END = re.compile(r"\s*\n\s*")


@dataclass(frozen=True)
class Row:
    """A row of the kill matrix: a mutant or an accepted variant, graded.

    Attributes:
        id: the entry's id.
        name: the entry's name.
        assignment: the id of its assignment.
        task: the mutant's task; empty for an accepted variant.
        failed: the checks of this task that cost points or reported something, in the order of
            the record.
        blocked: the checks of this task that are blocked by those.
        reads: what the student reads first: the title of the known mistake or, in backquotes,
            part of the message.
        problems: one line each; the page has no rows with problems.
    """

    id: str
    name: str
    assignment: str
    task: str
    failed: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    reads: str = ""
    problems: list[str] = field(default_factory=list)


def judge(entry: Variant, results: list[CheckResult]) -> Row:
    """Compare the results of a submission with the expectations in its table."""
    own = [result for result in results if result.task == entry.task]
    problems = _of_mutant(entry, results) if entry.task else _of_accepted(results)
    return Row(
        id=entry.id,
        name=entry.name,
        assignment=entry.assignment,
        task=entry.task,
        failed=[result.id for result in own if result.status not in ("passed", "blocked")],
        blocked=[result.id for result in own if result.status == "blocked"],
        reads=_reads(entry),
        problems=[f"{entry.id}: {problem}" for problem in problems],
    )


def not_graded(entry: Variant, why: str) -> Row:
    """Return a row for a submission that could not be graded."""
    problems = [f"{entry.id}: {why}"]
    return Row(entry.id, entry.name, entry.assignment, entry.task, problems=problems)


def _reads(entry: Variant) -> str:
    if not entry.task:
        return ""
    mistake = entry.expected.get("mistake")
    if mistake:
        return mistakes()[mistake].title
    return f"`{LINE_END.sub(' ', entry.expected.get('says', ''))}`"


def _of_accepted(results: list[CheckResult]) -> Iterator[str]:
    for result in results:
        if result.status != "passed":
            yield f"accepted, and {result.id} is {result.status}: {_line(result)}"


def _of_mutant(entry: Variant, results: list[CheckResult]) -> Iterator[str]:
    check, mistake = entry.expected["check"], entry.expected.get("mistake")
    first = next((r for r in results if r.status not in ("passed", "blocked")), None)
    if first is None:
        yield f"no check fails, {check} must"
        return
    if first.id != check:
        yield f"the student reads {first.id} first, not {check}: {_line(first)}"
    elif first.mistake != mistake:
        yield f"{check} names {first.mistake}, not {mistake}: {_line(first)}"
    elif mistake and mistakes()[mistake].explanation not in first.message:
        yield f"{mistake} is not explained in the message: {_line(first)}"
    elif not says(_line(first), _spaced(entry.expected.get("says", ""))):
        yield f"the message does not say {entry.expected['says']!r}: {_line(first)}"
    named = {result.mistake for result in results if result.task == entry.task and result.mistake}
    for other in sorted(named - {mistake, first.mistake, *entry.expected.get("also", [])}):
        if entry.task not in NOT_SORTED:
            yield f"a later check names {other}: see `also` in submission_bank.py"
    if first.id == check and 0 < first.max_score == first.score:
        yield f"{check} costs no points"
    for result in results:
        if result.task != entry.task and result.score < result.max_score:
            lost = result.max_score - result.score
            yield f"{result.id} of another task costs {lost:g} points: {_line(result)}"


def says(message: str, words: str) -> bool:
    """Return whether a message holds these words, where `…` is any text, such as an input."""
    return bool(re.search(".*?".join(map(re.escape, words.split("…"))), message))


def _line(result: CheckResult) -> str:
    return _spaced(result.message)


def _spaced(text: str) -> str:
    """Return a text with single spaces, however it is laid out."""
    return " ".join(text.split())


def problems_of_the_whole(rows: Sequence[Row]) -> list[str]:
    """List the checks that no mutant fails, and the known mistakes that no mutant makes."""
    failed = {check for row in rows for check in row.failed}
    graded = {row.id for row in rows}
    made = {entry.expected.get("mistake") for entry in mutants() if entry.id in graded}
    checks = [check.id for task in tasks().values() for check in task.checks]
    return [
        *(f"{id_} is idle: no mutant fails it" for id_ in checks if id_ not in failed),
        *(f"{id_} of mistakes.toml: no mutant makes it" for id_ in mistakes() if id_ not in made),
    ]
