"""The reports on a class: what its figures say, and what each page shows and keeps to itself."""

import re
import statistics
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from grader.contract.enums import Status
from grader.contract.names import file_name
from grader.contract.record import CheckResult, Record
from grader.contract.results import Match, Result
from grader.contract.roster import Student
from grader.reports import feedback, junit, marks, pages
from grader.reports.class_report import analysis, similarity
from grader.reports.class_report import page as class_page
from grader.reports.labels import NOT_JUDGED
from tests.classes import EVIL, HOSTILE, STUBS, a_class, changed, graded

FAULT = "The grader itself failed: ValueError('secret') (test_dataset.py, line 20)."


def parsed(text: str) -> Any:
    """The elements of a page, as a browser would read it."""
    return etree.HTML(text.encode(), etree.HTMLParser(encoding="utf-8"))


def section(page: Any, id_: str) -> str:
    """The text of a section of the class report."""
    [found] = page.xpath(f"//section[@aria-labelledby='{id_}']")
    return " ".join(" ".join(found.itertext()).split())


def shown(results: list[Result], **options: Any) -> Any:
    return parsed(class_page.page(results, "News", **options))


# --- figures ---------------------------------------------------------------------------------


def answers(right: list[bool], rest: list[float]) -> list[Record]:
    """Records with one check that was passed or not, and so many points for another."""
    return [
        Record(
            {"name": "", "digest": ""},
            [
                CheckResult(
                    "dataset.texts", "dataset", Status.PASSED if r else Status.FAILED, 2.0 * r, 2
                ),
                CheckResult("model.relu", "model", Status.FAILED, points, 30),
            ],
            {},
        )
        for r, points in zip(right, rest, strict=True)
    ]


def test_discrimination_is_the_correlation_of_passing_with_the_other_points() -> None:
    right = [n % 3 == 0 or n > 20 for n in range(30)]
    rest = [float(n % 7 + n / 10) for n in range(30)]
    item = analysis.items(answers(right, rest))[0]
    passed = [points for r, points in zip(right, rest, strict=True) if r]
    failed = [points for r, points in zip(right, rest, strict=True) if not r]
    share = len(passed) / 30  # the textbook's formula of the point-biserial correlation
    difference = statistics.fmean(passed) - statistics.fmean(failed)
    expected = difference / statistics.pstdev(rest) * (share * (1 - share)) ** 0.5
    assert item.discrimination == pytest.approx(expected)
    assert (item.reached, item.passed, item.share) == (30, len(passed), share)


@pytest.mark.parametrize(
    ("right", "rest", "says"),
    [
        ([n >= 15 for n in range(30)], list(range(30)), "pass it clearly more often."),
        (
            [n < 15 for n in range(30)],
            list(range(30)),
            "pass it less often: look at this check.",
        ),
        (
            [n % 2 == 0 for n in range(30)],
            list(range(30)),
            "related to the other points than by chance",
        ),
        (
            [n % 2 == 1 for n in range(30)],
            list(range(30)),
            "related to the other points than by chance",
        ),
        ([n % 2 == 1 for n in range(2000)], [n % 10 for n in range(2000)], "pass it more often."),
        ([True] * 30, list(range(30)), "All passed: it does not distinguish submissions."),
        ([False] * 30, list(range(30)), "Nobody passed: was it taught, and is the check right?"),
        ([n >= 9 for n in range(19)], list(range(19)), "Too few submissions for r (10"),
        ([n >= 4 for n in range(30)], list(range(30)), "Too few submissions for r (26"),
        ([n >= 15 for n in range(30)], [5] * 30, "Too few submissions"),
    ],
)
def test_what_an_item_analysis_says(right: list[bool], rest: list[float], says: str) -> None:
    assert says in analysis.items(answers(right, rest))[0].says


def test_a_check_is_judged_by_those_whom_it_could_judge() -> None:
    found = [graded()["right"], graded()["wrong"], graded()["stubs"]]
    items = {item.id: item for item in analysis.items(found)}
    assert (items["dataset.texts"].reached, items["dataset.texts"].passed) == (2, 2)
    assert (items["collate.shape"].reached, items["collate.shape"].passed) == (2, 1)
    assert (items["accuracy.unseen"].reached, items["accuracy.unseen"].passed) == (1, 1)
    nobody = analysis.items([graded()["stubs"]])[0]
    assert (nobody.share, nobody.says) == (None, "Nobody has reached this check.")


