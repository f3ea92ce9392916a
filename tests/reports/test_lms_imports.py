"""The CSV files go through what Canvas and Moodle do with them when they are imported.

The rules are those of Canvas's `lib/gradebook_importer.rb`, and of Moodle's
`grade/import/csv/classes/load_data.php` and `mod/assign/feedback/offline/importgradeslib.php`.
"""

import contextlib
import csv
import io
import re
from dataclasses import dataclass, field, replace

import pytest

from grader.contract.enums import Status
from grader.contract.results import Match, Result
from grader.contract.roster import Student
from grader.reports import marks
from tests.classes import EVIL, HOSTILE, changed, graded

pytestmark = pytest.mark.usefixtures("kits_course")

ADA = Student("s11", "Lovelace, Ada", "ada@uni.example", "Monday", "alove", "101", "1001")
BOB = Student("s12", "Møller, Bob", "bob@uni.example", "Tuesday", "bmoll", "102", "1002")
CAY = Student("s13", "Cay; or not, Cay", "cay@uni.example", "Monday", "", "103", "1003")
DEE = Student("s14", "Dee", "dee@uni.example")
HALF = changed(graded()["right"], "dataset.item", status=Status.FAILED, score=1.5)
FAULTY = changed(graded()["right"], "dataset.item", status=Status.ERROR, score=0.0)
CLASS = [
    Result("11", "lovelaceada", "11.zip", HALF, roster=ADA, match=Match.ID),
    Result("12", "mollerbob", "12.zip", FAULTY, roster=BOB, match=Match.ID),
    Result("13", "cay", "13.zip", fault="13.zip: not a zip.", roster=CAY, match=Match.NAME),
    Result("s14", roster=DEE),
    Result("=x", EVIL, HOSTILE, graded()["right"], match=Match.NOBODY),
]


# --- Canvas ----------------------------------------------------------------------------------

RESERVED = re.compile(
    "Current Score|Current Points|Current Grade|Final Score|Final Points|Final Grade"
    "|Override Score|Override Grade|Override Status"
)


class InvalidHeaderRow(Exception):
    pass


@dataclass
class Imported:
    """What Canvas makes of a file: points possible by assignment, and marks by student."""

    possible: dict[str, str] = field(default_factory=dict)
    grades: dict[str, dict[str, str]] = field(default_factory=dict)


def delimiter(text: str) -> str:
    """Semicolons, if they make more cells than commas do in the first three lines."""
    counts = {}
    for sign in ";,":
        lines = text.splitlines(keepends=True)[:3]
        counts[sign] = 0
        with contextlib.suppress(csv.Error):
            sizes = {len(next(csv.reader([line], delimiter=sign, strict=True))) for line in lines}
            counts[sign] = sizes.pop() if len(sizes) == 1 else 0
    return ";" if counts[";"] > counts[","] else ","


def with_period(cell: str) -> str:
    if not re.fullmatch(r"-?[0-9.,]+%?", cell):
        return cell
    *parts, last = re.split("[,.]", cell)
    return f"{''.join(parts)}.{last}" if parts else last


def canvas(text: str, accounts: dict[str, Student]) -> Imported:
    """Import a file as Canvas does; the accounts are the course's, by Canvas's id."""
    sign = delimiter(text)
    kept = [line for line in text.splitlines(keepends=True) if not re.fullmatch("[;, ]+\r\n", line)]
    header, *rows = csv.reader(io.StringIO("".join(kept), newline=""), delimiter=sign)
    rows = [[with_period(cell) for cell in row] for row in rows]
    if len(header) <= 3 or "Student" not in header[0] or "ID" not in header[1]:
        raise InvalidHeaderRow
    columns = 3
    if "SIS Login ID" in header[2]:
        columns = 4
    elif "SIS User ID" in header[2] and "SIS Login ID" in header[3]:
        columns = 5
    if "Section" not in header[columns - 1]:
        raise InvalidHeaderRow
    titles = [title for title in header[columns:] if not RESERVED.search(title)]
    found = Imported()
    for row in rows:
        if "Points Possible" in row[0]:
            found.possible = {title: row[header.index(title)] for title in titles}
            continue
        by_sis = {each.id: each for each in accounts.values() if each.id}
        by_login = {each.login: each for each in accounts.values() if each.login}
        by_name = {each.name: each for each in accounts.values()}
        student = accounts.get(row[1]) or by_sis.get(row[2]) or by_login.get(row[3])
        student = student or by_name.get(row[0])
        name = student.name if student else f"unknown: {row[0]}"
        found.grades[name] = {title: row[header.index(title)] for title in titles}
    return found


