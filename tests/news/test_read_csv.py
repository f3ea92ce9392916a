"""read_csv: good files, and one line that names the thing and the remedy for each bad one."""

import os
from pathlib import Path

import pytest

import news
from news import csv_file

LAYOUT = '"label","title","description"'


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "rows.csv"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        b'"1","One, two"\n"4","Three"\n',
        b'"1","One,","two"\n"4","Three"\n',
        b"1,'One,two\n4,Three\n".replace(b"'One,two", b'"One, two"'),
        b'\xef\xbb\xbf"1","One, two"\n"4","Three"\n',
        b'"1","One, two"\r\n"4","Three"',
        b'\n"1","One, two"\n\n"4","Three"\n\n',
    ],
    ids=["two columns", "three columns", "unquoted", "byte order mark", "CRLF", "blank lines"],
)
def test_good_files(tmp_path: Path, data: bytes) -> None:
    assert news.read_csv(write(tmp_path, data)) == [(1, "One, two"), (4, "Three")]


def test_the_path_may_be_a_string(tmp_path: Path) -> None:
    assert news.read_csv(str(write(tmp_path, b"2,x"))) == [(2, "x")]


def test_the_number_of_classes_can_be_set(tmp_path: Path) -> None:
    path = write(tmp_path, b"14,x\n")
    assert news.read_csv(path, n_classes=14) == [(14, "x")]
    with pytest.raises(news.NewsError, match="from 1 to 13"):
        news.read_csv(path, n_classes=13)


BAD = {
    "one column": (b"1,x\n2\n", "line 2: 1 column;", LAYOUT),
    "four columns": (b"1,x\n\n2,a,b,c\n", "line 3: 4 columns;", LAYOUT),
    "header": (b"label,title,text\n1,x,y\n", "line 1: the label is 'label',", LAYOUT),
    "label too small": (b"0,x\n", "line 1: the label is '0',", "from 1 to 4"),
    "label too large": (b"1,x\n5,x\n", "line 2: the label is '5',", "from 1 to 4"),
    "label a fraction": (b"1.0,x\n", "line 1: the label is '1.0',", "from 1 to 4"),
    "label a long text": (b"x" * 9999 + b",x\n", "line 1: the label is 'xxx", "from 1 to 4"),
    "label with a line end": (b'"1\n2",x\n', "line 1: the label is '1\\n2',", "from 1 to 4"),
    "quote left open": (b'1,x\n2,"y\n3,z\n', "line 2: unexpected end of data;", "fix its quotes"),
    "quote inside": (b'1,x\n2,"y" or z\n', "line 2: ", "fix its quotes"),
    "endless field": (b'1,"' + b"x" * 200_000 + b'"\n', "line 1: field larger than", LAYOUT),
    "row after a row of two lines": (b'1,"a\nb"\n9,x\n', "line 3: the label is '9',", "1 to 4"),
    "Latin-1": (b"1,x\n2,caf\xe9\n", "line 2: not UTF-8;", "save the file as UTF-8"),
    "UTF-16": ("1,x\n".encode("utf-16"), "line 1: ", "save the file as UTF-8"),
    "NUL": (b"1,x\n2,a\0b\n", "line 2: a NUL byte;", "save the file as UTF-8"),
    "empty": (b"", "is empty;", LAYOUT),
    "only a byte order mark": (b"\xef\xbb\xbf", "is empty;", LAYOUT),
    "only blank lines": (b"\n\n", "is empty;", LAYOUT),
}


@pytest.mark.parametrize(("data", "fault", "remedy"), BAD.values(), ids=BAD)
def test_bad_files_are_told_by_line(tmp_path: Path, data: bytes, fault: str, remedy: str) -> None:
    path = write(tmp_path, data)
    assert_told(path, fault, remedy)


def test_a_file_over_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, b"1,x\n")
    monkeypatch.setattr(csv_file, "MAX_BYTES", 4)
    assert news.read_csv(path) == [(1, "x")]
    monkeypatch.setattr(csv_file, "MAX_BYTES", 3)
    assert_told(path, "larger than 3 bytes", "cut it into smaller files")


def test_a_missing_file(tmp_path: Path) -> None:
    assert_told(tmp_path / "none.csv", "no such file", "news.sample('train')")


def test_a_folder(tmp_path: Path) -> None:
    assert_told(tmp_path, "is not a file", "give the path of a CSV file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert_told(tmp_path / "pipe", "is not a file", "give the path of a CSV file")


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, b"1,x\n")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert_told(path, "cannot be read: Permission denied", "check its permissions")


def assert_told(path: Path, fault: str, remedy: str) -> None:
    with pytest.raises(news.NewsError) as caught:
        news.read_csv(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert fault in message
    assert remedy in message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 250
