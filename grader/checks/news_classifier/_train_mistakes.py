"""What the probe model saw of a training loop, and the mistakes behind the weights it ends with."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from grader.checks._tools import close_numbers, figure, is_list, matching_mistake
from grader.checks.oracles.training_loop import (
    ADDITIONS,
    EPOCHS,
    HALF_PRECISION,
    KNOWN_MISTAKES,
    TOLERANCE,
    LoopVariant,
    Scenario,
    Simulation,
    Weights,
    paired_loops,
)
from grader.contract.messages import clean
from grader.grading.answers import Forward, LoopSeen
from grader.worker.wire import Opaque


def weights(seen: LoopSeen | Forward) -> Weights:
    """Return the probe's weights at the end or at a call."""
    return Weights(seen.weight.numpy(), seen.bias.numpy())


def agreement(seen: LoopSeen) -> Callable[[Any, Any], bool]:
    """Return what compares losses: that they have fewer digits costs what the loop learns."""
    tolerance = HALF_PRECISION if seen.recipe.autocast else TOLERANCE
    return functools.partial(close_numbers, tolerance=tolerance)


def is_dict(found: object) -> bool:
    """Return whether a result is a dict, or one of the standard library's kinds of them."""
    kinds = ("defaultdict", "OrderedDict", "Counter")
    return type(found) is dict or (isinstance(found, Opaque) and found.type in kinds)


def forwards(seen: LoopSeen) -> list[Forward]:
    """Return the calls of the probe."""
    return [event for event in seen.events if isinstance(event, Forward)]


def learned_from(seen: LoopSeen, scenario: Scenario) -> list[list[Forward]]:
    """Return, for each training batch, the calls of the probe that training could use.

    Calls in eval mode without gradients are measurements. Consecutive calls with the same batch
    count once.
    """
    calls: dict[str, list[Forward]] = {}
    for batch, events in itertools.groupby(forwards(seen), lambda event: event.batch):
        learning = [event for event in events if event.training or event.grad]
        calls.setdefault(batch, []).extend(learning[:1])
    return [calls.get(f"train {number}", []) for number in range(len(scenario.train))]


def why_validation(seen: LoopSeen, scenario: Scenario) -> str:
    """Return the known mistake behind weights that depend on the validation data."""
    if any(0 < len(events) < EPOCHS for events in learned_from(seen, scenario)):
        return "stops-early"
    if is_earlier_epoch(weights(seen), scenario):
        return "best-weights-loaded"
    return "lr-changes" if changing_rates(seen, scenario, scenario.lr) else "learns-from-validation"


def why_other_length(seen: LoopSeen, scenario: Scenario, once: LoopSeen) -> str:
    """Return the known mistake behind a history without exactly one entry per epoch.

    `once` is a run of one epoch.
    """
    length, passes = len(seen.result), min(map(len, learned_from(seen, scenario)))
    if length == EPOCHS * len(scenario.train):
        return "entry-each-batch"
    if length == 1 and passes == EPOCHS:
        return "list-recreated"
    if passes == EPOCHS:
        return "history-not-by-epoch"
    if length == passes == 1:
        return "return-in-the-loop"
    return "stops-early" if length == passes and _stops_early(passes, once) else "epochs-wrong"


def _stops_early(passes: int, once: LoopSeen) -> bool:
    """Return whether there were fewer epochs than asked for, but not in a run of one epoch."""
    return 1 < passes < EPOCHS and is_list(once.result) and len(once.result) == 1


def why_passes(seen: LoopSeen, counts: list[int], once: LoopSeen) -> str:
    """Return the known mistake behind `counts`, how often each batch was trained on.

    `once` is a run of one epoch.
    """
    if len({*counts}) == 1 and _stops_early(counts[0], once):
        return "stops-early"
    if {*counts} == {1} and is_list(seen.result) and len(seen.result) == EPOCHS:
        return "loader-used-up"
    return "batches-left-out" if min(counts) < EPOCHS and len({*counts}) > 1 else "epochs-wrong"


def is_earlier_epoch(end: Weights, scenario: Scenario) -> bool:
    """Return whether these are the weights of a correct run before its last epoch."""
    epochs = Simulation(scenario, LoopVariant()).epochs
    return any(end.distance(epoch.after) <= TOLERANCE for epoch in epochs[:-1])


def changing_rates(seen: LoopSeen, scenario: Scenario, lr: float) -> list[float] | None:
    """Return the learning rate of each step, if it changes and all else is correct."""
    moments = _moments(seen)
    rates = Simulation(scenario, LoopVariant(epochs=0)).rates(moments, weights(seen))
    if not rates or max(rates) - min(rates) <= 0.01 * lr or _unmoved(seen):
        return None
    return rates


def _moments(seen: LoopSeen) -> list[tuple[int, Weights]]:
    """Return, for each step of training, the number of its batch and the weights before it."""
    moments = []
    for batch, events in itertools.groupby(forwards(seen), lambda event: event.batch):
        learning = [event for event in events if event.training and event.grad]
        if learning and batch.startswith("train "):
            moments.append((int(batch.removeprefix("train ")), weights(learning[0])))
    return moments


def _unmoved(seen: LoopSeen) -> int:
    """Count the batches after which the weights stay the same."""
    moments = [each for _, each in _moments(seen)] + [weights(seen)]
    return sum(one.distance(other) == 0 for one, other in itertools.pairwise(moments))