def test_marks_are_counted_in_tens_and_full_marks_apart() -> None:
    bins = analysis.histogram([0, 9.99, 10, 99.5, 100, 100], 100)
    assert [label for label, _ in bins] == ["0", *map(str, range(10, 101, 10))]
    assert {label: count for label, count in bins if count} == {
        "0": 2, "10": 1, "90": 1, "100": 2,
    }  # fmt: skip


def test_a_mistake_counts_once_a_student() -> None:
    wrong = graded()["wrong"]
    mistake = next(check.mistake for check in wrong.checks if check.mistake)
    twice = changed(wrong, "dataset.texts", mistake=mistake)
    made = analysis.mistakes_made([Result("a", record=twice), Result("b", record=wrong)])
    [found] = [each for each in made if "dataset.texts" in each.checks]
    assert [result.student for result in found.by] == ["a", "b"]
    assert [len(each.by) for each in made] == sorted((len(m.by) for m in made), reverse=True)


def test_who_takes_far_more_time_or_memory_is_found() -> None:
    results = a_class(20)
    results[4] = replace(results[4], seconds=60.0)
    results[7] = replace(results[7], memory=3 << 30)
    found = [(each.what, each.result.student, each.amount) for each in analysis.outliers(results)]
    assert found == [("time", "student4", "60 s"), ("memory", "student7", "3072 MiB")]
    assert analysis.outliers(a_class(20)) == []
    assert analysis.outliers([Result("a"), Result("b", seconds=9.0)]) == []


def test_equal_code_is_found_but_for_stubs_and_what_is_handed_out() -> None:
    right, stubs = graded()["right"], graded()["stubs"]
    equal = {"dataset": "x", "train": "y", "__init__": "z"}
    results = [
        Result("a", record=right, fingerprints=equal),
        Result("b", record=right, fingerprints=equal),
        Result("c", record=right, fingerprints={**equal, "train": "other"}),
        Result("d", record=stubs, fingerprints=equal),
        Result("e", fault="lost", fingerprints={"helper": "h"}),
        Result("f", fault="lost", fingerprints={"helper": "h"}),
    ]
    found = [([r.student for r in each.by], each.modules) for each in analysis.alike(results)]
    assert found == [
        (["a", "b", "c"], ["dataset"]),
        (["a", "b"], ["train"]),
        (["e", "f"], ["helper"]),
    ]


def test_code_that_a_large_part_of_the_class_shares_comes_last_and_says_so() -> None:
    right = graded()["right"]
    many = [Result(f"m{n}", record=right, fingerprints={"dataset": "usual"}) for n in range(8)]
    two = [Result(f"t{n}", record=right, fingerprints={"train": "odd"}) for n in range(2)]
    assert [each.common for each in analysis.alike(many + two)] == [False, True]
    told = section(shown(many + two), "alike")
    assert "8 have it: probably the usual solution" in told
    assert told.index("train") < told.index("8 have it")


# --- the page --------------------------------------------------------------------------------


@pytest.mark.usefixtures("kits_course")
def test_what_needs_the_instructor_comes_first_and_is_in_no_figure() -> None:
    right = graded()["right"]
    error = changed(right, "dataset.texts", status=Status.ERROR, score=0.0, message=FAULT)
    cut = changed(right, "train.learns", status=Status.NOT_RUN, score=0.0)
    results = [
        Result("ann", record=right),
        Result("bob", record=error),
        Result("cay", record=cut),
        Result("dee", fault="dee.zip: not a readable zip."),
    ]
    page = shown(results)
    sections = page.xpath("//*[@id='class']//section/@aria-labelledby")
    assert sections[0] == "attention"
    told = section(page, "attention")
    assert "3 submissions have no final mark" in told
    for part in (FAULT, "train.learns not run", "dee.zip: not a readable zip"):
        assert part in told
    tiles = [" ".join(tile.itertext()) for tile in page.xpath("//ul[@class='tiles']/li")]
    assert tiles == [
        "4 submissions", "100 median points", "100.0 mean points", "1 full marks",
        "0 without a point", "3 to grade again",
    ]  # fmt: skip


