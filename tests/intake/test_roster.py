"""Rosters as Canvas, Moodle and Gradescope write them, and as people do."""

from pathlib import Path

import pytest

from grader.base.errors import UsageError
from grader.contract.roster import Student
from grader.intake import roster

ADA = Student(id="s11", name="Ada Lovelace", email="ada@uni.example", section="Monday")
BOB = Student(id="s12", name="Bob Møller", email="bob@uni.example", section="Tuesday")

CANVAS = """Student,ID,SIS User ID,SIS Login ID,Section,News (4711),Current Score
,,,,,Manual Posting,(read only)
    Points Possible,,,,,100.00,(read only)
"Lovelace, Ada",101,s11,ada,Monday,,
"Hopper, Grace",102,s12,grace@uni.example,Monday,80,80
"Hopper, Grace",102,s12,grace@uni.example,Lab 2,80,80
"Student, Test",999,,ab12,Monday,,
"""
MOODLE = """First name,Last name,ID number,Email address,Roles,Groups
Ada,Lovelace,s11,ada@uni.example,Student,Monday
Bob,Møller,s12,bob@uni.example,Student,Tuesday
Tim,Tutor,t1,tim@uni.example,Non-editing teacher,
"""
WORKSHEET = """Identifier,Full name,Email address,Status,Grade,Maximum Grade,Last modified (grade)
Participant 1001,Ada Lovelace,ada@uni.example,Submitted for grading,,100.00,-
Participant 1002,Bob Møller,bob@uni.example,No submission,,100.00,-
"""
GRADESCOPE = """First Name,Last Name,SID,Email,Role,Section
Ada,Lovelace,s11,ada@uni.example,Student,Monday
Bob,Møller,s12,bob@uni.example,Student,Tuesday
Ina,Structor,,ina@uni.example,Instructor,
"""


def read(folder: Path, content: str | bytes) -> tuple[list[Student], list[str]]:
    file = folder / "roster.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return roster.read(file)


def test_a_gradebook_of_canvas_is_a_roster(tmp_path: Path) -> None:
    students, notes = read(tmp_path, CANVAS)
    assert students == [
        Student("s11", "Lovelace, Ada", section="Monday", login="ada", canvas_id="101"),
        Student(
            id="s12",
            name="Hopper, Grace",
            email="grace@uni.example",
            section="Monday, Lab 2",
            login="grace@uni.example",
            canvas_id="102",
        ),
    ]
    assert notes == []


@pytest.mark.parametrize("content", [MOODLE, GRADESCOPE])
def test_a_list_of_participants_is_a_roster_without_teachers(tmp_path: Path, content: str) -> None:
    students, (note,) = read(tmp_path, content)
    assert students == [ADA, BOB]
    assert "left out" in note


def test_a_grading_worksheet_of_moodle_tells_the_numbers_of_participants(tmp_path: Path) -> None:
    students, _ = read(tmp_path, WORKSHEET)
    assert [each.participant for each in students] == ["1001", "1002"]
    assert students[0].name == "Ada Lovelace"


