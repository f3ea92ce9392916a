"""Plugins for `nbgrader export`: marks per task and check, as CSV or for Canvas and Moodle.

    nbgrader export                                                 marks.csv
    nbgrader export --exporter grader.course.export.CanvasCsv       canvas.csv
    nbgrader export --exporter grader.course.export.MoodleCsv       moodle.csv

`python -m grader course export` runs these with options for what `nbgrader_config.py` can set, too.
Texts are quoted, and none can start a formula in a spreadsheet. A mark that is absent is empty, and
never a zero; where a person still has to give points, Canvas and Moodle get none.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins import ExportPlugin
from traitlets import Bool, Enum, Unicode, default

from grader.base.errors import UsageError
from grader.base.files import written_whole
from grader.base.times import moment
from grader.classroom import lateness, matching
from grader.contract import course, grades
from grader.contract.enums import Status
from grader.contract.results import GradingStatus, Match
from grader.contract.roster import Student
from grader.contract.tasks import tasks
from grader.course.folders import record_file
from grader.course.marks import GRADER_FAILED
from grader.intake import roster
from grader.intake.lms_exports import HandIn, HandInFile
from grader.reports import table
from grader.reports.marks import (
    LATE,
    POSSIBLE,
    canvas_columns,
    identified,
    mark_columns,
    moodle_grade,
    notes_cell,
    points_cell,
)
from grader.reports.table import Row

TASK, ANSWER = "check-", "question-"  # how the names of cells begin: tasks, written answers
SUBMITTED = Path("submitted")


@dataclass(frozen=True)
class Person:
    """A student of the gradebook, of the roster, or of both.

    Attributes:
        id: as nbgrader knows them; the roster's if it does not.
        last_name: from the gradebook, as are the next two.
        first_name: empty if it does not tell.
        email: the roster's if it does not tell.
        roster: the student of the roster, if somebody fits.
        match: how that student was found; None without a roster, or without a hand-in.
    """

    id: str
    last_name: str = ""
    first_name: str = ""
    email: str = ""
    roster: Student | None = None
    match: Match | None = None

    @property
    def name(self) -> str:
        """What they are called, last name first; the id if nobody tells."""
        known = ", ".join(filter(None, [self.last_name, self.first_name]))
        return known or (self.roster and self.roster.name) or self.id


class MarksCsv(ExportPlugin):
    """One row per submission: the marks of every task, question and check."""

    default_file = "marks.csv"

    written_answers = Bool(help="Count the points that a person gives; a mark waits for them.").tag(
        config=True
    )
    roster = Unicode(help="CSV file with the students of the course.").tag(config=True)
    deadline = Unicode(
        "", help="When a hand-in is late; the course's or nbgrader's due date if empty."
    ).tag(config=True)
    column = Unicode("", help="What Canvas and Moodle call the one assignment.").tag(config=True)
    decimal = Enum(["point", "comma"], help="In numbers.").tag(config=True)

    @default("written_answers")
    def _has_written_answers(self) -> bool:
        return course.current().written_questions

    @default("roster")
    def _roster_of_the_course(self) -> str:
        return str(course.current().roster_file or "")

    @default("decimal")
    def _decimal_of_the_course(self) -> str:
        return course.current().export_decimal

    def export(self, gradebook: Gradebook) -> None:
        """Write the CSV file."""
        to = Path(self.to or self.default_file)
        text = io.StringIO()
        table.write(self.rows(gradebook), text, self.decimal)
        with written_whole(to) as stream:
            stream.write(text.getvalue().encode())
        self.log.info("Wrote %s", to)

    def rows(self, gradebook: Gradebook) -> Iterator[Row]:
        """Return the rows, each a dict from column to value."""
        for assignment, person, submission in self.submissions(gradebook):
            name = assignment.name
            status = _status(name, submission)
            graded = status is GradingStatus.GRADED
            record = _record(name, person.id)
            row: Row = {
                "assignment": name,
                "student_id": person.id,
                "last_name": person.last_name,
                "first_name": person.first_name,
                "email": person.email,
            }
            if self.roster:
                known = person.roster or Student()
                row |= {
                    "name": known.name,
                    "section": known.section,
                    "roster_id": known.shown_id,
                    "matched by": person.match.value if person.match else "",
                }
            yield row | {
                "timestamp": str((submission and submission.timestamp) or ""),
                "status": status.value,
                "late": LATE[self._lateness(assignment, person.id, submission).late],
                "needs_manual_grade": "yes" if self._waits(submission) else "",
                "score": self._total(submission) if graded else None,
                "max_score": self._most(assignment),
                **mark_columns(self._mark(assignment, person, submission)),
                "problem": _problem(name, submission) if submission else "",
                "notes": _notes(record),
                **self._cells(submission),
                **_checks(record),
            }

    def submissions(self, gradebook: Gradebook) -> Iterator[tuple[Any, Person, Any]]:
        """Yield assignments, students and submissions; None if a student submitted nothing."""
        people = self._people(gradebook)
        for assignment in gradebook.assignments:
            if self.assignment and assignment.name not in map(str, self.assignment):
                continue
            for person in people:
                if self.student and person.id not in map(str, self.student):
                    continue
                try:
                    submission = gradebook.find_submission(assignment.name, person.id)
                except MissingEntry:
                    submission = None
                yield assignment, person, submission

    def _people(self, gradebook: Gradebook) -> list[Person]:
        """Return the students of the gradebook, and those of the roster who are not in it."""
        known = [
            Person(each.id, each.last_name or "", each.first_name or "", each.email or "")
            for each in gradebook.students
        ]
        if not self.roster:
            return known
        students, notes = roster.read(Path(self.roster))
        for note in notes:
            self.log.warning("%s", note)
        found = matching.Roster(students, "nbgrader")
        people = [_of_roster(person, found) for person in known]
        for person in people:
            if person.match is Match.NOBODY:
                self.log.warning("%s fits nobody, or several, of the roster", person.id)
        taken = {person.roster for person in people}
        rest = [student for student in found.students if student not in taken]
        ids = {person.id for person in people}
        return people + [
            Person(matching.free_id(each.shown_id, ids), email=each.email, roster=each)
            for each in rest
        ]

    def _lateness(self, assignment: Any, student: str, submission: Any) -> lateness.Lateness:
        """Say whether it was late; nobody knows without a deadline, or without a time."""
        due = assignment.duedate and assignment.duedate.replace(tzinfo=timezone.utc)
        due = course.current().deadlines.get(assignment.name, due)
        if submission is None or not (self.deadline or due):
            return lateness.Lateness(None, "")
        deadline = _moment(self.deadline) if self.deadline else due
        deadline += submission.extension or timedelta()
        part = HandInFile(SUBMITTED / student / assignment.name)
        when = lateness.timestamp(HandIn(student, "", "", (part,)))
        if when is None and submission.timestamp is not None:
            when = submission.timestamp.replace(tzinfo=timezone.utc)
        if when is None:
            return lateness.Lateness(None, "")
        return lateness.Lateness.at(when, deadline, lateness.TIMESTAMP)

    def _grades(self, submission: Any) -> list[Any]:
        """Return the grades that count: without those of written answers, if they are left out."""
        grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
        return [grade for grade in grades if self.written_answers or not _is_answer(grade)]

    def _waits(self, submission: Any) -> bool:
        """Tell whether a person still has to give points that count."""
        if submission is None:
            return False
        return any(grade.needs_manual_grade for grade in self._grades(submission))

    def _total(self, submission: Any) -> float:
        """Return the points, less what nbgrader took; a penalty of the course is another matter."""
        score = sum(grade.score for grade in self._grades(submission))
        taken = 0.0 if grades.has_penalty() else submission.late_submission_penalty or 0.0
        return max(0.0, round(score - taken, 2))

    def _most(self, assignment: Any) -> float:
        """Return the most points that count, without bonus."""
        cells = [cell for notebook in assignment.notebooks for cell in notebook.grade_cells]
        bonus = {f"{TASK}{task}" for task in course.current().bonus}
        counted = [cell for cell in cells if self.written_answers or not _is_answer(cell)]
        return round(float(sum(cell.max_score for cell in counted if cell.name not in bonus)), 2)

    def _mark(self, assignment: Any, person: Person, submission: Any) -> grades.Mark | None:
        """Return the mark if it is final, else None."""
        if _status(assignment.name, submission) is not GradingStatus.GRADED or self._waits(
            submission
        ):
            return None
        told = self._lateness(assignment, person.id, submission)
        return grades.mark(self._total(submission), self._most(assignment), told.late, told.by)

    def _final(self, assignment: Any, person: Person, submission: Any) -> float | None:
        """Return what Canvas and Moodle get; None if there is no final mark."""
        found = self._mark(assignment, person, submission)
        return found.final if found else None

    def _cells(self, submission: Any) -> dict[str, float | None]:
        """Return the points of each task and question; None where nobody gave any."""
        if submission is None:
            return {}
        order = [f"{TASK}{task}" for task in tasks()]
        scores = {
            grade.name: round(grade.score, 2) if _has_score(grade) else None
            for grade in self._grades(submission)
        }
        names = [name for name in order if name in scores] + sorted(scores.keys() - set(order))
        return {name.removeprefix(TASK): scores[name] for name in names}

    def _column(self, assignments: Iterable[str]) -> dict[str, str]:
        """Return what the column of each assignment is called.

        Raises:
            UsageError: there are several for one name.
        """
        names = list(dict.fromkeys(assignments))
        if self.column and len(names) > 1:
            raise UsageError(
                f"column {self.column}: there are {len(names)} assignments ({', '.join(names)}). "
                "Choose one with --assignment."
            )
        known = course.current().columns
        return {name: self.column or known.get(name, name) for name in names}


class CanvasCsv(MarksCsv):
    """What Canvas imports: who, a column an assignment, and a row of points possible."""

    default_file = "canvas.csv"

    def rows(self, gradebook: Gradebook) -> Iterator[Row]:
        """Return the rows, each a dict from column to value."""
        people: dict[str, Row] = {}
        possible = canvas_columns(Student(), POSSIBLE)
        found = list(self.submissions(gradebook))
        titles = self._column(assignment.name for assignment, _, _ in found)
        twice = _twice(person for _, person, _ in found)
        for assignment, person, submission in found:
            title = titles[assignment.name]
            possible[title] = self._most(assignment)
            name = person.name.replace(POSSIBLE, POSSIBLE.lower())
            row = people.setdefault(
                person.id, canvas_columns(person.roster or Student(person.id), name)
            )
            row[title] = (
                None if person.roster in twice else self._final(assignment, person, submission)
            )
        yield possible
        yield from people.values()


class MoodleCsv(MarksCsv):
    """What Moodle imports: who, a column an assignment, its points per task as feedback.

    The import ends at the first student whom Moodle does not know: with a roster, those whom it
    does not name are left out.
    """

    default_file = "moodle.csv"

    def rows(self, gradebook: Gradebook) -> Iterator[Row]:
        """Return the rows, each a dict from column to value."""
        people: dict[str, Row] = {}
        found = list(self.submissions(gradebook))
        titles = self._column(assignment.name for assignment, _, _ in found)
        twice = _twice(person for _, person, _ in found)
        for assignment, person, submission in found:
            if self.roster and not person.roster:
                continue
            title = titles[assignment.name]
            id_ = person.roster.id if person.roster else person.id
            row = people.setdefault(person.id, {"ID number": id_, "Email address": person.email})
            mark = None if person.roster in twice else self._final(assignment, person, submission)
            points = self._cells(submission) if mark is not None else {}
            row[title] = moodle_grade(mark)
            row[f"{title} (feedback)"] = points_cell(points, self.decimal)
        yield from identified([*people.values()])


def _of_roster(person: Person, found: matching.Roster) -> Person:
    """Return a student of the gradebook with what the roster tells of them."""
    names = " ".join(filter(None, (person.first_name, person.last_name)))
    students, match = found.find(HandIn(person.id, names, "", ()))
    student = None if match is Match.NOBODY else students[0]
    email = person.email or (student.email if student else "")
    return Person(person.id, person.last_name, person.first_name, email, student, match)


def _twice(people: Iterable[Person]) -> set[Student]:
    """Return the students of the roster who are in the gradebook more than once."""
    ids: dict[Student, set[str]] = {}
    for person in people:
        if person.roster is not None:
            ids.setdefault(person.roster, set()).add(person.id)
    return {student for student, several in ids.items() if len(several) > 1}


def _moment(text: str) -> datetime:
    try:
        return moment(text)
    except ValueError as error:
        raise UsageError(f"deadline: {error}") from None


def _is_answer(cell: Any) -> bool:
    return str(cell.name).startswith(ANSWER)


def _has_score(grade: Any) -> bool:
    return grade.auto_score is not None or grade.manual_score is not None


def _status(assignment: str, submission: Any) -> GradingStatus:
    """Return what became of a submission; one that a person gave points is graded."""
    if submission is None:
        return GradingStatus.MISSING
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    tasks_of_it = [grade for grade in grades if grade.name.startswith(TASK)] or grades
    if tasks_of_it and all(map(_has_score, tasks_of_it)):
        return GradingStatus.GRADED
    problem = _problem(assignment, submission)
    return (
        GradingStatus.UNREADABLE
        if problem and GRADER_FAILED not in problem
        else GradingStatus.ERROR
    )


def _problem(assignment: str, submission: Any) -> str:
    """Return why a submission could not be graded; then it has a comment and no record."""
    if record_file(assignment, submission.student.id).is_file():
        return ""
    comments = (comment for each in submission.notebooks for comment in each.comments)
    return next((str(comment.auto_comment) for comment in comments if comment.auto_comment), "")


def _record(assignment: str, student: str) -> dict[str, Any]:
    """Return the record of the last run; an empty one if there is none."""
    file = record_file(assignment, student)
    found: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return found


def _notes(record: dict[str, Any]) -> str:
    """Return what is to be known of the files that were submitted."""
    told = record.get("submission", {})
    return notes_cell([*told.get("left_out", ()), *told.get("notes", ())])


def _checks(record: dict[str, Any]) -> Row:
    """Return the points of each check in a record."""
    return {
        check["id"]: None
        if Status(check.get("status", "passed")).is_provisional
        else check["score"]
        for check in record.get("checks", ())
    }