ACCOUNTS = {each.canvas_id or "104": each for each in (ADA, BOB, CAY, DEE)}


@pytest.mark.parametrize("decimal", ["point", "comma"])
@pytest.mark.parametrize("layout", ["", "canvas", "moodle"])
def test_canvas_takes_the_file_and_finds_every_student(layout: str, decimal: str) -> None:
    text = marks.canvas(CLASS, "News (4711)", layout, decimal)
    found = canvas(text, ACCOUNTS)
    assert float(found.possible["News (4711)"]) == 100
    told = {name: each["News (4711)"] for name, each in found.grades.items()}
    assert told.pop("Lovelace, Ada") == f"{HALF.score}"
    assert [told.pop(each.name) for each in (BOB, CAY, DEE)] == ["", "", ""]
    [(stranger, mark)] = told.items()
    assert stranger.startswith("unknown: ")
    assert mark == "100.0"


def test_the_header_of_canvas_is_in_its_order() -> None:
    header = marks.canvas(CLASS, "News").split("\r\n")[0]
    assert header == '"Student","ID","SIS User ID","SIS Login ID","Section","News"'


def test_without_a_roster_the_ids_of_the_hand_ins_say_who_it_is() -> None:
    record = graded()["right"]
    for layout, id_ in (("canvas", "101"), ("", "s11")):
        found = canvas(marks.canvas([Result(id_, record=record)], "", layout), ACCOUNTS)
        assert found.grades == {"Lovelace, Ada": {"A news classifier": "100.0"}}


def test_canvas_would_refuse_the_header_without_its_login_id() -> None:
    with pytest.raises(InvalidHeaderRow):
        canvas('"Student","ID","SIS User ID","Section","News"\r\n', ACCOUNTS)


def test_a_student_called_like_the_row_of_points_changes_no_points() -> None:
    evil = Result("x", "Points Possible", record=graded()["stubs"])
    found = canvas(marks.canvas([evil, CLASS[0]], "News"), ACCOUNTS)
    assert float(found.possible["News"]) == 100
    assert "unknown: points possible" in found.grades


@pytest.mark.parametrize(
    "title",
    ["", "  ", "x" * 256, "Student", "Section", "SIS Login ID", "Final Score", "My Final Grade 2",
     "Override Status (Fall)", "=1+1"],
)  # fmt: skip
def test_a_column_that_canvas_would_not_import_is_refused(title: str) -> None:
    assert marks.refused_column(title)


@pytest.mark.parametrize(
    "title", ["News", "News (4711)", "Final project", "Übung 3: Noten; Teil 2"]
)
def test_a_column_that_canvas_imports_is_taken(title: str) -> None:
    assert not marks.refused_column(title)
    found = canvas(marks.canvas(CLASS, title), ACCOUNTS)
    assert found.grades["Lovelace, Ada"][title] == f"{HALF.score}"


def test_of_several_hand_ins_of_a_student_none_is_the_mark() -> None:
    twice = [CLASS[0], replace(CLASS[0], student="11~2", record=graded()["right"])]
    assert canvas(marks.canvas(twice, "News"), ACCOUNTS).grades == {"Lovelace, Ada": {"News": ""}}
    [row] = {tuple(row.items()) for row in gradebook(marks.moodle(twice, "News"), ",")}
    assert dict(row)["News"] == "-"


# --- Moodle ----------------------------------------------------------------------------------


def gradebook(text: str, sign: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=sign))


def moodle_grade(cell: str, decsep: str, *, new: bool = False) -> float | None:
    """Moodle's `unformat_float(..., true)`: the language's decimal sign becomes a point.

    In a new grade item, an empty cell is inserted into a numeric field: its database makes 0 of it.
    """
    if cell == "" and new:
        return 0.0
    return None if cell in ("", "-") else float(cell.strip().replace(decsep, "."))


def imported(rows: list[dict[str, str]], by: str, *, new: bool) -> dict[str, list[float | None]]:
    """Import into Moodle's gradebook: a row without who it is goes to the student above."""
    found: dict[str, list[float | None]] = {}
    student = ""
    for row in rows:
        student = row[by] or student
        found.setdefault(student, []).append(moodle_grade(row["News"], ".", new=new))
    return found


