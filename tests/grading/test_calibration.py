"""The marks of the task accuracy follow from recorded runs, and the runs can be repeated."""

import itertools
import math
import re
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grader.__main__ import main
from grader.base.errors import UsageError
from grader.contract.enums import State
from grader.contract.tasks import tasks
from grader.grading import heldout_accuracy
from grader.grading.calibration import DATA, SETTINGS, TRAINING, calibration, marks
from grader.grading.session import session
from grader.grading.submission import Submission
from grader.grading.vectors import Vectors
from grader.intake.sources import Sources
from grader.maintain import calibrate
from grader.maintain.calibrate import TrainingRun
from grader.maintain.submission_bank import REFERENCE, accepted_variants
from grader.sandbox.worker_client import LocalWorker

AGAIN = "run `python -m grader calibrate`"
ADD = "run `python -m grader calibrate --add NAME` for each new one"
OFTEN = 60  # runs, at least, of what the marks rest on
RIGHT: dict[str, Any] = calibration()["runs"]["right"]
NOTHING: dict[str, Any] = calibration()["runs"]["nothing"]["shuffled targets"]


def test_the_marks_are_those_that_the_recorded_runs_lead_to() -> None:
    assert calibrate.marks(calibration()["runs"]) == calibration()["marks"], AGAIN


def test_the_rates_are_those_that_the_recorded_runs_lead_to() -> None:
    found = calibrate.rates(calibration()["runs"], calibration()["marks"])
    assert found == calibration()["rates"], AGAIN
    assert found["false_fail"] < 1e-3
    assert found["false_pass"] <= 1e-3


def test_full_marks_are_far_above_guessing() -> None:
    assert calibration()["marks"]["full"] >= 0.52


def test_the_runs_were_made_with_the_settings_that_are_used() -> None:
    assert calibration()["training"] == {**DATA, **TRAINING}, AGAIN


def test_the_reference_and_what_learns_nothing_ran_on_several_draws() -> None:
    assert len(RIGHT["reference"]["accuracies"]) >= OFTEN
    assert len(NOTHING["accuracies"]) >= OFTEN


def test_every_accepted_variant_was_tried() -> None:
    variants = {entry.name for entry in accepted_variants() if calibrate.is_trained(entry)}
    assert variants <= set(RIGHT), ADD


@pytest.mark.parametrize("name", [n for n, row in RIGHT.items() if len(row["accuracies"]) >= OFTEN])
def test_no_more_runs_miss_full_marks_than_the_tries_make_up_for(name: str) -> None:
    accuracies = RIGHT[name]["accuracies"]
    missed = sum(accuracy < calibration()["marks"]["full"] for accuracy in accuracies)
    assert (missed / len(accuracies)) ** heldout_accuracy.TRIES < 1e-3


def test_the_weakest_variants_were_drawn_as_often_as_the_reference() -> None:
    variants = [RIGHT[entry.name] for entry in accepted_variants() if entry.name in RIGHT]
    shared = min(len(row["accuracies"]) for row in variants)  # all ran on these draws
    weakest = sorted(variants, key=lambda row: sum(row["accuracies"][:shared]))[:1]
    often = [row for row in variants if len(row["accuracies"]) >= OFTEN]
    assert len(often) >= calibrate.WEAKEST
    assert weakest[0] in often


def test_shuffled_targets_earn_nothing_and_the_band_is_there() -> None:
    marks = calibration()["marks"]
    assert max(NOTHING["accuracies"]) <= marks["none"]
    assert marks["none"] < marks["full"]


@pytest.mark.full  # like the runs that are recorded, four seconds each
@pytest.mark.parametrize(
    ("group", "name", "draw", "options"),
    [
        *(("right", "reference", draw, {}) for draw in (1000, 1001, 1002)),
        ("right", "the grader's model", 1003, {"own_model": False}),
        ("right", "the grader's loop", 1004, {"own_loop": False}),
        *(("nothing", "shuffled targets", draw, {"shuffled": True}) for draw in (1005, 1006)),
    ],
)
def test_a_run_on_another_draw_stays_within_the_recorded_spread(
    group: str, name: str, draw: int, options: dict[str, bool]
) -> None:
    recorded = calibration()["runs"][group][name]
    accuracy, _ = calibrate.run(TrainingRun(group, name, REFERENCE, draw, **options))
    assert accuracy == pytest.approx(recorded["mean"], abs=4 * recorded["spread"]), AGAIN


def test_the_pooled_spread_is_taken_round_the_mean_of_each_group() -> None:
    far_apart = [{"accuracies": [0.1, 0.3]}, {"accuracies": [0.7, 0.9]}]
    assert calibrate.pooled(far_apart) == pytest.approx(statistics.stdev([0.1, 0.3]))


