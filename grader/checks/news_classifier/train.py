"""Checks of the task train: `evaluate` and `train`.

The loop runs on a small probe model and batches of the grader's. `oracles/training_loop.py`
computes in NumPy what it must do to the probe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from grader.checks._tools import (
    close_number,
    close_numbers,
    figure,
    is_list,
    matching_mistake,
    numbers,
    repair,
    same_numbers,
    why_no_pair,
)
from grader.checks.news_classifier._evaluate_mistakes import (
    second_mistake,
    why_other_numbers,
    why_raised,
)
from grader.checks.news_classifier._evaluate_sizes import expect_many, expect_single, means_shown
from grader.checks.news_classifier._train_mistakes import (
    agreement,
    changing_rates,
    describe_weights,
    forwards,
    is_dict,
    is_earlier_epoch,
    learned_from,
    weights,
    why_other_length,
    why_passes,
    why_validation,
)
from grader.checks.news_classifier._train_runs import (
    EVALUATE,
    KEYS,
    call,
    evaluated,
    evaluated_in_eval,
    figures,
    is_own_result,
    mode_left,
    modes_used,
    ran_elsewhere,
    sent,
    stage,
    trained,
    trained_again,
    trained_on_other_data,
    trained_with_other_val,
)
from grader.checks.oracles.reports_of_a_pass import Pass
from grader.checks.oracles.training_loop import (
    EPOCHS,
    EVAL_SCALE,
    RIGHT,
    TOLERANCE,
    Epoch,
    LoopVariant,
    Scenario,
    Simulation,
    paired_histories,
    true_history,
    wrong_histories,
)
from grader.contract.messages import Failure, show, waits_for
from grader.grading.answers import Backward, LoopSeen, unwrap
from grader.grading.leniency import lenient, local, still_wrong
from grader.grading.submission import Submission
from grader.grading.trials import end_trial
from grader.worker.wire import Opaque, Raised, TensorData

# --- evaluate --------------------------------------------------------------------------------


def check_evaluate(submission: Submission) -> None:
    """`evaluate` returns mean loss and accuracy over all samples, as floats."""
    seen, scenario = evaluated(submission), stage(submission)
    found = seen.result
    if isinstance(found, Raised) and (mistake := why_raised(found, scenario)):
        raise Failure(EVALUATE, found, "(loss, accuracy)", mistake)
    found = unwrap(found)
    right = scenario.start.over(scenario.val)
    if not is_list(found) or len(found) != 2:
        pair = "a tuple of two floats, (loss, accuracy)"
        raise Failure(EVALUATE, f"It returned {show(found)}", pair, why_no_pair(found))
    if not all(type(number) is float for number in found):
        end_trial()
        mistake = "numbers-as-tensors" if any(isinstance(n, TensorData) for n in found) else None
        if [*map(type, found)] == [float, int]:
            mistake = "accuracy-rounded-down"
        mistakes = [mistake] if mistake else []
        if mistake == "numbers-as-tensors" and (other := second_mistake(submission, found)):
            mistakes.append(other)
        raise Failure(EVALUATE, f"It returned {show(tuple(found))}", "two floats", mistakes)
    if not close_numbers(found, [right.loss, right.accuracy], TOLERANCE):
        end_trial()
        shown, expected = means_shown(scenario, found)
        raise Failure(EVALUATE, shown, expected, why_other_numbers(submission, *found))
    expect_many(submission)
    expect_single(submission)


def check_evaluate_mode(submission: Submission) -> None:
    """`evaluate` runs in eval mode, without gradients, and changes neither mode nor weights."""
    for seen, before in ((evaluated(submission), True), (evaluated_in_eval(submission), False)):
        unwrap(seen.result)
        if len({event.batch for event in forwards(seen)}) < len(stage(submission).val):
            right = stage(submission).start.over(stage(submission).val)
            joined = same_numbers(seen.result, (right.loss, right.accuracy))
            found = "The model was not called on every batch"
            expected = "logits = model(padded) for each batch of the loader"
            raise Failure(EVALUATE, found, expected, "batches-joined" if joined else None)
        if weights(seen).distance(stage(submission).start) > 0:
            found = "The model's weights were changed"
            raise Failure(EVALUATE, found, "no change", "learns-in-evaluate")
        if any(event.training for event in forwards(seen)):
            found = "The model was in training mode while it was evaluated"
            raise Failure(EVALUATE, found, "eval mode", "eval-mode-missing")
        if any(event.grad for event in forwards(seen)):
            found = "Gradients were recorded while the model was evaluated"
            raise Failure(EVALUATE, found, "none", "no-grad-missing")
        if not seen.grad_left:
            found = "Gradients were turned off, and were still off afterwards"
            raise Failure(EVALUATE, found, "gradients as before", "grad-left-off")
        left = mode_left(seen.left, weights(seen), stage(submission))
        if left is not before:
            names = {True: "training mode", False: "eval mode"}
            found = f"The model was in {names[before]} and was left in {names[not before]}"
            mistake = "mode-not-restored"
            if left is None:
                found = "Afterwards the model's layers are in another mode than the model itself"
                mistake = "mode-of-layers-kept"
            raise Failure(EVALUATE, found, "the same mode as before", mistake)
    _evaluates_in_eval_mode(submission)


def _evaluates_in_eval_mode(submission: Submission) -> None:
    """Require that the result depends on what the model computes in eval mode, and on no other."""
    if not list(numbers(evaluated(submission).result)):
        raise waits_for("train.evaluate")
    used = modes_used(submission)
    if "train" in used:
        found = "What it returned depends on what the model computes in training mode"
        raise Failure(EVALUATE, found, "eval mode", "eval-mode-missing")
    if "grad" in used:
        found = "What it returned depends on what the model computes with gradients"
        raise Failure(EVALUATE, found, "no gradients", "no-grad-missing")
    if not used:
        found = "It returned the same numbers for a model with different logits"
        raise Failure(EVALUATE, found, "numbers that depend on the logits")


# --- train -----------------------------------------------------------------------------------


def check_history(submission: Submission) -> None:
    """`train` returns a list of one dict per epoch, with floats under the three keys."""
    seen = trained(submission)
    history = unwrap(seen.result)
    with local():
        _require_history(submission, seen, history)


def _require_history(submission: Submission, seen: LoopSeen, history: Any) -> None:
    train = call(stage(submission).lr)
    expected = f"a list of {EPOCHS} dicts, one per epoch, with the keys {', '.join(KEYS)}"
    if type(history) is not list or not all(type(row) is dict for row in history):
        mistake = "history-dict-of-lists" if is_dict(history) else None
        if is_list(history) and any(is_list(part) and _are_rows(part) for part in history):
            mistake = "more-than-history"
        if isinstance(history, Opaque) and history.type == "generator":
            mistake = "yield-for-return"
        raise Failure(train, f"It returned {show(history)}", expected, mistake)
    if len(history) != EPOCHS:
        found = f"It returned a list of length {len(history)}"
        mistake = why_other_length(seen, stage(submission), trained_again(submission))
        raise Failure(train, found, expected, mistake)
    for row in history:
        if not set(KEYS) <= set(row):
            found = f"An entry of the list has the keys {show(list(row))}"
            raise Failure(train, found, f"the keys {', '.join(KEYS)}")
        for key in KEYS:
            number = row[key]
            if type(number) is not float or not math.isfinite(number):
                found = f"{key} is {show(number)}"
                raise Failure(train, found, "a finite float", _why_no_float(number))
    if not _tells_of_data(submission):
        found = "With different batches in both loaders, it returned the same numbers"
        raise Failure(train, found, "the losses and the accuracy of this training")
    again = trained_again(submission).result
    if is_list(again) and len(again) > 1:
        found = f"Called after another training, it returned a list of length {len(again)}"
        one = call(stage(submission).lr, epochs=1)
        raise Failure(one, found, "the one entry of this call", "history-kept-between-calls")


def _are_rows(part: Sequence[Any]) -> bool:
    return len(part) > 0 and all(type(row) is dict for row in part)


def _tells_of_data(submission: Submission) -> bool:
    """Return whether the history is another one where the loaders yield other batches."""
    seen, other = trained(submission), trained_on_other_data(submission)
    return not same_numbers(figures(seen.result), figures(other.result))


def _why_no_float(number: Any) -> str | None:
    if is_list(number) and [*map(type, number)] == [float, float]:
        return "evaluate-not-unpacked"
    if not isinstance(number, TensorData):
        return None
    return "history-keeps-graph" if number.requires_grad else "numbers-as-tensors"


def check_validation(submission: Submission) -> None:
    """`train` never learns from `val_loader`."""
    seen, other = trained(submission), trained_with_other_val(submission)
    unwrap(other.result)
    if not _learns_from_data(submission):
        raise waits_for("train.learns")
    if weights(seen).distance(weights(other)) > TOLERANCE:
        found = "With different batches in val_loader, training ended with different weights"
        mistake = why_validation(seen, stage(submission))
        raise Failure(call(stage(submission).lr), found, "the same weights", mistake)


def _learns_from_data(submission: Submission) -> bool:
    """Return whether gradients reached the model, and the data decides on its weights."""
    seen, other = trained(submission), trained_on_other_data(submission)
    learned = any(isinstance(event, Backward) for event in seen.events)
    return learned and weights(seen).distance(weights(other)) > 0


def _right_run(seen: LoopSeen, scenario: Scenario) -> Simulation | None:
    """Return the correct run that ends where the student's loop did, or None."""
    runs = (Simulation(scenario, loop) for loop in RIGHT)
    return next((run for run in runs if weights(seen).distance(run.weights) <= TOLERANCE), None)


