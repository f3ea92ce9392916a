"""What a submission may be, and what is refused: each with one line, and nothing written."""

import hashlib
import io
import os
import random
import socket
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.base.errors import UsageError
from grader.intake import reader
from grader.intake.archives import MAX_ARCHIVE
from grader.intake.files import MAX_ENTRIES
from grader.intake.sources import MAX_FILE, MAX_FILES, MAX_TOTAL, Sources

MODULES = ["dataset", "collate", "model", "train"]
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX files")


def load(path: Path) -> Sources:
    return reader.load(path, MODULES)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files below the current folder are shown in another way."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))


def folder(path: Path, **files: str | bytes) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / f"{name}.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def zipped(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


def tree(path: Path) -> list[tuple[str, int, int]]:
    return sorted(
        (str(file), file.lstat().st_size, file.lstat().st_mtime_ns) for file in path.rglob("*")
    )


def refusal(path: Path, root: Path) -> str:
    """Return the line with which a path is refused; nothing may have been written."""
    before = tree(root)
    with pytest.raises(UsageError) as caught:
        load(path)
    assert tree(root) == before
    line = str(caught.value)
    assert line.isprintable(), "one line, and safe to print"
    assert line.encode("utf-8")
    assert line.endswith((".", "?"))
    assert line.count(". ") >= 1, "what is wrong, and what to do"
    return line


# What is taken


def test_a_folder_gives_all_its_modules(tmp_path: Path) -> None:
    taken = load(folder(tmp_path / "ann", model="m", helper="h"))
    assert taken.files == {"model": b"m", "helper": b"h"}
    assert taken.names == {"model": "ann/model.py", "helper": "ann/helper.py"}
    assert (taken.name, taken.only) == (str(tmp_path / "ann"), None)


def test_files_below_the_current_folder_are_shown_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "a" / "b", model="m")
    assert load(Path("a/b")).names == {"model": "a/b/model.py"}
    assert load(Path("a/b")).name == str(Path("a/b"))


def test_a_folder_may_hold_the_folder_exercise(tmp_path: Path) -> None:
    folder(tmp_path / "kit" / "exercise", model="m")
    folder(tmp_path / "kit" / "solution", model="other")
    (tmp_path / "kit" / "conftest.py").touch()
    assert load(folder(tmp_path / "kit", setup="s")).files == {"model": b"m"}


def test_one_file_is_one_task(tmp_path: Path) -> None:
    taken = load(folder(tmp_path, model="m", helper="h") / "model.py")
    assert (taken.files, taken.only) == ({"model": b"m"}, "model")


def test_what_python_cannot_import_is_left_out(tmp_path: Path) -> None:
    path = folder(tmp_path, model="m", **{"2nd": "", "._model": "", "a-b": "", ".hidden": ""})
    (path / ".DS_Store").write_bytes(b"x")
    (path / "data.csv").write_bytes(b"x" * (MAX_FILE + 1))
    (path / "__pycache__").mkdir()
    assert load(path).files == {"model": b"m"}


@pytest.mark.parametrize("top", ["", "ann/", "a/b/"])
def test_a_zip_gives_the_modules_nearest_to_its_root(tmp_path: Path, top: str) -> None:
    path = zipped(
        tmp_path / "ann.ZIP",
        (f"{top}model.py", b"m"),
        (f"{top}helper.py", b"h"),
        (f"{top}deeper/model.py", b"no"),
        (f"{top}notes.txt", b""),
    )
    taken = load(path)
    assert taken.files == {"model": b"m", "helper": b"h"}
    assert taken.names["model"] == f"{(top or 'ann/').split('/')[-2]}/model.py"


def test_a_zip_of_the_whole_kit_means_its_exercise(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "kit.zip", ("kit/exercise/model.py", b"m"), ("kit/answers/model.py", b"no")
    )
    assert load(path).files == {"model": b"m"}


