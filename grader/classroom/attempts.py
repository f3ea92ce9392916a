"""Which of several hand-ins counts, if the course takes the best."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from grader.contract import course
from grader.contract.results import Result
from grader.reports import marks


def counted(results: Sequence[Result], owners: Mapping[str, str]) -> list[Result]:
    """Return the results that count: of several hand-ins the one with the best mark.

    `owners` has the id of whoever handed in `ada~2`, by that; students of the roster need none.
    If the course takes the last hand-in, which is chosen before grading, that is all of them. What
    could not be graded, or has no final mark, keeps the others from being counted.
    """
    if course.current().attempts != "best":
        return [*results]
    groups: dict[Hashable, list[Result]] = {}
    for result in results:
        who = result.roster or owners.get(result.student, result.student)
        groups.setdefault(who, []).append(result)
    return [each for group in groups.values() for each in _best(group)]


def _best(group: list[Result]) -> list[Result]:
    found = [marks.mark(result) for result in group]
    finals = [each.final for each in found if each is not None and each.final is not None]
    if len(group) == 1 or len(finals) < len(group):
        return group
    best = finals.index(max(finals))
    others = ", ".join(f"{final:g}" for place, final in enumerate(finals) if place != best)
    note = f"The best of {len(group)} hand-ins counts; the other marks: {others}."
    first = group[0]  # whose id is the student's
    chosen = replace(group[best], student=first.student, notes=[*group[best].notes, note])
    return [chosen]
