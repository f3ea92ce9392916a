"""What a class handed in, however it was exported and whatever it is called."""

import io
import json
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.base.errors import UsageError
from grader.contract.names import file_name, plain_id
from grader.intake import lms_exports, notebooks, reader
from grader.intake.choice import RawSubmission
from grader.intake.lms_exports import HandIn
from grader.intake.sources import MAX_FILE
from grader.reports.class_report.fingerprints import fingerprints

SOURCE = b"class NewsDataset:\n    pass\n"
posix = pytest.mark.skipif(os.name != "posix", reason="needs names as POSIX has them")
NOTEBOOK = json.dumps(
    {"cells": [{"cell_type": "code", "source": ["x = 1\n", "y = 2"], "metadata": {}}]}
).encode()


def fill(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("work/dataset.py", data)
        else:
            path.write_bytes(data)
    return root


def found(folder: Path) -> dict[str, HandIn]:
    _, handed, _ = lms_exports.find(folder)
    ids = [each.student for each in handed]
    assert len(ids) == len(set(ids))
    return {each.student: each for each in handed}


def content(handed: HandIn) -> RawSubmission:
    return lms_exports.read(handed, reader.module_names(None))


def modules(handed: HandIn) -> dict[str, bytes]:
    return reader.extract(content(handed), reader.module_names(None)).files


GRADESCOPE = b"""\
---
submission_501:
  :submitters:
  - :name: Ada Lovelace
    :sid: 's11'
    :email: ada@uni.example
  :created_at: 2026-11-21 22:10:00.000000000 Z
  :history:
  - :name: somebody else
submission_502:
  :submitters:
  - :name: Bob O'Neil
    :sid:
    :email: bob@uni.example
  - :name: "Cay: 2"
    :sid: '1003'
  :score: 3.0
"""
EXPORTS = {
    "folders": (
        {
            "alice/dataset.py": SOURCE,
            "bob/exercise/dataset.py": SOURCE,
            "carol.zip": SOURCE,
            "dora/deep/er/dataset.py": SOURCE,
            "eve/hand-in.zip": SOURCE,
        },
        dict.fromkeys(("alice", "bob", "carol", "dora", "eve"), ""),
    ),
    "moodle": (
        {
            "Ada Lovelace_1001_assignsubmission_file_/dataset.py": SOURCE,
            "Ada Lovelace_1001_assignsubmission_onlinetext_/onlinetext.html": b"",
            "Bob Smith_1002_assignsubmission_file_/work.zip": SOURCE,
            "Participant_1003_assignsubmission_file_dataset.py": SOURCE,
        },
        {"1001": "Ada Lovelace", "1002": "Bob Smith", "1003": "Participant"},
    ),
    "canvas": (
        {
            "lovelaceada_11_900_work.zip": SOURCE,
            "smithbob_LATE_12_901_work.zip": SOURCE,
            "turingalan_13_902_dataset.py": SOURCE,
            "turingalan_13_903_model-2.py": b"m = 2\n",
            "turingalan_13_903_model-1.py": b"m = 1\n",
            "van_der_waalsjo_14_904_dataset.py": SOURCE,
        },
        {"11": "lovelaceada", "12": "smithbob", "13": "turingalan", "14": "van_der_waalsjo"},
    ),
    "canvas-anonymous": (
        {
            "anon_Ab1cd_900_dataset.py": SOURCE,
            "anon_Ab1cd_901_model.py": b"m = 1\n",
            "LATE_anon_Zz9yx_902_work.zip": SOURCE,
        },
        {"anon_Ab1cd": "", "anon_Zz9yx": ""},
    ),
    "brightspace": (
        {
            "index.html": b"<html>",
            "12345-67 - Ada Lovelace - Nov 9, 2026 1130 PM/dataset.py": b"old = 1\n",
            "12345-67 - Ada Lovelace - Nov 21, 2026 1230 AM/dataset.py": SOURCE,
            "12346-67 - Jean-Luc Smith - 21 November, 2026 930 AM/work.zip": SOURCE,
        },
        {"12345": "Ada Lovelace", "12346": "Jean-Luc Smith"},
    ),
    "gradescope": (
        {
            "submission_metadata.yml": GRADESCOPE,
            "submission_501/dataset.py": SOURCE,
            "submission_502/dataset.py": SOURCE,
            "submission_503/dataset.py": SOURCE,
        },
        {"s11": "Ada Lovelace", "bob@uni.example": "Bob O'Neil", "503": ""},
    ),
    "blackboard": (
        {
            "Home_work 1_ada_attempt_2026-11-01-12-00-00.txt": b"Name: Ada (ada)",
            "Home_work 1_ada_attempt_2026-11-01-12-00-00_dataset.py": b"d = 1\n",
            "Home_work 1_ada_attempt_2026-11-02-09-30-00.txt": b"Name: Ada (ada)",
            "Home_work 1_ada_attempt_2026-11-02-09-30-00_dataset.py": SOURCE,
            "Home_work 1_bob_attempt_2026-11-01-12-00-00_work.zip": SOURCE,
        },
        {"ada": "", "bob": ""},
    ),
    "github": (
        {
            f"news-2026-{user}/{name}": data
            for user in ("ada-l", "al")
            for name, data in {".git/HEAD": b"", "exercise/dataset.py": SOURCE}.items()
        },
        {"ada-l": "", "al": ""},
    ),
    "nbgrader": (
        {
            "submitted/ada/news-classifier/work.ipynb": NOTEBOOK,
            "submitted/ada/news-classifier/timestamp.txt": b"2026",
            "submitted/ada/another/x.ipynb": NOTEBOOK,
            "submitted/bob/news-classifier/work.ipynb": NOTEBOOK,
            "source/news-classifier/news-classifier.ipynb": NOTEBOOK,
        },
        {"ada": "", "bob": ""},
    ),
}


@pytest.mark.parametrize("layout", EXPORTS)
def test_an_export_is_recognised_and_each_submission_has_its_students_id(
    layout: str, tmp_path: Path
) -> None:
    files, expected = EXPORTS[layout]
    name, handed, _ = lms_exports.find(fill(tmp_path, files))
    assert name == layout
    assert {each.student: each.name for each in handed} == expected
    for each in handed:
        assert content(each).main == NOTEBOOK or modules(each)["dataset"] == SOURCE


def test_names_with_underscores_and_numbers_are_told_apart_in_blackboard(tmp_path: Path) -> None:
    ids = ("12345", "12346", "ada_l", "bob_l")
    names = [f"HW_1_{id_}_attempt_2026-11-01-12-00-00_dataset.py" for id_ in ids]
    layout, handed, _ = lms_exports.find(fill(tmp_path, dict.fromkeys(names, SOURCE)))
    assert (layout, [each.student for each in handed]) == ("blackboard", [*ids])


def test_of_a_group_in_gradescope_the_first_one_is_graded_and_all_are_told(tmp_path: Path) -> None:
    _, _, notes = lms_exports.find(fill(tmp_path, EXPORTS["gradescope"][0]))
    assert notes == ["submission_502: by Bob O'Neil, Cay: 2; it is graded as bob@uni.example"]


ONLY_TEXT = {  # of students 23 and 24, who sent nothing else, and of one who sent code
    "canvas": ("cay_23_text.html", "dee_LATE_24_link.html", "lovelaceada_11_text.html"),
    "moodle": (
        "Cay_23_assignsubmission_onlinetext_/onlinetext.html",
        "Dee_24_assignsubmission_onlinetext_onlinetext.html",
        "Bob Smith_1002_assignsubmission_onlinetext_onlinetext.html",
    ),
    "blackboard": (
        "Home_work 1_23_attempt_2026-11-01-12-00-00.txt",
        "Home_work 1_24_attempt_2026-11-01-12-00-00.txt",
        "Home_work 1_bob_attempt_2026-11-01-12-00-00.txt",
    ),
}


@pytest.mark.parametrize("layout", ONLY_TEXT)
def test_who_sent_only_a_text_or_a_link_is_listed(layout: str, tmp_path: Path) -> None:
    files, expected = EXPORTS[layout]
    fill(tmp_path, files | dict.fromkeys(ONLY_TEXT[layout], b"see my drive"))
    handed = found(tmp_path)
    assert handed.keys() == {*expected, "23", "24"}
    for student, each in handed.items():
        if student in expected:
            assert modules(each)["dataset"] == SOURCE
        else:
            with pytest.raises(UsageError, match="Submit"):
                modules(each)


def test_who_sent_a_file_without_a_suffix_is_listed(tmp_path: Path) -> None:
    fill(tmp_path, EXPORTS["canvas"][0] | {"gil_18_950_dataset": SOURCE})
    with pytest.raises(UsageError, match=r"found dataset; expected dataset\.py"):
        modules(found(tmp_path)["18"])


def test_single_modules_of_a_student_are_one_submission_and_the_newest_counts(
    tmp_path: Path,
) -> None:
    turing = found(fill(tmp_path, EXPORTS["canvas"][0]))["13"]
    assert modules(turing) == {"dataset": SOURCE, "model": b"m = 2\n"}


def test_of_two_uploads_the_newer_counts_and_the_older_is_told(tmp_path: Path) -> None:
    fill(tmp_path, {"a_1_100_work.zip": b"old = 1\n", "a_1_200_final.zip": b"new = 1\n"})
    _, (handed,), notes = lms_exports.find(tmp_path)
    assert modules(handed)["dataset"] == b"new = 1\n"
    assert notes == ["1: handed in more than once; a_1_100_work.zip is skipped"]
    assert handed.notes == ("Handed in more than once; a_1_100_work.zip is skipped.",)


def test_two_of_a_name_are_both_graded_and_told_where_nobody_knows_which_is_newer(
    tmp_path: Path,
) -> None:
    fill(tmp_path, {"ada/dataset.py": b"a = 1\n", "ada.zip": b"b = 1\n"})
    _, handed, notes = lms_exports.find(tmp_path)
    assert [each.student for each in handed] == ["ada", "ada~2"]
    assert {modules(each)["dataset"] for each in handed} == {b"a = 1\n", b"b = 1\n"}
    assert notes == ["ada: handed in more than once; ada.zip is graded as ada~2"]
    told = ("Handed in more than once; ada.zip is graded as ada~2.",)
    assert [each.notes for each in handed] == [told, told]


def test_what_is_no_submission_is_left_out(tmp_path: Path) -> None:
    junk = [".DS_Store", "grades.csv", "__MACOSX/x.py", ".git/x.py"]
    fill(tmp_path, {"ada/dataset.py": SOURCE, "..bob/x.py": SOURCE} | dict.fromkeys(junk, b""))
    _, handed, notes = lms_exports.find(tmp_path)
    assert [each.student for each in handed] == ["ada"]
    assert notes == [
        "grades.csv: holds no code; skipped",
        "..bob: its name begins with a dot; skipped",
    ]


def test_what_a_student_handed_in_is_never_lost_whatever_it_is(tmp_path: Path) -> None:
    fill(
        tmp_path,
        {
            "ada_1_100_work.rar": b"Rar!",
            "bob_2_101_dataset.py": SOURCE,
            "bob_2_102_model.py": b"m = 1\n",
            "bob_2_103_readme.txt": b"Hello",
            "bob_2_104_torch.py": b"everything = None",
            "bob_2_105_my work.py": b"x = 1",
        },
    )
    handed = found(tmp_path)
    with pytest.raises(UsageError, match="not a submission"):
        content(handed["1"])
    assert modules(handed["2"]).keys() == {"dataset", "model"}


def test_ids_that_are_made_do_not_meet_those_that_are_there(tmp_path: Path) -> None:
    fill(tmp_path, {f"{name}/dataset.py": SOURCE for name in ("ada", "ada~2")})
    fill(tmp_path, {"ada.zip": SOURCE})
    assert found(tmp_path).keys() == {"ada", "ada~2", "ada~3"}


def test_one_file_with_all_parts_is_taken_apart_later(tmp_path: Path) -> None:
    assert content(found(fill(tmp_path, {"ada.py": SOURCE}))["ada"]).main == SOURCE


def test_a_notebook_in_a_zip_is_found(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ada.zip", "w") as archive:
        archive.writestr("work/a.ipynb", NOTEBOOK)
        archive.writestr("__MACOSX/work/._a.ipynb", b"")
    assert modules(found(tmp_path)["ada"]).keys() == {"dataset", "collate", "model", "train"}


ARCHIVE = io.BytesIO()
with tarfile.open(fileobj=ARCHIVE, mode="w:gz") as opened:
    member = tarfile.TarInfo("work/dataset.py")
    member.size = len(SOURCE)
    opened.addfile(member, io.BytesIO(SOURCE))
TAR = ARCHIVE.getvalue()


def test_nobody_is_missing_whatever_they_sent(tmp_path: Path) -> None:
    sent = {
        "ann.tar.gz": TAR,
        "bob.tgz": TAR,
        "cat.py.txt": SOURCE,
        "dora.rar": b"Rar!",
        "eve.pdf": b"%PDF-1.7",
        "fay.docx": b"PK",
        "gus/photo.jpg": b"\xff\xd8\xff",
        "hal/dataset (1).py": SOURCE,
        "ida/deep/work.tar.gz": TAR,
        "jon.7z": b"7z",
    }
    handed = found(fill(tmp_path, sent))
    assert [*handed] == ["ann", "bob", "cat", "dora", "eve", "fay", "gus", "hal", "ida", "jon"]
    unreadable = {"dora", "eve", "fay", "gus", "jon"}
    for student, each in handed.items():
        if student in unreadable:
            with pytest.raises(UsageError, match=r"not a submission.*Submit"):
                modules(each)
        else:
            assert modules(each)["dataset"] == SOURCE


def test_code_counts_more_than_what_else_a_student_sent(tmp_path: Path) -> None:
    fill(tmp_path, {"a_1_100_work.tar.gz": TAR, "a_1_200_report.pdf": b"%PDF"})
    fill(tmp_path, {"bob.pdf": b"%PDF", "b_2_100_x.rar": b"Rar!", "b_2_101_dataset.py": SOURCE})
    handed = found(tmp_path)
    assert [modules(handed[id_])["dataset"] for id_ in "12"] == [SOURCE] * 2


@pytest.mark.parametrize("second", ["dataset (1).py", "dataset(1).py", "dataset.py"])
def test_a_second_download_that_was_handed_in_later_counts(tmp_path: Path, second: str) -> None:
    files = {"a_1_100_dataset.py": b"old = 1\n", f"a_1_200_{second}": b"new = 1\n"}
    fill(tmp_path, {**files, "a_1_150_model.py": b"m = 1\n"})
    assert modules(found(tmp_path)["1"])["dataset"] == b"new = 1\n"


def test_a_name_that_holds_the_id_of_another_student_takes_nothing_from_them(
    tmp_path: Path,
) -> None:
    files = {
        "Eve_4711_assignsubmission_file_x_815_assignsubmission_file_dataset.py": b"eve = 1\n",
        "Vic Tim_4711_assignsubmission_file_dataset.py": SOURCE,
        "Zed_816_assignsubmission_file_dataset.py": SOURCE,
    }
    _, handed, notes = lms_exports.find(fill(tmp_path, dict(files)))
    assert [each.student for each in handed] == ["4711 (Eve)", "4711 (Vic Tim)", "816"]
    assert [len(each.parts) for each in handed] == [1, 1, 1]
    assert notes == ["4711: there are 2 names with this id; each is graded by itself"]


def test_modules_that_moodle_and_canvas_renamed_are_known(tmp_path: Path) -> None:
    name = "Ada_1_assignsubmission_file_"
    fill(tmp_path, {f"{name}Dataset.py": SOURCE, f"{name}Copy of model.py": b"m = 1\n"})
    assert modules(found(tmp_path)["1"]).items() >= {"dataset": SOURCE, "model": b"m = 1\n"}.items()


def link(root: Path) -> None:
    fill(root, {"elsewhere/dataset.py": SOURCE, "class/bob/dataset.py": SOURCE})
    (root / "class" / "ada").symlink_to(root / "elsewhere")


def inner_link(root: Path) -> None:
    fill(root, {"elsewhere/dataset.py": SOURCE})
    (root / "class" / "ada").mkdir(parents=True)
    (root / "class" / "ada" / "work").symlink_to(root / "elsewhere")


def much_code(root: Path) -> None:
    """Single modules of a student, as Moodle names them, whose total size is large."""
    parts = {f"class/Ada_1_assignsubmission_file_part_{n}.py": b"#" * MAX_FILE for n in range(5)}
    fill(root, parts)


UNREADABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a broken zip": (
        lambda root: (fill(root, {"class/x": b""}) / "class/ada.zip").write_bytes(b"PK"),
        "not a readable zip",
    ),
    "no module": (
        lambda root: fill(root, {"class/ada/x.py": SOURCE, "class/ada/y.py": SOURCE}),
        "none of",
    ),
    "a link": (link, "a symbolic link"),
    "a link inside": (inner_link, "a symbolic link"),
    "two notebooks": (
        lambda root: fill(root, {"class/ada/a.ipynb": NOTEBOOK, "class/ada/b.ipynb": NOTEBOOK}),
        "a.ipynb and b.ipynb",
    ),
    "an empty folder": (lambda root: (root / "class" / "ada").mkdir(parents=True), "none of"),
    "a huge notebook": (
        lambda root: fill(root, {"class/ada.ipynb": b" " * (notebooks.MAX_NOTEBOOK + 1)}),
        "larger than 64 MiB",
    ),
    "much code": (much_code, "larger than 4 MiB in total"),
}


