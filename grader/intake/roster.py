"""Reads the roster of a course from a CSV file, whoever wrote it.

Canvas's gradebook, Moodle's participants and grading worksheets, Gradescope's roster, and what
people write by hand are told apart by the titles of their columns, see `roster_columns.toml`.
"""

from __future__ import annotations

import csv
import functools
import io
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from grader.base.errors import UsageError
from grader.base.files import read_toml
from grader.base.paths import GRADER
from grader.contract import course
from grader.contract.messages import clean, shorten
from grader.contract.roster import Student
from grader.intake.encodings import wide_encoding

COLUMNS = GRADER / "intake" / "roster_columns.toml"
MAX_ROSTER = 16 << 20  # bytes
MAX_CELL = 200  # characters
MOST_ABOVE = 20  # lines above and with the titles
DELIMITERS = ",;\t|"
WHO = {"id", "name", "last", "email", "login", "canvas_id", "participant"}  # one of these is enough
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods; .xls
CANVAS_ROWS = ("points possible", "student test", "test student")  # not people
Row = tuple[int, list[str]]  # the number of its line, and its cells


def read(path: Path) -> tuple[list[Student], list[str]]:
    """Read the roster in a file.

    Returns:
        The students, in the order of the file; notes on rows that were not taken.

    Raises:
        UsageError: it cannot be read, or holds no student.
    """
    text = _decode(path, _bytes(path)).replace("\0", "").lstrip("\ufeff")
    lines = list(io.StringIO(text, newline=""))
    if not any(line.strip() for line in lines):
        raise UsageError(f"--roster {path}: the file is empty.")
    start, delimiter = _titles(lines)
    if delimiter == "":
        first = next(line for line in lines if line.strip())
        raise UsageError(
            f"--roster {path}: no column holds an id, a name or an e-mail address (the first line "
            f"is: {shorten(_cell(first), MAX_CELL)}). Call the columns id, name, email and section."
        )
    try:
        (_, titles), *rows = _rows(lines, start, delimiter)
    except csv.Error as error:
        raise UsageError(
            f"--roster {path}: not a CSV that can be read ({error}). Is a quote not closed?"
        ) from None
    students, notes = _students(rows, _places(titles))
    if not students:
        raise UsageError(f"--roster {path}: there is no student in it, only a line of titles.")
    return _of_sections(students, notes, path)


def _of_sections(
    students: list[Student], notes: list[str], path: Path
) -> tuple[list[Student], list[str]]:
    """Keep the students of the course's sections, if it names any.

    Raises:
        UsageError: there is no such student.
    """
    wanted = course.current().sections
    if not wanted:
        return students, notes
    kept = [each for each in students if {*each.section.split(", ")} & {*wanted}]
    if not kept:
        known = sorted({name for each in students for name in each.section.split(", ") if name})
        raise UsageError(
            f"--roster {path}: nobody is in the course's sections ({'; '.join(wanted)}). "
            f"Those of the roster are: {'; '.join(known) or 'none'}."
        )
    others = len(students) - len(kept)
    return kept, [*notes, f"roster: {others} of other sections, not listed"] if others else notes


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_ROSTER + 1)
    except OSError as error:
        raise UsageError(
            f"--roster {path}: cannot be read ({error.strerror}). Give a CSV file."
        ) from None
    if len(data) > MAX_ROSTER:
        raise UsageError(f"--roster {path}: larger than {MAX_ROSTER >> 20} MiB; is it a roster?")
    return data


def _decode(path: Path, data: bytes) -> str:
    if data.startswith(WORKBOOKS):
        raise UsageError(f"--roster {path}: this is a workbook. Save it as CSV, and give that.")
    if encoding := wide_encoding(data):
        return data.decode(encoding, "replace")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _titles(lines: list[str]) -> tuple[int, str]:
    """Return which line holds the titles, and what is between cells; "" if no line does.

    The titles can be below a heading, or Excel's own `sep=;`.
    """
    for place, line in enumerate(lines[:MOST_ABOVE]):
        known = {sign: _places(_cells(line, sign)) for sign in DELIMITERS}
        sign = max(DELIMITERS, key=lambda sign: len(known[sign]))
        if known[sign].keys() & WHO:
            return place, sign
    return 0, ""