def test_what_macos_adds_to_a_zip_is_ignored(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "mac.zip",
        ("__MACOSX/model.py", b"\0\5\x16\7"),
        ("__MACOSX/ann/._model.py", b"\0\5\x16\7"),
        ("ann/.DS_Store", b"\0"),
        ("ann/._model.py", b"\0\5\x16\7"),
        ("ann/model.py", b"m"),
    )
    assert load(path).files == {"model": b"m"}


def test_the_digest_tells_names_and_contents(tmp_path: Path) -> None:
    one = load(folder(tmp_path / "one", model="m", train="t"))
    same = load(zipped(tmp_path / "s.zip", ("train.py", b"t"), ("model.py", b"m")))
    other = load(folder(tmp_path / "other", model="mt", train=""))
    assert one.digest == same.digest != other.digest
    assert len(one.digest) == hashlib.sha256().digest_size * 2


# What is skipped and reported


TOLD = {
    "random": "Python already has a module with this name. Rename it.",
    "typing": "Python already has a module with this name. Rename it.",
    "torch": "a package that the exercise uses has this name. Rename it.",
    "numpy": "a package that the exercise uses has this name. Rename it.",
    "thinc": "a package that the exercise uses has this name. Rename it.",
    "en_core_web_sm": "a package that the exercise uses has this name. Rename it.",
    "news": "a package that the exercise uses has this name. Rename it.",
    "conftest": "Python or pytest would run it automatically. Rename it.",
    "sitecustomize": "Python or pytest would run it automatically. Rename it.",
    "usercustomize": "Python or pytest would run it automatically. Rename it.",
    "test_model": "it is named like a test file. Rename it if your code needs it.",
    "model_test": "it is named like a test file. Rename it if your code needs it.",
}


@pytest.mark.parametrize("packed", [False, True])
def test_what_would_shadow_or_run_unasked_is_left_out_and_told(
    tmp_path: Path, packed: bool
) -> None:
    path = folder(tmp_path / "ann", model="m", helpers="h", **dict.fromkeys(TOLD, "no"))
    if packed:
        entries = [(file.name, file.read_bytes()) for file in path.iterdir()]
        path = zipped(tmp_path / "ann.zip", *entries)
    taken = load(path)
    assert taken.files == {"model": b"m", "helpers": b"h"}
    assert taken.names.keys() == taken.files.keys()
    assert taken.left_out == {
        name: f"{name}.py was skipped: {why}" for name, why in sorted(TOLD.items())
    }


@pytest.mark.parametrize(
    "name", ["utils", "helpers", "notebook", "psutil", "data", "solution", "testing", "__init__"]
)
def test_other_names_are_taken_whatever_is_installed(tmp_path: Path, name: str) -> None:
    taken = load(folder(tmp_path / "ann", model="m", **{name: "h"}))
    assert (taken.files, taken.left_out) == ({"model": b"m", name: b"h"}, {})


