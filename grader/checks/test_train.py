"""Task train: what `evaluate` and `train` promise.

The loop runs on a small probe model and on batches of the grader's own. What it must do to the
probe is computed in NumPy, see `grader.reference_loop`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from grader.messages import Failure, show
from grader.submission import LoopSeen, Submission, evidence, value
from grader.worker.wire import Raised, TensorData

if TYPE_CHECKING:
    from grader.reference_loop import Scene

EPOCHS, LR = 3, 0.05
KEYS = ("train_loss", "val_loss", "val_accuracy")
TRAIN = f"train(model, train_loader, val_loader, epochs={EPOCHS}, lr={LR})"
EVALUATE = "evaluate(model, loader, device)"
TOLERANCE = 5e-4  # Adam in float32 against float64, after 9 steps: below 1e-5


def scene(submission: Submission, other_val: bool = False) -> Scene:
    """Draw a probe of 3 classes and batches of (B, 2, 4); the last of each loader is smaller."""
    import numpy as np

    from grader.reference_loop import Scene

    def batches(seed: int, *sizes: int) -> Any:
        draw = np.random.default_rng([submission.seed, seed])
        return tuple(
            (draw.standard_normal((b, 2, 4)).astype(np.float32), draw.integers(0, 3, b))
            for b in sizes
        )

    draw = np.random.default_rng([submission.seed, 0])
    weight = draw.standard_normal((3, 4)).astype(np.float32)
    bias = draw.standard_normal(3).astype(np.float32)
    return Scene(weight, bias, batches(1, 4, 4, 2), batches(3 if other_val else 2, 5, 5, 1))


def sent(stage: Scene, elsewhere: bool = False) -> dict[str, Any]:
    """Put a scene into the words of the worker."""
    return {
        "weight": stage.weight,
        "bias": stage.bias,
        "batches": {"train": list(stage.train), "val": list(stage.val)},
        "elsewhere": elsewhere,
    }


@evidence
def evaluated(submission: Submission) -> LoopSeen:
    """Evaluate a probe that is in training mode."""
    return submission.evaluate(training=True, **sent(scene(submission)))


@evidence
def evaluated_in_eval(submission: Submission) -> LoopSeen:
    """Evaluate a probe that is in eval mode."""
    return submission.evaluate(training=False, **sent(scene(submission)))


@evidence
def trained(submission: Submission) -> LoopSeen:
    """Train a probe."""
    return submission.train(epochs=EPOCHS, lr=LR, **sent(scene(submission)))


@evidence
def trained_with_other_val(submission: Submission) -> LoopSeen:
    """Train the same probe with other validation data."""
    stage = scene(submission, other_val=True)
    return submission.train(epochs=EPOCHS, lr=LR, **sent(stage))


def same(one: float, other: float) -> bool:
    """Tell whether two numbers agree up to rounding; NaN agrees with nothing."""
    return abs(one - other) <= TOLERANCE * max(1.0, abs(other))


# --- evaluate --------------------------------------------------------------------------------


def test_evaluate(submission: Submission) -> None:
    """`evaluate` returns mean loss and accuracy over all samples, as floats."""
    from grader.reference_loop import Loop, Run, losses

    found = value(evaluated(submission).result)
    stage = scene(submission)
    start = Run(stage, Loop(epochs=0))
    loss, accuracy = start.evaluate()
    expected = f"({loss:.4f}, {accuracy:.4f}), two floats: loss and accuracy over all samples"
    if type(found) not in (tuple, list) or len(found) != 2:
        raise Failure(EVALUATE, f"It returned {show(found)}", expected)
    if not all(type(number) is float for number in found):
        mistake = "numbers-as-tensors" if any(isinstance(n, TensorData) for n in found) else None
        raise Failure(EVALUATE, f"It returned {show(tuple(found))}", expected, mistake)
    if same(found[0], loss) and same(found[1], accuracy):
        return
    scores = [(start.scores(padded, 0.5), targets) for padded, targets in stage.val]
    batch_losses = [losses(*pair).mean() for pair in scores]
    batch_hits = [(s.argmax(axis=1) == targets).mean() for s, targets in scores]
    training_loss, training_accuracy = start.evaluate(scale=1.0)
    guesses = {
        "swapped-loss-and-accuracy": (accuracy, loss),
        "loss-mean-over-batches": (sum(batch_losses) / len(scores), accuracy),
        "accuracy-mean-over-batches": (loss, sum(batch_hits) / len(scores)),
        "means-over-batches": (sum(batch_losses) / len(scores), sum(batch_hits) / len(scores)),
        "accuracy-in-percent": (loss, 100 * accuracy),
        "eval-mode-missing": (training_loss, training_accuracy),
    }
    mistake = next(
        (name for name, pair in guesses.items() if all(map(same, found, map(float, pair)))), None
    )
    shown = f"It returned ({found[0]:.4f}, {found[1]:.4f})"
    raise Failure(EVALUATE, shown, expected, mistake)


def test_evaluate_mode(submission: Submission) -> None:
    """`evaluate` runs in eval mode, without gradients, and changes neither mode nor weights."""
    for seen, before in ((evaluated(submission), True), (evaluated_in_eval(submission), False)):
        value(seen.result)
        if any(event["training"] for event in seen.events):
            found = "The model was in training mode while it was evaluated"
            raise Failure(EVALUATE, found, "eval mode", "eval-mode-missing")
        if any(event["grad"] for event in seen.events):
            found = "Gradients were on while the model was evaluated"
            raise Failure(EVALUATE, found, "none: torch.no_grad()", "no-grad-missing")
        if seen.training is not before:
            names = {True: "training mode", False: "eval mode"}
            found = f"The model came in {names[before]} and was left in {names[seen.training]}"
            raise Failure(EVALUATE, found, "the mode as it was", "mode-not-restored")
        start = scene(submission)
        if _distance(seen, start.weight, start.bias) > 0:
            raise Failure(EVALUATE, "The model's weights changed", "no change", "learns-in-evaluate")


# --- train -----------------------------------------------------------------------------------


def test_history(submission: Submission) -> None:
    """`train` goes through the data `epochs` times and returns a dict of floats for each."""
    seen = trained(submission)
    history = value(seen.result)
    expected = f"a list of {EPOCHS} dicts with the keys {', '.join(KEYS)}"
    if type(history) is not list or not all(type(row) is dict for row in history):
        raise Failure(TRAIN, f"It returned {show(history)}", expected)
    if len(history) != EPOCHS:
        raise Failure(TRAIN, f"It returned {len(history)} entries", expected, "epochs-wrong")
    for row in history:
        if not set(KEYS) <= set(row):
            found = f"An entry has the keys {', '.join(map(str, row)) or 'none'}"
            raise Failure(TRAIN, found, expected)
        for key in KEYS:
            number = row[key]
            if type(number) is float and math.isfinite(number):
                continue
            mistake = None
            if isinstance(number, TensorData):
                mistake = "history-keeps-graph" if number.requires_grad else "numbers-as-tensors"
            raise Failure(TRAIN, f"{key} is {show(number)}", "a finite float", mistake)
    passes = _count(seen, "train 0")
    if passes != EPOCHS:
        found = f"It went {passes} times through train_loader"
        raise Failure(TRAIN, found, f"{EPOCHS} times, once an epoch", "epochs-wrong")


def _count(seen: LoopSeen, batch: str) -> int:
    return sum(event["batch"] == batch for event in seen.events)


def _distance(seen: LoopSeen, weight: Any, bias: Any) -> float:
    """Return the largest difference of the probe's weights; infinite if one is not finite."""
    import numpy as np

    differences = [
        np.abs(found.numpy() - right).max()
        for found, right in ((seen.weight, weight), (seen.bias, bias))
    ]
    return float(max(differences)) if np.isfinite(differences).all() else math.inf