def test_full_marks_lie_below_the_lowest_mean_and_points_begin_above_the_highest() -> None:
    runs = {
        "right": {
            "low": {"mean": 0.6, "accuracies": [0.58, 0.6, 0.62]},
            "high": {"mean": 0.8, "accuracies": [0.78, 0.8, 0.82]},
        },
        "nothing": {"shuffled": {"mean": 0.25, "accuracies": [0.23, 0.25, 0.27]}},
    }
    # 1.64 spreads of 0.02 below, 3.40 above
    assert calibrate.marks(runs) == {"full": 0.56, "none": 0.32}


def test_the_rates_are_those_of_all_tries_together() -> None:
    runs = {
        "right": {
            "low": {"mean": 0.6, "accuracies": [0.58, 0.6, 0.62]},
            "high": {"mean": 0.8, "accuracies": [0.78, 0.8, 0.82]},
        },
        "nothing": {"shuffled": {"mean": 0.25, "accuracies": [0.23, 0.25, 0.27]}},
    }
    found = calibrate.rates(runs, {"full": 0.58, "none": 0.27})
    # each is one spread of 0.02 away, with 0.159 beyond it
    assert found == {"false_fail": 0.004, "false_pass": 0.4}


# --- one more variant ------------------------------------------------------------------------


def recorded(**changed: Any) -> dict[str, Any]:
    """Make up a calibration of three accepted variants and the versions of today."""

    def row(*accuracies: float) -> dict[str, Any]:
        mean, spread = statistics.mean(accuracies), statistics.stdev(accuracies)
        return {"accuracies": [*accuracies], "mean": round(mean, 4), "spread": round(spread, 4)}

    runs = {
        "right": {
            "model_narrow_head": row(0.5, 0.5, 0.52, 0.52),
            "model_packed": row(0.6, 0.62),
            "reference": row(0.6, 0.62, 0.6, 0.62),
            "train_plain": row(0.61, 0.62),
            "train_tqdm": row(0.62, 0.62),
        },
        "nothing": {"shuffled targets": row(0.24, 0.26)},
        "wrong": {"weights-drawn-too-large": row(0.24, 0.26)},
    }
    made = {"versions": calibrate.versions(), "training": {**DATA, **TRAINING}}
    return {"schema_version": 1, "marks": calibrate.marks(runs), "runs": runs, **made, **changed}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Names and numbers of the draws that were made; each has an accuracy of 0.7, or nearly."""
    found: list[tuple[str, int]] = []

    def runs(listed: list[TrainingRun]) -> list[calibrate.Run]:
        found.extend((job.name, job.number) for job in listed)
        return [(job, accuracy_of(job), 1.0) for job in listed]

    def accuracy_of(job: TrainingRun) -> float:
        low = job.name == "model_view"
        return (0.45 if low else 0.7) + 0.01 * (job.number % 2)

    monkeypatch.setattr(calibrate, "runs", runs)
    monkeypatch.setattr(heldout_accuracy, "sample_pool", lambda: None)
    return found


def test_a_variant_is_added_and_the_other_runs_stay(drawn: list[tuple[str, int]]) -> None:
    old = recorded()
    found = calibrate.add("model_chunk", old, seeds=4, few=2)
    assert drawn == [("model_chunk", 0), ("model_chunk", 1)]
    row = {"accuracies": [0.7, 0.71], "mean": 0.705, "spread": 0.0071}
    right = {**old["runs"]["right"], "model_chunk": row}
    assert found["runs"] == {**old["runs"], "right": right}
    assert list(found["runs"]["right"]) == sorted(right)
    assert found["marks"] == calibrate.marks(found["runs"])


def test_one_of_the_weakest_is_drawn_more_often_and_lowers_the_marks(
    drawn: list[tuple[str, int]],
) -> None:
    old = recorded()
    found = calibrate.add("model_view", old, seeds=4, few=2)
    assert drawn == [("model_view", number) for number in range(4)]
    assert found["runs"]["right"]["model_view"]["accuracies"] == [0.45, 0.46, 0.45, 0.46]
    assert found["marks"]["full"] < old["marks"]["full"]
    assert found["marks"] == calibrate.marks(found["runs"])


def test_a_variant_that_is_drawn_again_replaces_its_runs(drawn: list[tuple[str, int]]) -> None:
    found = calibrate.add("train_plain", recorded(), seeds=4, few=2)
    assert found["runs"]["right"]["train_plain"]["accuracies"] == [0.7, 0.71]
    assert len(drawn) == 2


@pytest.mark.parametrize(
    ("name", "changed", "says"),
    [
        ("no_such", {}, "no_such: no accepted variant of that name changes model.py or train.py."),
        ("collate_numpy", {}, "collate_numpy: no accepted variant of that name changes"),
        ("model_chunk", {"versions": {}}, "torch was None in the recorded runs, it is "),
        ("model_chunk", {"training": {"epochs": 1}}, "epochs was 1 in the recorded runs, it is "),
    ],
)
def test_what_cannot_be_added_is_refused_before_any_run(
    drawn: list[tuple[str, int]], name: str, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        calibrate.add(name, recorded(**changed), seeds=4, few=2)
    assert drawn == []


def test_the_command_adds_to_the_file_in_its_format(
    drawn: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "calibration.json"
    old = recorded(seconds=3.5)
    monkeypatch.setattr("grader.grading.calibration.FILE", file)
    monkeypatch.setattr("grader.grading.calibration.calibration", lambda: old)
    assert main(["calibrate", "--add", "model_chunk", "--few", "2"]) == 0
    assert len(drawn) == 2
    expected = calibrate.add("model_chunk", old, seeds=60, few=2)
    assert file.read_text(encoding="utf-8") == calibrate.to_json(expected)


# --- what is drawn by the key ----------------------------------------------------------------


@pytest.fixture
def pool() -> Vectors:
    """48 texts of one to three tokens; token i has the length i + 1."""
    chance = np.random.default_rng(0)
    lengths = chance.integers(1, 4, 48)
    vectors = chance.standard_normal((lengths.sum(), 96)).astype(np.float32)
    vectors *= np.arange(1, 1 + len(vectors))[:, None] / np.linalg.norm(vectors, axis=1)[:, None]
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    return Vectors(vectors, offsets, np.arange(48) % 4)


@pytest.fixture
def undisguised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave texts and vectors as they are, so that tests can tell which tokens they are."""
    monkeypatch.setattr(heldout_accuracy, "_pieces", lambda _chance, pool: pool)
    monkeypatch.setattr(heldout_accuracy, "_disguised", lambda _chance, vectors: vectors)


