"""Checks of the task negative_sampling: `negative_sampling_loss`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grader.checks._tools import close_number, draw_each, matching_mistake, require_tensor
from grader.contract.messages import Failure, show
from grader.grading.answers import Call, CallResult, construct, unwrap
from grader.grading.submission import Submission, evidence

if TYPE_CHECKING:
    from torch import Tensor


B, F, K = 4, 5, 3
LOSS = "negative_sampling_loss(centre, context, negatives)"
PARTS = ("centre", "context", "negatives")
LARGE = 30.0


def vectors(submission: Submission, scale: float = 1.0) -> list[Tensor]:
    """Sample the vectors of centres, contexts and negatives."""
    parts = draw_each(1000 * submission.seed, (B, F), (B, F), (B, K, F))
    return [scale * part for part in parts]


@evidence
def sampling_losses(submission: Submission) -> list[CallResult]:
    """Call the loss plainly, with a parameter as each argument, and with large vectors."""
    plain = vectors(submission)
    calls = [Call(LOSS, plain)]
    for place in range(3):
        arguments: list[Any] = list(plain)
        arguments[place] = construct("torch.nn.Parameter", plain[place])
        calls.append(Call(LOSS, arguments))
    calls.append(Call(f"{LOSS} of large vectors", vectors(submission, LARGE)))
    return submission.call("negative_sampling", "negative_sampling_loss", calls)


def require_loss(called: CallResult) -> float:
    """Return the value of a loss.

    Raises:
        Failure: the result is not a float32 tensor of shape ().
    """
    found = unwrap(called.result)
    if isinstance(found, float):
        raise Failure(
            LOSS, f"It returned {show(found)}", "a float32 tensor of shape ()", "gradient-cut"
        )
    return float(require_tensor(found, LOSS, "float32", "()", ()).item())


def scores(submission: Submission, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Compute in float64 the scores of pairs (B,), of negatives with centres and with contexts."""
    import torch

    centre, context, negatives = (part.double() for part in vectors(submission, scale))
    pairs = (centre * context).sum(1)
    far, of_context = (torch.einsum("bf,bkf->bk", each, negatives) for each in (centre, context))
    return pairs, far, of_context


def log_sigmoid(x: Tensor) -> Tensor:
    """Compute log(sigmoid(x)) without overflow."""
    import torch

    return torch.clamp(x, max=0) - torch.log1p(torch.exp(-x.abs()))


def check_shape(submission: Submission) -> None:
    """The loss is one number, a float32 tensor of shape ()."""
    require_loss(sampling_losses(submission)[0])


def check_values(submission: Submission) -> None:
    """The loss follows the formula, averaged over the pairs."""
    found = require_loss(sampling_losses(submission)[0])
    pair, far, of_context = scores(submission)
    near_, far_ = log_sigmoid(pair), log_sigmoid(-far)
    right = -(near_ + far_.sum(1)).mean().item()
    if close_number(found, right):
        return
    mistakes = {
        "sampling-summed-over-pairs": B * right,
        "negatives-averaged": -(near_.mean() + far_.mean()).item(),
        "negatives-sign-missing": -(near_ + log_sigmoid(far).sum(1)).mean().item(),
        "negatives-left-out": -near_.mean().item(),
        "negatives-with-context": -(near_ + log_sigmoid(-of_context).sum(1)).mean().item(),
        "loss-not-negated": -right,
        "logarithm-missing": -(pair.sigmoid() + (-far).sigmoid().sum(1)).mean().item(),
        "sigmoid-missing": -(pair - far.sum(1)).mean().item(),
        "true-pairs-left-out": -far_.sum(1).mean().item(),
    }
    why = matching_mistake(found, mistakes.items(), close_number)
    raise Failure(LOSS, f"It returned {found:.4f}", f"{right:.4f}, by the formula", why)


def check_gradients(submission: Submission) -> None:
    """Gradients flow back to all three kinds of vectors."""
    for part, called in zip(PARTS, sampling_losses(submission)[1:4], strict=True):
        require_loss(called)
        if not unwrap(called.result).requires_grad:
            found = f"`{part}` wants a gradient, and none flows back from the loss to it"
            raise Failure(LOSS, found, "a loss that gradients flow back from", "gradient-cut")


def check_large_scores(submission: Submission) -> None:
    """The loss is correct and finite for scores of any size."""
    found = require_loss(sampling_losses(submission)[4])
    pair, far, _ = scores(submission, LARGE)
    right = -(log_sigmoid(pair) + log_sigmoid(-far).sum(1)).mean().item()
    if not close_number(found, right):
        call = f"{LOSS} with scores of some hundreds or thousands"
        raise Failure(call, f"It returned {found:.4f}", f"{right:.4f}", "log-of-sigmoid")