def test_a_class_that_was_not_graded_uniformly_is_reported() -> None:
    right = graded()["right"]
    right = replace(right, environment=right.environment | {"secret": "course"})
    other = replace(right, environment=right.environment | {"torch": "2.3.1"})
    assert "torch" in section(
        shown([Result("a", record=right), Result("b", record=other)]), "attention"
    )
    assert not shown([Result("a", record=right)]).xpath("//*[@id='attention']")


ADA = Student("s11", "Ada Lovelace", "ada@uni.example", "Monday")
BEN = Student("s12", "Ben", "ben@uni.example", "Tuesday, Lab")
CAY = Student("s13", "Cay", "", "Monday")


def with_roster() -> list[Result]:
    right = graded()["right"]
    return [
        Result("11", "lovelaceada", "11.zip", right, late=True, roster=ADA, match=Match.NAME),
        Result("12", "", "12.zip", fault="no zip", late=False, roster=BEN, match=Match.ID),
        Result("s13", roster=CAY),
        Result("x", "", "x.zip", right, late=False, match=Match.NOBODY),
    ]


def rows(page: Any) -> list[dict[str, str]]:
    """The students' table: what is in each row's cells, by the titles of the columns."""
    [table] = page.xpath("//table[@id='table']")
    titles = ["".join(cell.itertext()) for cell in table.xpath("thead/tr/th")]
    cells = [row.xpath("th | td") for row in table.xpath("tbody/tr")]
    texts = [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in cells]
    return [dict(zip(titles, row, strict=True)) for row in texts]


def test_students_come_first_with_status_lateness_and_a_link_to_their_feedback() -> None:
    page = shown(with_roster())
    sections = page.xpath("//*[@id='class']//section/@aria-labelledby")
    assert sections == [
        "attention", "students", "marks", "tasks", "mistakes", "checks", "outliers", "alike",
    ]  # fmt: skip
    found = rows(page)
    columns = ("Student", "Status", "Late", "Section", "Points", "Feedback")
    assert [tuple(row[name] for name in columns) for row in found] == [
        ("Ada Lovelaces11", "graded", "yes", "Monday", "100", "page"),
        ("Bens12", "unreadable", "no", "Tuesday, Lab", "no mark", ""),
        ("Cays13", "missing", "", "Monday", "no mark", ""),
        ("x", "graded", "no", "", "100", "page"),
    ]
    assert page.xpath("//table[@id='table']//td/a/@href") == [
        "feedback/11.html", "feedback/x.html",
    ]  # fmt: skip
    tiles = [" ".join(tile.itertext()) for tile in page.xpath("//ul[@class='tiles']/li")]
    assert {"3 submissions", "1 to grade again", "1 missing", "1 late"} <= {*tiles}
    assert "Nothing was handed in." in "".join(page.xpath("//article[@id='s3']")[0].itertext())
    told = " ".join("".join(page.xpath("//article[@id='s1']")[0].itertext()).split())
    assert "s11, ada@uni.example, Monday, found on the roster by name, late, 11.zip" in told


def test_columns_that_nobody_needs_are_not_there() -> None:
    page = shown([Result("a", record=graded()["right"])])
    assert not {"Late", "Section"} & rows(page)[0].keys()
    assert not page.xpath("//select[@id='section']")


def test_what_fits_nobody_and_who_handed_in_twice_need_the_instructor() -> None:
    again = Result("11~2", "", "11b.zip", graded()["wrong"], roster=ADA, match=Match.ID)
    told = section(shown([*with_roster(), again]), "attention")
    assert "1 hand-in fits no student of the roster: x" in told
    assert "2 hand-ins are of one student: Ada Lovelace 11.zip , Ada Lovelace 11b.zip" in told
    assert "roster" not in section(shown([Result("a", fault="no zip")]), "attention")