@posix
@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_says_why(case: str, tmp_path: Path) -> None:
    make, says = UNREADABLE[case]
    make(tmp_path)
    handed = next(each for id_, each in found(tmp_path / "class").items() if id_ in ("ada", "1"))
    with pytest.raises(UsageError, match=says):
        modules(handed)


def test_an_empty_class_is_told(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match=r"no submission found|cannot be read"):
            lms_exports.find(folder)


BROKEN = [b"", b"[]", b"{", b'{"cells": 3}', b'{"cells": [{"cell_type": "code"}]}', b"\xff",
          b'{"cells": [{"cell_type": "code", "source": [1], "metadata": {}}]}',
          b"[" * 100_000]  # fmt: skip


@pytest.mark.parametrize("data", BROKEN, ids=range(len(BROKEN)))
def test_a_notebook_that_is_none_says_so(data: bytes) -> None:
    with pytest.raises(UsageError, match="not a readable notebook"):
        notebooks.read(data)


def test_a_notebooks_cells_have_names() -> None:
    (cell,) = notebooks.read(NOTEBOOK).cells
    assert (cell.source, cell.label) == ("x = 1\ny = 2", "a cell of your own")


# --- names -----------------------------------------------------------------------------------

NAMES = [
    "ada",
    "Ada",
    "ADA",
    "..",
    ".",
    "...",
    "con",
    "CON",
    "con.py",
    "Lpt1",
    "a/b",
    "a\\b",
    "a_b",
    "<script>alert(1)</script>",
    "\u202egpj.exe",
    "na\u0131ve",
    "NA\u0131VE",
    "a" * 255,
    "a" * 254,
    "-rf",
    ".hidden",
    "x\ny",
    "x y",
    "",
    "é" * 85,
    "e\u0301",
    "ada ",
    "a:b",
]


