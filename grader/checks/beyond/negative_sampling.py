"""Checks of the task negative_sampling: `negative_sampling_loss`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from grader.checks._differences import about_number
from grader.checks._tools import (
    close_number,
    draw_each,
    gradients_of,
    matching_mistake,
    repair,
    require_gradients,
    require_tensor,
    require_unchanged,
    two_mistakes,
)
from grader.contract.messages import Failure, show
from grader.grading.answers import CallResult, unwrap
from grader.grading.calls import Call, construct
from grader.grading.leniency import lenient, local
from grader.grading.submission import Submission, evidence
from grader.grading.trials import end_trial
from grader.worker.wire import Raised

if TYPE_CHECKING:
    from torch import Tensor


B, F, K = 6, 5, 3  # all different, also from K + 1
LOSS = "negative_sampling_loss(centre, context, negatives)"
PARTS = ("centre", "context", "negatives")
LARGE = 30.0
MOST_CLAMPED = 100  # bounds of scores that are tried
WEIGHT = 1.5  # of the loss whose gradients are wanted
SINGLES = ((B, 1), (1, K))  # B and K of calls with one negative, and with one pair


def vectors(
    submission: Submission, scale: float = 1.0, pairs: int = B, negatives: int = K
) -> list[Tensor]:
    """Sample the vectors of centres, contexts and negatives."""
    shapes = (pairs, F), (pairs, F), (pairs, negatives, F)
    return [scale * part for part in draw_each(1000 * submission.seed, *shapes)]


@evidence
def sampling_losses(submission: Submission) -> list[CallResult]:
    """Call the loss plainly, with parameters, with large vectors, and with single ones."""
    import torch

    plain = vectors(submission)
    calls = [Call(LOSS, plain)]
    for place in range(3):
        arguments: list[Any] = list(plain)
        arguments[place] = construct("torch.nn.Parameter", plain[place])
        calls.append(Call(LOSS, arguments, weights=[torch.tensor(WEIGHT)]))
    calls.append(Call(f"{LOSS} of large vectors", vectors(submission, LARGE)))
    for pairs, negatives in SINGLES:
        given = vectors(submission, pairs=pairs, negatives=negatives)
        calls.append(Call(single_call(pairs, negatives), given))
    return submission.call("negative_sampling", "negative_sampling_loss", calls)


def single_call(pairs: int, negatives: int) -> str:
    """Format a call with these numbers of pairs and of negatives."""
    return f"{LOSS} with B = {pairs} and K = {negatives}"


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
    known = {(B,): "loss-per-pair", (B, 1): "loss-per-pair", (B, K): "loss-per-pair"}
    per_pair = repair(found, "float32", (B,))
    if lenient() and per_pair is not None:
        return float(per_pair.mean())
    with local(per_pair is not None):
        return float(require_tensor(found, LOSS, "float32", "()", (), known).item())


def scores(given: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Compute in float64 the scores of pairs (B,), of negatives with centres and with contexts."""
    import torch

    centre, context, negatives = (part.double() for part in given)
    pairs = (centre * context).sum(1)
    far, of_context = (torch.einsum("bf,bkf->bk", each, negatives) for each in (centre, context))
    return pairs, far, of_context


def cosine_loss(given: list[Tensor]) -> float:
    """Compute the loss of vectors that are normalised first."""
    pair, far, _ = scores([part / part.norm(dim=-1, keepdim=True) for part in given])
    return mean_loss(pair, far).item()


def _of_all_contexts(submission: Submission) -> Tensor:
    """Compute the mean term of each centre with every context of the batch."""
    centre, context, _ = (part.double() for part in vectors(submission))
    return log_sigmoid(centre @ context.T).mean()


def log_sigmoid(x: Tensor) -> Tensor:
    """Compute log(sigmoid(x)) without overflow."""
    import torch

    return torch.clamp(x, max=0) - torch.log1p(torch.exp(-x.abs()))