def tokens(vectors: Vectors) -> list[int]:
    """Which tokens of the pool these are."""
    return [round(float(length)) - 1 for length in np.linalg.norm(vectors.vectors, axis=1)]


@pytest.mark.usefixtures("undisguised")
def test_a_key_draws_the_same_again_and_another_key_something_else(pool: Vectors) -> None:
    first, again, other = (heldout_accuracy.split(pool, key) for key in (1, 1, 2))
    assert np.array_equal(first.unseen.vectors, again.unseen.vectors)
    assert first.seed == again.seed
    assert first.seed != other.seed
    assert tokens(first.unseen) != tokens(other.unseen)


@pytest.mark.usefixtures("undisguised")
def test_the_parts_of_a_draw_share_no_text_and_leave_none_out(pool: Vectors) -> None:
    drawn = heldout_accuracy.split(pool, 1)
    parts = [drawn.train, drawn.val, drawn.unseen]
    assert [len(part) for part in parts] == [32, 4, 12]
    assert sorted(itertools.chain(*map(tokens, parts))) == sorted(tokens(pool))


@pytest.mark.usefixtures("undisguised")
def test_classes_are_renumbered(pool: Vectors) -> None:
    drawn = heldout_accuracy.split(pool, 3)
    renumbered = set()
    for part in (drawn.train, drawn.val, drawn.unseen):
        for start, target in zip(part.offsets[:-1], part.targets, strict=True):
            text = pool.offsets.tolist().index(tokens(part)[start])
            renumbered.add((int(pool.targets[text]), int(target)))
    assert len(renumbered) == 4  # each class has one new number
    assert len({new for _, new in renumbered}) == 4
    assert any(old != new for old, new in renumbered)


def test_shuffled_targets_keep_their_numbers_and_lose_their_texts(pool: Vectors) -> None:
    right, shuffled = (
        heldout_accuracy.split(pool, 4),
        heldout_accuracy.split(pool, 4, shuffled=True),
    )
    assert sorted(right.train.targets) == sorted(shuffled.train.targets)
    assert not np.array_equal(right.train.targets, shuffled.train.targets)
    assert np.array_equal(right.unseen.targets, shuffled.unseen.targets)


def test_the_key_depends_on_secret_submission_seed_and_try() -> None:
    def key(digest: str = "a", seed: int = 0, attempt: int = 0, secret: str = "") -> int:
        worker = LocalWorker({}, {})
        submission = Submission(worker, seed, secret=secret, digest=digest)
        return heldout_accuracy.key(submission, attempt)

    keys = {key(), key(digest="b"), key(seed=1), key(attempt=1), key(secret="ours")}
    assert len(keys) == 5
    assert key() in keys


# --- the check -------------------------------------------------------------------------------


