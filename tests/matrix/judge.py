"""What must hold for the submissions of the banks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from grader.bank import Entry
from grader.diagnosis import mistakes
from grader.record import CheckResult
from grader.tasks import tasks


@dataclass(frozen=True)
class Row:
    """A submission of a bank, graded.

    Attributes:
        id: of the entry.
        name: of the entry.
        assignment: which it is graded as.
        task: whose mistake it is; empty for a right variant.
        check: what must catch it; empty for a right variant.
        mistake: the known mistake that must be named, or None.
        failed: the checks that cost points or found something, in the order of the record.
        blocked: the checks that wait for those.
        reads: what the student reads first: the title of the known mistake, or the words that
            the message must hold.
        problems: what is not as it must be, a line each.
    """

    id: str
    name: str
    assignment: str
    task: str
    check: str
    mistake: str | None
    failed: list[str]
    blocked: list[str]
    reads: str
    problems: list[str]


@dataclass(frozen=True)
class Matrix:
    """Both banks, graded: the rows in the order of the banks, and the seconds that it took."""

    rows: list[Row]
    seconds: float
    cores: int

    @property
    def problems(self) -> list[str]:
        """All problems, a line each."""
        return [*(problem for row in self.rows for problem in row.problems), *as_a_whole(self.rows)]

    def to_json(self) -> str:
        """Return it as JSON, a row a line."""
        rows = ",\n".join(json.dumps(asdict(row), ensure_ascii=False) for row in self.rows)
        return f'{{"seconds": {self.seconds}, "cores": {self.cores}, "rows": [\n{rows}\n]}}\n'

    @classmethod
    def from_json(cls, text: str) -> Matrix:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        rows = [Row(**row) for row in data.pop("rows")]
        return cls(rows, **data)


def judge(entry: Entry, results: list[CheckResult]) -> Row:
    """Compare what became of a submission with what its bank says."""
    failed = [result for result in results if result.status not in ("passed", "blocked")]
    problems = _of_wrong(entry, results) if entry.task else _of_right(results)
    mistake, says = entry.expected.get("mistake"), entry.expected.get("says", "")
    return Row(
        id=entry.id,
        name=entry.name,
        assignment=entry.assignment,
        task=entry.task,
        check=entry.expected.get("check", ""),
        mistake=mistake,
        failed=[result.id for result in failed],
        blocked=[result.id for result in results if result.status == "blocked"],
        reads=mistakes()[mistake].title if mistake else says,
        problems=[f"{entry.id}: {problem}" for problem in problems],
    )


def lost(entry: Entry, problem: str) -> Row:
    """Return the row of a submission that could not be graded."""
    check, mistake = entry.expected.get("check", ""), entry.expected.get("mistake")
    problems = [f"{entry.id}: {problem}"]
    who = (entry.id, entry.name, entry.assignment, entry.task)
    return Row(*who, check, mistake, [], [], "", problems)


def _of_right(results: list[CheckResult]) -> Iterator[str]:
    for result in results:
        if result.status != "passed":
            yield f"right, and {result.id} is {result.status}: {_line(result)}"


def _of_wrong(entry: Entry, results: list[CheckResult]) -> Iterator[str]:
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
    elif entry.expected.get("says", "") not in first.message:
        yield f"the message does not say {entry.expected['says']!r}: {_line(first)}"
    if first.id == check and 0 < first.max_score == first.score:
        yield f"{check} costs no points"
    for result in results:
        if result.task != entry.task and result.score < result.max_score:
            lost = result.max_score - result.score
            yield f"{result.id} of another task costs {lost:g} points: {_line(result)}"


def _line(result: CheckResult) -> str:
    return " ".join(result.message.split())


def as_a_whole(rows: Iterable[Row]) -> list[str]:
    """Tell which checks no mistake trips, and which known mistakes no entry makes."""
    wrong_rows = [row for row in rows if row.task]
    tripped = {check for row in wrong_rows for check in row.failed}
    named = {row.mistake for row in wrong_rows}
    idle = [check.id for task in tasks().values() for check in task.checks]
    return [
        *(f"{check} is idle: no mistake trips it" for check in idle if check not in tripped),
        *(
            f"{name} of mistakes.toml: no entry makes it"
            for name in mistakes()
            if name not in named
        ),
    ]
