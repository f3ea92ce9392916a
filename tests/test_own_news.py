"""A course with texts of its own instead of the kit's news: lesson, checks and accuracy."""

import csv
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import news
from grader.__main__ import main
from grader.base.errors import UsageError
from grader.base.paths import ROOT
from grader.checks.news_classifier import accuracy
from grader.classroom import job
from grader.contract import course, course_file, course_news
from grader.contract.policy import GRADING
from grader.grading import calibration, heldout_accuracy
from grader.grading.vectors import Vectors
from grader.maintain import release

Rows = list[tuple[int, str]]
WORDS = (
    "river boat fish water sail",
    "bread oven flour butter cake",
    "goal team coach match stadium",
    "planet star orbit comet rocket",
    "guitar drum violin song choir",
    "bank loan market price trade",
    "doctor nurse fever clinic pill",
)


def made(classes: int, count: int = 1200) -> Rows:
    """Texts whose words tell the class, sorted by class."""
    draw = random.Random(classes)
    rows = []
    for at in range(count):
        label = at * classes // count + 1
        words = [*WORDS[label - 1].split(), "the", "of", "a", "with", "and"]
        rows.append((label, " ".join(draw.choices(words, k=8)) + f" {at}."))
    return rows


def written(folder: Path, rows: Rows, classes: int, more: str = "") -> Path:
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows(rows)
    names = json.dumps([f"class {number}" for number in range(1, classes + 1)])
    path = folder / "course.toml"
    path.write_text(
        f'data = "texts.csv"\nclasses = {names}\n{more}\n[accuracy]\nfull = 0.5\nnone = 0.4\n'
    )
    return path


def test_without_data_the_sample_is_the_kits() -> None:
    assert course_news.own() is None
    assert course_news.text() == ""
    assert news.CLASSES == ("World", "Sports", "Business", "Sci/Tech")
    assert news.sample("valid") == news.embedded.kit_sample("valid")


