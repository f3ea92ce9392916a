"""Who handed in late."""

import os
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from grader.base.times import moment
from grader.classroom.lateness import Lateness, lateness
from grader.intake import lms_exports
from grader.intake.lms_exports import HandIn

DEADLINE = datetime(2026, 11, 21, 23, 59, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T23:59Z", DEADLINE),
        ("2026-11-21 23:59:00 UTC", DEADLINE),
        ("2026-11-22 00:59:00 +0100", DEADLINE),
        ("2026-11-22T00:59+01:00", DEADLINE),
        ("2026-11-22T00:59:00.123456+01", DEADLINE),
        ("2026-11-21T18:59-05:00", DEADLINE),
        ("2026-11-21T23:59", DEADLINE),
        ("2026-11-21 23:59:00.5\n", DEADLINE),
    ],
)
def test_a_time_is_read_with_its_zone(text: str, expected: datetime) -> None:
    assert moment(text, timezone.utc) == expected


def test_a_day_is_its_end_and_a_time_without_a_zone_is_this_machines() -> None:
    assert moment("2026-11-21", timezone.utc) == DEADLINE + MINUTE - timedelta(microseconds=1)
    assert moment("2026-11-21T23:59") == datetime(2026, 11, 21, 23, 59).astimezone()


@pytest.mark.parametrize("text", ["", "tomorrow", "21.11.2026", "2026-13-01", "2026-11-21T25:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time as in 2026-11-21T23:59"):
        moment(text)


def found(folder: Path, files: Mapping[str, datetime | None]) -> tuple[str, dict[str, HandIn]]:
    """A class of files with these times, as it is read."""
    for name, when in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a = 1\n")
        if when is not None:
            os.utime(path, (when.timestamp(), when.timestamp()))
    layout, handed, _ = lms_exports.find(folder)
    return layout, {each.student: each for each in handed}


@pytest.mark.usefixtures("kits_course")
def test_canvas_marks_what_is_late_whatever_the_times_of_files_are(tmp_path: Path) -> None:
    layout, handed = found(
        tmp_path,
        {
            "lovelaceada_11_900_dataset.py": None,
            "hopperg_LATE_12_901_dataset.py": None,
            "eulerl_LATE_13_902_dataset.py": None,
            "eulerl_LATE_13_903_model-1.py": None,
        },
    )
    assert layout == "canvas"
    for deadline in (None, DEADLINE):
        told = {id_: lateness(each, layout, deadline) for id_, each in handed.items()}
        source = "the names of the export's files"
        assert told == {
            "11": Lateness(False, source),
            "12": Lateness(True, source),
            "13": Lateness(True, source),
        }


def test_without_a_deadline_nobody_is_late(tmp_path: Path) -> None:
    layout, handed = found(tmp_path, {"ada/dataset.py": DEADLINE + MINUTE})
    assert lateness(handed["ada"], layout, None) == Lateness(None, "")


@pytest.mark.usefixtures("kits_course")
def test_the_newest_file_of_a_hand_in_counts(tmp_path: Path) -> None:
    files = {
        "ada/dataset.py": DEADLINE - MINUTE,
        "bob/dataset.py": DEADLINE - MINUTE,
        "bob/deep/model.py": DEADLINE + MINUTE,
        "cay.py": DEADLINE + MINUTE,
    }
    layout, handed = found(tmp_path, files)
    told = {id_: lateness(each, layout, DEADLINE).late for id_, each in handed.items()}
    assert told == {"ada": False, "bob": True, "cay": True}


@pytest.mark.usefixtures("kits_course")
def test_nbgraders_timestamp_comes_before_the_times_of_files(tmp_path: Path) -> None:
    _, handed = found(
        tmp_path,
        {
            f"submitted/{name}/news-classifier/work.ipynb": DEADLINE
            for name in ("ada", "bob", "cay")
        },
    )
    for name, text in (
        ("ada", "2026-11-22 00:59:00 +0100"),
        ("bob", "2026-11-21 23:59:01.5 UTC"),
        ("cay", "what?"),
    ):
        (tmp_path / "submitted" / name / "news-classifier" / "timestamp.txt").write_text(text)
    told = {id_: lateness(each, "nbgrader", DEADLINE) for id_, each in handed.items()}
    assert told["ada"] == Lateness(False, "timestamp.txt")
    assert told["bob"] == Lateness(True, "timestamp.txt", timedelta(seconds=1))
    assert told["cay"].source == "the times of files"


def test_a_timestamp_that_a_student_handed_in_counts_for_nothing(tmp_path: Path) -> None:
    folder = "Ada_1001_assignsubmission_file_"
    files = {f"{folder}/dataset.py": DEADLINE + MINUTE, f"{folder}/timestamp.txt": DEADLINE}
    layout, handed = found(tmp_path, files)
    (tmp_path / folder / "timestamp.txt").write_text("2026-11-01 12:00:00 UTC")
    assert layout == "moodle"
    assert lateness(handed["1001"], layout, DEADLINE).late


def test_the_times_of_a_clone_say_nothing(tmp_path: Path) -> None:
    files = {
        f"news-{name}/{file}": DEADLINE for name in "ab" for file in (".git/HEAD", "dataset.py")
    }
    layout, handed = found(tmp_path, files)
    assert layout == "github"
    assert lateness(handed["a"], layout, DEADLINE).late is None