def mean_loss(pair: Tensor, far: Tensor) -> Tensor:
    """Compute the loss, by the formula, from the scores of pairs (B,) and of negatives (B, K)."""
    return -(log_sigmoid(pair) + log_sigmoid(-far).sum(1)).mean()


def check_shape(submission: Submission) -> None:
    """The loss is one number, a float32 tensor of shape ()."""
    require_loss(sampling_losses(submission)[0])


def check_values(submission: Submission) -> None:
    """The loss follows the formula, averaged over the pairs, even for one pair or one negative."""
    found = require_loss(sampling_losses(submission)[0])
    pair, far, of_context = scores(vectors(submission))
    near_, far_ = log_sigmoid(pair), log_sigmoid(-far)
    right = -(near_ + far_.sum(1)).mean().item()
    if close_number(found, right):
        if not lenient():
            for number, single in enumerate(SINGLES, len(PARTS) + 2):
                with local():
                    require_single(submission, number, *single)
        require_unchanged(sampling_losses(submission)[0], LOSS, ", ".join(PARTS))
        return
    end_trial()
    mistakes = {
        "sampling-summed-over-pairs": B * right,
        "negatives-averaged": -(near_.mean() + far_.mean()).item(),
        "sampling-divided-by-negatives": right / K,
        "sampling-mean-of-all-terms": right / (K + 1),
        "negatives-sign-missing": -(near_ + log_sigmoid(far).sum(1)).mean().item(),
        "sampling-signs-swapped": -(log_sigmoid(-pair) + log_sigmoid(far).sum(1)).mean().item(),
        "sampling-sigmoid-of-the-sum": -(near_ + log_sigmoid(-far.sum(1))).mean().item(),
        "sampling-sigmoid-of-all": -log_sigmoid(pair - far.sum(1)).mean().item(),
        "negatives-left-out": -near_.mean().item(),
        "sampling-mean-of-scores": -(log_sigmoid(pair.mean()) + far_.sum(1).mean()).item(),
        "sampling-mean-of-all-scores": -(
            log_sigmoid(pair.mean()) + log_sigmoid(-far.mean(0)).sum()
        ).item(),
        "every-context-scored": -(_of_all_contexts(submission) + far_.sum(1).mean()).item(),
        "negatives-with-context": -(near_ + log_sigmoid(-of_context).sum(1)).mean().item(),
        "loss-not-negated": -right,
        "logarithm-missing": -(pair.sigmoid() + (-far).sigmoid().sum(1)).mean().item(),
        "sigmoid-missing": -(pair - far.sum(1)).mean().item(),
        "true-pairs-left-out": -far_.sum(1).mean().item(),
        "scores-in-a-softmax": (far.exp().sum(1) + pair.exp()).log().sub(pair).mean().item(),
        "cosine-for-dot-product": cosine_loss(vectors(submission)),
    }
    why: str | list[str] | None = matching_mistake(found, mistakes.items(), close_number)
    why = "sampling-sigmoid-of-the-sum" if why == "sampling-sigmoid-of-all" else why
    why = "sampling-mean-of-scores" if why == "sampling-mean-of-all-scores" else why
    note = about_number(found, right, {"B": B, "K": K, "F": F})
    if why is None and not note:
        pairs = _pairs_of_mistakes(pair, far, of_context)
        why = two_mistakes(found, pairs, close_number) or "sampling-differs"
    with local(why in SCALED):
        told = f"{right:.4f}, by the formula"
        raise Failure(LOSS, f"It returned {found:.4f}", told, why, note=note)


