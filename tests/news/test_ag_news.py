"""AG_NEWS: its rows, its cache, a download and what can go wrong, torchtext on any torch."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

import news
from news import ag_news

REPO = Path(__file__).parents[2]
REAL = REPO.parent / "shared/data/ag_news/test.csv"

AWKWARD = """\
"3","Wall St. ""Bears"", again","Short-sellers, dwindling\\band of cynics, see green."
"1","Zwei Züge in Zürich","東京 &lt;b&gt; #36;5 — done"
"2","A line
broken in two","and\r
again, in another way"\r
"4","One column of text, with ""quotes\"""
"4","","  blanks  are  kept "
1,unquoted,fields"""
AWKWARD_ROWS = [
    (3, 'Wall St. "Bears", again Short-sellers, dwindling\\band of cynics, see green.'),
    (1, "Zwei Züge in Zürich 東京 &lt;b&gt; #36;5 — done"),
    (2, "A line\nbroken in two and\nagain, in another way"),
    (4, 'One column of text, with "quotes"'),
    (4, "   blanks  are  kept "),
    (1, "unquoted fields"),
]
FILES = {"train": AWKWARD.encode(), "test": b'"2","Title","Text."\n'}
TEST_ROWS = [(2, "Title Text.")]
MD5 = {split: hashlib.md5(data).hexdigest() for split, data in FILES.items()}


@pytest.fixture
def torchtext() -> Callable[..., Any]:
    """torchtext's own AG_NEWS; where torchtext is installed it has to work."""
    try:
        installed = version("torchtext").startswith("0.18.")
    except PackageNotFoundError:
        installed = False
    if not installed:
        pytest.skip("torchtext 0.18 is not installed")
    found = ag_news.torchtext_ag_news()
    assert found, "torchtext 0.18 cannot be imported; install torchdata==0.9.0 and portalocker"
    return found


