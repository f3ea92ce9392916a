"""From points to a mark, as the course decides: late penalty, rounding, pass mark."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from grader.contract import course
from grader.contract.policy import Course

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Mark:
    """What a student gets for a submission.

    Attributes:
        points: as graded.
        penalty: the points that lateness costs; None if nobody knows how late it was.
        final: what is left, rounded; None if the penalty is not known.
        passed: whether that is enough; None if the course has no pass mark, or there is no `final`.
    """

    points: float
    penalty: float | None
    final: float | None
    passed: bool | None


def has_penalty() -> bool:
    """Return whether lateness costs points."""
    return bool(course.current().late_percent_per_day)


def changes_marks() -> bool:
    """Return whether a mark can differ from the points."""
    return has_penalty() or course.current().export_digits != Course().export_digits


def grace() -> timedelta:
    """Return how long after the deadline nothing is late yet."""
    return timedelta(minutes=course.current().late_grace_minutes)


def mark(points: float, most: float, late: bool | None = None, by: timedelta | None = None) -> Mark:
    """Return the mark for so many points of an assignment.

    Args:
        points: as graded.
        most: the points of the assignment, without bonus; percentages are of these.
        late: whether it was late; what nobody knows costs nothing.
        by: the time since the deadline; None if that is not known.
    """
    of = course.current()
    penalty: float | None = 0.0
    if late and has_penalty():
        penalty = None if by is None else _penalty(by, most)
    if penalty is None:
        return Mark(points, None, None, None)
    penalty = min(penalty, points)
    final = rounded(points - penalty, of.export_digits)
    passed = None if of.pass_mark is None else final >= rounded(most * of.pass_mark / 100, 6)
    return Mark(points, penalty, final, passed)


def _penalty(by: timedelta, most: float) -> float:
    of = course.current()
    days = max(1, math.ceil(by / DAY))  # a day that has begun counts
    percent = min(of.late_percent_per_day * days, of.late_most_percent)
    return rounded(most * percent / 100, 2)


def rounded(number: float, digits: int) -> float:
    """Round half up, as people do."""
    unit = Decimal(1).scaleb(-digits)
    return float(Decimal(repr(float(number))).quantize(unit, ROUND_HALF_UP))
