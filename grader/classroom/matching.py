"""Assigns what was handed in to the students of a roster: by id, by e-mail, by name.

Ids are compared first, then e-mail addresses and what is before their @, then names, in any order
of first and last name. Case, accents and zeros in front of a number do not count. Where none of
these is all of what a hand-in is called, an id or a name among its words is looked for, as in
`news_1234567` or `Ada Lovelace, 21 Nov`. A hand-in that fits several students is nobody's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from grader.contract.results import Match, Result
from grader.contract.roster import Student
from grader.intake.lms_exports import HandIn
from grader.intake.roster import normal

ID_KINDS = ("id", "login", "canvas_id", "participant")
OWN_KIND = {"canvas": "canvas_id", "moodle": "participant"}  # the ids of a layout's hand-ins
SHORTEST = 5  # characters of an id that is looked for among other words
MOST_NAMED = 8  # students or hand-ins in a line
Index = dict[str, list[Student]]
Values = Callable[[Student], list[str]]


class Roster:
    """The students of a course, found by what their hand-ins are called."""

    def __init__(self, students: Sequence[Student], layout: str) -> None:
        """Index the students; `layout` says what the ids of hand-ins are."""
        self.students = list(dict.fromkeys(students))
        own = OWN_KIND.get(layout, "id")
        kinds = [own, *(kind for kind in ID_KINDS if kind != own)]
        ids = [self._index(_field(kind), str.casefold) for kind in kinds]
        numbers = [self._index(_field(kind), _number) for kind in kinds]
        emails = self._index(_field("email"), str.casefold)
        users = self._index(
            lambda each: [each.email.partition("@")[0], each.login.partition("@")[0]], str.casefold
        )
        names = self._index(lambda each: _orders(each.name), str)
        self.steps: list[tuple[Match, Index, Callable[[HandIn], list[str]]]] = [
            *((Match.ID, index, _ids) for index in ids),
            *((Match.ID, index, lambda handed: [*map(_number, _ids(handed))]) for index in numbers),
            (Match.EMAIL, emails, _ids),
            (Match.EMAIL, users, _ids),
            (Match.NAME, names, _names),
        ]
        self.words = [(each, *_words(each)) for each in self.students]

    def _index(self, values: Values, key: Callable[[str], str]) -> Index:
        index: Index = {}
        for student in self.students:
            for each in dict.fromkeys(map(key, values(student))):
                if each:
                    index.setdefault(each, []).append(student)
        return index

    def find(self, handed: HandIn) -> tuple[list[Student], Match]:
        """Return whose hand-in this is and how that is known; several or none are nobody."""
        several: list[Student] = []
        for match, index, keys in self.steps:
            for key in filter(None, keys(handed)):
                found = index.get(key, [])
                if len(found) == 1:
                    return found, match
                several = several or found
        words = {*normal(f"{handed.student} {handed.name}").split()}
        by_id = [student for student, ids, _ in self.words if ids & words]
        by_name = [student for student, _, name in self.words if name and name <= words]
        for match, found in ((Match.ID, by_id), (Match.NAME, by_name)):
            if len(found) == 1:
                return found, match
            several = several or found
        return several, Match.NOBODY


def _words(student: Student) -> tuple[set[str], set[str]]:
    """Return the long ids of a student, and the words of the name if it has several."""
    ids = {normal(getattr(student, kind)) for kind in ID_KINDS}
    name = {*normal(student.name).split()}
    return {id_ for id_ in ids if len(id_) >= SHORTEST}, name if len(name) > 1 else set()


def _field(name: str) -> Values:
    return lambda student: [getattr(student, name)]


def _number(id_: str) -> str:
    """Return a number without the zeros that spreadsheets drop; empty if it is no number."""
    return id_.lstrip("0") if id_.isdecimal() else ""


def _ids(handed: HandIn) -> list[str]:
    """Return the ids that a hand-in may have."""
    return [handed.student.casefold(), handed.owner.casefold()]


def _names(handed: HandIn) -> list[str]:
    told = (handed.name, handed.student, handed.owner)
    return [normal(name).replace(" ", "") for name in told]


def _orders(name: str) -> list[str]:
    """Return a name with its words in each order that keeps first names together."""
    words = normal(name).split()
    return ["".join(words[place:] + words[:place]) for place in range(len(words))]


def assign(
    results: Mapping[str, Result], handed: Sequence[HandIn], roster: Roster
) -> tuple[list[Result], list[str]]:
    """Give each result its student, and add a result for each who handed in nothing.

    Args:
        results: what came of the hand-ins, by their students.
        handed: all of them.
        roster: the students.

    Returns:
        The results; lines on how students were found, who handed in nothing, and what fits nobody.
    """
    known, notes, taken = dict(results), [], set(results)
    owners: dict[Student, list[str]] = {}
    how: Counter[Match] = Counter()
    for each in handed:
        found, match = roster.find(each)
        how[match] += 1
        student = found[0] if match is not Match.NOBODY else None
        if student is not None:
            owners.setdefault(student, []).append(each.student)
        else:
            names = f"{_named([one.shown_name for one in found])} alike" if found else "nobody"
            notes.append(f"{each.path}: fits {names}; it is listed as {each.student}")
        if each.student in known:
            known[each.student] = replace(known[each.student], roster=student, match=match)
    for student, ids in owners.items():
        if len(ids) > 1:
            notes.append(
                f"{student.shown_name}: {len(ids)} hand-ins ({_named(ids)}). All are listed, and "
                "none is a mark in canvas.csv and moodle.csv: leave one, or give the mark by hand"
            )
    missing = [student for student in roster.students if student not in owners]
    for student in missing:
        id_ = free_id(student.shown_id, taken)
        known[id_] = Result(id_, roster=student)
    if missing:
        names = _named([one.shown_name for one in missing])
        notes.append(f"handed in nothing, {len(missing)}: {names}")
    ways = [f"{how[way]} by {way.value}" for way in Match if how[way] and way is not Match.NOBODY]
    counts = f"roster: {len(roster.students)} students, {len(owners)} handed in"
    return list(known.values()), [f"{counts} ({', '.join(ways)})" if ways else counts, *notes]


def free_id(id_: str, taken: set[str]) -> str:
    """Return an id that nobody has yet, and take it."""
    number, free = 2, id_
    while free in taken:
        number, free = number + 1, f"{id_}~{number}"
    taken.add(free)
    return free


def _named(names: Sequence[str]) -> str:
    """Name some, and say how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more  # "Lovelace, Ada" has a comma in it