@pytest.mark.parametrize(("decimal", "sign", "decsep"), [("point", ",", "."), ("comma", ";", ",")])
@pytest.mark.parametrize("by", ["ID number", "Email address"])
def test_moodles_gradebook_knows_every_student_of_the_file(
    by: str, decimal: str, sign: str, decsep: str
) -> None:
    """Its import ends at the first row whose student it does not know, or with a mark over 100."""
    users = {"ID number": "id", "Email address": "email"}
    known = {getattr(each, users[by]): each.name for each in (ADA, BOB, CAY, DEE)}
    rows = gradebook(marks.moodle(CLASS, "News", "", decimal), sign)
    grades = {known[row[by]]: moodle_grade(row["News"], decsep) for row in rows}
    assert grades == {ADA.name: HALF.score, BOB.name: None, CAY.name: None, DEE.name: None}
    assert all((row["News"] != "-") is bool(row["News (feedback)"]) for row in rows)


LACKING = {  # what some students of the class lack in the roster
    "one an address": {1: "email"},
    "one an address, one an id": {1: "email", 3: "id"},
    "all but one an address": {1: "email", 2: "email", 3: "email"},
}


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("lacking", LACKING)
def test_moodles_gradebook_gives_nobody_the_mark_of_another(lacking: str, new: bool) -> None:
    """Its import may use any column that there is to find the students."""
    results = [
        replace(each, roster=replace(each.roster, **{LACKING[lacking].get(place, "section"): ""}))
        if each.roster
        else each
        for place, each in enumerate(CLASS)
    ]
    rows = gradebook(marks.moodle(results, "News"), ",")
    keys = [key for key in marks.KNOWN_BY if key in rows[0]]
    assert keys
    for by in keys:
        found = imported(rows, by, new=new)
        assert len(found) == len(rows) >= 2
        assert [grades for grades in found.values() if grades != [None]] == [[HALF.score]]


@pytest.mark.parametrize("decimal", ["point", "comma"])
def test_moodles_worksheet_is_taken_by_its_importer(decimal: str) -> None:
    sign, decsep = (";", ",") if decimal == "comma" else (",", ".")
    results = [replace(CLASS[0], student="1001"), *CLASS[1:]]
    rows = gradebook(marks.moodle(results, "News", "moodle", decimal), sign)
    assert {"Identifier", "Grade", "Last modified (grade)", "Feedback comments"} <= rows[0].keys()
    participants = {each.participant: each.name for each in (ADA, BOB, CAY)}
    grades = {}
    for row in rows:
        name = participants.get(row["Identifier"][len("Participant ") :])
        mark = moodle_grade(row["Grade"], decsep)
        if name is not None and mark is not None:  # all others are passed over
            grades[name] = mark
            assert 0 <= mark <= 100
    assert grades == {ADA.name: HALF.score}


def test_without_a_roster_the_worksheet_has_the_exports_numbers() -> None:
    rows = gradebook(marks.moodle([Result("77", "Ann", record=HALF)], "", "moodle"), ",")
    assert (rows[0]["Identifier"], rows[0]["Full name"]) == ("Participant 77", "Ann")


# --- all marks -------------------------------------------------------------------------------


def test_all_marks_have_a_status_and_an_absent_one_is_empty() -> None:
    late = [replace(CLASS[0], late=True), replace(CLASS[1], late=False), *CLASS[2:]]
    rows = gradebook(marks.every_check(late), ",")
    columns = ("student", "status", "late", "matched by", "score", "final")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("s11", "graded", "yes", "id", f"{HALF.score}", "yes"),
        ("s12", "error", "no", "id", "", ""),
        ("s13", "unreadable", "", "name", "", ""),
        ("s14", "missing", "", "", "", ""),
        ("'=x", "graded", "", "nobody", "100.0", "yes"),
    ]
    assert [row["section"] for row in rows] == ["Monday", "Tuesday", "Monday", "", ""]
    assert [row["email"] for row in rows][:2] == ["ada@uni.example", "bob@uni.example"]
    faulty = rows[1]
    assert (faulty["dataset"], faulty["dataset.item"], faulty["dataset.texts"]) == ("", "", "2.0")
    for row in rows[2:4]:
        assert not any(row[check.id] for check in HALF.checks)


def test_without_a_roster_there_are_no_columns_of_one() -> None:
    [row] = gradebook(marks.every_check([Result("a", record=HALF)]), ",")
    assert not {"email", "section", "matched by"} & row.keys()
    assert (row["status"], row["late"]) == ("graded", "")


def test_with_a_decimal_comma_marks_are_numbers_that_a_spreadsheet_reads() -> None:
    text = marks.every_check(CLASS, "comma")
    assert f";{f'{HALF.score}'.replace('.', ',')};" in text
    rows = gradebook(text, ";")
    assert rows[0]["score"] == f"{HALF.score}".replace(".", ",")