def test_feedback_that_could_not_be_made_has_no_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "text", broken)
    class_page.write([Result("ann", record=graded()["right"])], tmp_path, "News")
    assert "feedback/ann.html" not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_checks_are_sorted_by_the_share_that_passed() -> None:
    names = ("right", "wrong", "begun", "stubs")
    page = shown([Result(name, record=graded()[name]) for name in names])
    [table] = page.xpath("//section[@aria-labelledby='checks']/table")
    cells = ["".join(row.xpath("td[1]")[0].itertext()) for row in table.xpath("tbody/tr")]
    shares = [int(cell.split()[0]) if cell.strip() else 101 for cell in cells]
    assert shares == sorted(shares)
    assert len(set(shares)) > 2


def test_accuracy_with_full_points_is_not_shown_as_in_progress() -> None:
    waits = changed(graded()["right"], "accuracy.end_to_end", status=Status.BLOCKED, score=0.0)
    [task] = [task for task in waits.tasks if task.id == "accuracy"]
    assert (task.state, task.score) == ("done", task.max_score)
    page = shown([Result("ann", record=waits)])
    assert rows(page)[0]["accuracy"] == "15 done"
    assert not page.xpath("//*[contains(@class, 'in-progress')]")
    assert "in progress" not in page.xpath("string(//figure//desc[@id='tasks-numbers'])")


def test_charts_have_a_role_a_title_and_their_numbers_as_text() -> None:
    page = shown(a_class(30))
    charts = page.xpath("//*[@id='class']//svg")
    assert len(charts) == 2
    for chart in charts:
        assert chart.get("role") == "img"
        for id_ in chart.get("aria-labelledby").split():
            [text] = page.xpath(f"//*[@id='{id_}']/text()")
            assert text.strip()
    counts = re.findall(r": (\d+)", page.xpath("string(//desc[@id='marks-numbers'])"))
    assert sum(map(int, counts)) == 30


def test_every_figure_has_a_table_beside_it() -> None:
    figures = shown(a_class(30)).xpath("//*[@id='class']//figure")
    assert len(figures) == 2
    for figure in figures:
        [svg], [table] = figure.findall("svg"), figure.findall(".//table")
        assert svg.xpath(".//*[@aria-label]")
        assert table.xpath(".//td")


def test_a_learning_curve_has_a_point_an_epoch_and_a_table() -> None:
    record = graded()["right"]
    history = record.accuracy["history"]
    for page in (shown([Result("ann", record=record)]), parsed(feedback.text(record))):
        [figure] = page.xpath("//figure[@class='curve']")
        assert len(figure.xpath(".//circle")) == len(history) == 7
        cells = ["".join(cell.itertext()) for cell in figure.xpath(".//tbody/tr/td[last()]")]
        assert cells == [f"{epoch['val_accuracy']:.3f}" for epoch in history]


def test_every_student_has_a_page_with_messages_and_hints() -> None:
    record = graded()["wrong"]
    page = shown([Result("ann", "Ann", record=record), Result("bob", fault="no zip")])
    links = page.xpath("//table[@id='table']//th//a/@href")
    [ann] = page.xpath(f"//*[@id='{links[0][1:]}']")
    told = "".join(ann.itertext())
    for check in record.checks:
        assert check.message in told
    assert "python -m grader hint collate" in told
    [bob] = page.xpath(f"//*[@id='{links[1][1:]}']")
    assert "no zip" in "".join(bob.itertext())


def test_a_students_page_tells_what_is_odd_about_the_submission() -> None:
    results = a_class(20)
    results[4] = replace(results[4], seconds=90.0, fingerprints={"helper": "x"})
    results[5] = replace(results[5], fingerprints={"helper": "x"})
    page = shown(results)
    [told] = ["".join(each.itertext()) for each in page.xpath("//article[@id='s5']")]
    assert "Time: 90 s, " in told
    assert "Equal code in helper: Ann Number 5." in " ".join(told.split())


@pytest.mark.parametrize("size", [0, 1])
def test_a_class_of_nobody_or_one_has_a_page(size: int) -> None:
    assert f"{size} submissions" in "".join(shown(a_class(size)).itertext())


def test_a_class_without_a_single_mark_has_a_page() -> None:
    assert "no zip" in section(shown([Result("a", fault="no zip")]), "attention")
    page = shown([Result("a")])
    assert not page.xpath("//*[@id='attention']")
    assert "missing" in section(page, "students")


