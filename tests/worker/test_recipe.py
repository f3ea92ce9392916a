"""What a training loop consists of, as it is observed."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from grader.worker.recipe import Recipe


def adam(weight: Tensor, **settings: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam([weight], lr=0.1, **settings)


def observed(
    optimizer: Callable[[Tensor], torch.optim.Optimizer] = adam,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    before_step: Callable[[Tensor], object] = lambda _weight: None,
) -> dict[str, Any]:
    """Take two steps of a loop under observation."""
    torch.manual_seed(0)
    weight = torch.randn(3, 4, requires_grad=True)
    recipe = Recipe(weight)
    with recipe.watch():
        steps = optimizer(weight)
        for _ in range(2):
            steps.zero_grad()
            logits, targets = torch.randn(5, 4) @ weight.T, torch.arange(5) % 3
            (loss or nn.CrossEntropyLoss())(logits, targets).backward()
            before_step(weight)
            steps.step()
    return recipe.seen()


PLAIN = {
    "optimizer": "Adam",
    "settings": {"lr": "0.1"},
    "schedulers": [],
    "losses": ["cross_entropy"],
    "measures": [],
    "changed": False,
    "autocast": False,
}


def two_rates(weight: Tensor) -> torch.optim.Optimizer:
    other = torch.zeros(1, requires_grad=True)
    groups: list[dict[str, Any]] = [{"params": [weight]}, {"params": [other], "lr": 0.2}]
    return torch.optim.Adam(groups, lr=0.1)


def scheduled(weight: Tensor) -> torch.optim.Optimizer:
    optimizer = adam(weight)
    torch.optim.lr_scheduler.StepLR(optimizer, 1)
    torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    return optimizer


def in_autocast(enabled: bool) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            return nn.functional.cross_entropy(logits, targets)

    return loss


@pytest.mark.parametrize(
    ("loop", "found"),
    [
        ({}, {}),
        (
            {"optimizer": lambda w: adam(w, betas=(0.5, 0.9))},
            {"settings": {"lr": "0.1", "betas": "(0.5, 0.9)"}},
        ),
        ({"optimizer": lambda w: torch.optim.Adamax([w], lr=0.1)}, {"optimizer": "Adamax"}),
        ({"optimizer": two_rates}, {"settings": {"lr": "0.1 and 0.2"}}),
        ({"optimizer": scheduled}, {"schedulers": ["StepLR", "ReduceLROnPlateau"]}),
        (
            {"loss": nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 3.0]), label_smoothing=0.1)},
            {"losses": ["cross_entropy with weight and label_smoothing"]},
        ),
        ({"loss": lambda x, t: nn.functional.cross_entropy(x, t, reduction="sum")}, {}),
        ({"loss": nn.MultiMarginLoss()}, {"losses": ["multi_margin_loss"]}),
        ({"before_step": lambda w: nn.utils.clip_grad_norm_([w], 0.01)}, {"changed": True}),
        ({"before_step": lambda w: w.grad.mul_(2)}, {"changed": True}),
        ({"loss": in_autocast(True)}, {"autocast": True}),
        ({"loss": in_autocast(False)}, {}),
    ],
)
def test_the_parts_of_a_loop_are_observed(loop: dict[str, Any], found: dict[str, Any]) -> None:
    assert observed(**loop) == PLAIN | found


def test_nothing_stays_replaced_and_what_is_not_learned_from_is_no_loss() -> None:
    before = nn.functional.cross_entropy, torch.optim.lr_scheduler.LRScheduler.__init__
    recipe = Recipe(torch.zeros(1, requires_grad=True))
    with recipe.watch(), torch.no_grad():
        nn.functional.mse_loss(torch.zeros(1), torch.zeros(1))
    assert recipe.seen()["losses"] == []
    assert recipe.seen()["measures"] == ["mse_loss"]
    assert before == (nn.functional.cross_entropy, torch.optim.lr_scheduler.LRScheduler.__init__)


def test_an_optimizer_of_ones_own_needs_no_learning_rate() -> None:
    class Own(torch.optim.Optimizer):
        def __init__(self, parameters: list[Tensor]) -> None:
            super().__init__(parameters, {})

        def step(self, closure: Any = None) -> Any:
            pass

    seen = observed(lambda weight: Own([weight]))
    assert (seen["optimizer"], seen["settings"]) == ("Own", {})