def graded(monkeypatch: pytest.MonkeyPatch, accuracies: list[float]) -> Any:
    """Grade the task accuracy of a submission that reaches these accuracies, try by try."""
    rest = iter(accuracies)
    monkeypatch.setattr(
        heldout_accuracy,
        "measure",
        lambda *_args, **_options: heldout_accuracy.Measured(next(rest)),
    )
    with session(Sources("right", {}, {}), device="cpu", secret="ours") as opened:
        opened.submission.state = lambda _task: State.DONE
        result = opened.run(tasks()["accuracy"].checks[0])
        return result, opened.record().accuracy, list(rest)


def test_one_try_is_enough_if_it_reaches_full_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    result, accuracy, rest = graded(monkeypatch, [0.9, 0.1])
    assert (result.status, result.score, rest) == ("passed", 15, [0.1])
    assert (accuracy["tries"], accuracy["secret"]) == ([0.9], "course")


@pytest.mark.parametrize("tries", [[0.1, 0.9], [0.1, 0.2, 0.9]])
def test_other_tries_come_before_points_are_lost(
    monkeypatch: pytest.MonkeyPatch, tries: list[float]
) -> None:
    result, accuracy, rest = graded(monkeypatch, [*tries, 0.1])
    assert (result.status, result.score, rest) == ("passed", 15, [0.1])
    assert (accuracy["tries"], accuracy["value"]) == (tries, 0.9)


def test_the_best_try_counts_and_earns_a_share_in_the_band(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full, none = marks()
    middle = (none + full) / 2
    result, accuracy, _ = graded(monkeypatch, [0.1, middle, 0.1])
    assert result.status == "failed"
    assert result.score == pytest.approx(7.5, abs=0.01)
    assert f"0.10 and {middle:.2f} and 0.10 in 3 tries" in result.message
    assert accuracy["tries"] == [0.1, round(middle, 4), 0.1]


def test_the_record_keeps_the_history_of_the_best_try(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = iter([0.1, 0.3, 0.2])
    epoch = {"train_loss": 1.0, "val_loss": 1.0, "val_accuracy": 0.5}

    def measure(*_args: Any, **_options: Any) -> heldout_accuracy.Measured:
        accuracy = next(tries)
        return heldout_accuracy.Measured(accuracy, [epoch | {"val_accuracy": accuracy}])

    monkeypatch.setattr(heldout_accuracy, "measure", measure)
    with session(Sources("right", {}, {}), device="cpu") as opened:
        opened.submission.state = lambda _task: State.DONE
        opened.run(tasks()["accuracy"].checks[0])
    assert opened.record().accuracy["history"] == [epoch | {"val_accuracy": 0.3}]


EPOCH = {"train_loss": 1.23456, "val_loss": 1, "val_accuracy": 0.5, "more": "ignored"}


def test_a_history_is_kept_as_plain_numbers() -> None:
    kept = {"train_loss": 1.2346, "val_loss": 1.0, "val_accuracy": 0.5}
    assert heldout_accuracy.curve([EPOCH, EPOCH]) == [kept, kept]


@pytest.mark.parametrize(
    "history",
    [
        None,
        "text",
        [EPOCH, None],
        [EPOCH, {}],
        [EPOCH | {"val_loss": math.nan}],
        [EPOCH | {"val_loss": math.inf}],
        [EPOCH | {"val_loss": -1.0}],
        [EPOCH | {"val_loss": "1"}],
        [EPOCH | {"val_loss": True}],
        [EPOCH] * 1000,
    ],
)
def test_a_history_that_cannot_be_shown_is_not_kept(history: Any) -> None:
    assert heldout_accuracy.curve(history) == []


def test_the_marks_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETTINGS, "marks", {"full": 0.5, "none": 0.3})
    result, accuracy, _ = graded(monkeypatch, [0.4, 0.1, 0.1])
    assert (result.status, result.score) == ("failed", 7.5)
    assert (accuracy["full"], accuracy["none"]) == (0.5, 0.3)
    assert "expected: 0.50 for full marks, more than 0.30 for some" in result.message


def test_a_mark_that_is_calibrated_is_that_of_the_recorded_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SETTINGS, "marks", {"full": 0.99, "none": "calibrated"})
    assert marks() == (0.99, calibration()["marks"]["none"])
    monkeypatch.setitem(SETTINGS, "marks", {"full": "calibrated", "none": 0})
    assert marks() == (calibration()["marks"]["full"], 0)


@pytest.mark.parametrize(
    "wrong", [{"full": 0.3, "none": 0.5}, {"full": "high", "none": 0.2}, {"full": 55, "none": 0.2}]
)
def test_marks_that_make_no_sense_are_refused(
    wrong: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETTINGS, "marks", wrong)
    with pytest.raises(UsageError, match=r"accuracy\.toml: full = .*, none = .* < full <= 1"):
        marks()


def test_guessing_earns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _, _ = graded(monkeypatch, [0.25, marks()[1], 0.2])
    assert (result.status, result.score) == ("failed", 0)
