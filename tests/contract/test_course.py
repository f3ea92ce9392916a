"""The file of a course: what it sets, and what is said of each mistake in it."""

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from grader.__main__ import main
from grader.base.errors import UsageError
from grader.base.paths import COURSE
from grader.contract import course, course_file, grades
from grader.contract.policy import GRADING
from grader.contract.tasks import all_assignments, all_tasks, assignments, tasks
from grader.intake import roster
from grader.maintain import course_policy, notebooks

NO_POINTS = "\n".join(
    f"{id_} = 0" for id_ in all_assignments()["recurrent-layers"].tasks if id_ != "carry_state"
)
HEAD = "title = 'A course'\n\n"


def wrong(text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        course_file.parse(text, "course.toml")
    return str(caught.value).split("\n")


@pytest.mark.kit
def test_without_a_file_everything_is_as_in_the_tables() -> None:
    assert course.current().text([*course_file.SETTINGS, *course_file.TABLES]) == ""
    assert assignments().keys() == all_assignments().keys()
    for assignment in assignments().values():
        assert assignment.points == sum(check.points for check in assignment.checks) == 100
    for late in (None, True):
        mark = grades.mark(87.35, 100, late, timedelta(days=9) if late else None)
        assert mark == grades.Mark(87.35, 0.0, 87.35, None)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("pas_mark = 50", 3, "pas_mark = 50: there is no such setting. Did you mean pass_mark?"),
        ("zzz = 'red'", 3, "there is no such setting; there are title, pass_mark, "),
        ("pass_mark = 101", 3, "pass_mark = 101 is not a number from 0 to 100, in percent."),
        ("pass_mark = '50'", 3, 'pass_mark = "50" is not a number'),
        ("pass_mark = nan", 3, "pass_mark = NaN is not a number"),
        ("pass_mark = true", 3, "pass_mark = true is not a number"),
        (f"pass_mark = {'9' * 400}", 3, " ... is not a number from 0 to 100"),
        (f"pass_mark = 0x{'f' * 5000}", 3, "pass_mark = a huge number is not a number from 0"),
        ("[export]\ndigits = 1.0", 4, "export.digits = 1.0 is not 0 or 1 or 2."),
        ("attempts = 'bst'", 3, 'attempts = "bst" is not "last" or "best". Did you mean best?'),
        ("written_questions = 0", 3, "written_questions = 0 is not true or false."),
        ("show = 'all'", 3, 'show = "all" is not "none" or "message" or "full".'),
        ("leave_out = 'pad'", 3, 'leave_out = "pad" is not a list of tasks'),
        (
            "leave_out = [\n  'pad',\n  'padd',\n]",
            5,
            '"padd" is not the id of a task. Did you',
        ),
        ("bonus = ['pad', 7]", 3, "bonus = 7 is not the id of a task; there are dataset, collate"),
        ("bonus = ['pad']\nleave_out = ['pad']", 3, "pad is left out, so it cannot be bonus"),
        ("leave_out = ['model']", 3, "accuracy cannot be graded without model; leave out accuracy"),
        ("packages = ['scikit-learn']", 3, "is not what is imported"),
        ("secret_variable = 'MY SECRET'", 3, "is not the name of an environment variable"),
        ("sections = [1]", 3, "sections = 1 is not a text of one line"),
        ("roster = ''", 3, "is not a text of one line, in quotes"),
        ("[points]\npad = -1", 4, "points.pad = -1 is not a number of points, 0 or more, with "),
        ("[points]\npad.shape = 0.001", 4, "points.pad.shape = 0.001 is not a number of points"),
        ("[points]\npad = 33.333", 4, "points.pad = 33.333 is not a number of points, 0 or more"),
        ("[points]\ncarry_state = 0\n" + NO_POINTS, 3, "of recurrent-layers have no points at all"),
        ("leave_out = ['pad.shape']", 3, '"pad.shape" is not the id of a task. Did you mean pad?'),
        ("show = None", 3, "line 3: show = None: not TOML (Invalid value); texts are in straight "),
        ("title = “A course”", 3, "line 3: title = “A course”: not TOML (Invalid value); texts"),
        ("pass_mark = 50,5", 3, "pass_mark = 50,5: not TOML (Expected newline or end of document"),
        ("pass_mark: 50", 3, "write name = value."),
        ("[points]\n'pad.shpe' = 1", 4, "no task or check pad.shpe. Did you mean pad.shape?"),
        ("[points]\npadd = 1", 4, "there is no task or check padd. Did you mean pad?"),
        ("[points]\npad = 9\npad.shape = 2", 5, "not TOML"),
        ("[points]\npad = 9\n'pad.shape' = 2", 5, "pad.shape and pad both have points"),
        ("points = 3", 3, "points = 3 is not a table, which begins with the line [points]."),
        ("[deadlines]\nbeyond = 'soon'", 4, 'deadlines.beyond = "soon" is not a time, as in 2026-'),
        ("[deadlines]\nbeyond = 23:59:00", 4, "is not a time"),
        ("[deadlines]\nbeyont = 2026-01-01", 4, "no assignment beyont. Did you mean beyond?"),
        ("[late]\ngrace = 5", 4, "late.grace = 5: there is no such setting. Did you mean grace_mi"),
        ("[late]\nmost_percent = 101", 4, "late.most_percent = 101 is not a number from 0 to 100"),
        ("late.grace_minutes = 'x'", 3, 'late.grace_minutes = "x" is not a number of minutes.'),
        ("late = { grace_minutes = -1 }", 3, "late.grace_minutes = -1 is not a number of minutes."),
        ("[accuracy]\nfull = 60", 4, 'accuracy.full = 60 is not a number from 0 to 1, or "cali'),
        ("[accuracy]\nfull = 0.4\nnone = 0.5", 5, "none = 0.5 is not below full = 0.4"),
        ("[export]\ndigits = 3", 4, "export.digits = 3 is not 0 or 1 or 2."),
        ("[exprt]\ndigits = 1", 3, "there is no such setting. Did you mean export?"),
        ("title = 'again'", 3, "not TOML (Cannot overwrite a value"),
        ("leave_out = [", 3, "not TOML (Invalid value"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_may_be_there(
    text: str, line: int, words: str
) -> None:
    [told] = wrong(HEAD + text)
    assert told.startswith(f"course.toml, line {line}: ")
    assert words in told


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    told = wrong("[late]\npercent_per_day = 200\n[points]\npad = 'x'\n[export]\ndecimal = ','\n")
    assert [each.split(":")[0] for each in told] == [f"course.toml, line {n}" for n in (2, 4, 6)]


def test_a_file_that_is_no_course_is_refused_in_no_time() -> None:
    begun = time.process_time()
    assert len(wrong("".join(f"k{number} = 1\n" for number in range(5000)))) <= 20
    assert len(wrong(f"{' ' * 30_000}\npas_mark = 1\n")) == 1
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("points", [0.01, 0.02, 0.03, 0.05, 0.07, 7, 33.33])
def test_points_of_a_task_are_shared_out_whole_and_none_is_negative(
    points: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "_used", [])
    for id_ in all_tasks():
        if id_ == "accuracy":
            continue
        course.use(f"points.{id_} = {points}")
        task = tasks()[id_]
        assert task.points == points
        assert min(check.points for check in task.checks) >= 0


def test_tasks_of_an_assignment_cannot_all_be_left_out_or_bonus() -> None:
    ids = [*all_assignments()["beyond"].tasks]
    [told] = wrong(f"leave_out = {ids[:3]}\nbonus = {ids[3:]}")
    assert "no task of beyond counts" in told


def test_text_that_travels_says_the_same() -> None:
    text = (
        'late.grace_minutes = 3\ntitle = "Ä \\"b\\""\nleave_out = ["pad"]\n'
        "[points]\nmodel.relu = 7.5\ngru_cell = 3\n"
        '[titles]\nnews-classifier = "N"\n[deadlines]\nbeyond = 2026-11-21T23:59:00+01:00\n'
    )
    first = course_file.parse(text, "course.toml")
    names = ("title", "leave_out", "points", "titles", "deadlines", "late_grace_minutes")
    again = course_file.parse(first.text([*names, "late"]), "again")
    assert [getattr(again, each) for each in names] == [getattr(first, each) for each in names]
    travels = course_file.parse(first.text(GRADING), "grading")
    assert (travels.points, travels.title) == (first.points, "")


@pytest.mark.kit
def test_a_file_is_found_by_the_option_by_the_variable_and_in_an_nbgrader_course(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(course_policy, "_is_outdated", lambda _: False)  # builds all notebooks
    file = tmp_path / course.NAME
    file.write_text("pass_mark = 41\n", encoding="utf-8")
    for place in (file, tmp_path):
        for arguments in (["--course", str(place), "course", "show"], ["course", "show"]):
            given = arguments if "--course" in arguments else [*arguments, f"--course={place}"]
            assert main(given) == 0
            assert "pass_mark = 41   [line 1]" in capsys.readouterr().out
    assert course.current().pass_mark is None
    monkeypatch.setenv(course.VARIABLE, str(file))
    assert course.find() == file
    monkeypatch.setenv(course.VARIABLE, str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match="there is no such file"):
        course.find()
    monkeypatch.delenv(course.VARIABLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(course, "COURSE", tmp_path / "kit")
    assert course.find() is None  # a file of this name in any other folder is no course
    (tmp_path / course.NBGRADER).touch()
    assert course.find() == Path(course.NAME)
    assert main(["course", "show", "--course", str(tmp_path / "none.toml")]) == 2


def test_show_says_that_the_roster_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(course_policy, "_is_outdated", lambda _: False)  # builds all notebooks
    (tmp_path / course.NAME).write_text('roster = "students.csv"\n', encoding="utf-8")
    told = f"The roster {tmp_path / 'students.csv'} is not there yet."
    assert main(["course", "show", "--course", str(tmp_path)]) == 0
    assert told in capsys.readouterr().out
    (tmp_path / "students.csv").touch()
    assert main(["course", "show", "--course", str(tmp_path)]) == 0
    assert told not in capsys.readouterr().out


def test_the_file_that_init_writes_explains_every_setting_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "course.toml"
    assert main(["course", "init", "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert course_file.read(out).values == {}
    for name in (*course_file.SETTINGS, *course_file.TABLES):
        assert name.rpartition(".")[2] in text
    lines = [line.removeprefix("# ") for line in text.split("\n") if " = " in line]
    sections = iter(text.split("\n"))
    taken = [line[2:] if " = " in line and line.startswith("# ") else line for line in sections]
    whole = [line for line in taken if not line.startswith("  ")]  # points of tasks, not of checks
    found = course_file.parse("\n".join(whole), "course.toml")
    assert len(found.values) >= len(course_file.SETTINGS)
    for id_, assignment in all_assignments().items():
        assert id_ in text
        for check in assignment.checks:
            assert f"  {check.id} = {check.points:g}" in lines
    assert main(["course", "init", "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err


def course_of(text: str, tmp_path: Path) -> Path:
    path = tmp_path / "course.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("hours", "penalty"),
    [(0.0, 0), (0.01, 10), (24, 10), (24.01, 20), (47, 20), (49, 30), (72.5, 35), (2400, 35)],
)
def test_each_day_that_has_begun_costs_percent_of_the_assignment_up_to_a_most(
    hours: float, penalty: float, tmp_path: Path
) -> None:
    text = "[late]\npercent_per_day = 20\nmost_percent = 70\n"
    with course.chosen(course_of(text, tmp_path)):
        found = grades.mark(45.0, 50, hours > 0, timedelta(hours=hours))
        assert (found.penalty, found.final) == (penalty, 45 - penalty)
        assert grades.mark(3.0, 50, True, timedelta(days=9)).final == 0.0
        unknown = grades.mark(45.0, 50, True, None)
        assert (unknown.penalty, unknown.final) == (None, None)
        assert grades.mark(45.0, 50, None, None).final == 45.0


@pytest.mark.parametrize(
    ("points", "final", "passed"),
    [(49.94, 49.9, False), (49.95, 50.0, True), (50.05, 50.1, True), (0.25, 0.3, False)],
)
def test_a_mark_is_rounded_half_up_and_then_passes_or_not(
    points: float, final: float, passed: bool, tmp_path: Path
) -> None:
    with course.chosen(course_of("pass_mark = 50\n[export]\ndigits = 1\n", tmp_path)):
        found = grades.mark(points, 100)
        assert (found.final, found.passed) == (final, passed)


def test_a_deadline_is_a_time_with_or_without_a_zone_or_a_day() -> None:
    found = course_file.parse(
        "[deadlines]\nnews-classifier = 2026-11-21T23:59:00+01:00\nbeyond = 2026-11-21\n"
        'recurrent-layers = "2026-11-21 23:59:00 +0100"\nwords-to-tensors = 2026-11-21T23:59:00\n',
        "course.toml",
    ).deadlines
    utc = datetime(2026, 11, 21, 22, 59, tzinfo=timezone.utc)
    assert found["news-classifier"] == found["recurrent-layers"] == utc
    assert found["words-to-tensors"] == datetime(2026, 11, 21, 23, 59).astimezone()
    assert found["beyond"] > found["words-to-tensors"]
    assert found["beyond"].tzinfo is not None


@pytest.mark.usefixtures("kits_course")
def test_only_students_of_the_courses_sections_are_on_the_roster(tmp_path: Path) -> None:
    path = tmp_path / "students.csv"
    path.write_text('id,name,section\n1,Ada,Mon\n2,Bob,Tue\n3,Cay,"Tue, Mon"\n', encoding="utf-8")
    assert len(roster.read(path)[0]) == 3
    with course.chosen(course_of('roster = "students.csv"\nsections = ["Mon"]\n', tmp_path)):
        own = course.current().roster_file
        assert own is not None
        students, notes = roster.read(own)
        assert [each.name for each in students] == ["Ada", "Cay"]
        assert "roster: 1 of other sections, not listed" in notes
    with (
        course.chosen(course_of('sections = ["Fri"]\n', tmp_path)),
        pytest.raises(UsageError, match=r"Those of the roster are: Mon; Tue\."),
    ):
        roster.read(path)


def test_notebooks_are_beside_the_file_if_it_is_in_an_nbgrader_course(tmp_path: Path) -> None:
    path = course_of("", tmp_path)
    for folder in (COURSE, tmp_path):
        with course.chosen(path):
            assert notebooks.place("beyond") == folder / "source" / "beyond" / "beyond.ipynb"
        (tmp_path / course.NBGRADER).touch()
    assert notebooks.place("beyond").is_file()


def test_what_is_no_text_file_of_a_course_is_told(tmp_path: Path) -> None:
    for name, data, words in (
        ("a.toml", b"\xff\xfe\x00", "not in UTF-8"),
        ("b.toml", b"#" * (2 << 20), "larger than 64 KiB"),
        ("c.toml", b"x = " + b"[" * 30_000, "lists in lists"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match=words):
            course_file.read(tmp_path / name)
    with pytest.raises(UsageError, match="larger than 64 KiB"):
        course_file.read(Path("/dev/zero") if os.name == "posix" else tmp_path / "b.toml")
    bom = tmp_path / "bom.toml"
    bom.write_bytes(b"\xef\xbb\xbfpass_mark = 50\r\n")
    assert course_file.read(bom).pass_mark == 50


def test_the_reader_of_a_course_is_imported_only_for_a_course() -> None:
    code = "import grader.contract.tasks, sys; print('grader.contract.course_file' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert told.strip() == b"False"


@pytest.mark.kit
def test_the_suite_runs_with_the_kits_own_policy() -> None:
    assert course.current().values == {}
    assert os.environ[course.VARIABLE] == os.devnull
