"""Analyses the results of a class: marks, checks, mistakes, outliers, equal code."""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from grader.contract.enums import State, Status
from grader.contract.record import CheckResult, Record
from grader.contract.results import Match, Result
from grader.contract.roster import Student
from grader.contract.tasks import tasks
from grader.reports import labels
from grader.reports.marks import final

ENOUGH = 20  # submissions required to compute a discrimination
EACH_SIDE = 5  # submissions required to have passed, and to have failed
FAR_OUT = 3.0  # interquartile ranges above the third quartile
COMMON = 0.2  # if a larger share of the class has equal code, it is probably the usual solution


@dataclass(frozen=True)
class Item:
    """The results of a check over the class.

    Attributes:
        id: the check's id.
        promise: the requirement that it checks.
        reached: the number of submissions that it could judge.
        passed: how many of them passed.
        discrimination: the correlation of passing with the points earned elsewhere, -1 to 1 (the
            corrected item-total point-biserial); None for too few submissions.
        says: what the numbers mean.
    """

    id: str
    promise: str
    reached: int
    passed: int
    discrimination: float | None
    says: str

    @property
    def share(self) -> float | None:
        """The fraction of judged submissions that passed."""
        return self.passed / self.reached if self.reached else None


@dataclass(frozen=True)
class Made:
    """A known mistake, the checks that found it, and the students who made it."""

    title: str
    explanation: str
    checks: list[str] = field(default_factory=list)
    by: list[Result] = field(default_factory=list)


@dataclass(frozen=True)
class Outlier:
    """A submission that used far more than the others; `times` is relative to the median."""

    result: Result
    what: str
    amount: str
    times: float


@dataclass(frozen=True)
class Alike:
    """Submissions with equal code in some modules; `common` if much of the class has it."""

    by: list[Result]
    modules: list[str]
    common: bool


def records(results: Sequence[Result]) -> list[Record]:
    """Return the records with final marks."""
    return [r.record for r in results if r.record is not None and final(r.record) is not None]


def to_grade_again(results: Sequence[Result]) -> list[tuple[Result, list[CheckResult]]]:
    """Return who handed in and has no final mark, with the checks that could not be judged."""
    found = []
    for result in results:
        checks = result.record.checks if result.record else []
        if final(result.record) is None and not result.missing:
            found.append((result, [c for c in checks if c.status.is_provisional]))
    return found


def strangers(results: Sequence[Result]) -> list[Result]:
    """Return the hand-ins that fit no student of the roster."""
    return [result for result in results if result.match is Match.NOBODY]


def twice(results: Sequence[Result]) -> list[list[Result]]:
    """Return the hand-ins of each student of the roster who has several."""
    by_student: dict[Student, list[Result]] = defaultdict(list)
    for result in results:
        if result.roster is not None:
            by_student[result.roster].append(result)
    return [several for several in by_student.values() if len(several) > 1]