HAND_WRITTEN = {
    "plain": "id,name,email,section\ns11,Ada Lovelace,ada@uni.example,Monday\n",
    "semicolons": "ID;Name;E-Mail;Gruppe\r\ns11;Ada Lovelace;ada@uni.example;Monday\r\n",
    "tabs": (
        "Student ID\tFull Name\tEmail Address\tGroup\ns11\tAda Lovelace\tada@uni.example\tMonday"
    ),
    "German": (
        "Matrikelnummer;Vorname;Nachname;E-Mail-Adresse;Gruppe\n"
        "s11;Ada;Lovelace;ada@uni.example;Monday"
    ),
    "name and first name": (
        "Matr.-Nr.;Name;Vorname;Mail;Gruppe\ns11;Lovelace;Ada;ada@uni.example;Monday"
    ),
    "French": (
        "Nom,Prénom,Adresse de courriel,Numéro étudiant,Groupe\n"
        "Lovelace,Ada,ada@uni.example,s11,Monday"
    ),
    "another order, spaces, empty rows": (
        "\n section , e_mail ,NAME,  Student-No. , remark\n\n"
        " Monday , ada@uni.example ,Ada Lovelace, s11 , a remark\n,,,,\n"
    ),
    "a name in quotes with the delimiter": (
        '"Student number";"Name, whole; or not";"Name";"Mail";"Section"\n'
        's11;x;"Ada Lovelace";"ada@uni.example";"Monday"\n'
    ),
    "Excel's first line": "sep=;\nid;name;email;section\ns11;Ada Lovelace;ada@uni.example;Monday\n",
    "a heading above": (
        "Natural Language Processing, winter\n\nExported 2026-11-21;by me\n"
        "id;name;email;section\ns11;Ada Lovelace;ada@uni.example;Monday\n"
    ),
    "names with commas between semicolons": (
        "id;name;first name;email;section\ns11;Lovelace;Ada;ada@uni.example;Monday\n"
    ),
    "old Mac line ends": "id,name,email,section\rs11,Ada Lovelace,ada@uni.example,Monday\r",
    "student is an id": "student,name,email,section\ns11,Ada Lovelace,ada@uni.example,Monday\n",
    "Brightspace": (
        "OrgDefinedId,Last Name,First Name,Email,Section,End-of-Line Indicator\n"
        "#s11,Lovelace,Ada,ada@uni.example,Monday,#\n"
    ),
    "student is a name": "sid,student,email,section\ns11,Ada Lovelace,ada@uni.example,Monday\n",
}


@pytest.mark.parametrize("kind", HAND_WRITTEN)
def test_columns_are_known_by_the_titles_that_people_give(tmp_path: Path, kind: str) -> None:
    assert read(tmp_path, HAND_WRITTEN[kind]) == ([ADA], [])


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_delimiters(tmp_path: Path, encoding: str, delimiter: str) -> None:
    lines = ["id,name,email,section", "s12,Bob Møller,bob@uni.example,Tuesday"]
    text = "\n".join(lines).replace(",", delimiter)
    assert read(tmp_path, text.encode(encoding)) == ([BOB], [])


def test_a_row_that_comes_again_and_one_without_anything_are_told(tmp_path: Path) -> None:
    content = "id,name,section\ns1,Ann,A\ns1,Ann,B\ns1,Ann,B\n,,C\ns2,Ben,A\n"
    students, notes = read(tmp_path, content)
    assert [(each.id, each.section) for each in students] == [("s1", "A, B"), ("s2", "A")]
    assert notes == [
        "line 4 of the roster is s1 again; left out",
        "line 5 of the roster has no id, name or e-mail; left out",
    ]


def test_hostile_cells_are_one_clean_line(tmp_path: Path) -> None:
    content = 'id,name\n"s1\x00","A\x1b[31m\u202e\nB' + "N" * 5000 + '"\n'
    [student], _ = read(tmp_path, content)
    assert student.id == "s1"
    assert student.name.startswith("A?[31m? B")
    assert len(student.name) == roster.MAX_CELL


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"id,name\n", "there is no student in it"),
        (b"points,remark\n1,x\n", "no column holds an id, a name or an e-mail address"),
        (b"PK\x03\x04xl/workbook", "this is a workbook. Save it as CSV"),
        (b'id,name\ns1,"Ada\ns2,Bob\n', "Is a quote not closed?"),
        (b'id,name\ns1,"Ada\ns2,"Bob"\n', "Is a quote not closed?"),
        (b'id,name\ns1,"' + b"x" * 200_000 + b'"\n', "not a CSV that can be read"),
    ],
)
def test_what_is_no_roster_is_told_in_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(tmp_path, content)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_roster_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        roster.read(tmp_path / "none.csv")
