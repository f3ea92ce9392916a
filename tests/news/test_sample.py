"""What the sample promises, measured. `python -m tests.news.test_sample` prints the figures."""

import re
import statistics
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

import news

SIZES = {"train": 800, "valid": 200, "test": 200}
DATA = Path(news.__file__).parent / "data"
REAL = Path(__file__).parents[3] / "shared/data/ag_news/test.csv"
Row = tuple[int, str]

needs_real_rows = pytest.mark.skipif(
    not REAL.exists(), reason="the real rows are not there: ../shared/data/ag_news/test.csv"
)


def whole() -> list[Row]:
    return [row for split in SIZES for row in news.sample(split)]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())


def distinct_words(rows: list[Row]) -> int:
    return len({word for _, text in rows for word in words(text)})


def lengths(rows: list[Row]) -> list[int]:
    return [len(text.split()) for _, text in rows]


def runs(text: str, size: int) -> set[tuple[str, ...]]:
    """Return every run of `size` words of a text."""
    tokens = words(text)
    return {tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)}


def items_of_runs(rows: list[Row], size: int) -> dict[tuple[str, ...], int]:
    """Count for each run of `size` words how many items have it."""
    return Counter(run for _, text in rows for run in runs(text, size))


def closest_across_splits() -> tuple[float, str, str]:
    """Return the two items of different splits that share most words, by Jaccard's measure."""
    sets = {split: [(set(words(t)), t) for _, t in news.sample(split)] for split in SIZES}
    return max(
        (len(a & b) / len(a | b), text_a, text_b)
        for one, other in combinations(SIZES, 2)
        for a, text_a in sets[one]
        for b, text_b in sets[other]
    )


def accuracy(train: list[Row], test: list[Row]) -> float:
    """Return the share of `test` that TF-IDF and logistic regression get right after `train`."""
    text = pytest.importorskip("sklearn.feature_extraction.text")
    linear = pytest.importorskip("sklearn.linear_model")
    vectors = text.TfidfVectorizer(sublinear_tf=True)
    model = linear.LogisticRegression(C=5, max_iter=1000)
    model.fit(vectors.fit_transform([t for _, t in train]), [label for label, _ in train])
    return float(model.score(vectors.transform([t for _, t in test]), [label for label, _ in test]))


def figures() -> dict[str, object]:
    """Return every figure by name."""
    rows = whole()
    found: dict[str, object] = {
        "items": {split: len(news.sample(split)) for split in SIZES},
        "items of each class": {s: classes(news.sample(s)) for s in SIZES},
        "distinct words": distinct_words(rows),
        "words a row, mean": round(statistics.mean(lengths(rows)), 1),
        "words a row, standard deviation": round(statistics.stdev(lengths(rows)), 1),
        "most items with one run of six words": max(items_of_runs(rows, 6).values()),
        "closest pair across splits, Jaccard": round(closest_across_splits()[0], 3),
    }
    if REAL.exists():
        real = news.read_csv(REAL)
        found["runs of eight words shared with real rows"] = len(shared_runs(rows, real, 8))
        found["trained on real rows, right on the sample"] = round(accuracy(real, rows), 4)
        found["trained on the sample, right on real rows"] = round(accuracy(rows, real), 4)
    return found


def classes(rows: list[Row]) -> dict[int, int]:
    return dict(sorted(Counter(label for label, _ in rows).items()))


def shared_runs(a: list[Row], b: list[Row], size: int) -> set[tuple[str, ...]]:
    return set(items_of_runs(a, size)) & set(items_of_runs(b, size))


@pytest.mark.parametrize(("split", "size"), SIZES.items())
def test_the_classes_have_the_same_number_of_items(split: str, size: int) -> None:
    assert classes(news.sample(split)) == dict.fromkeys((1, 2, 3, 4), size // 4)


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(news.NewsError, match=r"no split 'dev'; use one of train, valid, test$"):
        news.sample("dev")


@pytest.mark.parametrize("split", SIZES)
def test_the_files_have_the_official_layout(split: str) -> None:
    field = '"(?:[^"]|"")+"'
    data = (DATA / f"sample_{split}.csv").read_bytes()
    for line in data.decode("utf-8").removesuffix("\n").split("\n"):
        assert re.fullmatch(f'"[1-4]",{field},{field}', line), line


def test_no_control_characters() -> None:
    assert [text for _, text in whole() if not text.isprintable()] == []


def test_no_stray_blanks() -> None:
    assert [text for _, text in whole() if text != " ".join(text.split())] == []


def test_at_least_7500_distinct_words() -> None:
    assert distinct_words(whole()) >= 7500


def test_rows_are_30_to_45_words_long_on_average() -> None:
    assert 30 <= statistics.mean(lengths(whole())) <= 45


def test_the_spread_of_lengths_is_like_ag_news() -> None:
    """Five draws of 300 real rows a class had a standard deviation of 9.6 to 10.4."""
    assert 7 <= statistics.stdev(lengths(whole())) <= 13


def test_no_run_of_six_words_in_more_than_two_items() -> None:
    assert [run for run, items in items_of_runs(whole(), 6).items() if items > 2] == []


def test_no_near_duplicates_across_splits() -> None:
    likeness, one, other = closest_across_splits()
    assert likeness < 0.4, f"{one!r} and {other!r}"


@needs_real_rows
def test_no_text_is_taken_from_the_real_rows() -> None:
    assert shared_runs(whole(), news.read_csv(REAL), 8) == set()


@needs_real_rows
def test_a_classifier_trained_on_real_rows_knows_the_sample() -> None:
    assert accuracy(news.read_csv(REAL), whole()) >= 0.85


@needs_real_rows
def test_a_classifier_trained_on_the_sample_knows_real_rows() -> None:
    assert accuracy(whole(), news.read_csv(REAL)) >= 0.68


if __name__ == "__main__":
    for name, figure in figures().items():
        print(f"{name}: {figure}")