def check_learns(submission: Submission) -> None:
    """`train` does what Adam with this `lr` does on the cross-entropy of each batch."""
    seen, scenario = trained(submission), stage(submission)
    train = call(scenario.lr)
    if _right_run(seen, scenario):
        _uses_its_arguments(submission)
        return
    end_trial()
    if weights(seen).distance(weights(trained_with_other_val(submission))) > TOLERANCE:
        raise waits_for("train.validation")
    counts = [len(events) for events in learned_from(seen, scenario)]
    if not forwards(seen) and isinstance(seen.result, Opaque):
        raise waits_for("train.history")  # a generator has not started
    if set(counts) != {EPOCHS}:
        if any(event.batch == "?" and event.training for event in forwards(seen)):
            found = "The model was trained on tensors that are not in train_loader"
            raise Failure(train, found, "the batches as they come", "batches-changed")
        if not any(counts):
            found = "The model was not called on the batches of train_loader, in training"
            expected = f"{EPOCHS} calls with each batch, once per epoch"
            raise Failure(train, found, expected, "model-not-trained")
        *others, last = map(str, counts)
        found = f"It trained {', '.join(others)} and {last} times from the batches of train_loader"
        expected = f"{EPOCHS} times on each, once per epoch"
        raise Failure(train, found, expected, why_passes(seen, counts, trained_again(submission)))
    if weights(seen).distance(scenario.start) == 0:
        computed = any(isinstance(event, Backward) for event in seen.events)
        without = "gradient-cut-off" if seen.backwards else "backward-missing"
        mistake = "gradients-not-used" if computed else without
        found = "The model's weights did not change"
        raise Failure(train, found, "changed weights after each batch", mistake)
    raise Failure(train, *describe_weights(seen, scenario))