def describe_weights(seen: LoopSeen, scenario: Scenario) -> tuple[str, str, tuple[str, ...]]:
    """Return what the loop did to the weights, what was expected, and the known mistakes."""
    start, end, lr = scenario.start, weights(seen), scenario.lr
    right = Simulation(scenario, LoopVariant()).weights
    at = abs(end.flat() - right.flat()).argmax()
    before, after, expected = (each.flat()[at] for each in (start, end, right))
    mistake, *more = _why_other_weights(seen, scenario)
    if mistake == "lr-changes" and (rates := changing_rates(seen, scenario, lr)):
        shown = ", ".join(f"{rate:.3g}" for rate in rates)
        return (
            f"The learning rate of its {len(rates)} steps was {shown}",
            f"{lr} in each step",
            (mistake,),
        )
    # With fewer digits the weights are so close that another mistake may fit by chance.
    is_unknown = mistake.endswith("steps-differ") or seen.recipe.autocast
    if is_unknown and (found := _unusual_part(seen, lr)):
        return *found[:2], found[2:]
    return (
        f"A weight of the model went from {figure(before)} to {figure(after)}",
        f"{figure(expected)} after Adam(lr={lr}) on the cross-entropy of each batch",
        (mistake, *more),
    )


def _unusual_part(seen: LoopSeen, lr: float) -> tuple[str, str, str] | None:
    """Return the part of the loop that the task does not ask for, if there is one."""
    recipe = seen.recipe
    settings = ", ".join(f"{name}={value}" for name, value in recipe.settings.items())
    used = clean(f"{recipe.optimizer}({settings})")
    if recipe.autocast:
        found = "It computes in torch.autocast, with fewer digits"
        return found, "float32 in all steps", "half-precision"
    if recipe.schedulers:
        found = f"It creates the scheduler {clean(recipe.schedulers[0])}"
        return found, f"the learning rate {lr} in each step", "lr-changes"
    if recipe.optimizer and (recipe.optimizer, recipe.settings) != ("Adam", {"lr": str(lr)}):
        others = {"SGD": "optimizer-sgd", "AdamW": "optimizer-adamw", "Adam": "optimizer-settings"}
        mistake = others.get(recipe.optimizer, "another-optimizer")
        if mistake == "optimizer-settings" and {*recipe.settings} == {"lr", "weight_decay"}:
            mistake = "weight-decay"
        return f"The optimizer is {used}", f"Adam(lr={lr})", mistake
    if mistake := why_other_loss(recipe.losses):
        found = f"The loss is {clean(recipe.losses[0])}"
        return found, "cross_entropy of logits and targets", mistake
    if recipe.changed:
        found = "The gradients change between backward() and step()"
        return (
            found,
            "the gradients of the cross-entropy, as backward() computes them",
            "gradients-clipped",
        )
    return None


def why_other_loss(losses: Sequence[str]) -> str:
    """Return the known mistake if these loss functions are no plain cross-entropy, else ""."""
    if not losses or {"cross_entropy", "nll_loss"} & {*losses}:
        return ""
    known = {
        "weight": "class-weights",
        "label_smoothing": "label-smoothing",
        "ignore_index": "class-ignored",
    }
    parts = [name for name in known if name in losses[0]]
    return known[parts[0]] if len(parts) == 1 else "another-loss"


def _why_other_weights(seen: LoopSeen, scenario: Scenario) -> tuple[str, ...]:
    """Return the known mistakes behind the final weights of the student's loop: one, or two."""
    end, start = weights(seen), scenario.start
    calls = [event for events in learned_from(seen, scenario) for event in events]
    modes = {event.training for event in calls}
    known = (
        (name, Simulation(scenario, loop).weights)
        for name, loop in KNOWN_MISTAKES
        if loop.eval_mode_from > EPOCHS or False in modes  # other code may halve the logits, too
    )
    near = matching_mistake(end, known, lambda one, other: one.distance(other) <= TOLERANCE)
    if near:
        return (near,)
    moments = _moments(seen)
    if moments and moments[0][1].distance(start) > 0:
        return ("weights-reset",)
    if is_earlier_epoch(end, scenario):
        return ("best-weights-loaded",)
    if _unmoved(seen):
        return _pair(end, scenario, modes) or ("step-left-out",)
    if rates := Simulation(scenario, LoopVariant(epochs=0)).rates(moments, end):
        if all(abs(rate - scenario.lr) <= 0.01 * scenario.lr for rate in rates):
            return ("batches-reordered",)
        if max(rates) < 0:
            return ("loss-maximised",)
        is_fixed = max(rates) - min(rates) <= 0.01 * max(rates)
        return ("lr-ignored" if is_fixed else "lr-changes",)
    if (end.bias == start.bias).all() != (end.weight == start.weight).all():
        return ("parameters-left-out",)
    if addition := _addition(end, scenario):
        return (addition,)
    if pair := _pair(end, scenario, modes):
        return pair
    right = Simulation(scenario, LoopVariant()).epochs[0].after
    n = len(scenario.train)
    later = len(moments) > n and moments[n][1].distance(right) <= TOLERANCE
    return ("later-steps-differ" if later else "first-steps-differ",)


def _pair(end: Weights, scenario: Scenario, modes: set[bool]) -> tuple[str, ...]:
    """Return the two mistakes that together lead to these weights, if no others do."""
    fitting = {
        frozenset(names): names
        for names, loop in paired_loops()
        if loop.eval_mode_from > EPOCHS or False in modes
        if end.distance(Simulation(scenario, loop).weights) <= TOLERANCE
    }
    return next(iter(fitting.values())) if len(fitting) == 1 else ()


def _addition(end: Weights, scenario: Scenario) -> str | None:
    """Return what was added to the recipe, if only one addition leads to these weights."""
    ends = ((name, Simulation(scenario, loop).weights) for name, loop in ADDITIONS)
    names = {name for name, each in ends if end.distance(each) <= TOLERANCE}
    return names.pop() if len(names) == 1 else None