@pytest.mark.parametrize(("classes", "count"), [(2, 1200), (7, 1203), (20, 6001)])
def test_the_sample_and_the_classes_are_the_courses(
    tmp_path: Path, classes: int, count: int
) -> None:
    rows = made(min(classes, 7), count)
    rows = [(at % classes + 1, text) for at, (_, text) in enumerate(rows)]
    with course.chosen(written(tmp_path, rows, classes)):
        assert [*news.CLASSES] == [f"class {number}" for number in range(1, classes + 1)]
        parts = [news.sample(split) for split in ("train", "valid", "test")]
        whole = [row for part in parts for row in part]
        used = min(count, course_news.MOST_ROWS)
        assert [round(6 * len(part) / used) for part in parts] == [4, 1, 1]
        assert len({*whole}) == len(whole) == used
        assert {*whole} <= {*rows}
        assert Counter(label for label, _ in parts[0]).keys() == {*range(1, classes + 1)}
        assert news.sample("train") == parts[0]
        assert {label for label, _ in accuracy._few(parts[0])} == {*range(1, classes + 1)}
        assert len(accuracy._few(parts[0])) < accuracy.FEW + classes
    assert len(news.CLASSES) == 4


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [*made(2), (3, "x")],
            "texts.csv, line 1201: the label is '3', not an integer from 1 to 2",
        ),
        (made(2)[:1199], "texts.csv has 1199 rows; 1200 are needed."),
        ([(1, text) for _, text in made(2)], "texts.csv has 0 rows with the label 2 (class 2); 30"),
        ([], "texts.csv is empty"),
    ],
)
def test_a_file_that_does_not_do_is_refused_before_anything_is_graded(
    tmp_path: Path, rows: Rows, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, rows, 2)
    for command in (["grade", "solution/dataset.py"], ["class", "tests", "--out", str(tmp_path)]):
        assert main([*command, "--course", str(path)]) == 2
        told = capsys.readouterr().err
        assert words in told
        assert "course.toml, line 1: data: " in told
    (tmp_path / "texts.csv").unlink()
    with course.chosen(path), pytest.raises(UsageError, match=r"texts\.csv: no such file"):
        course_news.own()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "data = 'x.csv'",
            'line 1: the names of its classes are missing: classes = ["...", "..."]',
        ),
        ("classes = ['a', 'b']", "these are the classes of data, which is not set"),
        ("data = 'x.csv'\nclasses = ['a', 'a']", "line 2: 1 different classes; data needs 2 to 20"),
        ("data = 'x.csv'\nclasses = 2", "line 2: classes = 2 is not a list of names, as in"),
        ("data = 7", "line 1: data = 7 is not a text"),
        ("data = 'x.csv'\nclasses = ['a', 'b']", "set full and none in [accuracy] to numbers"),
        (
            "data = 'x.csv'\nclasses = ['a', 'b']\naccuracy.full = 'calibrated'",
            "set full and none in [accuracy] to numbers",
        ),
    ],
)
def test_what_is_missing_in_the_course_is_said(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        course_file.parse(text, "course.toml")
    assert words in str(caught.value)


def test_without_the_task_accuracy_no_marks_are_needed() -> None:
    text = "data = 'x.csv'\nclasses = ['a', 'b']\nleave_out = ['accuracy']"
    assert course_file.parse(text, "course.toml").classes == ("a", "b")


def test_another_machine_has_the_same_texts_without_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with course.chosen(written(tmp_path, made(3, 5000), 3)):
        own, sent, text = course_news.own(), course_news.text(), course.current().text(GRADING)
    (tmp_path / "texts.csv").unlink()
    monkeypatch.setattr(course, "_used", [])
    course.use(text, sent)
    assert course_news.own() == own
    assert calibration.marks() == (0.5, 0.4)
    setting = job.GradingConfig("", "cpu", 0, "limits", 1, "", "", text, sent)
    assert setting.digest != job.GradingConfig("", "cpu", 0, "limits", 1, "", "", text, "").digest


def test_students_get_the_texts_and_have_the_same_sample(tmp_path: Path) -> None:
    with course.chosen(written(tmp_path, made(3, 5000), 3, "pass_mark = 50")):
        files, sample = release.course_file(), news.sample("train")
        kernel = course_news.released()
    assert {*files} == {"grader/contract/course.toml", "grader/contract/course.csv"}
    assert {*kernel} == {"course.toml", "course.csv"}
    folder = tmp_path / "student"
    folder.mkdir()
    for name, data in kernel.items():
        (folder / name).write_bytes(data)
    with course.chosen(folder):
        assert news.sample("train") == sample
        assert news.CLASSES == ("class 1", "class 2", "class 3")


@pytest.mark.parametrize("classes", [2, 7])
def test_news_are_split_and_their_classes_renumbered(tmp_path: Path, classes: int) -> None:
    rows = made(classes)
    chance = np.random.default_rng(0)
    offsets = np.arange(0, 5 * len(rows) + 1, 5)
    vectors = chance.standard_normal((5 * len(rows), 96)).astype(np.float32)
    pool = Vectors(vectors, offsets, np.array([label - 1 for label, _ in rows]))
    with course.chosen(written(tmp_path, rows, classes)):
        found = heldout_accuracy.split(pool, 4711)
        assert {*found.train.targets, *found.unseen.targets} == {*range(classes)}
        weights = {
            name: accuracy_weights(shape)
            for name, shape in {
                "head.0.weight": (64, 96),
                "head.0.bias": (64,),
                "head.2.weight": (classes, 64),
                "head.2.bias": (classes,),
            }.items()
        }
        logits = heldout_accuracy.replacement_logits(weights, found.unseen)
        assert logits.shape == (len(found.unseen), classes)


def accuracy_weights(shape: tuple[int, ...]) -> object:
    from grader.worker.wire import TensorData

    data = np.ones(shape, np.float32).reshape(-1).view(np.uint8).data
    return TensorData("float32", shape, data)


@pytest.mark.full
def test_the_reference_learns_them(tmp_path: Path) -> None:
    path = written(tmp_path, made(7), 7)
    command = ["grade", "solution", "--json", "-", "--course", str(path)]
    done = subprocess.run(
        [sys.executable, "-m", "grader", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["accuracy"]["value"] > 0.9
    assert record["accuracy"]["unseen"] == 300
    assert record["accuracy"]["reference"] is None
    assert record["environment"]["data"] == "course"


@pytest.mark.full
def test_a_class_has_the_same_marks_as_a_single_submission(tmp_path: Path) -> None:
    path = written(tmp_path, made(3), 3)
    folder = tmp_path / "class" / "ada"
    folder.mkdir(parents=True)
    for name in ("dataset", "collate", "model", "train"):
        (folder / f"{name}.py").write_bytes((ROOT / "solution" / f"{name}.py").read_bytes())
    single = tmp_path / "single.json"
    own = ["--course", str(path)]
    assert main(["grade", str(folder), "--json", str(single), *own]) == 0
    out = tmp_path / "out"
    command = ["class", str(tmp_path / "class"), "--out", str(out), "--workers", "1"]
    assert main([*command, "--confine", "limits", *own]) == 0
    [result] = json.loads((out / "results.json").read_text())["results"]
    assert result["record"]["accuracy"] == json.loads(single.read_text())["accuracy"]
    big = tmp_path / "big.csv"
    course_news_rows = made(3, 3600)
    big.write_text(course_news.as_csv(course_news_rows), encoding="utf-8")
    assert main([*command, "--confine", "limits", "--data", str(big), *own]) == 0
    [result] = json.loads((out / "results.json").read_text())["results"]
    assert result["record"]["environment"]["data"] == "3600 rows"
    assert result["record"]["accuracy"]["unseen"] == 900


@pytest.mark.full
def test_a_notebook_that_is_run_for_its_page_has_them(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    from nbclient import NotebookClient

    from grader.course.kernel import SandboxedKernel
    from grader.course.sandbox_policy import why_no_pages

    if reason := why_no_pages():
        pytest.skip(reason)
    code = "import news, grader\nprint(news.CLASSES, len(news.sample('train')))"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    with course.chosen(written(tmp_path, made(2), 2)):
        NotebookClient(notebook, kernel_manager_class=SandboxedKernel).execute()
    assert notebook.cells[0].outputs[0].text == "('class 1', 'class 2') 800\n"