def test_a_module_of_a_task_is_always_taken(tmp_path: Path) -> None:
    path = folder(tmp_path / "ann", random="r", model="m")
    assert reader.load(path, ["random"]).files == {"random": b"r", "model": b"m"}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were opened."""
    files: list[Path] = []
    real = os.open

    def noting(file: Path, flags: int) -> int:
        files.append(file)
        return real(file, flags)

    monkeypatch.setattr(os, "open", noting)
    return files


def test_what_is_left_out_is_not_opened_and_does_not_count(
    tmp_path: Path, opened: list[Path]
) -> None:
    names = [f"test_{number}" for number in range(MAX_FILES + 1)]
    path = folder(tmp_path / "ann", model="m", **dict.fromkeys(names, ""))
    assert load(path).files == {"model": b"m"}
    assert opened == [path / "model.py"]


def test_only_python_files_are_looked_at(tmp_path: Path, opened: list[Path]) -> None:
    path = folder(tmp_path / "ann", model="m")
    for name in ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "start.pth", "a.so"):
        (path / name).write_text("x")
    for name in ("__pycache__/model.cpython-311.pyc", "model.pyc", "tests/helper.py", "a/model.py"):
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("x")
    taken = load(path)
    assert (taken.files, taken.left_out) == ({"model": b"m"}, {})
    assert opened == [path / "model.py"]


# What is refused: paths


@pytest.mark.parametrize("name", ["nowhere", "nowhere/model.py", "x" * 5000, "null\0byte"])
def test_a_bad_path_is_refused(tmp_path: Path, name: str) -> None:
    line = refusal(tmp_path / name, tmp_path)
    assert "no such file or folder" in line or "cannot be read" in line


def test_a_path_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.txt").touch()
    assert "Submit a folder, a .zip, or one .py" in refusal(tmp_path / "model.txt", tmp_path)
    (tmp_path / "models.py").touch()
    assert "Expected one of dataset.py" in refusal(tmp_path / "models.py", tmp_path)


@pytest.mark.parametrize("files", [{}, {"helper": ""}])
def test_a_folder_without_the_modules_is_refused(tmp_path: Path, files: dict[str, str]) -> None:
    line = refusal(folder(tmp_path / "empty", **files), tmp_path)
    assert "empty: it has none of dataset.py, collate.py" in line


@posix
@pytest.mark.parametrize("target", ["model.py", "exercise", "ann", "ann.zip"])
def test_a_symbolic_link_is_refused(tmp_path: Path, target: str) -> None:
    real = folder(tmp_path / "real", model="m")
    zipped(tmp_path / "real.zip", ("model.py", b"m"))
    ann = tmp_path / "ann"
    if target == "model.py":
        folder(ann).joinpath(target).symlink_to(real / target)
    elif target == "exercise":
        folder(ann).joinpath(target).symlink_to(real)
    elif target == "ann":
        ann.symlink_to(real)
    else:
        ann = tmp_path / "ann.zip"
        ann.symlink_to(tmp_path / "real.zip")
    assert "a symbolic link" in refusal(ann, tmp_path)


@posix
@pytest.mark.parametrize("name", ["model.py", "helper.py", "ann.zip"])
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path, name: str) -> None:
    path = folder(tmp_path / "ann", train="t")
    os.mkfifo(path / name)
    line = refusal(path / name if name == "ann.zip" else path, tmp_path)
    assert f"{name}: not a regular file" in line


@posix
@pytest.mark.parametrize("kind", ["folder", "socket", "device"])
def test_what_is_no_regular_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = folder(tmp_path / "ann") / "model.py"
    if kind == "folder":
        path.mkdir()
    elif kind == "socket":
        monkeypatch.chdir(path.parent)  # a whole path may be too long for a socket
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
        except (AttributeError, PermissionError):
            pytest.skip("only root on Linux makes devices")
    assert "model.py: not a regular file" in refusal(path.parent, tmp_path)


@posix
def test_a_file_that_is_exchanged_while_it_is_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(tmp_path / "ann", model="m") / "model.py"
    real = os.open

    def exchanging(file: Path, flags: int) -> int:
        path.unlink()
        os.mkfifo(path)
        return real(file, flags)

    monkeypatch.setattr(os, "open", exchanging)
    with pytest.raises(UsageError, match=r"model\.py: not a regular file"):
        load(path.parent)


@posix
def test_a_huge_sparse_file_is_refused_after_little_reading(tmp_path: Path) -> None:
    path = folder(tmp_path / "ann", model="m")
    with (path / "helper.py").open("wb") as stream:
        stream.truncate(1 << 40)
    assert "helper.py: larger than 1 MiB" in refusal(path, tmp_path)


def test_an_unreadable_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(tmp_path / "ann", model="m")

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    line = refusal(path, tmp_path)
    assert "model.py: cannot be read (Permission denied). Make it readable" in line


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path / "ann", model="m")
    path.chmod(0)
    try:
        with pytest.raises(UsageError, match="cannot be read"):
            load(path)
    finally:
        path.chmod(0o700)


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    assert load(folder(tmp_path / "ann", model=b"#" * MAX_FILE)).files
    path = folder(tmp_path / "bob", model=b"#" * (MAX_FILE + 1))
    assert "model.py: larger than 1 MiB" in refusal(path, tmp_path)


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    path = folder(tmp_path / "ann", model="", **{f"m{i}": "" for i in range(MAX_FILES)})
    assert f"{MAX_FILES + 1} Python files; at most {MAX_FILES}" in refusal(path, tmp_path)
    entries = [(f"{name}.py", b"") for name in ["model", *(f"m{i}" for i in range(MAX_FILES))]]
    assert "Python files; at most" in refusal(zipped(tmp_path / "a.zip", *entries), tmp_path)


def test_too_many_bytes_in_all_are_refused(tmp_path: Path) -> None:
    whole = dict.fromkeys(["model", "train", "collate", "dataset"], b"#" * MAX_FILE)
    assert sum(map(len, whole.values())) == MAX_TOTAL
    assert load(folder(tmp_path / "ann", **whole)).files
    path = folder(tmp_path / "bob", **whole, helper=b"#")
    assert "larger than 4 MiB in total" in refusal(path, tmp_path)
    entries = [(file.name, file.read_bytes()) for file in path.iterdir()]
    assert "larger than 4 MiB in total" in refusal(zipped(tmp_path / "a.zip", *entries), tmp_path)


@posix
def test_names_that_cannot_be_printed_are_made_so(tmp_path: Path) -> None:
    try:
        path = folder(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b[31m")), model="m")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    taken = load(path)
    assert taken.names == {"model": "??[31m/model.py"}
    assert taken.name.isprintable()
    Path(os.fsdecode(os.fsencode(path) + b"/\xff.py")).touch()
    assert load(path).files == taken.files
    (path / "model.py").unlink()
    assert "??[31m: it has none of" in refusal(path, tmp_path)


# What is refused: zips


@pytest.mark.parametrize(
    "name",
    [
        "/model.py",
        "//host/model.py",
        "../model.py",
        "a/../../model.py",
        "a/..",
        "C:/model.py",
        "C:model.py",
        "..\\model.py",
        "\\\\host\\model.py",
        "model.py\0.txt",
        "model.py\x1b[31m\0",
    ],
)
def test_a_zip_with_an_unsafe_name_is_refused(tmp_path: Path, name: str) -> None:
    info = zipfile.ZipInfo("x" * len(name))
    path = zipped(tmp_path / "a.zip", ("model.py", b"m"), (info, b"x"))
    path.write_bytes(path.read_bytes().replace(b"x" * len(name), name.encode()))
    assert "a.zip: contains the unsafe name" in refusal(path, tmp_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_zip_with_a_link_or_the_like_is_refused(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("model.py")
    info.external_attr = (kind | 0o777) << 16
    path = zipped(tmp_path / "a.zip", (info, b"/etc/passwd"))
    assert "'model.py' is a symbolic link or the like" in refusal(path, tmp_path)


def test_a_zip_that_names_a_module_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        path = zipped(tmp_path / "a.zip", ("model.py", b"1"), ("model.py", b"2"))
    assert "contains 'model.py' 2 times" in refusal(path, tmp_path)
    path = zipped(tmp_path / "b.zip", ("model.py", b"1"), ("./model.py", b"2"))
    assert "contains 'model.py' 2 times" in refusal(path, tmp_path)


def test_a_zip_with_the_modules_in_two_places_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("ann/model.py", b"1"), ("bob/model.py", b"2"))
    assert "the modules are in 'ann' and 'bob'" in refusal(path, tmp_path)


def test_a_zip_without_the_modules_is_refused(tmp_path: Path) -> None:
    for number, entries in enumerate(([], [("a.txt", b"")], [("__MACOSX/model.py", b"")])):
        path = zipped(tmp_path / f"{number}.zip", *entries)
        assert "zip: it has none of dataset.py" in refusal(path, tmp_path)


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("model.py", b"m"))
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flags in the local header
    data[data.index(b"PK\1\2") + 8] |= 1  # and in the directory
    path.write_bytes(data)
    assert "'model.py' is encrypted. Create a zip without a password" in refusal(path, tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 99])
def test_a_zip_packed_in_a_rare_way_is_refused(tmp_path: Path, method: int) -> None:
    path = zipped(tmp_path / "a.zip", ("model.py", b"m"))
    data = bytearray(path.read_bytes())
    data[8:10] = struct.pack("<H", method)
    start = data.index(b"PK\1\2") + 10
    data[start : start + 2] = struct.pack("<H", method)
    path.write_bytes(data)
    assert "unsupported compression" in refusal(path, tmp_path)


def test_a_zip_bomb_is_refused_after_little_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path / "a.zip", ("model.py", b"#" * (64 << 20)))
    data = path.read_bytes()
    size = struct.pack("<I", 64 << 20)
    path.write_bytes(data.replace(size, struct.pack("<I", 10)))  # and it lies about its size
    read = 0
    real = zipfile.ZipExtFile.read

    def counting(stream: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        nonlocal read
        found = real(stream, n)
        read += len(found)
        return found

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counting)
    monkeypatch.setattr(reader, "extract_limited", reader.extract)  # here, where it is counted
    refusal(path, tmp_path)
    assert read <= MAX_FILE + 1
    path.write_bytes(data)
    assert "'model.py': larger than 1 MiB" in refusal(path, tmp_path)
    assert 0 < read <= 2 * (MAX_FILE + 1)


def test_a_huge_zip_is_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with path.open("wb") as stream:
        stream.truncate(MAX_ARCHIVE + 1)  # sparse
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was opened"))
    assert "larger than 64 MiB. Pack the Python files only" in refusal(path, tmp_path)


def test_a_zip_of_very_many_files_is_refused_unopened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [("model.py", b"m"), *((f"{number}.txt", b"") for number in range(MAX_ENTRIES - 1))]
    path = zipped(tmp_path / "a.zip", *entries)
    assert load(path).files == {"model": b"m"}
    path = zipped(tmp_path / "b.zip", *entries, ("one", b""))
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was opened"))
    assert "more than 10000 files. Pack the Python files only" in refusal(path, tmp_path)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda _: b"",
        lambda _: b"print('no zip')\n",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data[30:],
        lambda data: data.replace(b"PK\1\2", b"PK\1\3"),
    ],
)
def test_a_broken_zip_is_refused(tmp_path: Path, break_it: Callable[[bytes], bytes]) -> None:
    path = zipped(tmp_path / "a.zip", ("model.py", os.urandom(500)))
    path.write_bytes(break_it(path.read_bytes()))
    assert "not a readable zip" in refusal(path, tmp_path)


def test_a_zip_name_that_is_no_utf8_is_refused_or_ignored(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("model.py", b"m"), ("n\u00e9.txt", b""))
    data = path.read_bytes()
    path.write_bytes(data.replace("n\u00e9.txt".encode(), b"n\xff\xff.txt"))
    try:
        assert load(path).files == {"model": b"m"}
    except UsageError as error:
        assert "not a readable zip" in str(error)  # noqa: PT017


def test_mutated_zips_are_taken_or_refused(tmp_path: Path) -> None:
    chance = random.Random(1)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ann/model.py", b"import torch\n" * 20)
        archive.writestr("ann/helper.py", b"x = 1\n")
    good = stream.getvalue()
    path = tmp_path / "a.zip"
    outcomes = {"taken": 0, "refused": 0}
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data)
        try:
            load(path)
            outcomes["taken"] += 1
        except UsageError as error:
            assert str(error).isprintable()  # noqa: PT017
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 100