def _pairs_of_mistakes(
    pair: Tensor, far: Tensor, of_context: Tensor
) -> Iterator[tuple[str, str, float]]:
    """Yield the losses of wrong terms that are put together in a wrong way."""
    near_ = log_sigmoid(pair)
    terms = {
        "": (near_, log_sigmoid(-far)),
        "negatives-sign-missing": (near_, log_sigmoid(far)),
        "negatives-with-context": (near_, log_sigmoid(-of_context)),
        "sampling-signs-swapped": (log_sigmoid(-pair), log_sigmoid(far)),
        "logarithm-missing": (pair.sigmoid(), (-far).sigmoid()),
        "sigmoid-missing": (pair, -far),
    }
    for name, (near, others) in terms.items():
        wrong = {
            "negatives-averaged": near.mean() + others.mean(),
            "sampling-summed-over-pairs": near.sum() + others.sum(),
            "sampling-mean-of-all-terms": (near.mean() + others.sum(1).mean()) / (K + 1),
            "negatives-left-out": near.mean(),
        }
        for other, loss in wrong.items():
            yield (name or "loss-not-negated", other, (loss if not name else -loss).item())
        if name:
            yield name, "loss-not-negated", (near + others.sum(1)).mean().item()


# With these mistakes the loss is a multiple of the correct one.
SCALED = (
    *("sampling-summed-over-pairs", "sampling-divided-by-negatives"),
    *("sampling-mean-of-all-terms", "loss-not-negated"),
)


def require_single(submission: Submission, number: int, pairs: int, negatives: int) -> None:
    """Require the correct loss of a call with a single pair or a single negative.

    Raises:
        Failure: it raised an exception, or the loss differs.
    """
    call, result = single_call(pairs, negatives), sampling_losses(submission)[number].result
    near, far, _ = scores(vectors(submission, pairs=pairs, negatives=negatives))
    terms, told = -log_sigmoid(near), "by the formula"
    right = (terms - log_sigmoid(-far).sum(1)).mean().item()
    if isinstance(result, Raised):
        raise Failure(call, result, f"{right:.4f}, {told}", "sampling-squeezed")
    found = require_tensor(result, call, "float32", "()", ()).item()
    if not close_number(found, right):
        squeezed = terms.mean() - log_sigmoid(-far).sum()
        why = "sampling-squeezed" if close_number(found, squeezed.item()) else None
        raise Failure(call, f"It returned {found:.4f}", f"{right:.4f}, {told}", why)


def check_gradients(submission: Submission) -> None:
    """Gradients flow back to all three kinds of vectors."""
    import torch

    plain, *learning = sampling_losses(submission)[:4]
    given = [part.requires_grad_() for part in vectors(submission)]
    pair, far, _ = scores(given)
    loss = mean_loss(pair, far)
    is_right = not lenient() and close_number(require_loss(plain), loss.item())
    right = gradients_of([loss], [torch.tensor(WEIGHT)], given)
    for part, called, gradient in zip(PARTS, learning, right, strict=True):
        require_loss(called)
        back = f"from the loss back to `{part}`"
        require_gradients(LOSS, called, back, [gradient], is_right, "gradient-cut")


def check_large_scores(submission: Submission) -> None:
    """The loss is correct and finite for scores of any size."""
    found = require_loss(sampling_losses(submission)[4])
    pair, far, _ = scores(vectors(submission, LARGE))
    right = mean_loss(pair, far).item()
    if lenient():
        right *= _factor(submission)
    if not close_number(found, right):
        call = f"{LOSS} with scores of some hundreds or thousands"
        clamped = (_of_clamped(pair, far, bound) for bound in range(1, MOST_CLAMPED + 1))
        is_clamped = any(close_number(found, each) for each in clamped)
        why = "scores-clamped" if is_clamped else "log-of-sigmoid"
        raise Failure(call, f"It returned {found:.4f}", f"{right:.4f}", why)


def _of_clamped(pair: Tensor, far: Tensor, bound: float) -> float:
    """Compute the loss of scores that are clamped to numbers from -bound to bound."""
    near, others = (each.clamp(-bound, bound) for each in (pair, far))
    return mean_loss(near, others).item()


def _factor(submission: Submission) -> float:
    """Return by which number the loss of plain vectors is too large."""
    pair, far, _ = scores(vectors(submission))
    right = mean_loss(pair, far).item()
    return require_loss(sampling_losses(submission)[0]) / right