def _uses_its_arguments(submission: Submission) -> None:
    """Require that `epochs` and `lr` are not hard-coded."""
    scenario = stage(submission)
    epochs, lr = scenario.long_epochs, scenario.long_lr
    seen = submission.train(epochs=epochs, lr=lr, **sent(scenario))
    unwrap(seen.result)
    right = [Simulation(scenario, replace(loop, epochs=epochs, lr=lr)).weights for loop in RIGHT]
    if any(weights(seen).distance(other) <= TOLERANCE for other in right):
        return
    train = call(lr, epochs)
    passes = [len(events) for events in learned_from(seen, scenario)]
    if set(passes) != {epochs}:
        found = f"It trained {passes[0]} of {epochs} epochs"
        once = submission.train(epochs=1, lr=lr, **sent(scenario))
        fixed = [len(events) for events in learned_from(once, scenario)] == passes
        mistake = "arguments-fixed" if fixed else "stops-early"
        raise Failure(train, found, f"{epochs}, and as many entries in the list", mistake)
    found = f"With epochs={EPOCHS} and lr={scenario.lr} the model was trained correctly, "
    found += "but here it was not"
    if rates := changing_rates(seen, scenario, lr):
        shown = ", ".join(f"{rate:.3g}" for rate in (rates[0], rates[-1]))
        found = f"The learning rate of the first and of the last step was {shown}"
        raise Failure(train, found, f"{lr} in each step", "lr-changes")
    raise Failure(train, found, "training with these arguments", "arguments-fixed")


def _epochs(seen: LoopSeen, scenario: Scenario) -> list[Epoch]:
    """Return the weights and logits of each epoch: the correct ones, or those in the events."""
    if run := _right_run(seen, scenario):
        return run.epochs
    if is_earlier_epoch(weights(seen), scenario):  # the best weights were loaded at the end
        return Simulation(scenario, LoopVariant()).epochs
    calls = learned_from(seen, scenario)
    if {len(events) for events in calls} != {EPOCHS}:
        raise waits_for("train.learns")
    events = forwards(seen)
    order = {id(event): place for place, event in enumerate(events)}
    epochs = []
    for each in zip(*calls, strict=True):
        met = []
        for event, (padded, targets) in zip(each, scenario.train, strict=True):
            scale = 1.0 if event.training else EVAL_SCALE
            met.append((weights(event).scores(padded, scale), targets))
        first, *_, last = sorted(order[id(event)] for event in each)
        later = (event for event in events[last:] if event.batch != events[last].batch)
        after = weights(next(later, seen))  # what validation saw, even if it learned
        epochs.append(Epoch(Pass(tuple(met)), weights(events[first]), after))
    return epochs