def test_students_are_sorted_as_people_count(tmp_path: Path) -> None:
    results = [Result(f"student{n}", record=graded()["right"]) for n in (10, 9, 1)]
    class_page.write(results, tmp_path, "News")
    page = parsed((tmp_path / "index.html").read_text(encoding="utf-8"))
    names = ["".join(a.itertext()) for a in page.xpath("//table[@id='table']//tbody//th//a")]
    assert names == ["student1", "student9", "student10"]


SCRIPTS = "//script | //iframe | //object | //*[@onerror or @onload or @onclick]"


def hostile_class() -> list[Result]:
    evil = Result(EVIL, EVIL, EVIL, graded()["hostile"])
    student = Student(*[EVIL] * 7)
    return [
        evil,
        replace(evil, student="e", roster=student, match=Match.ID, late=True),
        Result(HOSTILE, HOSTILE, HOSTILE, None, HOSTILE),
        *a_class(3),
    ]


def test_what_students_choose_is_text_on_every_page(tmp_path: Path) -> None:
    class_page.write(hostile_class(), tmp_path, EVIL, markdown=True)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert len(parsed(text).xpath(SCRIPTS)) == 1  # the report's own
    assert not parsed(text).xpath("//img")
    feedback_page = (tmp_path / "feedback" / f"{file_name(EVIL)}.html").read_text(encoding="utf-8")
    assert parsed(feedback_page).xpath(f"{SCRIPTS} | //img") == []
    for page in (text, feedback_page):
        assert EVIL in "".join(parsed(page).itertext())
        assert not any(char in page for char in "\x00\x1b\u202e\ud800")


def test_a_script_is_allowed_by_its_digest_only() -> None:
    page = class_page.page(a_class(2), "News")
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; ")
    assert "script-src 'sha256-" in policy
    assert (
        "script"
        not in re.findall(r'Policy" content="([^"]*)"', feedback.text(graded()["right"]))[0]
    )


def test_code_is_shown_between_backticks_and_escaped() -> None:
    assert pages.ticks("a `<b>` c") == "a <code>&lt;b&gt;</code> c"
    assert pages.ticks("a ` <b>") == "a ` &lt;b&gt;"
    assert pages.ticks("`a`") == "<code>a</code>"


def test_checks_that_fail_in_the_same_way_are_told_once() -> None:
    record = graded()["hostile"]
    failed = [check for check in record.checks if check.status == "failed"]
    assert len(failed) == 5
    assert len({check.message for check in failed}) == 1
    for page in (shown([Result("ann", record=record)]), parsed(feedback.text(record))):
        [block] = page.xpath("//div[contains(@class, 'check')]")
        told = "".join(block.itertext())
        assert "texts, targets, n targets, length, item 0/12 points" in told


# --- feedback --------------------------------------------------------------------------------


@pytest.mark.kit
def test_feedback_has_the_board_the_messages_and_a_hint() -> None:
    record = graded()["begun"]
    page = parsed(feedback.text(record, "Ann"))
    told = "".join(page.itertext())
    assert f"{record.score:g} of 100 points" in told
    assert "Feedback for Ann" in " ".join(told.split())
    for check in record.checks:
        if check.status == "failed":
            assert check.message in told
    [hint] = page.xpath("//details[contains(summary, 'python -m grader hint collate')]/p")
    assert len("".join(hint.itertext())) > 100


@pytest.mark.kit
def test_feedback_on_one_module_does_not_speak_of_full_marks() -> None:
    right = graded()["right"]
    one = replace(right, checks=[check for check in right.checks if check.task == "dataset"])
    assert "dataset done. Next: collate." in feedback.text(one)
    assert "All done: full marks." in feedback.text(right)


def test_feedback_keeps_to_itself_what_only_instructors_see(tmp_path: Path) -> None:
    record = replace(graded()["wrong"], submission={"name": "/home/me/ann.zip", "digest": "d" * 64})
    record = changed(record, "dataset.texts", status=Status.ERROR, message=FAULT)
    result = Result(
        "ann", "Ann", "class/ann.zip", record, "", 123.5, 987 << 20, {"train": "f" * 64}
    )
    class_page.write([result, *a_class(3)], tmp_path, "News", markdown=True)
    for kind in ("html", "md"):
        text = (tmp_path / "feedback" / f"ann.{kind}").read_text(encoding="utf-8")
        for secret in (
            *("/home/me", "ann.zip", "d" * 64, "f" * 64, "secret", "test_dataset.py", "987", "123"),
            *("Number", "student1", "seed", "median", "sandbox", "published"),
        ):
            assert secret not in text, secret
        assert NOT_JUDGED.split(". ")[0] in text