def test_validation(submission: Submission) -> None:
    """`train` never learns from `val_loader`."""
    seen, other = trained(submission), trained_with_other_val(submission)
    value(other.result)
    if _distance(seen, other.weight.numpy(), other.bias.numpy()) > 0:
        found = "With other validation data, the trained weights are other ones"
        raise Failure(TRAIN, found, "the same weights", "learns-from-validation")


def test_learns(submission: Submission) -> None:
    """`train` does what Adam with this `lr` does on the cross-entropy of each batch."""
    from grader.reference_loop import Loop, Run, variants

    seen, stage = trained(submission), scene(submission)
    right = Run(stage, Loop())
    if _distance(seen, right.weight, right.bias) <= TOLERANCE:
        return
    expected = f"the weights that Adam(lr={LR}) reaches on cross-entropy in {EPOCHS} epochs"
    if _distance(seen, stage.weight, stage.bias) == 0:
        raise Failure(TRAIN, "The model's weights did not change", expected, "nothing-learned")
    for name, loop in variants():
        run = Run(stage, loop)
        if _distance(seen, run.weight, run.bias) <= TOLERANCE:
            raise Failure(TRAIN, "The model's weights went another way", expected, name)
    raise Failure(TRAIN, "The model's weights went another way", expected)


def test_losses(submission: Submission) -> None:
    """The history holds the true losses and accuracies: means over samples."""
    from grader.reference_loop import Loop, Run

    history = value(trained(submission).result)
    run = Run(scene(submission), Loop())
    truth = {
        "train_loss": run.train_losses,
        "val_loss": run.val_losses,
        "val_accuracy": run.val_accuracies,
    }
    for key, numbers in truth.items():
        found = [row[key] for row in history]
        if not all(map(same, found, numbers)):
            shown = [round(number, 4) for number in found]
            expected = f"{[round(number, 4) for number in numbers]}, means over all samples"
            raise Failure(TRAIN, f"{key} of the epochs is {shown}", expected, None)


def test_device(submission: Submission) -> None:
    """Batches are moved to the model's device, or to the one that `device` names."""
    stage = scene(submission)
    for tell in (False, True):
        call = TRAIN[:-1] + (f", device={submission.device!r})" if tell else ")")
        seen = submission.train(
            epochs=1, lr=LR, tell_device=tell, **sent(stage, elsewhere=True)
        )
        if isinstance(seen.result, Raised):
            value(seen.result)
        unmoved = ["padded"] if not all(event["moved"] for event in seen.events) else []
        unmoved += seen.unmoved
        if unmoved:
            found = f"{' and '.join(unmoved)} of a batch on another device was not moved"
            raise Failure(call, found, "batch.to(device) for both", "device-ignored")
