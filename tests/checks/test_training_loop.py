"""The NumPy loop goes where torch goes, no two mistakes look alike, the second device is fair."""

import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from grader.checks._tools import close_number
from grader.checks.oracles.training_loop import (
    ADDITIONS,
    EVAL_SCALE,
    KNOWN_MISTAKES,
    RIGHT,
    LoopVariant,
    Scenario,
    Simulation,
    Weights,
    paired_loops,
    true_history,
    wrong_histories,
)
from grader.checks.oracles.training_scenarios import EXAMPLES, draw_scenario, is_discriminating
from grader.worker.operations.train import ProbeSetup
from grader.worker.student import student
from grader.worker.wire import tensor_data

# --- the same as torch -----------------------------------------------------------------------


LONG_RUN = draw_scenario(0).long_run


def optimizer_of(loop: LoopVariant, parameters: list[Tensor]) -> torch.optim.Optimizer:
    assert loop.lr
    if loop.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=loop.lr)
    if loop.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=loop.lr, weight_decay=loop.decay or 0.01)
    momentum = 0.9 if loop.optimizer == "momentum" else 0.0
    return torch.optim.SGD(parameters, lr=loop.lr, momentum=momentum)


def loss_of(loop: LoopVariant, logits: Tensor, targets: Tensor) -> Tensor:
    if loop.loss == "softmax":
        return nn.functional.cross_entropy(logits.softmax(dim=1), targets)
    if loop.loss == "nll":
        return nn.functional.nll_loss(logits, targets)
    if loop.loss == "likelihood":
        return nn.functional.nll_loss(logits.softmax(dim=1), targets)
    if loop.loss == "focal":
        each = nn.functional.cross_entropy(logits, targets, reduction="none")
        return ((1 - (-each).exp()) ** 2 * each).mean()
    one_hot = nn.functional.one_hot(targets, logits.shape[1]).to(logits)
    scores = {"mse_softmax": logits.softmax(1), "mse_sigmoid": logits.sigmoid()}
    if loop.loss == "bce":
        return nn.functional.binary_cross_entropy_with_logits(logits, one_hot)
    if loop.loss.startswith("mse"):
        return nn.functional.mse_loss(scores.get(loop.loss, logits), one_hot)
    reduction, smoothing = loop.loss, loop.smoothing
    return nn.functional.cross_entropy(
        logits, targets, None, None, loop.ignored, None, reduction, smoothing
    )


def penalty_of(loop: LoopVariant, parameters: list[Tensor]) -> Tensor:
    """The penalty whose gradient the loop adds; AdamW's decay is not part of the gradient."""
    if loop.optimizer == "adamw" or not loop.decay:
        return torch.zeros(())
    if loop.penalty == "l2":
        return loop.decay / 2 * sum((p.square().sum() for p in parameters), torch.zeros(()))
    order = 2 if loop.penalty == "norm" else 1
    return loop.decay * sum((p.norm(p=order) for p in parameters), torch.zeros(()))