# --- all of it -------------------------------------------------------------------------------


def test_the_folder_holds_every_report_and_names_no_student_twice(tmp_path: Path) -> None:
    names = ["ann", "Ann", "a/b", "../x", "con", "n" * 300]
    results = [Result(name, record=graded()["right"]) for name in names] + [Result("lost")]
    class_page.write(results, tmp_path / "out", "News")
    files = {
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")
    }
    assert files == {
        *("index.html", "marks.csv", "canvas.csv", "moodle.csv", "junit.xml"),
        *(f"feedback/{file_name(name)}.html" for name in names),
    }
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("layout", "ann", "bob", "returned"),
    [
        ("moodle", "Ann Ø_1001_assignsubmission_file_", "Bob_1002_assignsubmission_file_work.zip",
         ["Ann Ø_1001_assignfeedback_file_/feedback.html",
          "Bob_1002_assignfeedback_file_/feedback.html"]),
        ("canvas", "oann_1001_77_work.zip", "bob_LATE_1002_78_my_work-1.zip",
         ["oann_1001_77_feedback.html", "bob_LATE_1002_78_feedback.html"]),
        ("folders", "Ann_1001_assignsubmission_file_", "bob_1002_78_work.zip", []),
    ],
)  # fmt: skip
def test_feedback_is_packed_as_the_exporting_system_takes_it_back(
    tmp_path: Path, layout: str, ann: str, bob: str, returned: list[str]
) -> None:
    results = [
        Result("1001", "Ann", ann, graded()["right"]),
        Result("1002", "Bob", bob, graded()["stubs"]),
        Result("1003", "Cay", "cay_1003_79_work.pdf", fault="a PDF"),
        Result("1004", roster=Student("1004", "Dee", "")),
    ]
    (tmp_path / "feedback.zip").touch()  # of an earlier run
    assert class_page.write(results, tmp_path, "Class", layout=layout) == []
    assert (tmp_path / "feedback.zip").exists() == bool(returned)
    if returned:
        with zipfile.ZipFile(tmp_path / "feedback.zip") as archive:
            assert archive.namelist() == returned
            for name, student in zip(returned, ("1001", "1002"), strict=True):
                page = tmp_path / "feedback" / f"{student}.html"
                assert archive.read(name) == page.read_bytes()


def broken(*_arguments: Any) -> str:
    raise ZeroDivisionError("of\x1ba report")