def test_names_of_files_are_safe_and_unique_where_case_does_not_count() -> None:
    made = [file_name(name) for name in NAMES]
    assert len({name.casefold() for name in made}) == len(NAMES)
    for name in made:
        assert 0 < len(name) <= 80
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.@+-")
        assert name[0] not in ".-"
        assert name.split(".")[0] not in ("con", "prn", "aux", "nul", "com1", "lpt1")
    assert file_name("ada") == "ada"
    assert file_name("s.smith@example.org") == "s.smith@example.org"


def test_ids_can_be_shown_and_written_and_stay_apart() -> None:
    bad = ["a\udcff", "a\udcfe", "a\n", "a\r", "\u202ea", "a" * 255, "a" * 254]
    ids = [plain_id(name) for name in bad]
    assert len(set(ids)) == len(bad)
    assert all(id_.isprintable() and id_.encode() for id_ in ids)
    assert plain_id("<b> é ж") == "<b> é ж"


@posix
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses such names")
def test_a_class_with_odd_names_is_read(tmp_path: Path) -> None:
    odd = [os.fsencode(name) for name in ("<script>", "CON", "con", "x y", "x..", "a" * 255)]
    for name in [*odd, b"\xff\xfe", b"new\nline"]:
        folder = os.fsencode(tmp_path) + b"/" + name
        os.mkdir(folder)
        with open(folder + b"/dataset.py", "wb") as stream:
            stream.write(SOURCE)
    handed = found(tmp_path)
    assert len(handed) == 8
    for each in handed.values():
        assert modules(each) == {"dataset": SOURCE}
        json.dumps([each.student, each.path], ensure_ascii=False).encode()


# --- fingerprints ----------------------------------------------------------------------------

CODE = b'''
def mean(values, count=0):
    """Average."""
    total = 0  # so far
    for value in values:
        total += value
    return total / len(values)
'''
SAME = b"""
def mean(xs: list[float], n=0) -> float:
    s = 0
    for x in xs: s += x
    return s / len(xs)
"""


def test_renamed_and_reformatted_code_has_the_same_fingerprint() -> None:
    first, second = fingerprints({"m": CODE}), fingerprints({"m": SAME})
    assert first == second


@pytest.mark.parametrize(
    "change", [(b"+=", b"-="), (b"total = 0", b"total = 1"), (b"len(values)", b"len(total)")]
)
def test_other_code_has_another_fingerprint(change: tuple[bytes, bytes]) -> None:
    assert fingerprints({"m": CODE}) != fingerprints({"m": CODE.replace(*change)})


@pytest.mark.parametrize(
    "source", [b"def f(:", b"\0", b"(" * 5000, b"x" + b".a" * 100_000, b"\xff"]
)
def test_what_cannot_be_parsed_has_no_fingerprint(source: bytes) -> None:
    assert fingerprints({"bad": source, "m": CODE}).keys() == {"m"}