def torch_run(stage: Scenario, loop: LoopVariant) -> tuple[Weights, list[float], list[float]]:
    """Train as `loop` says, in float64; return the weights, training and validation losses."""
    loop = replace(loop, lr=loop.lr or stage.lr)
    weight = torch.tensor(stage.start.weight, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(stage.start.bias, dtype=torch.float64, requires_grad=True)
    optimizer = optimizer_of(loop, [weight, bias])
    train_losses, val_losses = [], []

    def logits(padded: np.ndarray, scale: float) -> Tensor:
        return scale * (torch.tensor(padded, dtype=torch.float64).sum(1) @ weight.T + bias)

    def mean_loss(batches: list[tuple[Tensor, Tensor]]) -> float:
        scores, targets = (torch.cat(column) for column in zip(*batches, strict=True))
        return nn.functional.cross_entropy(scores, targets).item()

    for epoch in range(loop.epochs):
        if loop.renew_optimizer == "epoch":
            optimizer = optimizer_of(loop, [weight, bias])
        if loop.zero_grad == "epoch":
            optimizer.zero_grad()
        scale = loop.first_scale if epoch == 0 else 1.0
        scale = EVAL_SCALE if epoch >= loop.eval_mode_from else scale
        met = []
        for padded, numbers in stage.train:
            targets = torch.tensor(numbers)
            if loop.renew_optimizer == "batch":
                optimizer = optimizer_of(loop, [weight, bias])
            scores = logits(padded, scale)
            loss = loss_of(loop, scores, targets) + penalty_of(loop, [weight, bias])
            met.append((scores.detach(), targets))
            if loop.step == "first":
                optimizer.step()
                optimizer.zero_grad()
                # The graph holds the weights of before the step: take the gradient there.
                gradients = torch.autograd.grad(loss, [weight, bias], allow_unused=True)
                weight.grad, bias.grad = gradients
                continue
            if loop.zero_grad == "batch":
                optimizer.zero_grad()
            loss.backward()
            if loop.clip_norm < np.inf:
                nn.utils.clip_grad_norm_([weight, bias], loop.clip_norm)
            if loop.clip_value < np.inf:
                nn.utils.clip_grad_value_([weight, bias], loop.clip_value)
            if loop.step == "batch":
                optimizer.step()
        if loop.step == "epoch":
            optimizer.step()
        train_losses.append(mean_loss(met))
        with torch.no_grad():
            val = [(logits(padded, EVAL_SCALE), torch.tensor(t)) for padded, t in stage.val]
        val_losses.append(mean_loss(val))
    end = Weights(weight.detach().numpy(), bias.detach().numpy())
    return end, train_losses, val_losses


ALL = [("right", loop) for loop in RIGHT] + list(KNOWN_MISTAKES)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("loop", [loop for _, loop in ALL], ids=[name for name, _ in ALL])
def test_it_goes_where_torch_goes(loop: LoopVariant, seed: int) -> None:
    run = Simulation(draw_scenario(seed), loop)
    end, train_losses, val_losses = torch_run(draw_scenario(seed), loop)
    assert run.weights.distance(end) < 1e-6
    history = true_history(draw_scenario(seed), run.epochs)
    np.testing.assert_allclose(history["train_loss"], train_losses, rtol=1e-6)
    np.testing.assert_allclose(history["val_loss"], val_losses, rtol=1e-6)


@pytest.mark.parametrize("loop", [*EXAMPLES, LONG_RUN, *(loop for _, loop in ADDITIONS)], ids=str)
def test_what_is_added_goes_where_torch_goes(loop: LoopVariant) -> None:
    run = Simulation(draw_scenario(0), loop)
    end, _, _ = torch_run(draw_scenario(0), loop)
    # Adam divides the losses' scale away up to its eps, which differs for mean and sum.
    assert run.weights.distance(end) < 1e-4


def test_a_scheduler_shows_in_the_learning_rate_of_each_step() -> None:
    stage = draw_scenario(0)
    run = Simulation(stage, LoopVariant(epochs=0))
    rates = [0.05, 0.05, 0.05, 0.005, 0.01, 0.02]
    moments = []
    for step, rate in enumerate(rates):
        moments.append((step % 3, run.weights))
        run.lr = rate
        run._learn(stage.train[step % 3], 1.0)
    found = Simulation(stage, LoopVariant(epochs=0)).rates(moments, run.weights)
    np.testing.assert_allclose(found or [], rates, rtol=1e-6)
    other = [(batch, Weights(w.weight * 1.01, w.bias)) for batch, w in moments]
    assert Simulation(stage, LoopVariant(epochs=0)).rates(other, run.weights) is None


# --- scenes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_no_two_mistakes_look_alike(seed: int) -> None:
    assert is_discriminating(draw_scenario(seed))
    assert draw_scenario(seed) is draw_scenario(seed)


def test_a_scene_in_which_two_mistakes_look_alike_is_not_telling() -> None:
    stage = draw_scenario(0)
    still = tuple((np.zeros_like(padded), targets) for padded, targets in stage.val)
    assert not is_discriminating(replace(stage, val=still))


def test_other_validation_data_leave_the_rest_as_it_is() -> None:
    stage, other = draw_scenario(0), draw_scenario(0, other_val=True)
    assert other.start is stage.start
    assert other.train is stage.train
    assert [len(targets) for _, targets in other.val] == [len(targets) for _, targets in stage.val]
    assert not np.array_equal(other.val[0][0], stage.val[0][0])


def test_two_mistakes_lead_to_other_numbers_than_one() -> None:
    """A softmax before the loss, and its means averaged over batches, as torch computes them."""
    stage = draw_scenario(0)
    found = stage.start.over(stage.val)
    means = [
        float(nn.functional.cross_entropy(Tensor(scores).softmax(1), torch.tensor(targets)))
        for scores, targets in found.batches
    ]
    paired = dict(reversed(found.paired_losses()))
    names = ("softmax-before-loss", "loss-mean-over-batches")
    assert paired[names] == pytest.approx(sum(means) / len(means), abs=1e-5)
    single = [number for _, number in found.wrong_losses()]
    assert not close_number(paired[names], found.loss)
    assert not any(close_number(paired[names], number) for number in single)


def test_the_loops_with_two_mistakes_have_both() -> None:
    loops = dict(paired_loops())
    both = loops["zero-grad-missing", "optimizer-sgd"]
    assert (both.optimizer, both.loss) in (("sgd", "mean"), ("momentum", "mean"))
    assert both.zero_grad != "batch"
    assert all(one != other for one, other in loops)


def test_each_epoch_goes_on_where_the_last_one_ended() -> None:
    run = Simulation(draw_scenario(0), LoopVariant())
    assert run.epochs[0].before is run.scenario.start
    assert run.epochs[-1].after is run.weights
    for earlier, later in itertools.pairwise(run.epochs):
        assert earlier.after is later.before
    assert (
        wrong_histories(run.scenario, run.epochs).keys()
        == true_history(run.scenario, run.epochs).keys()
    )


# --- the second device -----------------------------------------------------------------------

Action = Callable[[Any, Tensor, Tensor], object]  # of the model and a batch of the loader


def loss(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits, targets)


HONEST: dict[str, Action] = {
    "sizes": lambda model, x, t: (model(x.to("cpu")), x.shape, len(t), x.size(0), t.numel()),
    "properties": lambda model, x, t: (model(x.to("cpu")), x.dim(), t.dtype, x.device, x.is_cuda),
    "to by keyword": lambda model, x, t: loss(model(x.to(device="cpu")), t.to(device="cpu")),
    "to with a device": lambda model, x, t: loss(
        model(x.to(torch.device("cpu"), non_blocking=True)), t.to(torch.device("cpu"), torch.int64)
    ),
    "to like another tensor": lambda model, x, t: loss(model(x.to(model.weight)), t.to("cpu")),
    "cast, then moved": lambda model, x, t: loss(model(x.float().to("cpu")), t.long().to("cpu")),
    "indexed, then moved": lambda model, x, t: loss(model(x[:2].to("cpu")), t[:2].to("cpu")),
    "list comprehension": lambda model, x, t: loss(*head(model, [p.to("cpu") for p in (x, t)])),
    "tuple of a generator": lambda model, x, t: loss(
        *head(model, tuple(p.to("cpu") for p in (x, t)))
    ),
    "as_tensor": lambda model, x, t: loss(
        model(torch.as_tensor(x, device="cpu")), torch.as_tensor(t, device="cpu")
    ),
    "through numpy": lambda model, x, t: loss(
        model(torch.from_numpy(x.numpy()).to("cpu")), torch.tensor(t.tolist())
    ),
    "scores on the cpu": lambda model, x, t: loss(model(x.to("cpu")).cpu(), t),
    "classes on the cpu": lambda model, x, t: (model(x.to("cpu")).argmax(1).cpu() == t).sum(),
    "scores on the cpu by to": lambda model, x, t: model(x.to("cpu")).to("cpu").argmax(1).eq(t),
    "scores as numpy": lambda model, x, t: (
        model(x.to("cpu")).detach().cpu().numpy().argmax(1) == t.cpu().numpy()
    ),
    "scores as numbers": lambda model, x, t: [
        int(a) == int(b) for a, b in zip(model(x.to("cpu")).argmax(1), t, strict=True)
    ],
    "both to the cpu": lambda model, x, t: t.cpu() == model(x.to("cpu")).argmax(1).cpu(),
    "max with indices": lambda model, x, t: torch.max(model(x.to("cpu")), 1)[1] == t.to("cpu"),
    "max by name": lambda model, x, t: model(x.to("cpu")).max(dim=1).indices == t.to("cpu"),
    "indexed by unmoved targets": lambda model, x, t: model(x.to("cpu"))[range(len(t)), t],
    "type_as": lambda model, x, t: loss(model(x.type_as(model.weight)), t.to("cpu")),
    "view_as": lambda model, x, t: t.view_as(model(x.to("cpu")).argmax(1)),
    "total on the device": lambda model, x, t: (
        torch.zeros((), device="cpu") + loss(model(x.to("cpu")), t.to("cpu")) * len(t)
    ),
    "a number of the loader": lambda model, x, _t: model(x.to("cpu")) * x[0, 0, 0],
    "collected, then put together": lambda model, x, t: loss(
        torch.cat([model(x.to("cpu"))] * 2).cpu(), torch.cat([t, t])
    ),
    "backward and step": lambda model, x, t: (
        loss(model(x.to("cpu")), t.to("cpu")).backward(),
        torch.optim.Adam(model.parameters()).step(),
    ),
    "copied": lambda model, x, _t: (
        copy.deepcopy(model)(copy.deepcopy(x).to("cpu")) + model(x.cpu())
    ),
    "printed": lambda model, x, t: print(x, t, model(x.to("cpu"))),
}

UNMOVED: dict[str, tuple[Action, bool]] = {  # and whether the model got what was not moved
    "nothing moved": (lambda model, x, t: loss(model(x), t), True),
    "padded unmoved": (lambda model, x, t: loss(model(x), t.to("cpu")), True),
    "padded cast only": (lambda model, x, _t: model(x.to(torch.float32)), True),
    "padded to None": (lambda model, x, _t: model(x.to(None)), True),
    "targets unmoved in a loss": (lambda model, x, t: loss(model(x.to("cpu")), t), False),
    "targets cast only": (lambda model, x, t: loss(model(x.to("cpu")), t.long()), False),
    "targets unmoved in ==": (lambda model, x, t: model(x.to("cpu")).argmax(1) == t, False),
    "targets unmoved in eq": (lambda model, x, t: t.eq(model(x.cpu()).max(1).indices), False),
    "targets unmoved in a module": (lambda m, x, t: nn.NLLLoss()(m(x.to("cpu")), t), False),
    "targets unmoved in gather": (lambda m, x, t: m(x.to("cpu")).gather(1, t[:, None]), False),
}


def head(model: Any, batch: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    return model(batch[0]), batch[1]


def staged_loop(action: Action) -> ProbeSetup:
    """Do something with the first batch, and return what was observed."""
    stage = draw_scenario(0)
    batches = {
        name: [(tensor_data(padded), tensor_data(targets)) for padded, targets in parts]
        for name, parts in (("train", stage.train), ("val", stage.val))
    }
    weight, bias = tensor_data(stage.start.weight), tensor_data(stage.start.bias)
    staged = ProbeSetup(weight, bias, batches, device="cpu", elsewhere=True)
    with staged.watch():
        padded, targets = next(iter(staged.loaders["train"]))
        action(staged.probe, padded, targets)
    return staged


def watched(action: Action) -> tuple[bool, set[str]]:
    """Tell whether the model got the first batch unmoved, and what else was not moved."""
    staged = staged_loop(action)
    events = staged.probe.events
    calls = [event for event in events if "batch" in event]
    assert calls
    return not all(event["moved"] for event in calls), staged.devices.unmoved


@pytest.mark.parametrize("action", HONEST.values(), ids=HONEST.keys())
def test_an_honest_idiom_is_not_blamed(
    action: Action,
) -> None:
    assert watched(action) == (False, set())


@pytest.mark.parametrize(("action", "padded"), UNMOVED.values(), ids=UNMOVED.keys())
def test_what_was_not_moved_is_noted(action: Action, padded: bool) -> None:
    seen, unmoved = watched(action)
    assert seen is padded
    assert padded or unmoved


DEVICES: dict[str, tuple[Action, bool]] = {  # and whether the model's device was looked up
    "named": (lambda model, x, _t: model(x.to("cpu")), False),
    "named as a device": (lambda model, x, _t: model(x.to(torch.device("cpu"))), False),
    "another tensor": (lambda model, x, _t: model(x.to(model.weight)), True),
    "of a parameter": (lambda model, x, _t: model(x.to(next(model.parameters()).device)), True),
    "of another thing": (lambda model, x, _t: (model(x.cpu()), model.weight.device), True),
    "whether it is a GPU": (lambda m, x, _t: m(x.to("cuda" if m.weight.is_cuda else "cpu")), True),
    "read by torch": (lambda m, x, _t: (m(x.to("cpu")), torch.optim.Adam([m.weight])), False),
}


@pytest.mark.parametrize(("action", "is_looked_up"), DEVICES.values(), ids=DEVICES.keys())
def test_the_device_of_the_model_is_looked_up_by_student_code(
    action: Action, is_looked_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(student, "names", {"train": __file__})
    staged = staged_loop(action)
    staged.told = False
    assert staged.seen()["uses_device"] is is_looked_up


def test_gradients_are_those_of_one_device() -> None:
    found = []

    def learn(model: nn.Module, padded: Tensor, targets: Tensor) -> None:
        loss(model(padded.to("cpu")), targets.to("cpu")).backward()
        found.append([parameter.grad for parameter in model.parameters()])

    watched(learn)
    stage = draw_scenario(0)
    weight, bias = (
        torch.tensor(x, requires_grad=True) for x in (stage.start.weight, stage.start.bias)
    )
    padded, targets = map(torch.tensor, stage.train[0])
    loss(padded.sum(1) @ weight.T + bias, targets).backward()
    for one, other in zip(found[0], (weight.grad, bias.grad), strict=True):
        torch.testing.assert_close(one, other)


def test_a_batch_holds_false_values_until_it_is_moved() -> None:
    losses = list[float]()

    def measure(model: nn.Module, padded: Tensor, targets: Tensor) -> None:
        moved = padded.to("cpu"), targets.to("cpu")
        for rows in (padded, moved[0]):
            losses.extend(loss(model(rows), each).item() for each in (targets, moved[1]))

    watched(measure)
    scenario = draw_scenario(0)
    padded, targets = scenario.train[0]
    right = loss(torch.tensor(scenario.start.scores(padded, 1.0)), torch.tensor(targets)).item()
    assert losses[3] == pytest.approx(right)
    assert all(abs(each - right) > 0.01 for each in losses[:3])


def test_what_is_computed_before_a_move_has_the_real_values_after_it() -> None:
    found = []

    def compute(model: nn.Module, padded: Tensor, targets: Tensor) -> None:
        model(padded.to("cpu"))
        total = torch.zeros(())
        total += targets.sum()
        halves = [half.to("cpu") for half in (2 * padded).chunk(2, dim=1)]
        found.append((torch.cat(halves, dim=1), total.item(), targets.tolist()))

    watched(compute)
    padded, targets = draw_scenario(0).train[0]
    doubled, total, classes = found[0]
    torch.testing.assert_close(doubled, 2 * torch.tensor(padded))
    assert (total, classes) == (targets.sum(), targets.tolist())
