"""Whose hand-in it is, and who handed in nothing."""

from pathlib import Path

import pytest

from grader.classroom.matching import Roster, assign
from grader.contract.results import GradingStatus, Match, Result
from grader.contract.roster import Student
from grader.intake.lms_exports import HandIn, HandInFile

ADA = Student("s11", "Lovelace, Ada", "ada@uni.example", login="alove", canvas_id="101")
BEN = Student("0012", "Ben Özil", "ben.ozil@uni.example", participant="1002")
CAY = Student("s13", "Anne-Marie O'Neil", login="cayo@uni.example")
TWIN = Student("s14", "Kim Lee")
OTHER_TWIN = Student("s15", "Lee, Kim")
STUDENTS = [ADA, BEN, CAY, TWIN, OTHER_TWIN]


def hand_in(student: str, name: str = "") -> HandIn:
    parts = (HandInFile(Path(f"{student}.zip")),)
    return HandIn(student, name, f"{student}.zip", parts, owner=student.partition("~")[0])


@pytest.mark.parametrize(
    ("student", "name", "expected", "match"),
    [
        ("s11", "", ADA, Match.ID),
        ("S11", "", ADA, Match.ID),
        ("alove", "", ADA, Match.ID),
        ("101", "", ADA, Match.ID),
        ("s11~2", "", ADA, Match.ID),
        ("0012", "", BEN, Match.ID),
        ("12", "", BEN, Match.ID),
        ("1002", "", BEN, Match.ID),
        ("ada@uni.example", "", ADA, Match.EMAIL),
        ("Ada@Uni.Example", "", ADA, Match.EMAIL),
        ("ben.ozil", "", BEN, Match.EMAIL),
        ("cayo", "", CAY, Match.EMAIL),
        ("77", "lovelaceada", ADA, Match.NAME),
        ("Ada Lovelace", "", ADA, Match.NAME),
        ("ada_lovelace", "", ADA, Match.NAME),
        ("LovelaceAda", "", ADA, Match.NAME),
        ("77", "Ben Ozil", BEN, Match.NAME),
        ("77", "Özil Ben", BEN, Match.NAME),
        ("77", "oneilannemarie", CAY, Match.NAME),
        ("Anne-Marie O'Neil", "", CAY, Match.NAME),
        ("Assignment 3_alove_attempt_2026-11-21", "", ADA, Match.ID),
        ("news (alove)", "", ADA, Match.ID),
        ("12345-6789 - Ada Lovelace - Nov 21, 2026 1130 PM", "", ADA, Match.NAME),
        ("Lovelace, Ada(x17)", "", ADA, Match.NAME),
        ("news_s11", "", None, Match.NOBODY),
        ("Lovelace", "", None, Match.NOBODY),
        ("Kim Lee and Ben Özil", "", None, Match.NOBODY),
        ("77", "Kim Lee", None, Match.NOBODY),
        ("nobody", "No Body", None, Match.NOBODY),
        ("", "", None, Match.NOBODY),
        ("s1", "", None, Match.NOBODY),
    ],
)
def test_a_hand_in_is_found_by_id_then_e_mail_then_name(
    student: str, name: str, expected: Student | None, match: Match
) -> None:
    found, how = Roster(STUDENTS, "folders").find(hand_in(student, name))
    assert how is match
    assert how is Match.NOBODY or found == [expected]


def test_an_id_is_first_what_the_export_calls_an_id() -> None:
    ann, ben = Student("7", "Ann", canvas_id="8"), Student("8", "Ben", canvas_id="7")
    for layout, expected in (("canvas", ben), ("folders", ann)):
        assert Roster([ann, ben], layout).find(hand_in("7"))[0] == [expected]


def test_everybody_is_listed_and_what_fits_nobody_is_said() -> None:
    handed = [hand_in("s11"), hand_in("x1", "Kim Lee"), hand_in("x2"), hand_in("12")]
    results = {
        each.student: Result(each.student, each.name, each.path, fault="?") for each in handed
    }
    found, notes = assign(results, handed, Roster(STUDENTS, "folders"))
    assert [(each.shown_id, each.status, each.match) for each in found] == [
        ("s11", GradingStatus.UNREADABLE, Match.ID),
        ("x1", GradingStatus.UNREADABLE, Match.NOBODY),
        ("x2", GradingStatus.UNREADABLE, Match.NOBODY),
        ("0012", GradingStatus.UNREADABLE, Match.ID),
        ("s13", GradingStatus.MISSING, None),
        ("s14", GradingStatus.MISSING, None),
        ("s15", GradingStatus.MISSING, None),
    ]
    assert notes == [
        "roster: 5 students, 2 handed in (2 by id)",
        "x1.zip: fits Kim Lee; Lee, Kim alike; it is listed as x1",
        "x2.zip: fits nobody; it is listed as x2",
        "handed in nothing, 3: Anne-Marie O'Neil; Kim Lee; Lee, Kim",
    ]


def test_several_hand_ins_of_a_student_are_all_listed_and_said() -> None:
    handed = [hand_in("s11"), hand_in("ada@uni.example")]
    results = {each.student: Result(each.student, fault="?") for each in handed}
    found, notes = assign(results, handed, Roster([ADA], "folders"))
    assert [each.roster for each in found] == [ADA, ADA]
    assert notes[1].startswith("Lovelace, Ada: 2 hand-ins (s11; ada@uni.example).")


def test_a_missing_student_takes_no_hand_ins_id() -> None:
    ann, ben = Student("7", "Ann", canvas_id="8"), Student("9", "Ben", canvas_id="7")
    handed = [hand_in("7")]
    found, _ = assign({"7": Result("7", fault="?")}, handed, Roster([ann, ben], "canvas"))
    assert [each.student for each in found] == ["7", "7~2"]
    assert [each.roster for each in found] == [ben, ann]