def settings(results: Sequence[Result]) -> dict[str, Counter[str]]:
    """Count the values of each setting; several values mean that grading was not uniform."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        for name, value in (result.record.environment if result.record else {}).items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            seen[name][labels.one_line(shown)] += 1
    return dict(seen)


def histogram(marks: Sequence[float], most: float, bins: int = 10) -> list[tuple[str, int]]:
    """Count marks in bins, named by their lower end; full marks have a bin of their own."""
    width = most / bins
    counts = Counter(min(int(mark / width), bins - 1) if mark < most else bins for mark in marks)
    return [(f"{place * width:g}", counts[place]) for place in range(bins + 1)]


def items(found: Sequence[Record]) -> list[Item]:
    """Analyse each check, in the order of the records."""
    seen: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    for record in found:
        for check in record.checks:
            seen.setdefault(check.id, [])
            if check.status.is_judged:
                seen[check.id].append((check.status is Status.PASSED, record.score - check.score))
    return [_item(id_, pairs) for id_, pairs in seen.items()]


def hardest_first(analysed: Sequence[Item]) -> list[Item]:
    """Order checks by the share that passed, the lowest first; those that nobody reached last."""
    return sorted(analysed, key=lambda item: 2.0 if item.share is None else item.share)


def _item(id_: str, pairs: list[tuple[bool, float]]) -> Item:
    reached, passed = len(pairs), sum(right for right, _ in pairs)
    correlation = _discrimination(pairs)
    says = _says(reached, passed, correlation)
    return Item(id_, labels.promise(id_), reached, passed, correlation, says)


def _discrimination(pairs: list[tuple[bool, float]]) -> float | None:
    passed = sum(right for right, _ in pairs)
    if len(pairs) < ENOUGH or min(passed, len(pairs) - passed) < EACH_SIDE:
        return None
    rest = [points for _, points in pairs]
    if len(set(rest)) == 1:
        return None
    return statistics.correlation([float(right) for right, _ in pairs], rest)


def _says(reached: int, passed: int, discrimination: float | None) -> str:
    if not reached:
        return "Nobody has reached this check."
    if passed == reached:
        return "All passed: it does not distinguish submissions."
    if not passed:
        return "Nobody passed: was it taught, and is the check right?"
    if discrimination is None:
        return f"Too few submissions for r ({passed} passed, {reached - passed} did not)."
    if abs(discrimination) < 2 / math.sqrt(reached):  # two standard errors
        return "No more related to the other points than by chance."
    if discrimination < 0:
        return "Students who do well elsewhere pass it less often: look at this check."
    if discrimination < 0.4:
        return "Students who do well elsewhere pass it more often."
    return "Students who do well elsewhere pass it clearly more often."


def mistakes_made(results: Sequence[Result]) -> list[Made]:
    """Return the known mistakes in the class, the most frequent first."""
    made: dict[str, Made] = {}
    for result in results:
        for check in result.record.checks if result.record else []:
            if check.mistake is None:
                continue
            known = labels.mistake(check.mistake)
            each = made.setdefault(check.mistake, Made(known.title, known.explanation))
            if check.id not in each.checks:
                each.checks.append(check.id)
            if result not in each.by:
                each.by.append(result)
    return sorted(made.values(), key=lambda each: -len(each.by))


def outliers(results: Sequence[Result]) -> list[Outlier]:
    """Return the submissions that used far more time or memory than the others."""
    kinds = (
        ("time", {r.student: r.seconds for r in results}, "{:.0f} s", 1.0),
        ("memory", {r.student: float(r.memory) for r in results}, "{:.0f} MiB", 1 << 20),
    )
    found = []
    for what, amounts, shown, unit in kinds:
        known = [amount for amount in amounts.values() if amount > 0]
        if len(known) < 2:
            continue
        first, median, third = statistics.quantiles(known, n=4, method="inclusive")
        limit = max(third + FAR_OUT * (third - first), 1.5 * median)
        for result in results:
            if (amount := amounts[result.student]) > limit:
                text = shown.format(amount / unit)
                found.append(Outlier(result, what, text, amount / median))
    return sorted(found, key=lambda each: (each.what, each.times), reverse=True)


def alike(results: Sequence[Result]) -> list[Alike]:
    """Return groups of submissions with equal code; most modules first, common code last.

    Stubs (modules in which no task is started) and `__init__` are ignored.
    """
    who: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        stubs = _stubs(result.record) if result.record else ()
        for module, digest in result.fingerprints.items():
            if module not in stubs and not module.startswith("__"):
                who[module, digest].append(result)
    groups: dict[tuple[str, ...], Alike] = {}
    for (module, _), by in who.items():
        if len(by) > 1:
            key = tuple(result.student for result in by)
            common = len(by) > max(EACH_SIDE, COMMON * len(results))
            groups.setdefault(key, Alike(by, [], common)).modules.append(module)
    return sorted(groups.values(), key=lambda each: (each.common, -len(each.modules)))


def _stubs(record: Record) -> set[str]:
    """Return the modules in which no task is started."""
    begun: dict[str, bool] = defaultdict(bool)
    for task in record.tasks:
        module = tasks()[task.id].module if task.id in tasks() else task.id
        begun[module] |= task.state is not State.NOT_STARTED
    return {module for module, is_begun in begun.items() if not is_begun}