@pytest.mark.parametrize(
    ("module", "function", "name"),
    [
        (marks, "every_check", "marks.csv"),
        (marks, "canvas", "canvas.csv"),
        (marks, "moodle", "moodle.csv"),
        (junit, "text", "junit.xml"),
        (class_page, "page", "index.html"),
    ],
)
def test_a_report_that_fails_takes_no_other_with_it(
    module: Any, function: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [Result(student, record=graded()["wrong"]) for student in ("ann", "bob")]
    assert class_page.write(results, tmp_path, "News", markdown=True) == []
    files = set(tmp_path.rglob("*.*"))
    for path in files:
        path.write_bytes(b"of an earlier run")
    monkeypatch.setattr(module, function, broken)
    failures = class_page.write(results, tmp_path, "News", markdown=True)
    assert failures == [f"{name}: ZeroDivisionError: of?a report"]
    assert set(tmp_path.rglob("*.*")) == files - {tmp_path / name}
    assert not any(path.read_bytes() == b"of an earlier run" for path in tmp_path.rglob("*.*"))


def test_a_student_whose_page_fails_is_named_and_the_others_have_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, wrong = feedback.text, graded()["wrong"]

    def text(record: Record, student: str, **_: object) -> str:
        return broken() if student == "Bob" else page(record, student)

    monkeypatch.setattr(feedback, "text", text)
    results = [Result("ann", record=wrong), Result("b/b", "Bob", record=wrong)]
    failures = class_page.write(results, tmp_path, "News")
    name = f"feedback/{file_name('b/b')}.html"
    assert failures == [f"{name} (Bob): ZeroDivisionError: of?a report"]
    assert [path.name for path in (tmp_path / "feedback").iterdir()] == ["ann.html"]
    assert (tmp_path / "index.html").is_file()


def test_a_record_that_is_none_costs_its_own_student_alone(tmp_path: Path) -> None:
    record = graded()["wrong"]
    broken_check = replace(record.checks[0])
    object.__setattr__(broken_check, "message", None)  # as no record can be read or made
    bad = replace(record, checks=[broken_check])
    results = [Result("ann", record=record), Result("bob", record=bad)]
    failures = class_page.write(results, tmp_path, "News")
    assert [failure.split(": ")[:2] for failure in failures] == [
        ["the record of bob", "AttributeError"]
    ]
    told = section(parsed((tmp_path / "index.html").read_text(encoding="utf-8")), "attention")
    assert "bob : Its record cannot be shown." in told
    assert [path.name for path in (tmp_path / "feedback").iterdir()] == ["ann.html"]


def test_a_page_is_made_without_similar_code_if_looking_for_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity, "pairs", broken)
    failures = class_page.write(
        [Result("ann", record=graded()["right"])],
        tmp_path,
        "News",
        tokens={"ann": similarity.tokens(STUBS)},
    )
    assert failures == ["similar code in index.html: ZeroDivisionError: of?a report"]
    assert "Similar code" not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_large_class_makes_a_page_of_a_few_megabytes(tmp_path: Path) -> None:
    class_page.write(a_class(300), tmp_path, "News")
    assert (tmp_path / "index.html").stat().st_size < 5 << 20
    assert len(list((tmp_path / "feedback").iterdir())) == 300


# --- similar code ----------------------------------------------------------------------------

OWN = """
def train(model, train_loader, val_loader, *, epochs, lr, device=None):
    optimizer, history = torch.optim.Adam(model.parameters(), lr=lr), []
    for epoch in range(epochs):
        seen, total = 0, 0.0
        for batch, targets in train_loader:
            loss = F.cross_entropy(model(batch.to(device)), targets.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, seen = total + loss.item() * len(targets), seen + len(targets)
        history.append({"train_loss": total / seen, **evaluate(model, val_loader, device)})
    return history
"""
ELSE = b"\n    print([n ** 2 for n in range(9)], {'some': 'thing'}, lambda x: x + 1, not None)" * 6


def test_similar_code_is_found_whatever_its_names_and_comments() -> None:
    copy = (
        OWN.replace("seen", "n")
        .replace("total", "summed")
        .replace("    return", "    # x\n    return")
    )
    code = {
        "ann": {"train": OWN.encode()},
        "bob": {"train": copy.encode()},
        "cay": {"train": STUBS["train"]},
        "dee": {"train": STUBS["train"]},
        "eve": {"train": OWN[: len(OWN) // 2].encode() + ELSE},
    }
    tokens = {student: similarity.tokens(files) for student, files in code.items()}
    found = [*(similarity.pairs(tokens, {"train": STUBS["train"]}) or ())]
    assert [(pair.module, pair.students) for pair in found] == [("train", ("ann", "bob"))]
    assert found[0].share == pytest.approx(1, abs=0.05)


def test_pairs_of_equal_code_are_not_told_twice() -> None:
    right = graded()["right"]
    results = [Result(name, record=right, fingerprints={"train": "x"}) for name in ("ann", "bob")]
    results.append(Result("cay", record=right, fingerprints={"train": "y"}))
    pairs = [
        similarity.Pair("train", ("ann", "bob"), 1.0),
        similarity.Pair("train", ("ann", "cay"), 0.95),
    ]
    told = section(shown(results, pairs=pairs), "alike")
    assert told.count("95 %") == 1
    assert "100 %" not in told


def test_a_report_says_nothing_of_similar_code_where_nobody_looked() -> None:
    assert "Similar code" not in section(shown(a_class(3)), "alike")
    assert "Similar code" in section(shown(a_class(3), pairs=[]), "alike")
