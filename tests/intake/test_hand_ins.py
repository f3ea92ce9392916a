"""What people really send: copies, archives, documents; each is read, or told why not."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from grader.base.errors import UsageError
from grader.contract.tasks import MAIN, assignments
from grader.intake import archives, choice, limited, reader
from grader.intake.sources import MAX_NOTES, Sources

DATASET, MODEL = b"class NewsDataset: ...\n", b"class LSTMClassifier: ...\n"
COLLATE, TRAIN = b"class Collate: ...\n", b"def evaluate(): ...\ndef train(): ...\n"
PARTS = {"dataset": DATASET, "collate": COLLATE, "model": MODEL, "train": TRAIN}
ALL = b"\n".join(PARTS.values())
Files = Mapping[str, bytes]


def load(path: Path) -> Sources:
    return reader.load(path, reader.module_names(MAIN), MAIN)


def filled(root: Path, files: Files) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def zipped(files: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return stream.getvalue()


def tarred(files: Files, form: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def notebook(*cells: str) -> bytes:
    made = [
        {"cell_type": "code", "source": cell, "metadata": {}, "outputs": [], "execution_count": 1}
        for cell in cells
    ]
    return json.dumps({"cells": made, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}).encode()


# --- names of copies -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "dataset (1).py",
        "dataset(1).py",
        "dataset (12).py",
        "dataset[1].py",
        "Copy of dataset.py",
        "Copy of Copy of dataset.py",
        "dataset - Copy.py",
        "dataset - Copy (2).py",
        "dataset copy.py",
        "dataset copy 2.py",
        "dataset 2.py",
        "dataset-1.py",
        "Kopie von dataset.py",
        "dataset - Kopie.py",
        "Dataset.py",
        "DATASET.PY",
        "dataset.Py",
        "dataset.py.txt",
        "Dataset.py.txt",
        "dataset.py.py",
        "dataset.py (1)",
        "dataset (1).py.txt",
        " dataset.py",
    ],
)
def test_a_copy_is_read_as_the_module_and_a_note_says_so(tmp_path: Path, name: str) -> None:
    note = f"{name.strip()} was read as dataset.py."
    both = filled(tmp_path / "ann", {name: DATASET, "model.py": MODEL})
    taken = load(both)
    assert (taken.files["dataset"], taken.files["model"]) == (DATASET, MODEL)
    assert note in taken.notes
    alone = load(both / name)
    assert (alone.files, alone.only, alone.notes) == ({"dataset": DATASET}, "dataset", [note])
    packed = filled(tmp_path, {"a.zip": zipped({f"work/{name}": DATASET})}) / "a.zip"
    assert load(packed).files["dataset"] == DATASET
    assert note in load(packed).notes


def test_the_exact_name_wins_over_copies(tmp_path: Path) -> None:
    files = {"dataset.py": DATASET, "dataset (1).py": b"old", "Copy of dataset.py": b"older"}
    taken = load(filled(tmp_path, files))
    assert (taken.files, taken.left_out) == ({"dataset": DATASET}, {})


def test_of_two_copies_nobody_can_tell_which_is_meant_unless_they_are_the_same(
    tmp_path: Path,
) -> None:
    folder = filled(tmp_path, {"dataset (1).py": DATASET, "dataset (2).py": b"x = 1\n"})
    with pytest.raises(UsageError) as caught:
        load(folder)
    assert "dataset (1).py and dataset (2).py could both be dataset.py" in str(caught.value)
    assert "Rename the right one to dataset.py" in str(caught.value)
    filled(folder, {"dataset (2).py": DATASET})
    assert load(folder).files == {"dataset": DATASET}


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("Dataset.txt", "dataset"),
        ("dataset.txt", "dataset"),
        ("datset.py", "dataset"),
        ("my_dataset.py", "dataset"),
        ("dataset_final.py", "dataset"),
        ("Model_v2_final.py", "model"),
        ("models.py", "model"),
        ("training.py", "train"),
        ("collate", "collate"),
        ("colate.py", "collate"),
    ],
)
def test_near_misses_are_named(tmp_path: Path, name: str, module: str) -> None:
    says = f"found {name}; expected {module}.py"
    others = {f"{other}.py": PARTS[other] for other in PARTS if other != module}
    for made in (
        filled(tmp_path / "alone", {name: b"x = 1\n"}),
        filled(tmp_path, {"a.zip": zipped({name: b"x = 1\n"})}) / "a.zip",
    ):
        with pytest.raises(UsageError, match=says.replace(".", r"\.")):
            load(made)
    taken = load(filled(tmp_path / "among", {name: b"x = 1\n", **others}))
    assert f"{says}." in taken.notes


def test_modules_that_are_there_have_no_near_misses(tmp_path: Path) -> None:
    files = {f"{name}.py": data for name, data in PARTS.items()}
    folder = filled(tmp_path, {**files, "model_old.py": b"", "my_dataset.py": b""})
    assert load(folder).notes == []


@pytest.mark.parametrize(
    "name",
    ["My dataset.py", "dataset_final.py", "ada_dataset.py", "data_set.py", "4711 dataset.py"],
)
def test_a_module_under_another_name_is_known_by_what_it_defines(tmp_path: Path, name: str) -> None:
    note = f"{name} was read as dataset.py."
    alone = filled(tmp_path / "alone", {name: DATASET})
    for path in (alone, alone / name):
        taken = load(path)
        assert taken.files["dataset"] == DATASET
        assert taken.files.keys() <= {"dataset", Path(name).stem}
        assert note in taken.notes
    beside = filled(tmp_path / "beside", {name: DATASET, "model.py": MODEL, "a.txt": b""})
    assert load(beside).files["dataset"] == DATASET
    assert note in load(beside).notes
    two = filled(tmp_path / "two", {name: DATASET, "my_model.py": MODEL, "x.py": b"y = 1"})
    assert load(two).files.items() >= {"dataset": DATASET, "model": MODEL, "x": b"y = 1"}.items()


def test_what_defines_a_module_is_no_guess(tmp_path: Path) -> None:
    both = {"dataset_1.py": DATASET, "my_dataset.py": DATASET + b"x = 1\n", "model.py": MODEL}
    taken = load(filled(tmp_path / "both", {**both, "old_dataset.py": DATASET}))
    assert "dataset" in taken.files  # dataset_1.py has the name of a copy
    del both["dataset_1.py"]
    taken = load(filled(tmp_path / "unclear", {**both, "old_dataset.py": DATASET}))
    assert "dataset" not in taken.files
    assert "found my_dataset.py; expected dataset.py." in taken.notes
    exact = {"dataset.py": b"x = 1\n", "my_dataset.py": DATASET}
    assert load(filled(tmp_path / "exact", exact)).files["dataset"] == b"x = 1\n"
    test = {"model.py": MODEL, "test_dataset.py": DATASET}
    assert load(filled(tmp_path / "test", test)).files == {"model": MODEL}


def test_of_the_versions_of_a_folder_the_newest_counts(tmp_path: Path) -> None:
    old, new = {"dataset.py": b"old = 1\n"}, {"dataset.py": DATASET}
    versions = {"Version 1": old, "Version 10": new, "Version 9": old}
    files = {f"HW 1/{v}/{n}": data for v, each in versions.items() for n, data in each.items()}
    assert load(filled(tmp_path, files)).files == {"dataset": DATASET}


# --- archives --------------------------------------------------------------------------------

PACKED: dict[str, Callable[[Files], bytes]] = {
    "work.tar.gz": lambda files: gzip.compress(tarred(files)),
    "work.tgz": lambda files: gzip.compress(tarred(files, tarfile.USTAR_FORMAT)),
    "work.tar.xz": lambda files: lzma.compress(tarred(files, tarfile.GNU_FORMAT)),
    "work.txz": lambda files: lzma.compress(tarred(files)),
    "work.tar.bz2": lambda files: bz2.compress(tarred(files)),
    "work.tar": tarred,
    "work (1).tar.gz": lambda files: gzip.compress(tarred(files)),
    "work.tar (1).gz": lambda files: gzip.compress(tarred(files)),
    "work.tar-1.gz": lambda files: gzip.compress(tarred(files)),
    "work.TGZ": lambda files: gzip.compress(tarred(files)),
    "tar.zip": lambda files: gzip.compress(tarred(files)),  # a tar under the name of a zip
    "zip.tar.gz": zipped,
    "in.zip": lambda files: zipped({"hand-in/work.zip": zipped(files)}),
    "in2.zip": lambda files: zipped({"work.tar.gz": gzip.compress(tarred(files))}),
    "in3.zip": lambda files: zipped({"a/b.zip": zipped({"c.zip": zipped(files)})}),
    "in.tgz": lambda files: gzip.compress(tarred({"x/work.zip": zipped(files)})),
    "no suffix": zipped,
    "zip.py": zipped,
    "zip.ipynb": zipped,
    "tar.ipynb": lambda files: gzip.compress(tarred(files)),
}
HELD: dict[str, Files] = {
    "modules": {f"ann/exercise/{name}.py": data for name, data in PARTS.items()},
    "backslashes": {f"ann\\{name}.py": data for name, data in PARTS.items()},
    "a notebook": {"ann/news-classifier (1).ipynb": notebook(ALL.decode())},
    "a script": {"ann/everything.py": ALL},
    "folders": {f"{name}/{name}.py": data for name, data in PARTS.items()},
    "junk": {
        "._dataset.py": b"\0",
        "__MACOSX/ann/._dataset.py": b"\0",
        ".git/dataset.py": b"x",
        "ann/.ipynb_checkpoints/a.ipynb": b"{}",
        "ann/venv/lib/model.py": b"x",
        "ann/report.pdf": b"%PDF-1.7",
        **{f"ann/{name}.py": data for name, data in PARTS.items()},
    },
}


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("name", PACKED)
def test_an_archive_is_read_whatever_its_kind(tmp_path: Path, name: str, held: str) -> None:
    taken = load(filled(tmp_path, {name: PACKED[name](HELD[held])}) / name)
    assert taken.files.keys() == PARTS.keys()
    for module, task in assignments()[MAIN].tasks.items():
        for part in task.names:
            assert part.encode() in taken.files[module]
    if not name.endswith(".zip"):
        assert any("archive" in note for note in taken.notes)
    if held == "backslashes":
        assert any("backslashes, which were read as folders" in note for note in taken.notes)
    if held == "a notebook":
        assert "news-classifier (1).ipynb was read as news-classifier.ipynb." in taken.notes


def test_archives_in_archives_end(tmp_path: Path) -> None:
    data = zipped({"dataset.py": DATASET})
    for level in range(5):
        data = zipped({f"{level}.zip": data})
    with pytest.raises(UsageError, match="archives inside archives inside archives"):
        load(filled(tmp_path, {"a.zip": data}) / "a.zip")


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_a_bomb_is_refused_after_little_work(tmp_path: Path, pack: Callable[[bytes], bytes],
                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(archives, "MAX_UNPACKED", 1 << 20)
    monkeypatch.setattr(archives, "PIECE", 1 << 18)
    data = pack(bytes(16 << 20))
    read = 0
    real = archives._pieces

    def counting(packed: bytes):  # type: ignore[no-untyped-def]
        nonlocal read
        for piece in real(packed):
            read += len(piece)
            yield piece

    monkeypatch.setattr(archives, "_pieces", counting)
    monkeypatch.setattr(reader, "extract_limited", reader.extract)  # here, where it is counted
    with pytest.raises(UsageError, match="larger than 1 MiB when it is unpacked"):
        load(filled(tmp_path, {"a.tar.gz": data}) / "a.tar.gz")
    assert read <= (1 << 20) + (1 << 18)


def test_a_link_in_a_tar_is_refused_where_it_counts_and_ignored_elsewhere(tmp_path: Path) -> None:
    for name, refused in {"dataset.py": True, "venv/bin/python": False, "data": False}.items():
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
            member = tarfile.TarInfo("model.py")
            member.size = len(MODEL)
            archive.addfile(member, io.BytesIO(MODEL))
        path = filled(tmp_path, {"a.tgz": stream.getvalue()}) / "a.tgz"
        if refused:
            with pytest.raises(UsageError, match="is a symbolic link or the like"):
                load(path)
        else:
            assert load(path).files == {"model": MODEL}


@pytest.mark.parametrize("name", ["/etc/model.py", "../model.py", "a/../../model.py"])
def test_a_tar_with_an_unsafe_name_is_refused(tmp_path: Path, name: str) -> None:
    data = gzip.compress(tarred({name: MODEL}))
    with pytest.raises(UsageError, match="contains the unsafe name"):
        load(filled(tmp_path, {"a.tar.gz": data}) / "a.tar.gz")


@pytest.mark.parametrize("cut", [10, 100, -20])
def test_a_broken_tar_is_refused(tmp_path: Path, cut: int) -> None:
    data = gzip.compress(tarred({"model.py": MODEL * 500}))[:cut]
    with pytest.raises(UsageError, match=r"not a readable|a broken archive"):
        load(filled(tmp_path, {"a.tar.gz": data}) / "a.tar.gz")


def test_a_negative_size_in_a_tar_is_refused_and_does_not_loop(tmp_path: Path) -> None:
    data = bytearray(tarred({"model.py": MODEL}, tarfile.GNU_FORMAT))
    data[124:136] = b"\xff" * 10 + b"\xfe\x00"  # -512
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    with pytest.raises(UsageError, match=r"not a readable tar|none of"):
        load(filled(tmp_path, {"a.tar": bytes(data)}) / "a.tar")


def test_a_file_that_is_twice_in_a_zip_counts_if_both_are_the_same(tmp_path: Path) -> None:
    for name, second in {"same.zip": DATASET, "differ.zip": MODEL}.items():
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("dataset.py", DATASET)
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr("dataset.py", second)
        path = filled(tmp_path, {name: stream.getvalue()}) / name
        if second == DATASET:
            assert load(path).files == {"dataset": DATASET}
            continue
        with pytest.raises(UsageError, match=r"contains 'dataset\.py' 2 times"):
            load(path)


@pytest.mark.parametrize(
    ("name", "says"),
    [("work.zip", "a part of a split archive"), ("work.z01", "a part of a split archive"),
     ("work.zip.001", "a part of a split archive"), ("empty.zip", "the file is empty")],
)  # fmt: skip
def test_parts_of_an_archive_are_named(tmp_path: Path, name: str, says: str) -> None:
    data = zipped({"dataset.py": DATASET, "noise": bytes(range(256)) * 9})
    cut = {"work.zip": data[-200:], "work.z01": b"PK\7\x08" + data[:99], "empty.zip": b""}
    with pytest.raises(UsageError, match=says):
        load(filled(tmp_path, {name: cut.get(name, data[:99])}) / name)


# --- what holds no code ----------------------------------------------------------------------

SENT: dict[str, tuple[bytes, str, str]] = {
    "work.rar": (b"Rar!\x1a\x07\x01\x00", "a RAR archive", "a .zip"),
    "work.7z": (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "a .zip"),
    "work.pdf": (b"%PDF-1.7", "a PDF", "printed from"),
    "work.docx": (b"PK\3\4 word", "an office document", ".py files"),
    "work.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document", ".py files"),
    "work.odt": (b"PK\3\4", "an office document", ".py files"),
    "work.pages": (b"PK\3\4", "an office document", ".py files"),
    "work.html": (b"<!DOCTYPE html>", "a web page", "not an export"),
    "work.htm": (b"<html>", "a web page", "not an export"),
    "work.png": (b"\x89PNG\r\n\x1a\n", "a picture", "not a picture"),
    "IMG_1.HEIC": (b"\0\0\0\x18ftypheic", "a picture", "not a picture"),
    "photo.jpeg": (b"\xff\xd8\xff\xe0", "a picture", "not a picture"),
    "model.pt": (b"PK\3\4", "a file of weights or data", "the code"),
    "dataset.cpython-311.pyc": (b"\xa7\r\r\n", "a compiled program", "source code"),
    "colab.url": (b"[InternetShortcut]", "a link", "the file that it points to"),
    "notes.gz": (gzip.compress(b"hello"), "a single compressed file", "the file itself"),
    "slides.pptx": (b"PK\3\4", "an office document", ".py files"),
    "demo.mp4": (b"\0\0\0\x20ftypisom", "a recording", ".py files"),
}


@pytest.mark.parametrize("name", SENT)
def test_what_holds_no_code_says_what_was_sent_and_what_to_ask_for(
    tmp_path: Path, name: str
) -> None:
    data, what, ask = SENT[name]
    path = filled(tmp_path / "ann", {name: data}) / name
    for given in (path, path.parent) if name not in ("work.html", "work.htm") else (path,):
        if name == "notes.gz" and given != path:
            continue
        with pytest.raises(UsageError) as caught:
            load(given)
        line = str(caught.value)
        assert what in line
        assert ask in line.partition("Submit ")[2]
        assert line.isprintable()


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("work.zip", b"Rar!\x1a\x07\x01\x00 rest", "a RAR archive"),
        ("work.zip", b"7z\xbc\xaf\x27\x1c rest", "a 7-Zip archive"),
        ("news-classifier.ipynb", b"%PDF-1.7 rest", "a PDF"),
        ("news-classifier.ipynb", b"\n<!DOCTYPE html><html>", "a web page"),
        ("dataset.py", b"%PDF-1.7 rest", "a PDF"),
        ("dataset.py", b"{\\rtf1\\ansi", "an office document"),
        ("dataset.py", b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
        (
            "news-classifier.ipynb",
            b"version https://git-lfs.github.com/spec/v1",
            "a Git LFS pointer",
        ),
    ],
)
def test_what_is_of_another_kind_than_its_name_says_is_told(
    tmp_path: Path, name: str, data: bytes, what: str
) -> None:
    with pytest.raises(UsageError, match=f"by its content.*{what}|{what} by its content"):
        load(filled(tmp_path, {name: data}) / name)


# --- encodings -------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["dataset.py", "everything.py", "news-classifier.ipynb"])
def test_utf_16_is_read_and_gets_one_clear_line(tmp_path: Path, encoding: str, name: str) -> None:
    text = notebook(ALL.decode()) if name.endswith("b") else ALL
    path = filled(tmp_path, {name: text.decode().encode(encoding)}) / name
    taken = load(path)
    assert b"class NewsDataset" in taken.files["dataset"]
    (line,) = [note for note in taken.notes if "UTF-" in note]
    label = encoding[:6].upper()
    assert f"is saved as {label}; it was read as that. Save it as UTF-8." in line


def test_an_encoding_that_nobody_declared_gets_one_clear_line(tmp_path: Path) -> None:
    source = "# déjà vu\n".encode("latin-1") + DATASET
    taken = load(filled(tmp_path, {"dataset.py": b"\n\n" + source}) / "dataset.py")
    assert taken.notes == [
        "dataset.py is not saved as UTF-8 (line 3), so Python cannot read it. Save it as UTF-8."
    ]
    declared = b"# -*- coding: latin-1 -*-\n" + source
    assert load(filled(tmp_path, {"dataset.py": declared}) / "dataset.py").notes == []
    marked = b"\xef\xbb\xbf" + DATASET
    assert load(filled(tmp_path, {"dataset.py": marked}) / "dataset.py").notes == []


def test_the_markers_of_a_merge_conflict_are_named(tmp_path: Path) -> None:
    source = b"import torch\n<<<<<<< HEAD\n" + DATASET + b"=======\n" + MODEL + b">>>>>>> main\n"
    note = "dataset.py contains the markers of a merge conflict (line 2). Resolve it."
    folder = filled(tmp_path, {"dataset.py": source})
    assert load(folder).notes == load(folder / "dataset.py").notes == [note]


# --- one file with everything, notebooks beside other things -------------------------------------


@pytest.mark.parametrize("name", ["everything.py", "news_classifier.py", "ann 2.py", "dataset.py"])
def test_one_file_with_all_parts_is_graded_as_all_of_them(tmp_path: Path, name: str) -> None:
    for path in (
        filled(tmp_path / "ann", {name: ALL}) / name,
        filled(tmp_path, {"a.zip": zipped({f"x/{name}": ALL})}) / "a.zip",
    ):
        taken = load(path)
        assert taken.only is None
        for task in assignments()[MAIN].tasks.values():
            assert all(part.encode() in taken.files[task.id] for part in task.names)
        assert any(name in note for note in taken.notes)


def test_modules_beside_a_notebook_can_be_imported_by_it(tmp_path: Path) -> None:
    files = {
        "a.ipynb": notebook("from helpers import x", "class Collate:\n    x = x"),
        "helpers.py": b"import more\nx = more.x\n",
        "more.py": b"x = 1\n",
        "not_needed.py": b"x = 2\n",
        "torch.py": b"",
    }
    taken = load(filled(tmp_path, files))
    assert taken.files.keys() == {*PARTS, "helpers", "more"}
    assert taken.left_out.keys() == {"torch"}
    beside = choice.modules_beside(tmp_path / "a.ipynb")
    assert beside.keys() == {"helpers", "more", "not_needed"}
    (tmp_path / "link.py").symlink_to("more.py")
    assert choice.modules_beside(tmp_path / "a.ipynb") == {}


def test_a_module_with_all_parts_is_graded_as_all_of_them_if_it_is_the_only_one(
    tmp_path: Path,
) -> None:
    folder = filled(tmp_path, {"dataset.py": ALL, "notes.txt": b""})
    assert load(folder).files.keys() == PARTS.keys()
    assert load(folder / "dataset.py").files.keys() == PARTS.keys()
    two = filled(tmp_path / "two", {"dataset.py": DATASET + MODEL})
    assert load(two / "dataset.py").files == {"dataset": DATASET + MODEL}
    filled(folder, {"train.py": TRAIN})
    assert load(folder).files == {"dataset": ALL, "train": TRAIN}


def test_a_module_of_another_kind_of_content_is_named(tmp_path: Path) -> None:
    taken = load(filled(tmp_path, {"dataset.py": b"%PDF-1.7", "model.py": MODEL}))
    assert "dataset.py is a PDF by its content." in taken.notes[0]
    taken = load(filled(tmp_path, {"dataset.py": zipped({"dataset.py": DATASET})}))
    assert "dataset.py is an archive by its content." in taken.notes[0]


def test_modules_win_over_a_notebook_and_a_note_says_so(tmp_path: Path) -> None:
    files = {"a.ipynb": notebook(ALL.decode()), "dataset.py": DATASET}
    taken = load(filled(tmp_path, files))
    assert taken.files == {"dataset": DATASET}
    assert "a.ipynb was ignored: the modules beside it are graded." in taken.notes


def test_the_notebook_of_the_assignments_name_wins_over_others(tmp_path: Path) -> None:
    files = {"news-classifier.ipynb": notebook(ALL.decode()), "draft.ipynb": notebook("x = 1")}
    taken = load(filled(tmp_path, files))
    assert b"NewsDataset" in taken.files["dataset"]
    assert "draft.ipynb was ignored: news-classifier.ipynb is graded." in taken.notes


# --- text from a submission ------------------------------------------------------------------


def test_names_in_notes_are_short_and_can_be_shown(tmp_path: Path) -> None:
    odd = "\u202e\x1b[31m" + "x" * 150 + " dataset.py"
    taken = load(filled(tmp_path, {odd: b"x", "model.py": MODEL}))
    assert all(note.isprintable() and len(note) < 250 for note in taken.notes)


def test_lines_about_very_many_files_are_few(tmp_path: Path) -> None:
    files = {f"test_{number}.py": b"" for number in range(500)}
    data = zipped({"dataset.py": DATASET, **files})
    taken = load(filled(tmp_path, {"a.zip": data}) / "a.zip")
    assert len(taken.left_out) == MAX_NOTES
    assert [*taken.left_out.values()][-1] == "481 more files were skipped"


def test_what_was_read_is_plain_data_and_its_digest_tells_it_apart(tmp_path: Path) -> None:
    filled(tmp_path, {"a.zip": zipped({"dataset.py": DATASET}), "b.zip": zipped({"model.py": b""})})
    modules = reader.module_names(MAIN)
    raw = [reader.read(tmp_path / name, modules) for name in ("a.zip", "b.zip", "a.zip")]
    assert raw[0].digest == raw[2].digest != raw[1].digest
    assert all(
        type(value) in (str, bytes, dict, list, type(None)) for value in vars(raw[0]).values()
    )
    assert choice.RawSubmission(**vars(raw[0])) == raw[0]


@pytest.mark.parametrize("held", HELD)
def test_a_submission_can_be_read_in_a_process_with_limits(tmp_path: Path, held: str) -> None:
    path = filled(tmp_path, {"a.tgz": PACKED["work.tgz"](HELD[held])}) / "a.tgz"
    modules = reader.module_names(MAIN)
    raw = reader.read(path, modules)
    found = limited.call("grader.intake.reader:extract_data", vars(raw), modules, MAIN)
    here = reader.extract(raw, modules, MAIN)
    there = Sources(**found)
    assert (there.files, there.names, there.notes) == (here.files, here.names, here.notes)
    lines = [f"{name}, line 1" for name in here.names.values()]
    assert [*map(there.explain, lines)] == [*map(here.explain, lines)]
