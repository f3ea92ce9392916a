"""`python -m grader train`: its output and files, and its errors for bad input and broken code."""

import dataclasses
import json
import math
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch.nn.utils.rnn import pad_sequence

import news
from grader.__main__ import main
from grader.base.errors import UsageError
from grader.base.paths import SOLUTION
from grader.contract.enums import Tier
from grader.contract.messages import Failure
from grader.grading import session, vectors
from grader.sandbox import tiers
from grader.sandbox.launch import RunningWorker
from grader.sandbox.tiers import Confinement
from grader.training import progress, results, run
from grader.training.progress import EpochFigures, TrainingProgress
from grader.training.run import Settings
from grader.worker.wire import ProtocolError, tensor_data
from solution.model import LSTMClassifier

FILES = {"curves.png", "confusion.png", "metrics.json", "weights.pt"}
QUICK = ["--rows", "24", "--epochs", "2", "--device", "cpu"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compute token vectors only once for all runs in this file."""
    return tmp_path_factory.mktemp("vectors") / "cache"


def prepare(folder: Path, cache: Path, patch: pytest.MonkeyPatch) -> Path:
    """Change to an empty folder, with a separate cache and a short sample."""
    work = folder / "work"
    work.mkdir()
    patch.chdir(work)
    patch.setattr(vectors, "cache_folder", lambda: cache)
    rows = {"train": news.sample("train")[:64], "valid": news.sample("valid")[:20]}
    patch.setattr(news, "sample", lambda split: rows[split])
    return work


@pytest.fixture(autouse=True)
def places(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return prepare(tmp_path, cache, monkeypatch)


@dataclass(frozen=True)
class Ran:
    code: int
    lines: list[str]
    folder: Path
    metrics: Any


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Ran:
    """A quick run of the reference."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out:
        folder = prepare(tmp_path_factory.mktemp("run"), cache, patch) / run.OUT
        code = main(["train", str(SOLUTION), *QUICK])
    return Ran(code, out.getvalue().splitlines(), folder, metrics(folder))


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    lines = [f'"{label}","{text}"\n' for label, text in news.sample("valid") if '"' not in text]
    path.write_text("".join(lines), encoding="utf-8")
    return path


Submission = Callable[..., Path]


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    """Copy the reference; each change is (module, old text, new text)."""

    def copy(*changes: tuple[str, str, str]) -> Path:
        folder = tmp_path / "handed_in"
        shutil.copytree(SOLUTION, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for module, old, new in changes:
            file = folder / f"{module}.py"
            text = file.read_text(encoding="utf-8")
            assert old in text
            file.write_text(text.replace(old, new), encoding="utf-8")
        return folder

    return copy


def metrics(folder: Path = run.OUT) -> Any:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def png_size(data: bytes) -> tuple[int, int]:
    """Check every chunk of a PNG; return width and height."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    position, names, size = 8, [], (0, 0)
    while position < len(data):
        length, name = struct.unpack("!I4s", data[position : position + 8])
        content = data[position + 8 : position + 8 + length]
        (checksum,) = struct.unpack("!I", data[position + 8 + length : position + 12 + length])
        assert checksum == zlib.crc32(name + content)
        if name == b"IHDR":
            size = struct.unpack("!II", content[:8])
        names.append(name)
        position += 12 + length
    assert (names[0], names[-1]) == (b"IHDR", b"IEND")
    return size


# --- a run that goes well --------------------------------------------------------------------


def test_a_run_shows_a_row_an_epoch(ran: Ran) -> None:
    assert ran.code == 0
    assert ran.lines[0] == "24 training items, 20 validation items"
    assert ran.lines[1] == "epochs 2, lr 0.002, batch size 32, device cpu"
    header = ran.lines.index(progress.HEADER)
    table = ran.lines[header : header + 3]
    rows = [line.split() for line in table[1:]]
    assert [row[0] for row in rows] == ["1", "2"]
    assert rows[1][1] == f"{ran.metrics['history'][1]['train_loss']:.4f}"
    assert {len(line) for line in table} == {len(progress.HEADER)}
    assert ran.lines[header + 3] == ""
    assert f"{ran.metrics['accuracy']:.4f}" in ran.lines[-2]
    assert "\x1b" not in "".join(ran.lines)


def test_a_run_saves_four_files(ran: Ran) -> None:
    assert {path.name for path in ran.folder.iterdir()} == FILES


def test_accuracy_and_confusion_are_counted_from_the_targets(ran: Ran) -> None:
    counts = np.array(ran.metrics["confusion"])
    assert ran.metrics["items"] == {"train": 24, "val": counts.sum()} == {"train": 24, "val": 20}
    assert ran.metrics["accuracy"] == np.trace(counts) / 20
    labels = [label for label, _ in news.sample("valid")]
    assert counts.sum(axis=1).tolist() == [labels.count(label) for label in (1, 2, 3, 4)]


def test_the_kit_saw_what_the_right_loop_returned(ran: Ran) -> None:
    history, all_returned = ran.metrics["history"], ran.metrics["returned"]
    assert len(history) == len(all_returned) == 2
    for seen, returned in zip(history, all_returned, strict=True):
        for name, value in returned.items():
            assert seen[name] == pytest.approx(value, rel=1e-5), name
    assert history[-1]["val_accuracy"] == pytest.approx(ran.metrics["accuracy"])


def test_the_weights_load_without_pickled_code_and_give_the_same_accuracy(ran: Ran) -> None:
    model = LSTMClassifier(4)
    model.load_state_dict(torch.load(ran.folder / "weights.pt", weights_only=True))
    data = vectors.embed(news.sample("valid"))
    rows = [torch.from_numpy(np.array(row)) for row in np.split(data.vectors, data.offsets[1:-1])]
    with torch.no_grad():
        predicted = model(pad_sequence(rows, batch_first=True)).argmax(dim=1).numpy()
    assert (predicted == data.targets).mean() == pytest.approx(ran.metrics["accuracy"])


@pytest.mark.parametrize("name", ["curves.png", "confusion.png"])
def test_the_pictures_are_pictures(ran: Ran, name: str) -> None:
    width, height = png_size((ran.folder / name).read_bytes())
    assert 600 < width < 2000
    assert 500 < height < 1500


def test_the_metrics_name_all_that_is_needed_to_repeat_the_run() -> None:
    main(["train", str(SOLUTION), *QUICK, "--seed", "3", "--out", "results/of today"])
    found = metrics(Path("results/of today"))
    assert found["settings"] == {
        "data": "sample",
        "val": None,
        "rows": 24,
        "epochs": 2,
        "lr": 0.002,
        "batch_size": 32,
        "seed": 3,
        "hidden_size": 64,
        "num_layers": 2,
    }
    assert {"python", "torch", "spacy", "model", "device", "seed"} <= set(found["environment"])
    assert found["classes"] == list(news.CLASSES)
    assert len(found["submission"]["digest"]) == 64


def test_a_run_can_be_repeated_and_the_seed_matters() -> None:
    for out, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        main(["train", str(SOLUTION), *QUICK, "--seed", seed, "--out", out])
    a, b, c = (metrics(Path(out)) for out in "abc")
    assert a["returned"] == b["returned"]
    assert a["returned"] != c["returned"]


def test_a_second_run_replaces_the_files_of_the_first() -> None:
    main(["train", str(SOLUTION), *QUICK])
    first = metrics()
    Path("training/notes.txt").write_text("mine")
    main(["train", str(SOLUTION), *QUICK, "--lr", "0.01"])
    assert metrics()["returned"] != first["returned"]
    assert {path.name for path in Path("training").iterdir()} == {*FILES, "notes.txt"}


def test_a_large_run_is_tried_out_first(
    monkeypatch: pytest.MonkeyPatch, submission: Submission, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "LONG", 10)
    assert main(["train", str(SOLUTION), *QUICK]) == 0
    assert len(metrics()["history"]) == 2
    capsys.readouterr()
    monkeypatch.setattr(vectors, "embed", None)  # what is broken shows before it is called
    broken = submission(("train", "was_training = model.training", "was_training = mode.training"))
    assert main(["train", str(broken), *QUICK]) == 1
    assert "name 'mode' is not defined" in capsys.readouterr().err


# --- data ------------------------------------------------------------------------------------


def settings(**changes: Any) -> Settings:
    plain = {"data": "sample", "val": None, "rows": None, "epochs": 1, "lr": 0.1, "batch_size": 2}
    return Settings(**{**plain, "seed": 0, "device": "cpu", **changes})


def test_the_sample_validates_on_its_valid_split() -> None:
    assert run.choose(settings()) == (news.sample("train"), news.sample("valid"))


def test_ag_news_validates_on_its_test_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "AG_NEWS", lambda split: iter([(1, split)]))
    assert run.choose(settings(data="ag_news")) == ([(1, "train")], [(1, "test")])


def test_a_file_validates_on_a_tenth_of_its_own_that_the_seed_draws(csv_file: Path) -> None:
    rows = news.read_csv(csv_file)
    train, val = run.choose(settings(data=str(csv_file)))
    assert len(val) == len(rows) // 10
    assert sorted([*train, *val]) == sorted(rows)
    assert run.choose(settings(data=str(csv_file))) == (train, val)
    assert run.choose(settings(data=str(csv_file), seed=1)) != (train, val)


@pytest.mark.parametrize("data", ["sample", "ag_news", "file"])
def test_a_file_of_ones_own_to_validate_on(
    csv_file: Path, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    monkeypatch.setattr(news, "AG_NEWS", lambda split: iter([(1, split)]))
    data = str(csv_file) if data == "file" else data
    train, val = run.choose(settings(data=data, val=csv_file))
    assert val == news.read_csv(csv_file)
    assert train != val or data == str(csv_file)


def test_rows_are_drawn_by_the_seed_and_never_twice() -> None:
    train, _ = run.choose(settings(rows=10))
    other, _ = run.choose(settings(rows=10, seed=1))
    assert len(set(train)) == 10
    assert set(train) < set(news.sample("train"))
    assert train != other
    assert run.choose(settings(rows=64))[0] == news.sample("train")


# --- bad input: one line, exit code 2, nothing written ----------------------------------------

BAD = [
    (["--data", "gone.csv"], "gone.csv: no such file. Give sample, ag_news, or"),
    (["--data", "."], "is not a file"),
    (["--data", "latin.csv"], "not UTF-8"),
    (["--data", "label5.csv"], "line 2: the label is '5'"),
    (["--data", "words.csv"], "the label is 'World'"),
    (["--data", "columns.csv"], "4 columns"),
    (["--data", "empty.csv"], "is empty"),
    (["--data", "one.csv"], "Add --val"),
    (["--data", "one.csv", "--val", "gone.csv"], "gone.csv: no such file"),
    (["--val", "label5.csv"], "line 2: the label is '5'"),
    (["--rows", "0"], "--rows 0"),
    (["--rows", "-3"], "--rows -3"),
    (["--rows", "65"], "there are only 64 training rows"),
    (["--epochs", "0"], "--epochs 0"),
    (["--epochs", "1001"], "--epochs 1001"),
    (["--lr", "0"], "--lr 0"),
    (["--lr", "-0.1"], "--lr -0.1"),
    (["--lr", "nan"], "--lr nan"),
    (["--lr", "inf"], "--lr inf"),
    (["--lr", "2"], "--lr 2"),
    (["--batch-size", "0"], "--batch-size 0"),
    (["--batch-size", "5000"], "--batch-size 5000"),
    (["--out", "file"], "--out file: cannot be written to"),
    (["--out", "file/below"], "--out file/below: cannot be written to"),
    (["--out", "/proc/training"], "--out /proc/training: cannot be written to"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[" ".join(bad[0]) for bad in BAD])
def test_bad_input(
    options: list[str],
    message: str,
    places: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(vectors, "cache_folder", lambda: places.parent / "cache")  # an empty one
    for name, data in {
        "latin.csv": '"1","caf\u00e9"'.encode("latin-1"),
        "label5.csv": b"1,a\n5,b\n",
        "words.csv": b"World,a\n",
        "columns.csv": b"1,a,b,c\n",
        "empty.csv": b"",
        "one.csv": b"1,a\n",
        "file": b"",
    }.items():
        (places / name).write_bytes(data)
    before = sorted(places.parent.rglob("*"))
    assert main(["train", str(SOLUTION), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("grader: ")
    assert err.count("\n") == 1
    assert sorted(places.parent.rglob("*")) == before


def test_a_wrong_path_of_the_submission(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "nobody"]) == 2
    assert capsys.readouterr().err.startswith("grader: nobody: no such file or folder")
    assert list(places.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_cuda_where_there_is_none(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(SOLUTION), "--device", "cuda"]) == 2
    assert "--device cuda" in capsys.readouterr().err
    assert list(places.iterdir()) == []


def test_a_folder_that_becomes_unwritable_in_the_meantime(
    monkeypatch: pytest.MonkeyPatch, places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert main(["train", str(SOLUTION), *QUICK]) == 2
    out, err = capsys.readouterr()
    assert "Accuracy on the 20 validation items" in out
    assert "No space left" in err
    assert list((places / "training").iterdir()) == []


# --- broken submissions: the words of grading, exit code 1, nothing saved ----------------------

BROKEN = [
    (
        ("model", "super().__init__()", 'raise NotImplementedError("Task model: not yet")'),
        ["Task model: not yet"],
    ),
    (
        ("model", "return self.linear(torch.relu(last))", "return self.lineal(torch.relu(last))"),
        ["handed_in/model.py", "has no attribute 'lineal'", "return self.lineal"],
    ),
    (("model", "class LSTMClassifier", "class LSTM"), ["does not define LSTMClassifier"]),
    (("train", "def train(", "def learn("), ["train.py does not define train"]),
    (("train", "optimizer.step()", "optimizer.step("), ["SyntaxError", "handed_in/train.py"]),
    (("train", "loss.backward()", "exit()"), ["Your code called exit()"]),
    (("train", "loss.backward()", "import os; os._exit(3)"), ["exited with status 3"]),
    (
        ("model", "torch.relu(last))", "torch.relu(last))[:, :3]"),
        ["IndexError", "cross_entropy"],
    ),
    (
        ("train", "return history", "torch.nn.init.constant_(model.linear.bias, float('nan'))"),
        ["the logits hold nan or inf"],
    ),
]


@pytest.mark.parametrize(("change", "messages"), BROKEN, ids=[bad[0][2] for bad in BROKEN])
def test_broken_code_is_explained(
    submission: Submission,
    change: tuple[str, str, str],
    messages: list[str],
    places: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", str(submission(change)), *QUICK]) == 1
    err = capsys.readouterr().err
    for message in messages:
        assert message in err
    assert "Traceback" not in err
    assert list(places.iterdir()) == []


def test_a_missing_module_is_named(
    submission: Submission, places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = submission()
    (folder / "train.py").unlink()
    assert main(["train", str(folder), *QUICK]) == 1
    assert "train.py is missing" in capsys.readouterr().err
    assert list(places.iterdir()) == []


def test_what_the_code_prints_is_shown(
    submission: Submission, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = submission(("train", "history = []", 'history = []; print("lr\\x1b[31m is", lr)'))
    assert main(["train", str(folder), *QUICK]) == 0
    assert "Your code printed:\nlr?[31m is 0.002\n" in capsys.readouterr().out


def test_an_interrupted_run_saves_nothing_and_ends_its_worker(
    monkeypatch: pytest.MonkeyPatch, places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[RunningWorker] = []

    def recording(minimum: Tier | None, device: str) -> Confinement:
        chosen = tiers.choose(minimum, device)

        def launch(*arguments: Any) -> RunningWorker:
            started.append(chosen.launch(*arguments))
            return started[-1]

        return dataclasses.replace(chosen, launch=launch)

    def interrupt(_watch: TrainingProgress, _report: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "choose", recording)
    monkeypatch.setattr(TrainingProgress, "take", interrupt)
    assert main(["train", str(SOLUTION), *QUICK]) == 130
    assert started
    assert all(worker.process.poll() is not None for worker in started)
    assert "interrupted" in capsys.readouterr().err
    assert list(places.iterdir()) == []


# --- loops that are written in other ways ------------------------------------------------------


def test_a_loop_that_never_validates_shows_dashes(
    submission: Submission, capsys: pytest.CaptureFixture[str]
) -> None:
    change = ("train", "= evaluate(model, val_loader, device)", "= 0.0, 0.0")
    assert main(["train", str(submission(change)), *QUICK]) == 0
    found = metrics()
    assert [epoch["val_loss"] for epoch in found["history"]] == [None, None]
    assert capsys.readouterr().out.count("          -          -  ") == 2
    assert np.sum(found["confusion"]) == 20


def test_measuring_the_training_data_is_no_epoch(submission: Submission) -> None:
    line = "        val_loss, val_accuracy = "
    change = ("train", line, f"        evaluate(model, train_loader, device)\n{line}")
    assert main(["train", str(submission(change)), *QUICK]) == 0
    found = metrics()
    assert len(found["history"]) == 2
    for seen, returned in zip(found["history"], found["returned"], strict=True):
        assert seen["train_loss"] == pytest.approx(returned["train_loss"], rel=1e-5)


def test_what_json_has_no_form_for_becomes_text(submission: Submission) -> None:
    change = ("train", "return history", 'return {"a": (1, float("nan")), 2: model, "t": loss}')
    assert main(["train", str(submission(change)), *QUICK]) == 0
    returned = metrics()["returned"]
    assert returned["a"] == [1, "nan"]
    assert "LSTMClassifier" in returned["2"]
    assert "float32 tensor" in returned["t"]


# --- the parts ---------------------------------------------------------------------------------


@pytest.fixture
def watch() -> Iterator[TrainingProgress]:
    with TrainingProgress(Console(file=StringIO()), 2, 3, 2) as watch:
        yield watch


def report(loader: Any, number: int, batch: float, batches: int, **changes: Any) -> dict[str, Any]:
    figures = {"learning": loader == "train", "loss": 1.0, "accuracy": 0.5}
    position = {"loader": loader, "pass": number, "batch": batch, "batches": batches}
    return {**position, **figures, **changes}


def test_an_epoch_that_breaks_off_ends_when_the_next_begins(watch: TrainingProgress) -> None:
    watch.take(report("train", 1, 1, 3, loss=2.0))
    watch.take(report("train", 2, 1, 3))
    assert [(epoch.epoch, epoch.train_loss) for epoch in watch.history] == [(1, 2.0)]


def test_validation_before_the_first_epoch_is_not_of_an_epoch(watch: TrainingProgress) -> None:
    watch.take(report("val", 1, 2, 2, loss=9.0))
    watch.take(report("train", 1, 3, 3))
    watch.take(report("val", 2, 2, 2, loss=3.0))
    assert [(epoch.epoch, epoch.val_loss) for epoch in watch.history] == [(1, 3.0)]


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {"loader": "train"},
        report([], 1, 1, 1),
        report("other", 1, 1, 1),
        report("train", 1, 1, 1, loss="[red]"),
        report("train", 1, 1.5, 2),
        report("train", 1, 1, 1, accuracy={}),
    ],
)
def test_a_report_that_is_none_is_refused(watch: TrainingProgress, nonsense: Any) -> None:
    with pytest.raises(ProtocolError):
        watch.take(nonsense)
    assert watch.history == []


def test_confusion_counts_true_classes_in_rows() -> None:
    logits = tensor_data(torch.eye(4)[[0, 1, 1, 3]])
    counts = run.confusion(logits, np.array([0, 1, 2, 3]))
    assert counts.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize(
    "logits", [torch.zeros(4, 3), torch.zeros(3, 4), torch.full((4, 4), math.inf)]
)
def test_logits_that_are_none_are_refused(logits: torch.Tensor) -> None:
    with pytest.raises(Failure):
        run.confusion(tensor_data(logits), np.zeros(4, dtype=np.int64))


@pytest.mark.parametrize(
    "history",
    [
        [],
        [EpochFigures(1, 1.2, 0.3, None, None, 1.0)],
        [
            EpochFigures(1, math.nan, 0.3, math.inf, 0.2, 1.0),
            EpochFigures(2, None, None, 0.1, 0.2, 1.0),
        ],
    ],
    ids=["nothing", "one epoch", "no numbers"],
)
def test_curves_of_odd_histories_can_be_drawn(history: list[EpochFigures]) -> None:
    png_size(results.draw_curves(history))


def test_a_class_that_never_occurs_can_be_drawn() -> None:
    png_size(results.draw_confusion(np.diag([5, 0, 1, 20000])))


def test_settings_are_refused_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="--epochs"):
        settings(epochs=0)