def _cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line; none if it is no CSV."""
    try:
        return [_cell(cell) for row in csv.reader([line], delimiter=delimiter) for cell in row]
    except csv.Error:
        return []


def _cell(text: str) -> str:
    """Return a cell as one clean line, without the sign that marks it as text."""
    cell = clean(text).replace("\n", " ").strip()[:MAX_CELL]
    return cell[1:] if cell[:1] == "'" and cell[1:2] in "=+-@" else cell


def _rows(lines: list[str], start: int, delimiter: str) -> Iterator[Row]:
    """Go through the rows that are not empty, from a line on."""
    # Strict, for a quote that is not closed would swallow the students below it.
    reader = csv.reader(lines[start:], delimiter=delimiter, strict=True)
    for row in reader:
        cells = [_cell(cell) for cell in row]
        if any(cells):
            yield start + reader.line_num, cells


def normal(text: str) -> str:
    """Return a text without case, accents and punctuation, its words apart by single spaces."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    kept = (char if char.isalnum() else " " for char in plain if not unicodedata.combining(char))
    return " ".join("".join(kept).split())


@functools.cache
def _columns() -> dict[str, list[str]]:
    return {field: names for field, names in read_toml(COLUMNS).items() if field != "who"}


def _is_staff(role: str) -> bool:
    """Tell whether a role is another one than a student's."""
    who, words = _who(), set(normal(role).split())
    return bool(words & who["others"]) and not words & who["students"]


@functools.cache
def _who() -> dict[str, set[str]]:
    return {kind: set(words) for kind, words in read_toml(COLUMNS)["who"].items()}


def _places(titles: list[str]) -> dict[str, list[int]]:
    """Return the columns of each field by its titles, the one that counts first."""
    by_title: dict[str, list[int]] = {}
    for place, title in enumerate(titles):
        by_title.setdefault(normal(title), []).append(place)
    known = {field: list(names) for field, names in _columns().items()}
    if "sis login id" in by_title or "sis user id" in by_title:  # Canvas: "ID" is its own number
        known["id"].remove("id")
        known["canvas_id"].append("id")
    names = {*known["name"], *known["last"]} - {"student"}
    if "student" in by_title and names & by_title.keys():
        known["name"].remove("student")
        known["id"].append("student")
    return {
        field: found
        for field, names in known.items()
        if (found := [place for name in dict.fromkeys(names) for place in by_title.get(name, ())])
    }


def _students(rows: list[Row], places: dict[str, list[int]]) -> tuple[list[Student], list[str]]:
    found: dict[tuple[str, ...], Student] = {}
    notes = []
    for number, row in rows:
        student, role = _student(row, places)
        if normal(student.name) in CANVAS_ROWS:
            continue
        if _is_staff(role):
            notes.append(f"{student.shown_name} has the role {role} in the roster; left out")
            continue
        if not student.shown_id:
            if any(row) and not _is_canvas_policy(row):
                notes.append(f"line {number} of the roster has no id, name or e-mail; left out")
            continue
        key = _identity(student)
        before = found.get(key)
        if before is None:
            found[key] = student
        elif student.section and student.section not in before.section.split(", "):
            section = ", ".join(filter(None, (before.section, student.section)))
            found[key] = Student(**vars(before) | {"section": section})
        else:
            notes.append(f"line {number} of the roster is {student.shown_id} again; left out")
    return list(found.values()), notes


def _is_canvas_policy(row: list[str]) -> bool:
    return any(cell.casefold().startswith(("muted", "manual posting")) for cell in row)


def _identity(student: Student) -> tuple[str, ...]:
    """Return what tells a student from all others."""
    for kind in ("id", "canvas_id", "participant", "email", "login"):
        if value := getattr(student, kind):
            return kind, value.casefold()
    return "name", normal(student.name)


def _student(row: list[str], places: dict[str, list[int]]) -> tuple[Student, str]:
    """Return the student of a row, and the role that it gives."""

    def all_of(field: str) -> list[str]:
        return [row[place] for place in places.get(field, ()) if place < len(row) and row[place]]

    def one(field: str) -> str:
        return next(iter(all_of(field)), "")

    name, first, last = one("name"), one("first"), one("last")
    if first and name and not last and not {*normal(first).split()} & {*normal(name).split()}:
        last = name  # "Name, Vorname"
    number = re.fullmatch(r"[^\W\d_]+ ([0-9]+)", one("participant"))  # "Participant 1001"
    login = one("login").removeprefix("#")
    id_ = re.sub(r"^#|(?<=\d)\.0$", "", one("id"))  # Brightspace's sign, a spreadsheet's decimals
    student = Student(
        id=id_ or ("" if number else one("participant")),
        name=" ".join(filter(None, (first, last))) if last or not name else name,
        email=one("email") or (login if "@" in login else ""),
        section=", ".join(dict.fromkeys(all_of("section"))),
        login=login,
        canvas_id=one("canvas_id"),
        participant=number[1] if number else "",
    )
    return student, one("role")