@pytest.fixture(params=["torchtext", "pooch"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test by torchtext's own pipe, and again as if there were no torchtext."""
    if request.param == "torchtext":
        request.getfixturevalue("torchtext")
    else:
        monkeypatch.setattr(ag_news, "torchtext_ag_news", lambda: None)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; the files meant to be there are FILES, for the kit and for torchtext."""
    monkeypatch.setattr(ag_news, "MD5", MD5)
    if ag_news.torchtext_ag_news() is not None:
        monkeypatch.setattr(sys.modules["torchtext.datasets.ag_news"], "MD5", MD5)
    return tmp_path / "root"


@pytest.fixture
def full_root(root: Path) -> Path:
    folder = root / "datasets" / "AG_NEWS"
    folder.mkdir(parents=True)
    for split, data in FILES.items():
        (folder / f"{split}.csv").write_bytes(data)
    return root


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}


# The rows.


@pytest.mark.usefixtures("way")
def test_rows_are_those_of_the_cached_files(full_root: Path) -> None:
    train, test = news.AG_NEWS(full_root)
    assert list(train) == AWKWARD_ROWS
    assert list(test) == TEST_ROWS


def test_read_csv_gives_the_rows_of_ag_news(full_root: Path) -> None:
    assert news.read_csv(full_root / "datasets/AG_NEWS/train.csv") == AWKWARD_ROWS


@pytest.mark.usefixtures("way")
def test_one_split_gives_one_iterable(full_root: Path) -> None:
    assert list(news.AG_NEWS(root=str(full_root), split="test")) == TEST_ROWS


@pytest.mark.usefixtures("way")
def test_a_tuple_of_splits_gives_a_tuple_in_its_order(full_root: Path) -> None:
    opened = news.AG_NEWS(full_root, ("test", "train"))
    assert [list(rows) for rows in opened] == [TEST_ROWS, AWKWARD_ROWS]
    (only,) = news.AG_NEWS(full_root, ("test",))
    assert list(only) == TEST_ROWS


@pytest.mark.usefixtures("way")
def test_rows_can_be_read_again_after_a_first_look(full_root: Path) -> None:
    rows = news.AG_NEWS(full_root, split="train")
    assert next(iter(rows)) == AWKWARD_ROWS[0]
    assert list(rows) == AWKWARD_ROWS
    assert list(rows) == AWKWARD_ROWS


@pytest.mark.usefixtures("way")
def test_reading_leaves_the_cache_as_it_was(full_root: Path) -> None:
    before = files(full_root)
    for rows in news.AG_NEWS(full_root):
        list(rows)
    assert files(full_root) == before


@pytest.mark.usefixtures("way")
def test_root_is_torchtexts_own_cache_by_default(
    full_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (full_root / "home/torch").mkdir(parents=True)
    (full_root / "home/torch/text").symlink_to(full_root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(full_root / "home"))
    monkeypatch.delenv("TORCH_HOME", raising=False)
    assert list(news.AG_NEWS(split="test")) == TEST_ROWS


def test_the_default_root_is_the_one_torchtext_computes(torchtext: Callable[..., Any]) -> None:
    assert torchtext.__name__ == "AG_NEWS"
    computed = sys.modules["torchtext"]._CACHE_DIR
    assert os.path.expanduser(news.ag_news.torchtext_cache()) == computed


@pytest.mark.skipif(not REAL.exists(), reason=f"the real rows are not there: {REAL}")
@pytest.mark.usefixtures("way")
def test_the_official_test_file_gives_its_7600_rows(tmp_path: Path) -> None:
    folder = tmp_path / "datasets" / "AG_NEWS"
    folder.mkdir(parents=True)
    (folder / "test.csv").symlink_to(REAL)
    rows = list(news.AG_NEWS(tmp_path, split="test"))
    assert len(rows) == 7600
    assert [sum(label == c for label, _ in rows) for c in (1, 2, 3, 4)] == [1900] * 4
    assert rows == list(ag_news._Rows(REAL)) == news.read_csv(REAL)


@pytest.mark.parametrize("split", ["valid", ("train", "valid"), ""])
def test_an_unknown_split_is_named(tmp_path: Path, split: str) -> None:
    with pytest.raises(news.NewsError, match=r"no split '.*'; use one of train, test$"):
        news.AG_NEWS(tmp_path, split=split)
    assert files(tmp_path) == {}


# The cache and the download.


class Source(ThreadingHTTPServer):
    """A server that replaces the source: it sends `body` and claims a length of `length`."""

    status = 200
    body = FILES["train"]
    length = len(FILES["train"])


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Source)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(self.server.length))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    server = Source(("127.0.0.1", 0), Answer)
    monkeypatch.setattr(ag_news, "SOURCE", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("way")
def test_a_missing_file_is_downloaded_once(
    root: Path, source: Source, capfd: pytest.CaptureFixture[str]
) -> None:
    assert list(news.AG_NEWS(root, split="train")) == AWKWARD_ROWS
    assert files(root) == {"train.csv": FILES["train"]}
    assert "train.csv: " in capfd.readouterr().err, "no progress bar"
    source.status = 500
    assert list(news.AG_NEWS(root, split="train")) == AWKWARD_ROWS


def assert_failed_cleanly(root: Path, reason: str) -> None:
    with pytest.raises(news.NewsError) as caught:
        news.AG_NEWS(root, split="train")
    message = str(caught.value)
    assert reason in message
    assert "\n" not in message
    for part in (
        str(root / "datasets" / "AG_NEWS" / "train.csv"),
        MD5["train"],
        ag_news.SOURCE + "train.csv",
        "news.sample('train')",
        "news.read_csv",
    ):
        assert part in message
    assert files(root) == {}, "something was left in the cache"


@pytest.mark.usefixtures("way")
def test_a_truncated_download_leaves_nothing(root: Path, source: Source) -> None:
    source.body = FILES["train"][:50]
    assert_failed_cleanly(root, "no connection, or a broken one")


@pytest.mark.usefixtures("way")
def test_a_download_with_another_checksum_leaves_nothing(root: Path, source: Source) -> None:
    source.body = FILES["train"][::-1]
    assert_failed_cleanly(root, "another MD5")


@pytest.mark.usefixtures("way")
def test_a_page_not_found_leaves_nothing(root: Path, source: Source) -> None:
    source.status = 404
    assert_failed_cleanly(root, "404")


@pytest.mark.usefixtures("way")
def test_no_connection_leaves_nothing(root: Path, source: Source) -> None:
    source.shutdown()
    source.server_close()
    assert_failed_cleanly(root, "no connection")


@pytest.mark.usefixtures("way")
def test_an_interrupted_download_leaves_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object) -> None:
        Path(str(args[2])).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        news.AG_NEWS(root, split="train")
    assert files(root) == {}


@pytest.mark.usefixtures("way", "source")
def test_a_wrong_file_in_the_cache_is_named_and_left(full_root: Path) -> None:
    path = full_root / "datasets" / "AG_NEWS" / "train.csv"
    path.write_bytes(b"mine")
    with pytest.raises(news.NewsError) as caught:
        news.AG_NEWS(full_root)
    message = str(caught.value)
    assert str(path) in message
    assert f"its MD5 is {hashlib.md5(b'mine').hexdigest()}, not {MD5['train']}" in message
    assert "move it away" in message
    assert "\n" not in message
    assert files(full_root) == {"train.csv": b"mine", "test.csv": FILES["test"]}


@pytest.mark.usefixtures("way", "source")
def test_a_cache_that_cannot_be_made_is_named(root: Path) -> None:
    root.write_text("a file where the folder should be")
    with pytest.raises(news.NewsError, match=r"Not a directory|File exists") as caught:
        news.AG_NEWS(root, split="train")
    assert str(root) in str(caught.value)


# torchtext.


def run(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter at the root of the repository."""
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("torchtext")
def test_torchtexts_own_pipe_runs_where_torchtext_is_installed(full_root: Path) -> None:
    rows = news.AG_NEWS(full_root, split="test")
    assert type(rows).__module__.startswith("torch.utils.data.datapipes")


def test_source_and_checksums_are_torchtexts(torchtext: Callable[..., Any]) -> None:
    module = sys.modules[torchtext.__module__]
    assert module.MD5 == ag_news.MD5
    assert {split: f"{ag_news.SOURCE}{split}.csv" for split in ag_news.MD5} == module.URL


READ_QUIETLY = """
import hashlib, sys
import news, news.ag_news
root = sys.argv[1]
news.ag_news.torchtext_ag_news()
data = open(root + "/datasets/AG_NEWS/train.csv", "rb").read()
tables = [news.ag_news.MD5, sys.modules["torchtext.datasets.ag_news"].MD5]
for table in tables:
    table["train"] = hashlib.md5(data).hexdigest()
rows = news.AG_NEWS(root, split="train")
next(iter(rows))
kit = list(rows)
import torchtext
from torchtext.datasets import AG_NEWS
assert kit == list(AG_NEWS(root, split="train"))
print(len(kit))
"""


@pytest.mark.usefixtures("torchtext")
def test_torchtext_is_silent_and_can_be_imported_afterwards(full_root: Path) -> None:
    done = run(READ_QUIETLY, full_root)
    assert (done.stdout, done.stderr) == (f"{len(AWKWARD_ROWS)}\n", "")


EXTENSION_IS_REAL = """
import sys, news.ag_news
news.ag_news.torchtext_ag_news()
print([hasattr(sys.modules[name], "__file__") for name in news.ag_news.EXTENSION])
"""


@pytest.mark.usefixtures("torchtext")
def test_the_extension_is_replaced_only_where_it_cannot_be_loaded() -> None:
    loads = run("import torchtext").returncode == 0
    assert run(EXTENSION_IS_REAL).stdout == f"{[loads, loads]}\n"