def check_losses(submission: Submission) -> None:
    """The history holds the correct losses and accuracies: means over samples.

    They are compared for the model's actual weights, so a wrong optimizer does not matter here.
    """
    seen, scenario = trained(submission), stage(submission)
    history = _history(unwrap(seen.result))
    epochs = _epochs(seen, scenario)
    agree = agreement(seen)
    for key, right in true_history(scenario, epochs).items():
        found = [row[key] for row in history]
        if not agree(found, right) and not is_own_result(submission, epochs, key, found):
            end_trial()
            wrong, pairs = wrong_histories(scenario, epochs), paired_histories(scenario, epochs)
            mistakes: str | tuple[str, str] | None = matching_mistake(found, wrong[key], agree)
            paired = {names for names, each in pairs[key] if not mistakes and agree(found, each)}
            mistakes = paired.pop() if len(paired) == 1 else mistakes
            if not mistakes and key.startswith("val") and _is_stale(found, right):
                mistakes = "validated-too-rarely"
            mistakes = mistakes or ("train-loss-differs" if key == "train_loss" else "means-differ")
            shown, expected = (f"[{', '.join(map(figure, each))}]" for each in (found, right))
            told = f"{key} is {shown} in the {EPOCHS} epochs"
            raise Failure(call(scenario.lr), told, expected, mistakes)


def _list_among(found: Any) -> Any:
    """Return the only list in a tuple of several results; else the result itself."""
    parts = [part for part in found if is_list(part)] if is_list(found) else []
    return parts[0] if len(parts) == 1 else found


def _history(found: Any) -> list[dict[str, float]]:
    """Return the history; leniently also from a dict of lists, and with tensors for numbers.

    Raises:
        Blocked: it cannot be repaired.
    """
    if not lenient():
        return found  # type: ignore[no-any-return]
    found = _list_among(found)
    if type(found) is dict and all(is_list(found.get(key)) for key in KEYS):
        columns = zip(*(found[key] for key in KEYS), strict=False)
        found = [dict(zip(KEYS, row, strict=True)) for row in columns]
    if not is_list(found) or len(found) != EPOCHS or not all(type(row) is dict for row in found):
        raise still_wrong()
    rows = [{key: repair(row.get(key), "float64", ()) for key in KEYS} for row in found]
    if any(number is None for row in rows for number in row.values()):
        raise still_wrong()
    return [{key: float(number) for key, number in row.items()} for row in rows]  # type: ignore[arg-type]


def _is_stale(found: list[float], right: list[float]) -> bool:
    """Return whether each number is that of its epoch or of an earlier one."""
    return all(
        any(close_number(number, each, TOLERANCE) for each in right[: epoch + 1])
        for epoch, number in enumerate(found)
    )


def check_device(submission: Submission) -> None:
    """Batches are moved to the model's device, or to the given `device`."""
    lr = stage(submission).lr
    calls = zip(
        (EVALUATE, call(lr, more=", device=device"), call(lr)),
        ("device-ignored", "device-ignored", "device-not-looked-up"),
        ran_elsewhere(submission),
        strict=True,
    )
    for text, mistake, seen in calls:
        unwrap(seen.result)
        if not forwards(seen):
            raise Failure(text, "The model was not called", "logits = model(padded)")
        padded = [] if all(event.moved for event in forwards(seen)) else ["padded"]
        if unmoved := [*padded, *seen.unmoved]:
            found = "With the model on a different device than the loader's batches, "
            found += f"{' and '.join(unmoved)} of a batch stayed on the loader's device"
            raise Failure(text, found, "padded and targets on the device of the model", mistake)
        if not seen.uses_device:
            if mistake == "device-ignored":
                found = "The argument device is not used"
                expected = "batches and model on this device"
                raise Failure(text, found, expected, "device-argument-unused")
            found = "It moves batches to a device, but does not look up that of the model"
            raise Failure(text, found, "the device of the model's parameters", mistake)
        _same_as_on_one_device(submission, text, seen, mistake)


def _own_rows(result: Any) -> Any:
    """Return the entries of a call itself: those of earlier calls cost the check history."""
    return result[-EPOCHS:] if type(result) is list else result


def _same_as_on_one_device(submission: Submission, text: str, seen: LoopSeen, mistake: str) -> None:
    """Require the numbers of one device: a batch that was not moved holds other values."""
    near = evaluated(submission) if text == EVALUATE else trained(submission)
    if text == EVALUATE and not modes_used(submission):
        raise waits_for("train.evaluate")
    if text != EVALUATE and not (_learns_from_data(submission) or _tells_of_data(submission)):
        raise waits_for("train.learns")
    if (
        same_numbers(*(figures(_own_rows(each.result)) for each in (seen, near)))
        and weights(seen).distance(weights(near)) <= TOLERANCE
    ):
        return
    found = "With the model on a different device than the loader's batches, the numbers differ"
    raise Failure(text, found, "padded and targets on the device of the model", mistake)
